/*
 * stream/tables.c
 *	  The tables of a stream: planned, found while it runs, read as they were.
 */
#include "stream/stream.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/actions.h"
#include "pg/publication.h"
#include "pg/slot.h"
#include "source/snapshot.h"
#include "stream/memory.h"

#include <stdio.h>
#include <string.h>

walrow_code
walrow__stream_plan_table(walrow_stream *s, const walrow__found *info, bool in_snapshot, walrow_error *err)
{
    walrow__planned_table *table;
    WALROW_TRY(walrow__plan_add(&s->plan, info->schema, info->name, &table, err));
    bool done = false;
    if (walrow__memory_knows_snapshots(s))
        WALROW_TRY(walrow__memory_snapshot(s, info, &done, &table->has_readers, &table->from_lsn, err));
    table->needs_snapshot = in_snapshot && !done;
    table->rows = info->rows;
    return WALROW_OK;
}

/* ---- new tables while the stream runs ---- */

walrow_code
walrow__receiver_refresh_sql(walrow__receiver *r, walrow_error *err)
{
    if (!r->sql_stale)
        return WALROW_OK;
    WALROW_TRY(walrow__stream_reconnect(walrow__stream_of(r), err));
    r->sql_stale = false;
    return WALROW_OK;
}

/* Known already, or to be left alone: its updates cannot be published, and the application must go on. */
static bool
is_new(const walrow_stream *s, const walrow__found *table, const walrow__texts *refused)
{
    char name[160];
    if (!table->streamable || walrow__plan_find(&s->plan, table->schema, table->name) != NULL)
        return false;
    snprintf(name, sizeof name, "%s.%s", table->schema, table->name);
    if (!walrow__texts_has(refused, name))
        return true;
    walrow__log(
        WALROW_LOG_WARN,
        "table %s appeared and is not captured: it has no replica identity; with a primary key or REPLICA "
        "IDENTITY FULL it will be",
        name);
    return false;
}

static walrow_code
plan_new_tables(walrow_stream *s, const walrow__discovery *tables, bool *found, walrow_error *err)
{
    /* a wide publication, or none, has sent the table's changes since it was made: there is nothing to read */
    bool wide = s->options->publish == WALROW__PUBLISH_WIDE || !s->receiver.dialect->has_publications;
    bool in_snapshot = !wide && s->options->snapshot != WALROW__SNAPSHOT_NEVER;
    walrow_actions actions = {0};
    walrow__texts refused = {0};
    walrow_error why = {0};
    walrow_code code =
        walrow__publication_ensure(s->sql, s->options, tables, false, &actions, &refused, &why);
    if (code != WALROW_OK && PQstatus(s->sql) == CONNECTION_OK) {
        /* somebody else's new table must not end the stream of the others */
        walrow__log(WALROW_LOG_WARN, "new tables are not captured: %s; %s", why.message, why.hint);
        code = WALROW_OK;
        goto done;
    }
    if (code != WALROW_OK && err != NULL)
        *err = why;
    for (size_t i = 0; code == WALROW_OK && i < tables->count; i++) {
        const walrow__found *info = &tables->items[i];
        if (!is_new(s, info, &refused))
            continue;
        walrow__log(WALROW_LOG_INFO, "table %s.%s appeared and is captured from now on", info->schema,
                    info->name);
        code = walrow__stream_plan_table(s, info, in_snapshot, err);
        *found = *found || !wide;
    }
done:
    walrow_actions_release(&actions);
    walrow__texts_release(&refused);
    return code;
}

static walrow_code
discover(walrow__receiver *r, walrow_stream *s, bool *found, walrow_error *err)
{
    char token[sizeof r->tables_token];
    walrow__discovery tables;
    WALROW_TRY(walrow__discover_token(s->sql, token, err));
    if (strcmp(token, r->tables_token) == 0)
        return WALROW_OK;
    WALROW_TRY(walrow__discover(s->sql, s->options, false, &tables, err));
    walrow_code code = plan_new_tables(s, &tables, found, err);
    if (code == WALROW_OK)
        memcpy(r->tables_token, token, sizeof token);
    walrow__discovery_release(&tables);
    return code;
}

walrow_code
walrow__receiver_discover(walrow__receiver *r, bool *found, walrow_error *err)
{
    walrow_stream *s = walrow__stream_of(r);
    *found = false;
    walrow_code code = discover(r, s, found, err);
    if (code == WALROW_OK || PQstatus(s->sql) == CONNECTION_OK)
        return code;
    r->sql_stale = true; /* the stream itself may be well */
    return walrow__receiver_refresh_sql(r, err);
}

walrow_code
walrow__receiver_plan_met(walrow__receiver *r, walrow_error *err)
{
    walrow_stream *s = walrow__stream_of(r);
    bool found = false;
    if (!walrow__plan_has_met(&s->plan))
        return WALROW_OK;
    WALROW_TRY(discover(r, s, &found, err));
    return walrow__plan_settle_met(&s->plan, err);
}

/* ---- snapshots ---- */

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

static walrow_code
check_connection(void *arg, PGconn *conn, walrow_error *err)
{
    return walrow__receiver_check_server(arg, conn, true, err);
}

/* Into the queue, when there is room. */
static walrow_code
emit_chunk(void *arg, walrow_changes *chunk, size_t bytes, walrow_error *err)
{
    walrow__receiver *r = arg;
    walrow_code noted =
        walrow__reading_add(&r->reading, chunk->n_batches > 0 ? chunk->batches[0].array.length : 0, err);
    if (noted != WALROW_OK) {
        chunk->release(chunk);
        return noted;
    }
    atomic_fetch_add(&r->figures.bytes, bytes);
    if (chunk->snapshot_lsn > r->reached_lsn)
        r->reached_lsn = chunk->snapshot_lsn;
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
        walrow__reading_begin(&r->reading, table);
        walrow__log(WALROW_LOG_INFO, "reading the rows of %s.%s", table->schema, table->name);
        WALROW_TRY(walrow__snapshot_read(snapshot, table->schema, table->name, err));
        table->needs_snapshot = false;
        /* a sink that had it before does without these rows, and not without what changed in between */
        if (!table->has_readers)
            table->from_lsn = snapshot->consistent_lsn;
    }
    return WALROW_OK;
}

static walrow_code
note_created(walrow__receiver *r, uint64_t consistent_lsn, walrow_error *err)
{
    walrow__log(WALROW_LOG_INFO, "created replication slot %s", r->options->slot);
    return r->state == NULL ? WALROW_OK : walrow__state_commit(r->state, NULL, consistent_lsn, err);
}

walrow_code
walrow__receiver_snapshot(walrow__receiver *r, walrow_error *err)
{
    bool only = r->options->snapshot == WALROW__SNAPSHOT_ONLY;
    walrow__slot slot;
    if (!r->slot_exists && !only) { /* a connection may have broken just after it was made */
        WALROW_TRY(walrow__slot_get(r->sql, r->options->slot, &slot, err));
        r->slot_exists = slot.exists;
    }
    bool create = !r->slot_exists && !only;
    if (!create && !walrow__plan_needs_snapshot(r->plan))
        return WALROW_OK;
    char temporary_name[64];
    snprintf(temporary_name, sizeof temporary_name, "walrow_snapshot_%d", PQbackendPID(r->sql));
    walrow__snapshot_request request = {
        .options = r->options,
        .shares = r->shares,
        .slot = create ? r->options->slot : temporary_name,
        .plugin = r->plugin,
        .temporary = !create,
        .catalog = r->catalog,
        .capture = walrow__plan_capture(r->plan),
        .binary = r->options->encoding != WALROW__ENCODING_TEXT,
        .arg = r,
        .connected = check_connection,
        .stopping = is_stopping,
        .waiting = report_waiting,
        .emit = emit_chunk,
    };
    walrow__snapshot snapshot;
    if (create && r->state != NULL)
        WALROW_TRY(walrow__state_note_slot_made(r->state, err));
    WALROW_TRY(walrow__reading_plan(&r->reading, r->state, r->plan, err));
    WALROW_TRY(walrow__snapshot_open(&request, &snapshot, err));
    r->slot_exists = r->slot_exists || create;
    r->connected_once = true;
    walrow_code code = create ? note_created(r, snapshot.consistent_lsn, err) : WALROW_OK;
    if (code == WALROW_OK)
        code = read_tables(r, &snapshot, err);
    walrow__reading_end(&r->reading);
    walrow__snapshot_close(&snapshot);
    return code;
}
