#include "stream/transport.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/tuning.h"
#include "pg/query.h"
#include "pg/slot_lock.h"
#include "stream/failover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { REFUSED_MS = 300000, PATIENCE_MS = 10000, PATIENT_TURN_MS = 20, LOOK_EVERY_MS = 1000, DEEP = 10000 };

/* Above it is pulled; below the other, about a second of work, pushed again. */
#define PULL_ABOVE (UINT64_C(64) << 20)
#define PUSH_BELOW (UINT64_C(16) << 20)

/* ---- why ---- */

/* A right that is missing will not come; space may. */
static void
refuse(walrow__receiver *r, const walrow_error *err)
{
    walrow__transport_choice *choice = &r->transport;
    choice->refused_until = err->retryable ? walrow__now_ms() + REFUSED_MS : INT64_MAX;
    snprintf(choice->why, sizeof choice->why, "%s", err->message);
}

static uint64_t
push_below(void)
{
    return walrow__tuning("WALROW_PUSH_BELOW", PUSH_BELOW);
}

static int64_t
look_every_ms(void)
{
    return (int64_t)walrow__tuning("WALROW_LOOK_EVERY_MS", LOOK_EVERY_MS);
}

/* For the log, and for "status". */
static walrow_code
note(walrow__receiver *r, const char *name, walrow_error *err)
{
    const char *why = r->transport.why;
    walrow__log(WALROW_LOG_INFO, "changes are %sed%s%s", name, *why == '\0' ? "" : ": ", why);
    if (r->up->state == NULL)
        return WALROW_OK;
    walrow__store_write *write = walrow__store_begin();
    walrow__state_put_transport(write, name, why);
    return walrow__state_commit(r->up->state, write, 0, err);
}

/* ---- opening ---- */

static walrow_code
check_not_pulled(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    int pid;
    WALROW_TRY(walrow__slot_locked_by(r->up->sql, options->slot, options->timeout_ms, &pid, err));
    return pid == 0 ? WALROW_OK : walrow__slot_taken(options->slot, "another walrow", pid, err);
}

/* Known once the server is: a fail-over may take it back. */
static uint64_t
start_lsn(const walrow__receiver *r)
{
    return r->start_lsn > r->emitted_lsn ? r->start_lsn : r->emitted_lsn;
}

static walrow_code
open_push(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    PGconn *conn;
    walrow__source_options ours = *options;
    WALROW_TRY(check_not_pulled(r, options, err));
    WALROW_TRY(walrow__receiver_connect(r, true, &conn, err));
    ours.start_lsn = start_lsn(r);
    WALROW_TRY(walrow__push_start(&r->transport.push, conn, &ours, err));
    r->source = &r->transport.push.base;
    return WALROW_OK;
}

/* One whose client is gone would keep the lock, or the copy and its WAL, until TCP noticed, which takes hours. */
static walrow_code
connect_to_pull(walrow__receiver *r, const walrow__source_options *options, PGconn **out, walrow_error *err)
{
    static const char sql[] = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10;"
                              " SET tcp_keepalives_count = 3";
    WALROW_TRY(walrow__receiver_connect(r, false, out, err));
    walrow_code code = walrow__pg_exec_within(*out, sql, options->timeout_ms, WALROW_ERR_SERVER,
                                              "setting keepalives", NULL, err);
    if (code != WALROW_OK)
        PQfinish(*out);
    return code;
}

/* Worth having, not needed. */
static void
connect_second(walrow__receiver *r, const walrow__source_options *options)
{
    PGconn *conn;
    walrow_error why;
    if (r->up->options->pull_connections < 2 || !walrow__pull_wants_second(&r->transport.pull))
        return;
    if (connect_to_pull(r, options, &conn, &why) == WALROW_OK)
        walrow__pull_second(&r->transport.pull, conn);
    else
        walrow__log(WALROW_LOG_DEBUG, "no second connection to pull with: %s", why.message);
}

static walrow_code
open_pull(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    PGconn *conn, *mover;
    walrow__source_options ours = *options;
    ours.until_lsn = r->up->until_lsn;
    bool choose = r->up->options->transport == WALROW__TRANSPORT_AUTO;
    ours.or_push = choose && !ours.wal2arrow;
    /* what is to end soon is pulled to its end */
    if (choose && r->up->until_lsn == 0)
        ours.tip_bytes = push_below();
    WALROW_TRY(connect_to_pull(r, options, &conn, err));
    walrow_code code = connect_to_pull(r, options, &mover, err);
    if (code != WALROW_OK) {
        PQfinish(conn);
        return code;
    }
    ours.start_lsn = start_lsn(r);
    WALROW_TRY(walrow__pull_start(&r->transport.pull, conn, mover, &ours, err));
    connect_second(r, options);
    r->source = &r->transport.pull.base;
    return WALROW_OK;
}

/* How much WAL is not read yet. *lag 0 where the server does not say: a standby has no flush LSN. */
static walrow_code
find_lag(walrow__receiver *r, uint64_t *lag, walrow_error *err)
{
    PGresult *result;
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT pg_catalog.pg_current_wal_flush_lsn(), confirmed_flush_lsn"
                                  " FROM pg_catalog.pg_replication_slots WHERE slot_name = ");
    walrow__sql_literal(&sql, r->up->sql, r->up->options->slot);
    walrow_code code =
        sql.failed ? walrow__fail_memory(err)
                   : walrow__pg_exec_within(r->up->sql, walrow__strbuf_text(&sql),
                                            (int)r->up->options->connect_timeout_s * 1000, WALROW_ERR_SERVER,
                                            "looking at the WAL's end", &result, err);
    walrow__strbuf_release(&sql);
    *lag = 0;
    if (code != WALROW_OK)
        return PQstatus(r->up->sql) == CONNECTION_OK && code != WALROW_ERR_NET ? WALROW_OK : code;
    uint64_t flush_lsn = walrow__pg_lsn(result, 0, 0), at = walrow__pg_lsn(result, 0, 1);
    PQclear(result);
    const uint64_t seen[] = {r->start_lsn, r->emitted_lsn, r->collector.end_lsn, r->keepalive_lsn};
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        at = seen[i] > at ? seen[i] : at;
    *lag = flush_lsn > at ? flush_lsn - at : 0;
    return WALROW_OK;
}

/* Is pulling worth it? Whether it may be is asked before. */
static walrow_code
is_far_behind(walrow__receiver *r, bool *far, walrow_error *err)
{
    uint64_t lag;
    *far = r->up->options->transport == WALROW__TRANSPORT_PULL;
    if (*far)
        return WALROW_OK;
    WALROW_TRY(find_lag(r, &lag, err));
    *far = lag > walrow__tuning("WALROW_PULL_ABOVE", PULL_ABOVE);
    if (*far)
        snprintf(r->transport.why, sizeof r->transport.why, "they are %" PRIu64 " MB behind", lag >> 20);
    return WALROW_OK;
}

static bool
may_pull(const walrow__receiver *r, int64_t now)
{
    return r->up->options->transport != WALROW__TRANSPORT_PUSH && now >= r->transport.refused_until;
}

static walrow_code
wants_pull(walrow__receiver *r, bool *wanted, walrow_error *err)
{
    *wanted = false;
    if (!may_pull(r, walrow__now_ms()))
        return WALROW_OK;
    r->transport.why[0] = '\0';
    WALROW_TRY(is_far_behind(r, wanted, err));
    if (!*wanted)
        snprintf(r->transport.why, sizeof r->transport.why, "they are near the end of the WAL");
    return WALROW_OK;
}

static walrow_code
open_either(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    bool pull;
    WALROW_TRY(wants_pull(r, &pull, err));
    if (pull) {
        walrow_code code = open_pull(r, options, err);
        if (code == WALROW_OK || !walrow__pull_refused(&r->transport.pull, err))
            return code;
        refuse(r, err);
    }
    return open_push(r, options, err);
}

/* The server lets go of a slot a moment after it was told to. */
static bool
waits_for_release(const walrow__receiver *r, const walrow_error *err)
{
    return strcmp(err->sqlstate, "55006") == 0 && walrow__now_ms() < r->transport.patient_until &&
           !atomic_load(&r->stop);
}

walrow_code
walrow__transport_open(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    walrow_error why = {0};
    walrow_code code;
    while ((code = open_either(r, options, &why)) != WALROW_OK && waits_for_release(r, &why))
        walrow__queue_wait(&r->queue, PATIENT_TURN_MS);
    if (code == WALROW_OK)
        return note(r, r->source->ops->name, err);
    if (err != NULL)
        *err = why;
    return code;
}

/* ---- going over ---- */

static void
go_over(walrow__receiver *r)
{
    r->transport.patient_until = walrow__now_ms() + PATIENCE_MS;
}

bool
walrow__transport_gives_way(walrow__receiver *r, const walrow_error *err)
{
    if (r->source != &r->transport.pull.base || !walrow__pull_refused(&r->transport.pull, err))
        return false;
    refuse(r, err);
    go_over(r);
    return true;
}

/* What has come of a transaction comes again: not if that is much. */
static bool
is_deep_inside(const walrow__collector *collector)
{
    return collector->in_transaction && collector->last.seq > DEEP &&
           collector->last.commit_lsn == collector->transaction.commit_lsn;
}

/* The SQL connection's trouble is not the stream's. */
static walrow_code
look_from_push(walrow__receiver *r, bool *over, walrow_error *err)
{
    walrow_code code = is_far_behind(r, over, err);
    if (code == WALROW_OK || PQstatus(r->up->sql) == CONNECTION_OK)
        return code;
    return walrow__upstream_connect(r->up, err);
}

walrow_code
walrow__transport_look(walrow__receiver *r, int64_t now, bool *over, walrow_error *err)
{
    *over = false;
    if (is_deep_inside(&r->collector))
        return WALROW_OK;
    if (r->source == &r->transport.pull.base) {
        *over = r->transport.pull.at_tip;
    } else if (now - r->transport.looked_at >= look_every_ms() && may_pull(r, now)) {
        r->transport.looked_at = now;
        WALROW_TRY(look_from_push(r, over, err));
    }
    if (*over)
        go_over(r);
    return WALROW_OK;
}
