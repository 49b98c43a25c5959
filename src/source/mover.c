#include "source/mover.h"

#include "base/clock.h"
#include "base/error.h"
#include "pg/error.h"
#include "pg/query.h"
#include "pg/slot.h"
#include "pg/slot_lock.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    REST_FACTOR = 10, /* moving takes no more than this part of the time */
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
        walrow__mover_close(mover, 0);
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

static walrow_code
send_move(walrow__mover *mover, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    uint64_t target_lsn = mover->durable_lsn;
    if (target_lsn - mover->confirmed_lsn > STEP_BYTES)
        target_lsn = mover->confirmed_lsn + STEP_BYTES;
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT pg_catalog.pg_replication_slot_advance(");
    walrow__sql_literal(&sql, mover->conn, mover->slot);
    walrow__strbuf_addf(&sql, ", '%s')", walrow_lsn_format(target_lsn, lsn));
    walrow_code code =
        sql.failed ? walrow__fail_memory(err) : send(mover, walrow__strbuf_text(&sql), target_lsn, err);
    walrow__strbuf_release(&sql);
    return code;
}

walrow_code
walrow__mover_move(walrow__mover *mover, uint64_t durable_lsn, bool ping, walrow_error *err)
{
    bool heard;
    if (durable_lsn > mover->durable_lsn)
        mover->durable_lsn = durable_lsn;
    WALROW_TRY(walrow__mover_hear(mover, &heard, err));
    if (mover->asked)
        return WALROW_OK;
    if (mover->durable_lsn > mover->confirmed_lsn && walrow__now_ms() >= mover->rests_until)
        return send_move(mover, err);
    return ping ? send(mover, "SELECT 1", 0, err) : WALROW_OK;
}

/* One of the two results of a question: the answer, or its end. */
static walrow_code
take_result(walrow__mover *mover, PGresult *result, walrow_error *err)
{
    if (result != NULL && PQresultStatus(result) != PGRES_TUPLES_OK)
        return walrow__pg_error(mover->conn, result, WALROW_ERR_SLOT, doing, err);
    if (result != NULL)
        return WALROW_OK;
    int64_t now = walrow__now_ms();
    mover->asked = false;
    if (mover->asked_lsn == 0)
        return WALROW_OK;
    mover->confirmed_lsn = mover->asked_lsn;
    mover->rests_until = now + REST_FACTOR * (now - mover->asked_at);
    return WALROW_OK;
}

walrow_code
walrow__mover_hear(walrow__mover *mover, bool *heard, walrow_error *err)
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

static walrow_code
send_cancel(walrow__mover *mover, int victim, walrow_error *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_cancel_backend(%d)", victim);
    return send(mover, sql, 0, err);
}

/* The slot is where it may be, or time is up. */
static walrow_code
finish(walrow__mover *mover, int victim, walrow_error *err)
{
    bool heard;
    int64_t until = walrow__now_ms() + CLOSING_MS;
    while (walrow__now_ms() < until) {
        WALROW_TRY(walrow__mover_hear(mover, &heard, err));
        mover->rests_until = 0;
        if (mover->asked) {
            struct pollfd fd = {.fd = PQsocket(mover->conn), .events = POLLIN};
            poll(&fd, 1, 100);
        } else if (victim != 0) {
            WALROW_TRY(send_cancel(mover, victim, err));
            victim = 0;
        } else if (mover->durable_lsn > mover->confirmed_lsn) {
            WALROW_TRY(send_move(mover, err));
        } else {
            break;
        }
    }
    return WALROW_OK;
}

void
walrow__mover_close(walrow__mover *mover, int victim)
{
    walrow_error ignored;
    if (mover->conn != NULL && PQstatus(mover->conn) == CONNECTION_OK)
        (void)!finish(mover, victim, &ignored);
    PQfinish(mover->conn);
    *mover = (walrow__mover){0};
}
