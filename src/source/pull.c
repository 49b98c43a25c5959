#include "source/pull.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "base/tuning.h"
#include "pg/error.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REREAD_FACTOR = 4, /* a window is so many times as large as what its call reads again */
    REST_FACTOR = 4,   /* after a smaller one so many times as long as it took */
    SHORTEST_REST_MS = 50,
    LONGEST_REST_MS = 5000,
    MESSAGES_TO_JUDGE = 1000,
    LARGE_MESSAGE = 1024 /* bytes, of a row: from there on pushing is as fast (bench/RESULTS.md) */
};

/* The most is for the sake of the server's temporary files, through which a function's result goes; a procedure's
 * does not, and takes seconds for this. */
#define LEAST_WINDOW (UINT64_C(256) << 20)
#define MOST_WINDOW (UINT64_C(1) << 30)

static const char doing[] = "pulling changes";

/* ---- questions ---- */

/* Takes sql. */
static walrow_code
send(walrow__pull *pull, walrow__strbuf *sql, walrow__pull_phase phase, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    if (sql->failed)
        code = walrow__fail_memory(err);
    else if (!PQsendQuery(pull->conn, walrow__strbuf_text(sql)))
        code = walrow__pg_error(pull->conn, NULL, WALROW_ERR_NET, doing, err);
    walrow__strbuf_release(sql);
    pull->phase = phase;
    return code;
}

/* As START_REPLICATION would: what ends before start_lsn is not sent. */
static walrow_code
send_skip(walrow__pull *pull, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql, "SELECT pg_catalog.pg_replication_slot_advance('%s', '%s')", pull->copy,
                        walrow_lsn_format(pull->start_lsn, lsn));
    return send(pull, &sql, WALROW__PULL_SKIPS, err);
}

static walrow_code
send_look(walrow__pull *pull, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql,
                        "SELECT pg_catalog.pg_current_wal_flush_lsn(), restart_lsn, confirmed_flush_lsn"
                        " FROM pg_catalog.pg_replication_slots WHERE slot_name = '%s'",
                        pull->copy);
    return send(pull, &sql, WALROW__PULL_LOOKS, err);
}

/* Both take the plugin's options as START_REPLICATION does. */
static walrow_code
send_call(walrow__pull *pull, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    const char *upto = walrow_lsn_format(pull->upto_lsn, lsn);
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    if (pull->function == NULL)
        walrow__strbuf_addf(&sql, "CALL wal2arrow.stream('%s', '%s'%s)", pull->copy, upto, pull->settings);
    else
        walrow__strbuf_addf(&sql,
                            "COPY (SELECT lsn, data FROM pg_catalog.%s('%s', '%s', NULL%s))"
                            " TO STDOUT (FORMAT binary)",
                            pull->function, pull->copy, upto, pull->settings);
    pull->header_read = false;
    pull->messages = pull->bytes = 0;
    pull->called_at = walrow__now_ms();
    return send(pull, &sql, WALROW__PULL_CALLS, err);
}

/* ---- windows ---- */

static uint64_t
window_size(const walrow__pull *pull, uint64_t reread)
{
    uint64_t least =
        walrow__tuning("WALROW_PULL_WINDOW", pull->function == NULL ? MOST_WINDOW : LEAST_WINDOW);
    uint64_t wanted = reread * REREAD_FACTOR;
    return wanted < least ? least : wanted > MOST_WINDOW ? MOST_WINDOW : wanted;
}

/* For now: things change. */
static walrow_code
give_way(walrow__pull *pull, walrow_error *err)
{
    pull->gives_way = true;
    if (err != NULL)
        err->retryable = true;
    return WALROW_ERR_SERVER;
}

static walrow_code
fail_pinned(walrow__pull *pull, uint64_t reread, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SERVER,
                 "pulling changes: a long transaction makes every call read %" PRIu64 " MB of WAL again",
                 reread >> 20);
    return give_way(pull, err);
}

static walrow_code
fail_large(walrow__pull *pull, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SERVER,
                 "pulling changes: of %" PRIu64
                 " bytes each, they cost a function's result more than it saves",
                 pull->bytes / pull->messages);
    return give_way(pull, err);
}

/* Everything goes through the result of a function, which the server writes aside and reads again. */
static bool
are_large(const walrow__pull *pull)
{
    return pull->or_push && pull->messages >= MESSAGES_TO_JUDGE &&
           pull->bytes / pull->messages > LARGE_MESSAGE;
}

static void
rest(walrow__pull *pull, int64_t ms)
{
    pull->phase = WALROW__PULL_RESTS;
    pull->rests_until = walrow__now_ms() + ms;
}

/* Where everything is, is known: read the next window, if there is one. */
static walrow_code
plan_window(walrow__pull *pull, walrow_error *err)
{
    uint64_t end_lsn = walrow__pg_lsn(pull->answer, 0, 0);
    uint64_t restart_lsn = walrow__pg_lsn(pull->answer, 0, 1);
    uint64_t confirmed_lsn = walrow__pg_lsn(pull->answer, 0, 2);
    if (confirmed_lsn == 0 || restart_lsn > confirmed_lsn)
        return walrow__fail(err, WALROW_ERR_SLOT, "pulling changes: the copy of the slot is gone");
    uint64_t reread = confirmed_lsn - restart_lsn;
    if (reread > MOST_WINDOW)
        return fail_pinned(pull, reread, err);
    if (pull->until_lsn != 0 && pull->until_lsn < end_lsn)
        end_lsn = pull->until_lsn;
    uint64_t left = end_lsn > confirmed_lsn ? end_lsn - confirmed_lsn : 0;
    pull->at_tip = left < pull->tip_bytes;
    if (left == 0 || pull->at_tip) {
        rest(pull, SHORTEST_REST_MS);
        return WALROW_OK;
    }
    if (are_large(pull))
        return fail_large(pull, err);
    uint64_t size = window_size(pull, reread);
    pull->whole = left >= size;
    pull->upto_lsn = pull->whole ? confirmed_lsn + size : end_lsn;
    return send_call(pull, err);
}

/* All of it has come. Small windows cost the server as much as large ones: they are not read one after the other. */
static void
end_window(walrow__pull *pull, walrow__incoming *out)
{
    if (pull->upto_lsn > pull->read_lsn)
        pull->read_lsn = pull->upto_lsn;
    *out = (walrow__incoming){.kind = WALROW__INCOMING_KEEPALIVE, .lsn = pull->read_lsn};
    int64_t took_ms = walrow__now_ms() - pull->called_at;
    int64_t ms = pull->whole ? 0 : REST_FACTOR * took_ms;
    rest(pull, ms > LONGEST_REST_MS ? LONGEST_REST_MS : ms);
}

/* ---- answers ---- */

static walrow_code
end_command(walrow__pull *pull, walrow__incoming *out, walrow_error *err)
{
    switch (pull->phase) {
    case WALROW__PULL_SKIPS:
        return send_look(pull, err);
    case WALROW__PULL_LOOKS:
        return plan_window(pull, err);
    case WALROW__PULL_ENDS:
        end_window(pull, out);
        return WALROW_OK;
    default:
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "pulling changes: the server did not send any");
    }
}

/* Takes result. */
static walrow_code
take_result(walrow__pull *pull, PGresult *result, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    switch (PQresultStatus(result)) {
    case PGRES_COPY_OUT:
        pull->phase = WALROW__PULL_READS;
        break;
    case PGRES_TUPLES_OK:
        PQclear(pull->answer);
        pull->answer = result;
        return WALROW_OK;
    case PGRES_COMMAND_OK:
        break;
    default:
        code = walrow__pg_error(pull->conn, result, WALROW_ERR_SLOT, doing, err);
    }
    PQclear(result);
    return code;
}

/* *wait: the server has not answered yet. */
static walrow_code
hear_answer(walrow__pull *pull, walrow__incoming *out, bool *wait, walrow_error *err)
{
    *wait = false;
    if (PQisBusy(pull->conn) && !PQconsumeInput(pull->conn))
        return walrow__pg_error(pull->conn, NULL, WALROW_ERR_NET, doing, err);
    *wait = PQisBusy(pull->conn);
    if (*wait)
        return WALROW_OK;
    PGresult *result = PQgetResult(pull->conn);
    return result == NULL ? end_command(pull, out, err) : take_result(pull, result, err);
}

static walrow_code
read_frame(walrow__pull *pull, size_t size, walrow__incoming *out, walrow_error *err)
{
    if (pull->function != NULL) {
        pull->messages++;
        pull->bytes += size;
        return walrow__pull_read_row(pull->message, size, &pull->header_read, out, err);
    }
    WALROW_TRY(walrow__incoming_read(pull->message, size, out, err));
    if (out->kind == WALROW__INCOMING_KEEPALIVE)
        pull->read_lsn = out->lsn;
    return WALROW_OK;
}

static walrow_code
read_message(walrow__pull *pull, walrow__incoming *out, bool *wait, walrow_error *err)
{
    int size = PQgetCopyData(pull->conn, &pull->message, 1);
    if (size == 0) {
        if (!PQconsumeInput(pull->conn))
            return walrow__pg_error(pull->conn, NULL, WALROW_ERR_NET, doing, err);
        size = PQgetCopyData(pull->conn, &pull->message, 1);
    }
    *wait = size == 0;
    if (size > 0)
        return read_frame(pull, (size_t)size, out, err);
    if (size == -1)
        pull->phase = WALROW__PULL_ENDS; /* an error comes as the result */
    return size == -2 ? walrow__pg_error(pull->conn, NULL, WALROW_ERR_NET, doing, err) : WALROW_OK;
}

/* One step; *wait: there is nothing to be done now. */
static walrow_code
step(walrow__pull *pull, walrow__incoming *out, bool *wait, walrow_error *err)
{
    *wait = pull->quits || (pull->phase == WALROW__PULL_RESTS && walrow__now_ms() < pull->rests_until);
    if (*wait)
        return WALROW_OK;
    if (pull->phase == WALROW__PULL_RESTS)
        return send_look(pull, err);
    if (pull->phase == WALROW__PULL_READS)
        return read_message(pull, out, wait, err);
    return hear_answer(pull, out, wait, err);
}

/* ---- the port ---- */

static walrow_code
read_source(walrow__source *source, walrow__incoming *out, walrow_error *err)
{
    walrow__pull *pull = (walrow__pull *)source;
    bool wait = false, heard;
    memset(out, 0, sizeof *out);
    while (out->kind == WALROW__INCOMING_NOTHING && !wait) {
        PQfreemem(pull->message);
        pull->message = NULL;
        WALROW_TRY(step(pull, out, &wait, err));
    }
    if (!wait)
        return WALROW_OK;
    WALROW_TRY(walrow__mover_hear(&pull->mover, &heard, err));
    if (heard) /* what it answers says that the server is there */
        *out = (walrow__incoming){.kind = WALROW__INCOMING_KEEPALIVE, .lsn = pull->read_lsn};
    return WALROW_OK;
}

static void
take_message(walrow__source *source, struct ArrowBuffer *out)
{
    walrow__incoming_take(&((walrow__pull *)source)->message, out);
}

static walrow_code
tell_status(walrow__source *source, uint64_t written_lsn, uint64_t flushed_lsn, bool wants_reply,
            walrow_error *err)
{
    (void)written_lsn;
    return walrow__mover_move(&((walrow__pull *)source)->mover, flushed_lsn, wants_reply, err);
}

static nfds_t
source_waits(walrow__source *source, struct pollfd fds[WALROW__SOURCE_FDS], int *timeout_ms)
{
    walrow__pull *pull = (walrow__pull *)source;
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = PQsocket(pull->mover.conn), .events = POLLIN};
    if (pull->quits)
        return n;
    int64_t left_ms = pull->rests_until - walrow__now_ms();
    if (pull->phase != WALROW__PULL_RESTS)
        fds[n++] = (struct pollfd){.fd = PQsocket(pull->conn), .events = POLLIN};
    else if (left_ms < *timeout_ms)
        *timeout_ms = left_ms < 0 ? 0 : (int)left_ms;
    return n;
}

static void
quit_source(walrow__source *source)
{
    ((walrow__pull *)source)->quits = true;
}

static void
close_source(walrow__source *source)
{
    walrow__pull *pull = (walrow__pull *)source;
    /* a call under way would hold its copy of the slot, and WAL with it, until it is done */
    bool busy = pull->conn != NULL && PQtransactionStatus(pull->conn) == PQTRANS_ACTIVE;
    walrow__mover_close(&pull->mover, busy ? PQbackendPID(pull->conn) : 0);
    PQclear(pull->answer);
    PQfreemem(pull->message);
    PQfinish(pull->conn);
    free(pull->settings);
    memset(pull, 0, sizeof *pull);
}

static bool
is_behind(const walrow__source *source)
{
    return ((const walrow__pull *)source)->phase >= WALROW__PULL_CALLS;
}

static const walrow__source_ops ops = {
    .name = "pull",
    .read = read_source,
    .take = take_message,
    .status = tell_status,
    .waits = source_waits,
    .is_behind = is_behind,
    .quit = quit_source,
    .close = close_source,
};

/* ---- starting ---- */

static walrow_code
begin(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    WALROW_TRY(walrow__pull_copy_slot(pull, options, err));
    pull->read_lsn = pull->mover.confirmed_lsn;
    if (pull->start_lsn <= pull->read_lsn)
        return send_look(pull, err);
    pull->read_lsn = pull->start_lsn;
    return send_skip(pull, err);
}

walrow_code
walrow__pull_start(walrow__pull *pull, PGconn *conn, PGconn *mover, const walrow__source_options *options,
                   walrow_error *err)
{
    *pull = (walrow__pull){.base.ops = &ops,
                           .conn = conn,
                           .start_lsn = options->start_lsn,
                           .until_lsn = options->until_lsn,
                           .tip_bytes = options->tip_bytes,
                           .or_push = options->or_push};
    snprintf(pull->copy, sizeof pull->copy, "walrow_pull_%d", PQbackendPID(conn));
    walrow_code code = walrow__mover_start(&pull->mover, mover, options->slot, options->timeout_ms, err);
    if (code == WALROW_OK)
        code = begin(pull, options, err);
    if (code != WALROW_OK)
        close_source(&pull->base);
    return code;
}

/* Whatever does not heal by waiting, and class 53: no slot, no connection, no space, temp_file_limit. */
bool
walrow__pull_refused(const walrow__pull *pull, const walrow_error *err)
{
    bool said = err->sqlstate[0] != '\0';
    return pull->gives_way || (said && (!err->retryable || strncmp(err->sqlstate, "53", 2) == 0));
}
