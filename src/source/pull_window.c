#include "source/pull_window.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pg/error.h"
#include "pg/query.h"

#include <stdio.h>

static const char doing[] = "pulling changes";

void
walrow__pull_window_init(walrow__pull_window *window, PGconn *conn)
{
    *window = (walrow__pull_window){.conn = conn};
    snprintf(window->copy, sizeof window->copy, "walrow_pull_%d", PQbackendPID(conn));
}

void
walrow__pull_window_close(walrow__pull_window *window)
{
    PQclear(window->answer);
    PQfreemem(window->message);
    PQfinish(window->conn);
    *window = (walrow__pull_window){0};
}

/* ---- questions ---- */

/* Takes sql. */
static walrow_code
send(walrow__pull_window *window, walrow__strbuf *sql, walrow__pull_window_phase phase, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    if (sql->failed)
        code = walrow__fail_memory(err);
    else if (!PQsendQuery(window->conn, walrow__strbuf_text(sql)))
        code = walrow__pg_error(window->conn, NULL, WALROW_ERR_NET, doing, err);
    walrow__strbuf_release(sql);
    window->phase = phase;
    return code;
}

void
walrow__pull_window_copy_sql(const walrow__pull_window *window, const char *slot, walrow__strbuf *sql)
{
    walrow__strbuf_add_text(sql, "SELECT pg_catalog.pg_copy_logical_replication_slot(");
    walrow__sql_literal(sql, window->conn, slot);
    walrow__strbuf_addf(sql, ", '%s', true)", window->copy);
}

walrow_code
walrow__pull_window_copy(walrow__pull_window *window, const char *slot, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__pull_window_copy_sql(window, slot, &sql);
    return send(window, &sql, WALROW__PULL_COPIES, err);
}

walrow_code
walrow__pull_window_drop(walrow__pull_window *window, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql, "SELECT pg_catalog.pg_drop_replication_slot('%s')", window->copy);
    return send(window, &sql, WALROW__PULL_DROPS, err);
}

static walrow_code
send_look(walrow__pull_window *window, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql,
                        "SELECT pg_catalog.pg_current_wal_flush_lsn(), restart_lsn, confirmed_flush_lsn"
                        " FROM pg_catalog.pg_replication_slots WHERE slot_name = '%s'",
                        window->copy);
    return send(window, &sql, WALROW__PULL_LOOKS, err);
}

walrow_code
walrow__pull_window_seek(walrow__pull_window *window, uint64_t lsn, walrow_error *err)
{
    char text[WALROW_LSN_SIZE];
    walrow__strbuf sql;
    if (lsn <= window->confirmed_lsn)
        return send_look(window, err);
    walrow__strbuf_init(&sql);
    /* the slot it was copied from may have been moved meanwhile */
    walrow__strbuf_addf(
        &sql,
        "SELECT pg_catalog.pg_replication_slot_advance(slot_name, GREATEST('%s', confirmed_flush_lsn))"
        " FROM pg_catalog.pg_replication_slots WHERE slot_name = '%s'",
        walrow_lsn_format(lsn, text), window->copy);
    return send(window, &sql, WALROW__PULL_SKIPS, err);
}

/* Both take the plugin's options as START_REPLICATION does. */
walrow_code
walrow__pull_window_call(walrow__pull_window *window, uint64_t upto_lsn, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    const char *upto = walrow_lsn_format(upto_lsn, lsn);
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    if (window->function == NULL)
        walrow__strbuf_addf(&sql, "CALL wal2arrow.stream('%s', '%s'%s)", window->copy, upto,
                            window->settings);
    else
        walrow__strbuf_addf(&sql,
                            "COPY (SELECT lsn, data FROM pg_catalog.%s('%s', '%s', NULL%s))"
                            " TO STDOUT (FORMAT binary)",
                            window->function, window->copy, upto, window->settings);
    window->upto_lsn = upto_lsn;
    window->header_read = false;
    window->messages = window->bytes = 0;
    window->called_at = walrow__now_ms();
    walrow__log(WALROW_LOG_DEBUG, "%s is read up to %s", window->copy, upto);
    return send(window, &sql, WALROW__PULL_CALLS, err);
}

/* ---- answers ---- */

static walrow_code
take_look(walrow__pull_window *window, walrow_error *err)
{
    window->end_lsn = walrow__pg_lsn(window->answer, 0, 0);
    window->restart_lsn = walrow__pg_lsn(window->answer, 0, 1);
    window->confirmed_lsn = walrow__pg_lsn(window->answer, 0, 2);
    window->phase = WALROW__PULL_LOOKED;
    if (window->confirmed_lsn == 0 || window->restart_lsn > window->confirmed_lsn)
        return walrow__fail(err, WALROW_ERR_SLOT, "pulling changes: the copy of the slot is gone");
    return WALROW_OK;
}

static walrow_code
end_command(walrow__pull_window *window, walrow_error *err)
{
    switch (window->phase) {
    case WALROW__PULL_COPIES:
        window->confirmed_lsn = 0; /* somewhere */
        window->phase = window->refused ? WALROW__PULL_NONE : WALROW__PULL_IDLE;
        return WALROW_OK;
    case WALROW__PULL_DROPS:
        window->phase = WALROW__PULL_NONE;
        return WALROW_OK;
    case WALROW__PULL_SKIPS:
        return send_look(window, err);
    case WALROW__PULL_LOOKS:
        return take_look(window, err);
    case WALROW__PULL_ENDS:
        window->phase = WALROW__PULL_ENDED;
        return WALROW_OK;
    default:
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "pulling changes: the server did not send any");
    }
}

static walrow_code
take_failure(walrow__pull_window *window, const PGresult *result, walrow_error *err)
{
    walrow_error failure;
    walrow_code code = walrow__pg_error(window->conn, result, WALROW_ERR_SLOT, doing, &failure);
    window->refused = window->phase == WALROW__PULL_COPIES && PQstatus(window->conn) == CONNECTION_OK;
    if (window->refused)
        walrow__log(WALROW_LOG_DEBUG, "no second copy of the slot: %s", failure.message);
    else if (err != NULL)
        *err = failure;
    return window->refused ? WALROW_OK : code;
}

/* Takes result. */
static walrow_code
take_result(walrow__pull_window *window, PGresult *result, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    switch (PQresultStatus(result)) {
    case PGRES_COPY_OUT:
        window->phase = WALROW__PULL_READS;
        break;
    case PGRES_TUPLES_OK:
        PQclear(window->answer);
        window->answer = result;
        return WALROW_OK;
    case PGRES_COMMAND_OK:
        break;
    default:
        code = take_failure(window, result, err);
    }
    PQclear(result);
    return code;
}

/* *wait: the server has not answered yet. */
static walrow_code
hear_answer(walrow__pull_window *window, bool *wait, walrow_error *err)
{
    if (PQisBusy(window->conn) && !PQconsumeInput(window->conn))
        return walrow__pg_error(window->conn, NULL, WALROW_ERR_NET, doing, err);
    *wait = PQisBusy(window->conn);
    if (*wait)
        return WALROW_OK;
    PGresult *result = PQgetResult(window->conn);
    return result == NULL ? end_command(window, err) : take_result(window, result, err);
}

static walrow_code
read_frame(walrow__pull_window *window, size_t size, walrow__incoming *out, walrow_error *err)
{
    if (window->function != NULL) {
        window->messages++;
        window->bytes += size;
        return walrow__pull_read_row(window->message, size, &window->header_read, out, err);
    }
    return walrow__incoming_read(window->message, size, out, err);
}

static walrow_code
read_message(walrow__pull_window *window, walrow__incoming *out, bool *wait, walrow_error *err)
{
    int size = PQgetCopyData(window->conn, &window->message, 1);
    if (size == 0) {
        if (!PQconsumeInput(window->conn))
            return walrow__pg_error(window->conn, NULL, WALROW_ERR_NET, doing, err);
        size = PQgetCopyData(window->conn, &window->message, 1);
    }
    *wait = size == 0;
    if (size > 0)
        return read_frame(window, (size_t)size, out, err);
    if (size == -1)
        window->phase = WALROW__PULL_ENDS; /* an error comes as the result */
    return size == -2 ? walrow__pg_error(window->conn, NULL, WALROW_ERR_NET, doing, err) : WALROW_OK;
}

walrow_code
walrow__pull_window_step(walrow__pull_window *window, walrow__incoming *out, bool *wait, walrow_error *err)
{
    *wait = false;
    PQfreemem(window->message);
    window->message = NULL;
    switch (window->phase) {
    case WALROW__PULL_NONE:
    case WALROW__PULL_IDLE:
    case WALROW__PULL_LOOKED:
    case WALROW__PULL_ENDED:
        *wait = true;
        return WALROW_OK;
    case WALROW__PULL_READS:
        return read_message(window, out, wait, err);
    default:
        return hear_answer(window, wait, err);
    }
}
