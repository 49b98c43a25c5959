#include "pg/query.h"

#include "base/error.h"
#include "pg/error.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* Takes result. */
static walrow_code
settle(PGconn *conn, PGresult *result, walrow_code code, const char *doing, PGresult **out, walrow_error *err)
{
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_COPY_BOTH) {
        code = walrow__pg_error(conn, result, code, doing, err);
        PQclear(result);
        return code;
    }
    if (out != NULL)
        *out = result;
    else
        PQclear(result);
    return WALROW_OK;
}

walrow_code
walrow__pg_exec(PGconn *conn, const char *sql, walrow_code code, const char *doing, PGresult **out,
                walrow_error *err)
{
    return settle(conn, PQexec(conn, sql), code, doing, out, err);
}

/* Until PQgetResult would not block, or the connection is broken; false: timeout_ms passed in silence. */
static bool
wait_result(PGconn *conn, int timeout_ms)
{
    while (PQisBusy(conn)) {
        struct pollfd socket = {.fd = PQsocket(conn), .events = POLLIN};
        int n = poll(&socket, 1, timeout_ms);
        if (n == 0)
            return false;
        if ((n < 0 && errno != EINTR) || (n > 0 && !PQconsumeInput(conn)))
            break;
    }
    return true;
}

static walrow_code
fail_silent(const char *doing, int timeout_ms, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_NET, "%s: the server said nothing for %d s", doing, timeout_ms / 1000);
    if (err != NULL)
        err->retryable = true;
    return walrow__hint(err, "is the server stopped, or the network cut? --connect-timeout waits longer");
}

walrow_code
walrow__pg_exec_within(PGconn *conn, const char *sql, int timeout_ms, walrow_code code, const char *doing,
                       PGresult **out, walrow_error *err)
{
    if (!PQsendQuery(conn, sql))
        return walrow__pg_error(conn, NULL, code, doing, err);
    PGresult *last = NULL;
    for (;;) {
        if (!wait_result(conn, timeout_ms)) {
            PQclear(last);
            return fail_silent(doing, timeout_ms, err);
        }
        PGresult *result = PQgetResult(conn);
        if (result == NULL)
            break;
        PQclear(last);
        last = result;
        if (PQresultStatus(last) == PGRES_COPY_BOTH)
            break;
    }
    return settle(conn, last, code, doing, out, err);
}

walrow_code
walrow__pg_query(PGconn *conn, const char *sql, int n_params, const char *const *params, walrow_code code,
                 const char *doing, PGresult **out, walrow_error *err)
{
    return settle(conn, PQexecParams(conn, sql, n_params, NULL, params, NULL, NULL, 0), code, doing, out,
                  err);
}

const char *
walrow__pg_text(const PGresult *result, int row, int column)
{
    const char *text = PQgetvalue(result, row, column);
    return text == NULL ? "" : text;
}

bool
walrow__pg_bool(const PGresult *result, int row, int column)
{
    return walrow__pg_text(result, row, column)[0] == 't';
}

int64_t
walrow__pg_int(const PGresult *result, int row, int column, int64_t if_null)
{
    if (PQgetisnull(result, row, column))
        return if_null;
    return strtoll(walrow__pg_text(result, row, column), NULL, 10);
}

uint64_t
walrow__pg_lsn(const PGresult *result, int row, int column)
{
    uint64_t lsn;
    return walrow_lsn_parse(walrow__pg_text(result, row, column), &lsn) ? lsn : 0;
}

uint32_t
walrow__pg_oid(const PGresult *result, int row, int column)
{
    return (uint32_t)strtoul(walrow__pg_text(result, row, column), NULL, 10);
}

char *
walrow__pg_dup(const PGresult *result, int row, int column)
{
    return strdup(walrow__pg_text(result, row, column));
}

/* Takes quoted. */
static void
add_quoted(walrow__strbuf *sql, char *quoted)
{
    if (quoted == NULL)
        sql->failed = true;
    else
        walrow__strbuf_add_text(sql, quoted);
    PQfreemem(quoted);
}

void
walrow__sql_identifier(walrow__strbuf *sql, PGconn *conn, const char *name)
{
    add_quoted(sql, PQescapeIdentifier(conn, name, strlen(name)));
}

void
walrow__sql_literal(walrow__strbuf *sql, PGconn *conn, const char *text)
{
    add_quoted(sql, PQescapeLiteral(conn, text, strlen(text)));
}

void
walrow__sql_table(walrow__strbuf *sql, PGconn *conn, const char *schema, const char *table)
{
    walrow__sql_identifier(sql, conn, schema);
    walrow__strbuf_add_char(sql, '.');
    walrow__sql_identifier(sql, conn, table);
}

void
walrow__sql_oids(walrow__strbuf *sql, const uint32_t *oids, size_t count)
{
    walrow__strbuf_add_char(sql, '{');
    for (size_t i = 0; i < count; i++)
        walrow__strbuf_addf(sql, "%s%" PRIu32, i == 0 ? "" : ",", oids[i]);
    walrow__strbuf_add_char(sql, '}');
}
