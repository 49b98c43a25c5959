#include "stream/diary.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* A table whose last snapshot chunk was delivered. */
typedef struct walrow__read_table {
    char *schema, *table;
    uint32_t relid;
    uint64_t point;
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
    read_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return walrow__fail_memory(err);
    table->schema = strdup(batch->schema_name);
    table->table = strdup(batch->table_name);
    table->relid = batch->relid;
    table->point = changes->snapshot_lsn;
    table->next = diary->read_tables;
    diary->read_tables = table;
    return table->schema == NULL || table->table == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__diary_note(walrow__diary *diary, const walrow_changes *changes, walrow_error *err)
{
    if (diary->state == NULL)
        return WALROW_OK;
    if (changes->snapshot && changes->snapshot_end)
        WALROW_TRY(note_table(diary, changes, err));
    return walrow__ledger_add(&diary->ledger, changes, err);
}

static void
drop_first(walrow__diary *diary)
{
    read_table *table = diary->read_tables;
    diary->read_tables = table->next;
    free(table->schema);
    free(table->table);
    free(table);
}

static walrow_code
put_tables(const walrow__diary *diary, walrow__store_write *write, walrow_error *err)
{
    for (const read_table *table = diary->read_tables; table != NULL; table = table->next)
        WALROW_TRY(
            walrow__state_put_snapshot(write, table->schema, table->table, table->relid, table->point, err));
    return WALROW_OK;
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
