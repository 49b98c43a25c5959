#include "source/mover.h"

#include "base/clock.h"
#include "base/error.h"
#include "pg/error.h"
#include "pg/query.h"
#include "pg/slot.h"
#include "pg/slot_lock.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REST_FACTOR = 10, /* moving takes no more than this part of the time */
    SHORTEST_REST_MS = 20,
    CLOSING_MS = 10000
};

/* The longest way at once: an answer is then never long in coming. */
#define STEP_BYTES (UINT64_C(1) << 30)

static const char *const doing = "moving the slot";

/* A walsender of somebody's, whom the lock does not keep out. */
static walrow_code
look_at_slot(walrow__mover *mover, walrow_error *err)
{
    walrow__slot slot;
    WALROW_TRY(walrow__slot_get(mover->conn, mover->slot, &slot, err));
    if (slot.active)
        return walrow__slot_taken(
            mover->slot, slot.application[0] == '\0' ? "another client" : slot.application, slot.pid, err);
    mover->confirmed_lsn = slot.confirmed_flush_lsn;
    mover->restart_lsn = slot.restart_lsn;
    return WALROW_OK;
}

walrow_code
walrow__mover_start(walrow__mover *mover, PGconn *conn, const char *slot, int timeout_ms, walrow_error *err)
{
    *mover = (walrow__mover){.conn = conn};
    snprintf(mover->slot, sizeof mover->slot, "%s", slot);
    walrow_code code = walrow__slot_lock(conn, slot, timeout_ms, err);
    if (code == WALROW_OK)
        code = look_at_slot(mover, err);
    if (code != WALROW_OK)
        walrow__mover_close(mover, NULL, 0);
    return code;
}

static walrow_code
send(walrow__mover *mover, const char *sql, uint64_t lsn, walrow_error *err)
{
    if (!PQsendQuery(mover->conn, sql))
        return walrow__pg_error(mover->conn, NULL, WALROW_ERR_NET, doing, err);
    mover->asked = true;
    mover->asked_lsn = lsn;
    mover->asked_at = walrow__now_ms();
    return WALROW_OK;
}

/* One mark waits at a time, so that there is one to be used sooner or later. */
static void
take_mark(walrow__mover *mover, walrow__mark mark)
{
    bool waits = mover->mark.valid_lsn != 0 && mark.valid_lsn > mover->durable_lsn;
    if (!waits && mark.restart_lsn > mover->restart_lsn)
        mover->mark = mark;
}

static bool
mark_is_valid(const walrow__mover *mover)
{
    return mover->mark.valid_lsn != 0 && mover->mark.valid_lsn <= mover->durable_lsn;
}

static bool
may_move(const walrow__mover *mover)
{
    return mover->durable_lsn > mover->confirmed_lsn || mark_is_valid(mover);
}

/* Answers where the copy is. */
static void
write_advance(walrow__mover *mover, walrow__strbuf *sql, uint64_t target_lsn)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__strbuf_add_text(sql, "SELECT wal2arrow.advance(");
    walrow__sql_literal(sql, mover->conn, mover->slot);
    walrow__strbuf_addf(sql, ", '%s'", walrow_lsn_format(target_lsn, lsn));
    if (mark_is_valid(mover)) {
        walrow__strbuf_addf(sql, ", '%s', '%" PRIu32 "'", walrow_lsn_format(mover->mark.restart_lsn, lsn),
                            mover->mark.catalog_xmin);
        mover->restart_lsn = mover->mark.restart_lsn;
        mover->mark = (walrow__mark){0};
    }
    walrow__strbuf_addf(sql,
                        "), c.confirmed_flush_lsn, c.restart_lsn, c.catalog_xmin FROM (VALUES (1)) v"
                        " LEFT JOIN pg_catalog.pg_replication_slots c ON c.slot_name = '%s'",
                        mover->copy);
}

static void
write_slow_advance(const walrow__mover *mover, walrow__strbuf *sql, uint64_t target_lsn)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__strbuf_add_text(sql, "SELECT pg_catalog.pg_replication_slot_advance(");
    walrow__sql_literal(sql, mover->conn, mover->slot);
    walrow__strbuf_addf(sql, ", '%s')", walrow_lsn_format(target_lsn, lsn));
}

static walrow_code
send_move(walrow__mover *mover, walrow_error *err)
{
    uint64_t target_lsn =
        mover->durable_lsn > mover->confirmed_lsn ? mover->durable_lsn : mover->confirmed_lsn;
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    if (mover->copy == NULL && target_lsn - mover->confirmed_lsn > STEP_BYTES)
        target_lsn = mover->confirmed_lsn + STEP_BYTES;
    if (mover->copy == NULL)
        write_slow_advance(mover, &sql, target_lsn);
    else
        write_advance(mover, &sql, target_lsn);
    walrow_code code =
        sql.failed ? walrow__fail_memory(err) : send(mover, walrow__strbuf_text(&sql), target_lsn, err);
    walrow__strbuf_release(&sql);
    return code;
}

/* One of the two results of a question: the answer, or its end. */
static walrow_code
take_result(walrow__mover *mover, PGresult *result, walrow_error *err)
{
    if (result != NULL && PQresultStatus(result) != PGRES_TUPLES_OK)
        return walrow__pg_error(mover->conn, result, WALROW_ERR_SLOT, doing, err);
    if (result != NULL) {
        if (PQnfields(result) == 4)
            take_mark(mover,
                      (walrow__mark){.valid_lsn = walrow__pg_lsn(result, 0, 1),
                                     .restart_lsn = walrow__pg_lsn(result, 0, 2),
                                     .catalog_xmin = (uint32_t)strtoul(PQgetvalue(result, 0, 3), NULL, 10)});
        return WALROW_OK;
    }
    int64_t now = walrow__now_ms();
    mover->asked = false;
    if (mover->asked_lsn == 0)
        return WALROW_OK;
    mover->confirmed_lsn = mover->asked_lsn;
    int64_t rest_ms = REST_FACTOR * (now - mover->asked_at);
    mover->rests_until = now + (rest_ms < SHORTEST_REST_MS ? SHORTEST_REST_MS : rest_ms);
    return WALROW_OK;
}

static walrow_code
hear_answer(walrow__mover *mover, bool *heard, walrow_error *err)
{
    *heard = false;
    if (mover->asked && PQisBusy(mover->conn) && !PQconsumeInput(mover->conn))
        return walrow__pg_error(mover->conn, NULL, WALROW_ERR_NET, doing, err);
    while (mover->asked && !PQisBusy(mover->conn)) {
        PGresult *result = PQgetResult(mover->conn);
        walrow_code code = take_result(mover, result, err);
        PQclear(result);
        if (code != WALROW_OK)
            return code;
        *heard = true;
    }
    return WALROW_OK;
}

walrow_code
walrow__mover_hear(walrow__mover *mover, bool *heard, walrow_error *err)
{
    WALROW_TRY(hear_answer(mover, heard, err));
    bool is_due = !mover->asked && may_move(mover) && walrow__now_ms() >= mover->rests_until;
    return is_due ? send_move(mover, err) : WALROW_OK;
}

walrow_code
walrow__mover_move(walrow__mover *mover, uint64_t durable_lsn, bool ping, walrow_error *err)
{
    bool heard;
    if (durable_lsn > mover->durable_lsn)
        mover->durable_lsn = durable_lsn;
    WALROW_TRY(walrow__mover_hear(mover, &heard, err));
    return ping && !mover->asked ? send(mover, "SELECT 1", 0, err) : WALROW_OK;
}

static walrow_code
send_cancel(walrow__mover *mover, int victim, walrow_error *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_cancel_backend(%d)", victim);
    return send(mover, sql, 0, err);
}

/* The slot is where it may be, or time is up. */
static walrow_code
finish(walrow__mover *mover, const int *victims, int n_victims, walrow_error *err)
{
    bool heard;
    int64_t until = walrow__now_ms() + CLOSING_MS;
    while (walrow__now_ms() < until) {
        WALROW_TRY(hear_answer(mover, &heard, err));
        mover->rests_until = 0;
        if (mover->asked) {
            struct pollfd fd = {.fd = PQsocket(mover->conn), .events = POLLIN};
            poll(&fd, 1, 100);
        } else if (n_victims > 0) {
            WALROW_TRY(send_cancel(mover, victims[--n_victims], err));
        } else if (may_move(mover)) {
            WALROW_TRY(send_move(mover, err));
        } else {
            break;
        }
    }
    return WALROW_OK;
}

void
walrow__mover_close(walrow__mover *mover, const int *victims, int n_victims)
{
    walrow_error ignored;
    if (mover->conn != NULL && PQstatus(mover->conn) == CONNECTION_OK)
        (void)!finish(mover, victims, n_victims, &ignored);
    PQfinish(mover->conn);
    *mover = (walrow__mover){0};
}
