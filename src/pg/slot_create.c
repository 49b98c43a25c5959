/*
 * pg/slot_create.c
 *	  Creating a slot. The server waits for every transaction that was running when it began (PostgreSQL's
 *	  snapbuild.c); meanwhile a second connection names them.
 */
#include "pg/slot.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/connection.h"
#include "pg/error.h"
#include "pg/query.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define FIRST_REPORT_MS 1000
#define NEXT_REPORT_MS 10000

static const char *const doing = "creating the replication slot";

void
walrow__slot_wait_report(PGconn *conn, int pid)
{
    static const char sql[] =
        "SELECT 'pid ' || a.pid ||"
        "  COALESCE(', ' || a.usename, ''),"
        "  pg_catalog.date_part('epoch', pg_catalog.now() - "
        "a.xact_start)::pg_catalog.int8,"
        "  pg_catalog.age(a.backend_xid), pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', "
        "'g'), 200)"
        " FROM pg_catalog.pg_stat_activity a"
        " WHERE a.backend_xid IS NOT NULL AND a.pid <> $1::pg_catalog.int4"
        " UNION ALL"
        " SELECT 'prepared transaction ' || pg_catalog.quote_literal(p.gid),"
        "  pg_catalog.date_part('epoch', pg_catalog.now() - "
        "p.prepared)::pg_catalog.int8,"
        "  pg_catalog.age(p.transaction), 'COMMIT PREPARED or ROLLBACK PREPARED ends it'"
        " FROM pg_catalog.pg_prepared_xacts p"
        " ORDER BY 3 DESC LIMIT 5";
    char text[16];
    const char *param = text;
    PGresult *result;
    snprintf(text, sizeof text, "%d", pid);

    /* is anything in its way? */
    if (walrow__pg_query(conn,
                         "SELECT pg_catalog.cardinality(pg_catalog.pg_blocking_pids($1::pg_catalog.int4))", 1,
                         &param, WALROW_ERR_SERVER, NULL, &result, NULL) != WALROW_OK)
        return;
    bool blocked = walrow__pg_int(result, 0, 0, 0) > 0;
    PQclear(result);
    if (!blocked ||
        walrow__pg_query(conn, sql, 1, &param, WALROW_ERR_SERVER, NULL, &result, NULL) != WALROW_OK)
        return;
    for (int row = 0; row < PQntuples(result); row++)
        walrow__log(WALROW_LOG_WARN, "creating the slot waits for %s, running for %lld s: %s",
                    PQgetvalue(result, row, 0), (long long)walrow__pg_int(result, row, 1, 0),
                    PQgetvalue(result, row, 3));
    PQclear(result);
}

/* Wait for the result of what was sent, reporting now and then what it waits for. */
static walrow_code
wait_creation(PGconn *conn, const walrow_options *options, PGresult **out, walrow_error *err)
{
    PGconn *second = NULL;
    int timeout_ms = FIRST_REPORT_MS;
    while (PQisBusy(conn)) {
        struct pollfd socket = {.fd = PQsocket(conn), .events = POLLIN};
        int n = poll(&socket, 1, timeout_ms);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0 && !PQconsumeInput(conn))
            break;
        if (n != 0)
            continue;
        timeout_ms = NEXT_REPORT_MS;
        if (second == NULL && walrow__pg_connect(options, false, &second, NULL) != WALROW_OK)
            second = NULL;
        if (second != NULL)
            walrow__slot_wait_report(second, PQbackendPID(conn));
    }
    PQfinish(second);

    PGresult *result = PQgetResult(conn), *next;
    while ((next = PQgetResult(conn)) != NULL) /* an error that follows is the one that counts */
        PQclear(result), result = next;
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        *out = result;
        return WALROW_OK;
    }
    walrow_code code = walrow__pg_error(conn, result, WALROW_ERR_SERVER, doing, err);
    PQclear(result);
    return code;
}

walrow_code
walrow__slot_create(PGconn *conn, const walrow_options *options, const char *name, const char *plugin,
                    bool temporary, uint64_t *consistent_lsn, walrow_error *err)
{
    const char *params[3] = {name, plugin, temporary ? "true" : "false"};
    if (!PQsendQueryParams(conn, "SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, $2, $3)",
                           3, NULL, params, NULL, NULL, 0))
        return walrow__pg_error(conn, NULL, WALROW_ERR_SERVER, doing, err);
    PGresult *result = NULL;
    WALROW_TRY(wait_creation(conn, options, &result, err));
    if (consistent_lsn != NULL)
        *consistent_lsn = walrow__pg_lsn(result, 0, 0);
    PQclear(result);
    return WALROW_OK;
}
