#include "stream/diary.h"

#include "base/crash.h"
#include "base/error.h"
#include "state/tables.h"

#include <stdlib.h>
#include <string.h>

/* A table whose last snapshot chunk was delivered. */
typedef struct walrow__read_table {
    walrow__state_table table; /* owns its names */
    struct walrow__read_table *next;
} read_table;

walrow_code
walrow__diary_open(walrow__diary *diary, walrow__state *state, walrow_error *err)
{
    char *text;
    *diary = (walrow__diary){.state = state};
    if (state == NULL)
        return WALROW_OK;
    WALROW_TRY(walrow__state_counters(state, &text, err));
    walrow_code code = walrow__ledger_init(&diary->ledger, text, err);
    free(text);
    return code;
}

static walrow_code
note_table(walrow__diary *diary, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    read_table *read = calloc(1, sizeof *read);
    if (read == NULL)
        return walrow__fail_memory(err);
    read->next = diary->read_tables;
    diary->read_tables = read;
    read->table = (walrow__state_table){.schema = strdup(batch->schema_name),
                                        .name = strdup(batch->table_name),
                                        .relid = batch->relid,
                                        .point = changes->snapshot_lsn,
                                        .rows = diary->rows_read};
    return read->table.schema == NULL || read->table.name == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__diary_note(walrow__diary *diary, const walrow_changes *changes, walrow_error *err)
{
    if (diary->state == NULL)
        return WALROW_OK;
    if (changes->snapshot)
        diary->rows_read = (changes->chunk == 0 ? 0 : diary->rows_read) + changes->batches[0].array.length;
    if (changes->snapshot && changes->snapshot_end)
        WALROW_TRY(note_table(diary, changes, err));
    return walrow__ledger_add(&diary->ledger, changes, err);
}

static void
drop_first(walrow__diary *diary)
{
    read_table *read = diary->read_tables;
    diary->read_tables = read->next;
    free((char *)read->table.schema);
    free((char *)read->table.name);
    free(read);
}

static walrow_code
put_tables(const walrow__diary *diary, walrow__store_write *write, walrow_error *err)
{
    for (const read_table *read = diary->read_tables; read != NULL; read = read->next)
        WALROW_TRY(walrow__state_put_snapshot(write, &read->table, err));
    return WALROW_OK;
}

/* Any of the sinks, not only the last of them. */
static void
note_reached(const walrow__diary *diary, const walrow__outlets *outlets)
{
    for (size_t i = 0; i < outlets->count; i++)
        if (outlets->durable_lsns[i] != UINT64_MAX)
            walrow__state_reach(diary->state, outlets->durable_lsns[i]);
    for (const read_table *read = diary->read_tables; read != NULL; read = read->next)
        walrow__state_reach(diary->state, read->table.point);
}

static bool
sinks_moved(const walrow__diary *diary, const walrow__outlets *outlets)
{
    return diary->written_lsns == NULL || memcmp(diary->written_lsns, outlets->durable_lsns,
                                                 outlets->count * sizeof *outlets->durable_lsns) != 0;
}

/* A sink that never says how far it is (null:) has nothing to be remembered. */
static walrow_code
put_sinks(walrow__diary *diary, const walrow__outlets *outlets, walrow__store_write *write, walrow_error *err)
{
    size_t size = outlets->count * sizeof *outlets->durable_lsns;
    if (diary->written_lsns == NULL && (diary->written_lsns = malloc(size)) == NULL)
        return walrow__fail_memory(err);
    memcpy(diary->written_lsns, outlets->durable_lsns, size);
    for (size_t i = 0; i < outlets->count; i++)
        if (outlets->durable_lsns[i] != 0 && outlets->durable_lsns[i] != UINT64_MAX)
            WALROW_TRY(walrow__state_put_sink(write, outlets->sinks[i]->uri, outlets->durable_lsns[i], err));
    return WALROW_OK;
}

/* What changed hands is written as one. */
static walrow_code
fill_keeping(walrow__diary *diary, walrow__buffer *buffer, const walrow_changes *changes,
             walrow__store_write *write, walrow_error *err)
{
    char *counters;
    WALROW_TRY(walrow__diary_note(diary, changes, err));
    WALROW_TRY(walrow__buffer_put(buffer, write, changes, err));
    for (read_table *read = diary->read_tables; read != NULL; read = read->next)
        read->table.entry = walrow__buffer_next(buffer);
    WALROW_TRY(put_tables(diary, write, err));
    /* what is in the buffer is as good as delivered */
    WALROW_TRY(walrow__ledger_settle(&diary->ledger, UINT64_MAX, &counters, err));
    if (counters != NULL)
        walrow__state_put_counters(write, counters);
    free(counters);
    return WALROW_OK;
}

walrow_code
walrow__diary_keep(walrow__diary *diary, walrow__buffer *buffer, const walrow_changes *changes,
                   walrow_error *err)
{
    walrow__store_write *write = walrow__store_begin();
    walrow_code code = fill_keeping(diary, buffer, changes, write, err);
    if (code != WALROW_OK) {
        walrow__store_abandon(write);
        return code;
    }
    walrow__state_reach(diary->state, changes->snapshot ? changes->snapshot_lsn : changes->end_lsn);
    WALROW__CRASH_POINT("before-buffer");
    /* a part may have to be dropped after a crash, with the whole transactions that came in front of it */
    WALROW_TRY(walrow__state_write_out(diary->state, write, changes->partial ? 0 : changes->end_lsn, err));
    WALROW__CRASH_POINT("after-buffer");
    while (diary->read_tables != NULL)
        drop_first(diary);
    walrow__buffer_publish(buffer);
    return WALROW_OK;
}

walrow_code
walrow__diary_write(walrow__diary *diary, const walrow__outlets *outlets, uint64_t durable_lsn,
                    walrow_error *err)
{
    if (diary->state == NULL)
        return WALROW_OK;
    char *counters;
    WALROW_TRY(walrow__ledger_settle(&diary->ledger, durable_lsn, &counters, err));
    if (counters == NULL && diary->read_tables == NULL && !sinks_moved(diary, outlets))
        return WALROW_OK;
    note_reached(diary, outlets);
    walrow__store_write *write = walrow__store_begin();
    walrow_code code = put_tables(diary, write, err);
    if (code == WALROW_OK)
        code = put_sinks(diary, outlets, write, err);
    if (counters != NULL)
        walrow__state_put_counters(write, counters);
    free(counters);
    if (code != WALROW_OK) {
        walrow__store_abandon(write);
        return code;
    }
    while (diary->read_tables != NULL)
        drop_first(diary);
    return walrow__state_commit(diary->state, write, durable_lsn == UINT64_MAX ? 0 : durable_lsn, err);
}

void
walrow__diary_release(walrow__diary *diary)
{
    while (diary->read_tables != NULL)
        drop_first(diary);
    walrow__ledger_release(&diary->ledger);
    free(diary->written_lsns);
    memset(diary, 0, sizeof *diary);
}
