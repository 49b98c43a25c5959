#include "pg/connection.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pg/error.h"
#include "pg/query.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parameters ---- */

/* libpq's keywords and values, NULL-terminated, for PQconnectStartParams. Values are borrowed. */
typedef struct parameters {
    const char *keywords[64];
    const char *values[64];
    int count;
    char tcp_user_timeout[24];
} parameters;

static void
put(parameters *params, const char *keyword, const char *value)
{
    int at = 0;
    while (at < params->count && strcmp(params->keywords[at], keyword) != 0)
        at++;
    if (at == (int)(sizeof params->keywords / sizeof params->keywords[0]) - 1)
        return;
    params->keywords[at] = keyword;
    params->values[at] = value;
    if (at == params->count)
        params->count++;
}

static const char *
get(const parameters *params, const char *keyword)
{
    for (int at = 0; at < params->count; at++)
        if (strcmp(params->keywords[at], keyword) == 0)
            return params->values[at];
    return NULL;
}

/* libpq quotes what it could not parse, which may hold the password: its words are not passed on. */
static walrow_code
parse_source(const char *source, PQconninfoOption **out, walrow_error *err)
{
    char *message = NULL;
    *out = PQconninfoParse(source, &message);
    PQfreemem(message);
    if (*out != NULL)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--source is neither a PostgreSQL URL nor libpq keywords");
    return walrow__hint(
        err, "write postgresql://USER@HOST:PORT/DATABASE or \"host=... dbname=... user=...\"; special "
             "characters of a password in a URL are percent-encoded");
}

static const char *
value_or_env(const parameters *params, const char *keyword, const char *env)
{
    const char *value = get(params, keyword);
    return value != NULL ? value : getenv(env);
}

/* How many hosts libpq will try one after the other. */
static int
count_hosts(const parameters *params)
{
    const char *hosts = value_or_env(params, "hostaddr", "PGHOSTADDR");
    if (hosts == NULL)
        hosts = value_or_env(params, "host", "PGHOST");
    int count = 1;
    for (; hosts != NULL && *hosts != '\0'; hosts++)
        count += *hosts == ',';
    return count;
}

static int
timeout_of(const walrow_options *options, const parameters *params)
{
    if (walrow__options_is_set(options, "connect-timeout"))
        return (int)options->connect_timeout_s;
    const char *theirs = value_or_env(params, "connect_timeout", "PGCONNECT_TIMEOUT");
    int seconds = theirs == NULL ? 0 : atoi(theirs);
    return seconds > 0 ? seconds : (int)options->connect_timeout_s;
}

static void
add_ours(parameters *params, bool replication, int timeout_s)
{
    put(params, "client_encoding", "UTF8");
    put(params, "fallback_application_name", "walrow");
    if (replication)
        put(params, "replication", "database");
    /*
     * Without blocking, libpq has no time-out of its own per host. The kernel has: it makes a host that
     * swallows packets fail, so that the next one is tried, and a dead connection noticed.
     */
    if (get(params, "tcp_user_timeout") == NULL) {
        snprintf(params->tcp_user_timeout, sizeof params->tcp_user_timeout, "%d", timeout_s * 1000);
        put(params, "tcp_user_timeout", params->tcp_user_timeout);
    }
    params->keywords[params->count] = NULL;
    params->values[params->count] = NULL;
}

/* ---- connecting ---- */

/* Wait until libpq may go on; false: the deadline passed. */
static bool
wait_socket(PGconn *conn, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - walrow__now_ms();
        if (left <= 0)
            return false;
        struct pollfd socket = {.fd = PQsocket(conn), .events = events};
        int n = poll(&socket, 1, (int)left);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return true; /* libpq will find out what is wrong */
    }
}

static walrow_code
fail_timeout(PGconn *conn, int timeout_s, walrow_error *err)
{
    const char *host = PQhost(conn);
    walrow__fail(err, WALROW_ERR_CONNECT, "cannot connect: no answer from \"%s\", port %s, within %d s",
                 host == NULL ? "" : host, PQport(conn) == NULL ? "" : PQport(conn), timeout_s);
    if (err != NULL)
        err->retryable = true;
    return walrow__hint(
        err, "is the address right, and does a firewall let you through? --connect-timeout waits longer");
}

static walrow_code
finish_connecting(PGconn *conn, bool replication, int timeout_s, int n_hosts, walrow_error *err)
{
    int64_t deadline_ms = walrow__now_ms() + (int64_t)timeout_s * 1000 * n_hosts;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    if (PQstatus(conn) == CONNECTION_BAD)
        return walrow__pg_connect_error(conn, replication, err);
    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED)
            return walrow__pg_connect_error(conn, replication, err);
        if (!wait_socket(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
            return fail_timeout(conn, timeout_s, err);
        state = PQconnectPoll(conn);
    }
    return WALROW_OK;
}

static void
log_notice(void *arg, const PGresult *result)
{
    (void)arg;
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    bool is_warning = severity != NULL && strcmp(severity, "WARNING") == 0;
    walrow__log(is_warning ? WALROW_LOG_WARN : WALROW_LOG_DEBUG, "server: %s",
                message == NULL ? "" : message);
}

/*
 * One SELECT, because old walsenders take one statement at a time. It ends a session's own ideas of time-outs
 * (transaction_timeout came with 17, idle_session_timeout with 14) and makes text exact.
 */
static walrow_code
set_session(PGconn *conn, int timeout_s, walrow_error *err)
{
    static const struct {
        const char *call;
        int since;
    } settings[] = {
        {"set_config('search_path', '', false)", 0},
        {"set_config('DateStyle', 'ISO', false)", 0},
        {"set_config('IntervalStyle', 'postgres', false)", 0},
        {"set_config('TimeZone', 'UTC', false)", 0},
        {"set_config('extra_float_digits', '3', false)", 0},
        {"set_config('bytea_output', 'hex', false)", 0},
        {"set_config('lc_monetary', 'C', false)", 0},
        {"set_config('statement_timeout', '0', false)", 0},
        {"set_config('lock_timeout', '0', false)", 0},
        {"set_config('idle_in_transaction_session_timeout', '0', false)", 90600},
        {"set_config('idle_session_timeout', '0', false)", 140000},
        {"set_config('transaction_timeout', '0', false)", 170000},
    };
    char sql[1024] = "SELECT ";
    size_t used = strlen(sql);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (PQserverVersion(conn) >= settings[i].since)
            used += (size_t)snprintf(sql + used, sizeof sql - used, "%spg_catalog.%s", i == 0 ? "" : ", ",
                                     settings[i].call);
    /* such a server converts nothing but refuses to send a UTF-8 client what is not UTF-8; those values are
     * dead letters */
    const char *encoding = PQparameterStatus(conn, "server_encoding");
    if (encoding != NULL && strcmp(encoding, "SQL_ASCII") == 0)
        snprintf(sql + used, sizeof sql - used,
                 ", pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)");
    return walrow__pg_exec_within(conn, sql, timeout_s * 1000, WALROW_ERR_CONNECT, "setting up the session",
                                  NULL, err);
}

walrow_code
walrow__pg_connect(const walrow_options *options, bool replication, PGconn **out, walrow_error *err)
{
    parameters params = {.count = 0};
    PQconninfoOption *parsed = NULL;
    if (options->source != NULL) {
        WALROW_TRY(parse_source(options->source, &parsed, err));
        for (PQconninfoOption *option = parsed; option->keyword != NULL; option++)
            if (option->val != NULL)
                put(&params, option->keyword, option->val);
    }
    int timeout_s = timeout_of(options, &params);
    add_ours(&params, replication, timeout_s);

    PGconn *conn = PQconnectStartParams(params.keywords, params.values, 0);
    walrow_code code;
    if (conn == NULL)
        code = walrow__fail_memory(err);
    else {
        /* verbose while connecting: the only way to the SQLSTATE of a refused log-in */
        PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
        PQsetNoticeReceiver(conn, log_notice, NULL);
        code = finish_connecting(conn, replication, timeout_s, count_hosts(&params), err);
        PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    }
    PQconninfoFree(parsed);
    if (code == WALROW_OK)
        code = set_session(conn, timeout_s, err);
    if (code != WALROW_OK) {
        PQfinish(conn);
        return code;
    }
    *out = conn;
    return WALROW_OK;
}

/* ---- which server ---- */

static void
copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

static walrow_code
identify_walsender(PGconn *conn, walrow__pg_server *out, walrow_error *err)
{
    PGresult *result;
    WALROW_TRY(walrow__pg_exec(conn, "IDENTIFY_SYSTEM", WALROW_ERR_SERVER, "IDENTIFY_SYSTEM", &result, err));
    out->system_identifier = strtoull(walrow__pg_text(result, 0, 0), NULL, 10);
    out->timeline = (uint32_t)strtoul(walrow__pg_text(result, 0, 1), NULL, 10);
    out->flush_lsn = walrow__pg_lsn(result, 0, 2);
    PQclear(result);
    return WALROW_OK;
}

/* "000000020000000000000003", a WAL file's name: 2 */
static uint32_t
timeline_of(const char *wal_file)
{
    char digits[9];
    copy_text(digits, sizeof digits, wal_file);
    return (uint32_t)strtoul(digits, NULL, 16);
}

/*
 * The control file's numbers are for those who may read them; and its timeline is that of the last checkpoint, which
 * a server that was just promoted has still to make.
 */
static walrow_code
identify_by_sql(PGconn *conn, walrow__pg_server *out, walrow_error *err)
{
    PGresult *result;
    WALROW_TRY(walrow__pg_exec(conn,
                               "SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
                               " THEN pg_catalog.pg_last_wal_replay_lsn()"
                               " ELSE pg_catalog.pg_current_wal_flush_lsn() END,"
                               " CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
                               " THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_flush_lsn()) END",
                               WALROW_ERR_SERVER, "reading the WAL position", &result, err));
    out->flush_lsn = walrow__pg_lsn(result, 0, 0);
    out->timeline = timeline_of(walrow__pg_text(result, 0, 1));
    PQclear(result);

    walrow_code code = walrow__pg_exec(conn, "SELECT system_identifier FROM pg_catalog.pg_control_system()",
                                       WALROW_ERR_SERVER, "reading the system identifier", &result, err);
    if (code == WALROW_OK) {
        out->system_identifier = (uint64_t)walrow__pg_int(result, 0, 0, 0);
        PQclear(result);
        return WALROW_OK;
    }
    if (PQstatus(conn) == CONNECTION_BAD)
        return code;
    walrow__error_clear(err);
    return WALROW_OK;
}

walrow_code
walrow__pg_identify(PGconn *conn, bool replication, walrow__pg_server *out, walrow_error *err)
{
    PGresult *result;
    *out = (walrow__pg_server){.version = PQserverVersion(conn)};
    WALROW_TRY(
        walrow__pg_exec(conn,
                        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_database(), current_user,"
                        " pg_catalog.current_setting('server_encoding')",
                        WALROW_ERR_SERVER, "identifying the server", &result, err));
    out->in_recovery = walrow__pg_bool(result, 0, 0);
    copy_text(out->database, sizeof out->database, walrow__pg_text(result, 0, 1));
    copy_text(out->user, sizeof out->user, walrow__pg_text(result, 0, 2));
    copy_text(out->encoding, sizeof out->encoding, walrow__pg_text(result, 0, 3));
    PQclear(result);
    return replication ? identify_walsender(conn, out, err) : identify_by_sql(conn, out, err);
}
