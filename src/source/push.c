#include "source/push.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/strbuf.h"
#include "pg/error.h"
#include "pg/query.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { DRAIN_MS = 1000 };

/* The replication grammar knows 'text' with doubled quotes and "identifiers"; no E'', no backslashes. */
static void
add_quoted(walrow__strbuf *sql, const char *text, char quote)
{
    walrow__strbuf_add_char(sql, quote);
    for (; *text != '\0'; text++) {
        if (*text == quote)
            walrow__strbuf_add_char(sql, quote);
        walrow__strbuf_add_char(sql, *text);
    }
    walrow__strbuf_add_char(sql, quote);
}

/* name 'value', ... */
static void
add_settings(walrow__strbuf *sql, const walrow__source_options *options)
{
    walrow__texts settings = {0};
    sql->failed |= !walrow__source_settings(options, &settings);
    for (size_t i = 0; i + 1 < settings.count; i += 2) {
        walrow__strbuf_add_text(sql, i == 0 ? "" : ", ");
        add_quoted(sql, settings.items[i], '"');
        walrow__strbuf_add_char(sql, ' ');
        add_quoted(sql, settings.items[i + 1], '\'');
    }
    walrow__texts_release(&settings);
}

static void
add_command(walrow__strbuf *sql, const walrow__source_options *options)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__strbuf_add_text(sql, "START_REPLICATION SLOT ");
    add_quoted(sql, options->slot, '"');
    walrow__strbuf_addf(sql, " LOGICAL %s (", walrow_lsn_format(options->start_lsn, lsn));
    add_settings(sql, options);
    walrow__strbuf_add_char(sql, ')');
}

/* CopyDone is an orderly end; anything else that ends the copy is an error of the server or the network. */
static walrow_code
read_end(walrow__push *push, walrow__incoming *out, walrow_error *err)
{
    PGresult *result = PQgetResult(push->conn);
    ExecStatusType status = PQresultStatus(result);
    walrow_code code = WALROW_OK;
    if (result == NULL || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN)
        out->kind = WALROW__INCOMING_END;
    else
        code = walrow__pg_error(push->conn, result, WALROW_ERR_NET, "streaming", err);
    PQclear(result);
    return code;
}

walrow_code
walrow__push_read(walrow__push *push, walrow__incoming *out, walrow_error *err)
{
    memset(out, 0, sizeof *out);
    PQfreemem(push->buffer);
    push->buffer = NULL;
    int size = PQgetCopyData(push->conn, &push->buffer, 1);
    if (size == 0) {
        if (!PQconsumeInput(push->conn))
            return walrow__pg_error(push->conn, NULL, WALROW_ERR_NET, "streaming", err);
        size = PQgetCopyData(push->conn, &push->buffer, 1);
    }
    if (size > 0)
        return walrow__incoming_read(push->buffer, (size_t)size, out, err);
    if (size == 0)
        return WALROW_OK;
    if (size == -1)
        return read_end(push, out, err);
    return walrow__pg_error(push->conn, NULL, WALROW_ERR_NET, "streaming", err);
}

static void
put_u64(char *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
}

/* Microseconds since 2000-01-01, as the protocol counts. */
static uint64_t
postgres_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)(now.tv_sec - 946684800) * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

walrow_code
walrow__push_status(walrow__push *push, uint64_t written_lsn, uint64_t flushed_lsn, bool wants_reply,
                    walrow_error *err)
{
    char message[34];
    message[0] = 'r';
    put_u64(message + 1, written_lsn);
    put_u64(message + 9, flushed_lsn);
    put_u64(message + 17, flushed_lsn);
    put_u64(message + 25, postgres_now());
    message[33] = wants_reply ? 1 : 0;
    if (PQputCopyData(push->conn, message, sizeof message) < 0 || PQflush(push->conn) < 0)
        return walrow__pg_error(push->conn, NULL, WALROW_ERR_NET, "streaming", err);
    return WALROW_OK;
}

static void
wait_readable(PGconn *conn, int timeout_ms)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
    poll(&fd, 1, timeout_ms);
}

typedef enum drained { DRAINED_ONE, DRAINED_NOTHING_YET, DRAINED_ALL } drained;

static drained
drain_copy(PGconn *conn)
{
    char *buffer = NULL;
    int size = PQgetCopyData(conn, &buffer, 1);
    PQfreemem(buffer);
    return size > 0 ? DRAINED_ONE : size == 0 ? DRAINED_NOTHING_YET : DRAINED_ALL;
}

/* The command's end, once the copy has ended. */
static drained
drain_results(PGconn *conn)
{
    if (PQisBusy(conn))
        return DRAINED_NOTHING_YET;
    PGresult *result = PQgetResult(conn);
    ExecStatusType status = PQresultStatus(result);
    bool all =
        result == NULL || status == PGRES_COPY_BOTH || status == PGRES_COPY_IN || status == PGRES_COPY_OUT;
    PQclear(result);
    return all ? DRAINED_ALL : DRAINED_ONE;
}

/*
 * After CopyDone the server sends its own, and then goes on with the transaction it is in, however long that is,
 * before it ends the command: read it away, but not for ever.
 */
static void
drain(PGconn *conn)
{
    drained (*some)(PGconn *) = drain_copy;
    for (int64_t until = walrow__now_ms() + DRAIN_MS; walrow__now_ms() < until;) {
        drained got = some(conn);
        if (got == DRAINED_ALL && some == drain_results)
            return;
        if (got == DRAINED_ALL)
            some = drain_results;
        if (got != DRAINED_NOTHING_YET)
            continue;
        wait_readable(conn, 100);
        if (!PQconsumeInput(conn))
            return;
    }
}

void
walrow__push_close(walrow__push *push)
{
    if (push->conn != NULL && PQstatus(push->conn) == CONNECTION_OK &&
        PQtransactionStatus(push->conn) == PQTRANS_ACTIVE && PQputCopyEnd(push->conn, NULL) > 0) {
        PQflush(push->conn);
        drain(push->conn);
    }
    PQfreemem(push->buffer);
    PQfinish(push->conn);
    memset(push, 0, sizeof *push);
}

/* ---- the port ---- */

static walrow_code
read_source(walrow__source *source, walrow__incoming *out, walrow_error *err)
{
    return walrow__push_read((walrow__push *)source, out, err);
}

static void
take_source(walrow__source *source, struct ArrowBuffer *out)
{
    walrow__push *push = (walrow__push *)source;
    walrow__incoming_take(&push->buffer, out);
}

static walrow_code
tell_status(walrow__source *source, uint64_t written_lsn, uint64_t flushed_lsn, bool wants_reply,
            walrow_error *err)
{
    return walrow__push_status((walrow__push *)source, written_lsn, flushed_lsn, wants_reply, err);
}

static nfds_t
source_waits(walrow__source *source, struct pollfd fds[WALROW__SOURCE_FDS], int *timeout_ms)
{
    (void)timeout_ms; /* the walsender speaks when it has something */
    fds[0] = (struct pollfd){.fd = PQsocket(((walrow__push *)source)->conn), .events = POLLIN};
    return 1;
}

/* The walsender goes on; what it sends is read away, among it its wishes for replies. */
static void
quit_source(walrow__source *source)
{
    (void)source;
}

static void
close_source(walrow__source *source)
{
    walrow__push_close((walrow__push *)source);
}

static const walrow__source_ops ops = {
    .name = "push",
    .read = read_source,
    .take = take_source,
    .status = tell_status,
    .waits = source_waits,
    .quit = quit_source,
    .close = close_source,
};

static walrow_code
start(PGconn *conn, const walrow__source_options *options, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    add_command(&sql, options);
    if (sql.failed)
        return walrow__fail_memory(err);
    PGresult *result = NULL;
    walrow_code code = walrow__pg_exec_within(conn, walrow__strbuf_text(&sql), options->timeout_ms,
                                              WALROW_ERR_SLOT, "starting to stream", &result, err);
    walrow__strbuf_release(&sql);
    if (code == WALROW_OK && PQresultStatus(result) != PGRES_COPY_BOTH)
        code = walrow__fail(err, WALROW_ERR_PROTOCOL, "starting to stream: the server did not");
    PQclear(result);
    return code;
}

walrow_code
walrow__push_start(walrow__push *push, PGconn *conn, const walrow__source_options *options, walrow_error *err)
{
    walrow_error failure = {0};
    walrow__source_options ours = *options;
    *push = (walrow__push){.base.ops = &ops, .conn = conn};
    walrow_code code = start(conn, &ours, &failure);
    if (code != WALROW_OK) {
        code = walrow__source_ask_less(&ours, &failure);
        if (code == WALROW_OK)
            code = start(conn, &ours, &failure);
    }
    if (code == WALROW_OK)
        return WALROW_OK;
    if (err != NULL)
        *err = failure;
    walrow__push_close(push);
    return code;
}
