#include "stream/snapshots.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/slot.h"
#include "source/snapshot.h"
#include "stream/failover.h"

#include <stdio.h>

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
    walrow__slot_wait_report(r->up->sql, pid);
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
    if (chunk->snapshot_lsn > r->up->reached_lsn)
        r->up->reached_lsn = chunk->snapshot_lsn;
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
    for (size_t i = 0; i < r->up->plan.n_tables; i++) {
        walrow__planned_table *table = &r->up->plan.tables[i];
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
    walrow__log(WALROW_LOG_INFO, "created replication slot %s", r->up->options->slot);
    return r->up->state == NULL ? WALROW_OK : walrow__state_commit(r->up->state, NULL, consistent_lsn, err);
}

walrow_code
walrow__receiver_snapshot(walrow__receiver *r, walrow_error *err)
{
    walrow__upstream *up = r->up;
    bool only = walrow__options_snapshot(up->options) == WALROW__SNAPSHOT_ONLY;
    walrow__slot slot;
    if (!up->slot_exists && !only) { /* a connection may have broken just after it was made */
        WALROW_TRY(walrow__slot_get(up->sql, up->options->slot, &slot, err));
        up->slot_exists = slot.exists;
    }
    bool create = !up->slot_exists && !only;
    if (!create && !walrow__plan_needs_snapshot(&up->plan))
        return WALROW_OK;
    char temporary_name[64];
    snprintf(temporary_name, sizeof temporary_name, "walrow_snapshot_%d", PQbackendPID(up->sql));
    walrow__snapshot_request request = {
        .options = up->options,
        .shares = up->shares,
        .slot = create ? up->options->slot : temporary_name,
        .plugin = up->plugin,
        .temporary = !create,
        .catalog = up->catalog,
        .capture = walrow__plan_capture(&up->plan),
        .binary = up->options->encoding != WALROW__ENCODING_TEXT,
        .arg = r,
        .connected = check_connection,
        .stopping = is_stopping,
        .waiting = report_waiting,
        .emit = emit_chunk,
    };
    walrow__snapshot snapshot;
    if (create && up->state != NULL)
        WALROW_TRY(walrow__state_note_slot_made(up->state, err));
    WALROW_TRY(walrow__reading_plan(&r->reading, up->state, &up->plan, err));
    WALROW_TRY(walrow__snapshot_open(&request, &snapshot, err));
    up->slot_exists = up->slot_exists || create;
    r->connected_once = true;
    walrow_code code = create ? note_created(r, snapshot.consistent_lsn, err) : WALROW_OK;
    walrow__signal_set(&r->begun, true);
    if (code == WALROW_OK)
        code = read_tables(r, &snapshot, err);
    walrow__reading_end(&r->reading);
    walrow__snapshot_close(&snapshot);
    return code;
}
