/*
 * stream/status.c
 *	  walrow_status_get: the slot as the server sees it, and what sinks have, read beside a running stream.
 */
#include "pg/status.h"

#include "base/error.h"
#include "pg/connection.h"
#include "pg/slot_lock.h"
#include "sink/sink.h"
#include "state/tables.h"

#include <stdlib.h>
#include <string.h>

/* A slot that is pulled is not active, but somebody has its lock. */
static walrow_code
ask_lock(PGconn *conn, const walrow_options *options, walrow_status *out, walrow_error *err)
{
    int pid;
    WALROW_TRY(
        walrow__slot_locked_by(conn, options->slot, (int)options->connect_timeout_s * 1000, &pid, err));
    if (pid == 0)
        return WALROW_OK;
    out->transport = "pull";
    out->slot.active = true;
    out->slot.pid = pid;
    return WALROW_OK;
}

static walrow_code
ask_server(const walrow_options *options, walrow_status *out, uint64_t *flush_lsn, walrow_error *err)
{
    PGconn *conn;
    walrow__pg_server server = {0};
    WALROW_TRY(walrow__pg_connect(options, false, &conn, err));
    walrow_code code = walrow__status_slot(conn, options, &out->slot, err);
    if (code == WALROW_OK && !out->slot.active)
        code = ask_lock(conn, options, out, err);
    if (code == WALROW_OK)
        code = walrow__pg_identify(conn, false, &server, err);
    *flush_lsn = server.flush_lsn;
    PQfinish(conn);
    return code;
}

static walrow_code
ask_sink(const char *uri, uint64_t flush_lsn, walrow_sink_status *out, walrow_error *err)
{
    walrow__sink *sink;
    walrow__position position = {0};
    WALROW_TRY(walrow__sink_new(uri, &sink, err));
    walrow_code code = walrow__sink_position(sink, &position, err);
    if (code == WALROW_OK && (out->uri = strdup(sink->uri)) == NULL)
        code = walrow__fail_memory(err);
    walrow__sink_free(sink);
    out->lsn = position.commit_lsn;
    out->seq = position.seq;
    bool known = position.commit_lsn != 0 && flush_lsn >= position.commit_lsn;
    out->behind_bytes = known ? (int64_t)(flush_lsn - position.commit_lsn) : -1;
    return code;
}

static walrow_code
ask_sinks(const walrow_options *options, uint64_t flush_lsn, walrow_status *out, walrow_error *err)
{
    if (options->to.count == 0)
        return WALROW_OK;
    out->sinks = calloc(options->to.count, sizeof *out->sinks);
    if (out->sinks == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < options->to.count; i++) {
        out->n_sinks++;
        WALROW_TRY(ask_sink(options->to.items[i], flush_lsn, &out->sinks[i], err));
    }
    return WALROW_OK;
}

/* What the state knows of a sink that does not know itself. */
static walrow_code
fill_sinks(walrow__state *state, uint64_t flush_lsn, walrow_status *out, walrow_error *err)
{
    for (size_t i = 0; i < out->n_sinks; i++) {
        walrow_sink_status *sink = &out->sinks[i];
        if (sink->lsn != 0)
            continue;
        WALROW_TRY(walrow__state_sink(state, sink->uri, &sink->lsn, err));
        if (sink->lsn != 0 && flush_lsn >= sink->lsn)
            sink->behind_bytes = (int64_t)(flush_lsn - sink->lsn);
    }
    return WALROW_OK;
}

/* As the stream that has the state noted: "push: why not pull". */
static walrow_code
fill_transport(walrow__state *state, walrow_status *out, walrow_error *err)
{
    char *text;
    WALROW_TRY(walrow__state_transport(state, &text, err));
    if (text == NULL)
        return WALROW_OK;
    const char *why = strstr(text, ": ");
    if (strncmp(text, "pull", 4) == 0)
        out->transport = "pull";
    if (why != NULL)
        out->transport_reason = strdup(why + 2);
    bool failed = why != NULL && out->transport_reason == NULL;
    free(text);
    return failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
add_table(void *arg, const char *table, int64_t rows, int64_t total, bool done, walrow_error *err)
{
    walrow_status *out = arg;
    walrow_snapshot_status *tables = realloc(out->snapshot, (out->n_snapshot + 1) * sizeof *tables);
    if (tables == NULL)
        return walrow__fail_memory(err);
    out->snapshot = tables;
    tables[out->n_snapshot] =
        (walrow_snapshot_status){.table = strdup(table), .rows = rows, .total = total, .done = done};
    out->snapshot_state = done ? "done" : "running"; /* those on their way come last */
    return tables[out->n_snapshot++].table == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
ask_state(const walrow_options *options, uint64_t flush_lsn, walrow_status *out, walrow_error *err)
{
    char *path;
    walrow__state *state;
    if (walrow__state_is_off(options))
        return WALROW_OK;
    WALROW_TRY(walrow__state_place(options, &path, err));
    walrow_code code = walrow__state_read(path, &state, err);
    free(path);
    if (code != WALROW_OK || state == NULL)
        return code;
    out->state_lsn = walrow__state_confirmed(state);
    code = walrow__state_counters(state, &out->counters, err);
    if (code == WALROW_OK)
        code = fill_transport(state, out, err);
    if (code == WALROW_OK)
        code = fill_sinks(state, flush_lsn, out, err);
    if (code == WALROW_OK)
        code = walrow__state_each_table(state, add_table, out, err);
    walrow__state_close(state);
    return code;
}

walrow_code
walrow_status_get(const walrow_options *options, walrow_status *out, walrow_error *err)
{
    uint64_t flush_lsn;
    *out = (walrow_status){.transport = "push", .snapshot_state = "none"};
    walrow_code code = ask_server(options, out, &flush_lsn, err);
    if (code == WALROW_OK)
        code = ask_sinks(options, flush_lsn, out, err);
    if (code == WALROW_OK)
        code = ask_state(options, flush_lsn, out, err);
    if (code != WALROW_OK)
        walrow_status_release(out);
    return code;
}
