#include "stream/stream.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/catalog.h"
#include "pg/patterns.h"
#include "pg/publication.h"
#include "pg/query.h"
#include "pg/slot.h"
#include "pg/tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is captured --------------------------------------------------------------------------------------------- */

/* Plan one table that was found; in_snapshot: its rows are to be read unless somebody has them. */
static walrow_code
plan_table(walrow_stream *s, const walrow_table_info *info, bool in_snapshot, walrow_error *err)
{
    walrow__planned_table *table;
    WALROW_TRY(walrow__plan_add(&s->plan, info->schema, info->name, &table, err));
    bool done = false;
    if (s->hooks.snapshot != NULL)
        WALROW_TRY(s->hooks.snapshot(s->hooks.arg, info, &done, &table->from_lsn, err));
    table->needs_snapshot = in_snapshot && !done;
    if (!done)
        table->from_lsn = 0;
    table->rows = info->rows;
    return WALROW_OK;
}

static walrow_code
plan_tables(walrow_stream *s, const walrow_tables *tables, bool slot_exists, walrow_error *err)
{
    /* a slot that is there already has been read from: unless somebody remembers, its tables have been, too */
    bool wanted = s->options->snapshot != WALROW__SNAPSHOT_NEVER;
    bool unread = !slot_exists || s->hooks.snapshot != NULL || s->options->snapshot == WALROW__SNAPSHOT_ONLY;
    for (size_t i = 0; i < tables->count; i++)
        if (tables->items[i].streamable)
            WALROW_TRY(plan_table(s, &tables->items[i], wanted && unread, err));
    return WALROW_OK;
}

/* Every table's columns have a binary form that can be read, as far as the catalogue says now. */
static walrow_code
choose_encoding(walrow_stream *s, const walrow_tables *tables, walrow_error *err)
{
    int encoding = s->options->encoding;
    s->receiver.binary = encoding != WALROW__ENCODING_TEXT && s->server.version >= 140000;
    if (encoding == WALROW__ENCODING_BINARY && !s->receiver.binary) {
        walrow__fail(err, WALROW_ERR_USAGE, "servers before 14 send text only");
        return walrow__hint(err, "leave out --encoding binary");
    }
    if (encoding != WALROW__ENCODING_AUTO || !s->receiver.binary)
        return WALROW_OK;
    const char *table, *column;
    if (walrow__tables_need_text(tables, &table, &column)) {
        walrow__log(WALROW_LOG_INFO, "values come in text: %s.%s has no binary form that can be read", table, column);
        s->receiver.binary = false;
    }
    return WALROW_OK;
}

/* ---- new tables while the stream runs --------------------------------------------------------------------------------- */

walrow_code
walrow__receiver_discover(walrow__receiver *r, bool *found, walrow_error *err)
{
    walrow_stream *s = (walrow_stream *)((char *)r - offsetof(walrow_stream, receiver));
    walrow_tables tables = {0};
    *found = false;
    walrow_code code = walrow__tables_find(s->sql, s->options, s->patterns, &tables, err);
    for (size_t i = 0; code == WALROW_OK && i < tables.count; i++) {
        const walrow_table_info *info = &tables.items[i];
        if (!info->streamable || walrow__plan_find(&s->plan, info->schema, info->name) != NULL)
            continue;
        /* a wide publication has sent the table's changes since it was made: there is nothing to read */
        bool wide = s->options->publish == WALROW__PUBLISH_WIDE;
        walrow__log(WALROW_LOG_INFO, "table %s.%s appeared and is captured from now on", info->schema, info->name);
        code = plan_table(s, info, !wide && s->options->snapshot != WALROW__SNAPSHOT_NEVER, err);
        *found = *found || !wide;
    }
    if (code == WALROW_OK && *found) {
        walrow_actions actions = {0};
        code = walrow__publication_ensure(s->sql, s->options, &tables, false, &actions, err);
        walrow_actions_release(&actions);
    }
    walrow_tables_release(&tables);
    if (code != WALROW_OK && PQstatus(s->sql) != CONNECTION_OK)
        return walrow__stream_reconnect(s, err);
    return code;
}

/* ---- snapshots ------------------------------------------------------------------------------------------------------------- */

static bool
is_stopping(void *arg)
{
    walrow__receiver *r = arg;
    return atomic_load(&r->stop);
}

static void
report_waiting(void *arg, int pid)
{
    walrow__receiver *r = arg;
    walrow__slot_wait_report(r->sql, pid);
}

/* Into the queue, when there is room. */
static walrow_code
emit_chunk(void *arg, walrow_changes *chunk, size_t bytes, walrow_error *err)
{
    walrow__receiver *r = arg;
    if (chunk->n_batches > 0)
        atomic_fetch_add(&r->figures.snapshot_rows, (uint64_t)chunk->batches[0].array.length);
    atomic_fetch_add(&r->figures.bytes, bytes);
    while (!walrow__queue_has_room(&r->queue)) {
        if (is_stopping(r)) {
            chunk->release(chunk);
            return walrow__fail(err, WALROW_INTERRUPTED, "stopped while the snapshot was being read");
        }
        walrow__queue_wait(&r->queue, 100);
    }
    return walrow__queue_put(&r->queue, chunk, bytes, err);
}

static walrow_code
read_tables(walrow__receiver *r, walrow__snapshot *snapshot, walrow_error *err)
{
    for (size_t i = 0; i < r->plan->n_tables; i++) {
        walrow__planned_table *table = &r->plan->tables[i];
        if (!table->needs_snapshot)
            continue;
        atomic_store(&r->figures.snapshot_rows, 0);
        atomic_store(&r->figures.snapshot_table, (int)i);
        walrow__log(WALROW_LOG_INFO, "reading %s.%s as it was when the slot began", table->schema, table->name);
        WALROW_TRY(walrow__snapshot_read(snapshot, table->schema, table->name, err));
        table->needs_snapshot = false;
        table->from_lsn = snapshot->consistent_lsn;
    }
    return WALROW_OK;
}

walrow_code
walrow__receiver_snapshot(walrow__receiver *r, walrow_error *err)
{
    bool only = r->options->snapshot == WALROW__SNAPSHOT_ONLY;
    bool create = !r->slot_exists && !only;
    if (!create && !walrow__plan_needs_snapshot(r->plan))
        return WALROW_OK;
    char temporary_name[64];
    snprintf(temporary_name, sizeof temporary_name, "walrow_snapshot_%d", PQbackendPID(r->sql));
    walrow__snapshot_request request = {
        .options = r->options,
        .slot = create ? r->options->slot : temporary_name,
        .plugin = r->plugin,
        .temporary = !create,
        .catalog = r->catalog,
        .capture = walrow__plan_capture(r->plan),
        .binary = r->options->encoding != WALROW__ENCODING_TEXT,
        .arg = r,
        .stopping = is_stopping,
        .waiting = report_waiting,
        .emit = emit_chunk,
    };
    walrow__snapshot snapshot;
    WALROW_TRY(walrow__snapshot_open(&request, &snapshot, err));
    if (create)
        walrow__log(WALROW_LOG_INFO, "created replication slot %s", r->options->slot);
    r->slot_exists = r->slot_exists || create;
    walrow_code code = read_tables(r, &snapshot, err);
    atomic_store(&r->figures.snapshot_table, -1);
    walrow__snapshot_close(&snapshot);
    return code;
}

bool
walrow__receiver_snapshot_progress(walrow__receiver *r, char *table, size_t size, uint64_t *rows, uint64_t *total)
{
    int i = atomic_load(&r->figures.snapshot_table);
    if (i < 0)
        return false;
    const walrow__planned_table *planned = &r->plan->tables[i];
    snprintf(table, size, "%s.%s", planned->schema, planned->name);
    *rows = atomic_load(&r->figures.snapshot_rows);
    *total = planned->rows > 0 ? (uint64_t)planned->rows : 0;
    return true;
}

/* ---- opening ----------------------------------------------------------------------------------------------------------------- */

static walrow_code
check_start(const walrow_options *options, const walrow__slot *slot, walrow_error *err)
{
    if (options->start_lsn == 0 || !slot->exists || options->start_lsn >= slot->confirmed_flush_lsn)
        return WALROW_OK;
    char asked[WALROW_LSN_SIZE], confirmed[WALROW_LSN_SIZE];
    walrow__fail(err, WALROW_ERR_SLOT, "slot %s is confirmed up to %s: it cannot begin at %s", slot->name,
                 walrow_lsn_format(slot->confirmed_flush_lsn, confirmed), walrow_lsn_format(options->start_lsn, asked));
    return walrow__hint(err, "leave out --start, or give an LSN from %s on", confirmed);
}

static walrow_code
check_slot(walrow_stream *s, walrow__slot *slot, walrow_error *err)
{
    WALROW_TRY(walrow__slot_get(s->sql, s->options->slot, slot, err));
    s->receiver.slot_exists = slot->exists;
    if (slot->exists) {
        WALROW_TRY(walrow__slot_fits(slot, s->receiver.plugin, s->server.database, err));
        return check_start(s->options, slot, err);
    }
    if (s->options->no_setup && s->options->snapshot != WALROW__SNAPSHOT_ONLY)
        return walrow__slot_fits(slot, s->receiver.plugin, s->server.database, err);
    return WALROW_OK;
}

static walrow_code
find_until(walrow_stream *s, walrow_error *err)
{
    s->receiver.until_lsn = s->options->until_lsn;
    if (!s->options->until_now)
        return WALROW_OK;
    PGresult *result = NULL;
    WALROW_TRY(walrow__pg_exec(s->sql, "SELECT pg_catalog.pg_current_wal_flush_lsn()", WALROW_ERR_SERVER,
                               "asking for the flush LSN", &result, err));
    s->receiver.until_lsn = walrow__pg_lsn(result, 0, 0);
    PQclear(result);
    return WALROW_OK;
}

/* Publications first, the slot after them: a slot cannot see what was published later (DESIGN "Delivery"). */
static walrow_code
prepare(walrow_stream *s, walrow_error *err)
{
    walrow_tables tables = {0};
    walrow__slot slot;
    WALROW_TRY(check_slot(s, &slot, err));
    walrow_code code = walrow__tables_find(s->sql, s->options, s->patterns, &tables, err);
    walrow_actions actions = {0};
    if (code == WALROW_OK)
        code = walrow__publication_ensure(s->sql, s->options, &tables, slot.exists, &actions, err);
    walrow_actions_release(&actions);
    if (code == WALROW_OK)
        code = walrow__publication_names(s->sql, s->options, &s->publications, err);
    if (code == WALROW_OK)
        code = plan_tables(s, &tables, slot.exists, err);
    if (code == WALROW_OK)
        code = choose_encoding(s, &tables, err);
    if (code == WALROW_OK)
        code = find_until(s, err);
    walrow_tables_release(&tables);
    return code;
}

walrow_code
walrow__stream_reconnect(walrow_stream *s, walrow_error *err)
{
    PQfinish(s->sql);
    s->sql = s->receiver.sql = NULL;
    if (s->catalog != NULL)
        walrow__catalog_use(s->catalog, NULL);
    WALROW_TRY(walrow__pg_connect(s->options, false, &s->sql, err));
    s->receiver.sql = s->sql;
    if (s->catalog == NULL)
        return walrow__catalog_new(s->sql, &s->catalog, err);
    walrow__catalog_use(s->catalog, s->sql);
    return WALROW_OK;
}

walrow_code
walrow__stream_prepare(walrow_stream *s, walrow_error *err)
{
    WALROW_TRY(walrow__stream_reconnect(s, err));
    WALROW_TRY(walrow__pg_identify(s->sql, false, &s->server, err));
    s->receiver.plugin = walrow__slot_plugin(s->options);
    WALROW_TRY(walrow__tables_patterns(s->sql, s->options, &s->patterns, err));
    s->plan = (walrow__plan){.options = s->options, .patterns = s->patterns};
    if (s->hooks.opened != NULL)
        WALROW_TRY(s->hooks.opened(s->hooks.arg, &s->server, err));
    return prepare(s, err);
}

static walrow_code
open_stream(walrow_stream *s, walrow_error *err)
{
    WALROW_TRY(walrow__stream_prepare(s, err));
    walrow__receiver *r = &s->receiver;
    r->options = s->options;
    r->plan = &s->plan;
    r->catalog = s->catalog;
    r->publications = s->publications.items;
    r->server_version = s->server.version;
    r->eager = s->hooks.eager;
    r->start_lsn = s->options->start_lsn;
    return walrow__receiver_start(r, err);
}

walrow_code
walrow__stream_open(const walrow_options *options, const walrow__stream_hooks *hooks, walrow_stream **out,
                    walrow_error *err)
{
    walrow_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return walrow__fail_memory(err);
    s->options = options;
    s->hooks = *hooks;
    walrow_code code = open_stream(s, err);
    if (code != WALROW_OK)
        walrow_close(s);
    else
        *out = s;
    return code;
}

walrow_code
walrow_open(const walrow_options *options, walrow_stream **out, walrow_error *err)
{
    return walrow__stream_open(options, &(walrow__stream_hooks){.eager = true}, out, err);
}

walrow_code
walrow_next(walrow_stream *stream, walrow_changes *out, int timeout_ms, walrow_error *err)
{
    return walrow__queue_take(&stream->receiver.queue, out, timeout_ms, err);
}

walrow_code
walrow_ack(walrow_stream *stream, uint64_t end_lsn, walrow_error *err)
{
    uint64_t before = atomic_load(&stream->receiver.acked_lsn);
    if (end_lsn < before)
        return walrow__fail(err, WALROW_ERR_USAGE, "an acknowledgement cannot be taken back");
    atomic_store(&stream->receiver.acked_lsn, end_lsn);
    return WALROW_OK;
}

void
walrow__stream_stop(walrow_stream *stream)
{
    atomic_store(&stream->receiver.stop, true);
    walrow__queue_wake(&stream->receiver.queue);
}

void
walrow__stream_release(walrow_stream *stream)
{
    walrow__plan_release(&stream->plan);
    walrow__texts_release(&stream->publications);
    walrow_patterns_free(stream->patterns);
    if (stream->catalog != NULL)
        stream->catalog->free(stream->catalog);
    PQfinish(stream->sql);
}

void
walrow_close(walrow_stream *stream)
{
    if (stream == NULL)
        return;
    walrow__receiver_stop(&stream->receiver);
    walrow__stream_release(stream);
    free(stream);
}
