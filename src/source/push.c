#include "source/push.h"

#include "base/clock.h"
#include "base/cursor.h"
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

/* publication_names is a list of identifiers inside a literal. */
static void
add_publications(walrow__strbuf *sql, const char *const *names)
{
    walrow__strbuf list;
    walrow__strbuf_init(&list);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (i > 0)
            walrow__strbuf_add_char(&list, ',');
        add_quoted(&list, names[i], '"');
    }
    walrow__strbuf_add_text(sql, ", publication_names ");
    add_quoted(sql, walrow__strbuf_text(&list), '\'');
    sql->failed |= list.failed;
    walrow__strbuf_release(&list);
}

/* "schema"."table"."column"=utf8,... */
static void
add_types(walrow__strbuf *sql, const walrow__type_override *types, size_t n_types)
{
    walrow__strbuf list;
    walrow__strbuf_init(&list);
    for (size_t i = 0; i < n_types; i++) {
        if (i > 0)
            walrow__strbuf_add_char(&list, ',');
        add_quoted(&list, types[i].schema, '"');
        walrow__strbuf_add_char(&list, '.');
        add_quoted(&list, types[i].table, '"');
        walrow__strbuf_add_char(&list, '.');
        add_quoted(&list, types[i].column, '"');
        walrow__strbuf_addf(&list, "=%s", types[i].arrow_type);
    }
    walrow__strbuf_add_text(sql, ", types ");
    add_quoted(sql, walrow__strbuf_text(&list), '\'');
    sql->failed |= list.failed;
    walrow__strbuf_release(&list);
}

static void
add_pgoutput(walrow__strbuf *sql, const walrow__push_options *options)
{
    walrow__strbuf_add_text(sql, "proto_version '1'");
    add_publications(sql, options->publications);
    if (options->binary)
        walrow__strbuf_add_text(sql, ", binary 'true'");
    if (options->messages)
        walrow__strbuf_add_text(sql, ", messages 'true'");
}

/* PROTOCOL.md, "Options" */
static void
add_wal2arrow(walrow__strbuf *sql, const walrow__push_options *options)
{
    walrow__strbuf_addf(sql, "format 'compact', max_rows '%" PRId64 "', max_bytes '%" PRId64 "'",
                        options->max_rows, options->max_bytes);
    add_publications(sql, options->publications);
    if (options->n_types > 0)
        add_types(sql, options->types, options->n_types);
    if (options->messages)
        walrow__strbuf_add_text(sql, ", messages 'on'");
}

static void
add_command(walrow__strbuf *sql, const walrow__push_options *options)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__strbuf_add_text(sql, "START_REPLICATION SLOT ");
    add_quoted(sql, options->slot, '"');
    walrow__strbuf_addf(sql, " LOGICAL %s (", walrow_lsn_format(options->start_lsn, lsn));
    if (options->wal2arrow)
        add_wal2arrow(sql, options);
    else
        add_pgoutput(sql, options);
    walrow__strbuf_add_char(sql, ')');
}

walrow_code
walrow__push_start(walrow__push *push, PGconn *conn, const walrow__push_options *options, walrow_error *err)
{
    memset(push, 0, sizeof *push);
    push->conn = conn;
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    add_command(&sql, options);
    if (sql.failed) {
        walrow__push_close(push);
        return walrow__fail_memory(err);
    }
    PGresult *result = NULL;
    walrow_code code = walrow__pg_exec_within(conn, walrow__strbuf_text(&sql), options->timeout_ms,
                                              WALROW_ERR_SLOT, "starting to stream", &result, err);
    walrow__strbuf_release(&sql);
    if (code == WALROW_OK && PQresultStatus(result) != PGRES_COPY_BOTH)
        code = walrow__fail(err, WALROW_ERR_PROTOCOL, "starting to stream: the server did not");
    PQclear(result);
    if (code != WALROW_OK)
        walrow__push_close(push);
    return code;
}

static walrow_code
read_header(walrow__push *push, int size, walrow__push_message *out, walrow_error *err)
{
    walrow__cursor cursor = walrow__cursor_over(push->buffer, (size_t)size);
    uint8_t kind = walrow__read_u8(&cursor);
    if (kind == 'w') {
        out->kind = WALROW__PUSH_DATA;
        out->lsn = walrow__read_u64(&cursor);
        walrow__read_u64(&cursor); /* walEnd: zero in all but the last write of a callback */
        walrow__read_u64(&cursor); /* the server's clock */
        out->bytes = cursor.at;
        out->size = walrow__cursor_left(&cursor);
    } else if (kind == 'k') {
        out->kind = WALROW__PUSH_KEEPALIVE;
        out->lsn = walrow__read_u64(&cursor);
        walrow__read_u64(&cursor);
        out->wants_reply = walrow__read_u8(&cursor) != 0;
    } else {
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "replication stream: unknown message 0x%02X", kind);
    }
    if (cursor.failed)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "replication stream: message '%c' of %d bytes is too short", kind, size);
    return WALROW_OK;
}

/* CopyDone is an orderly end; anything else that ends the copy is an error of the server or the network. */
static walrow_code
read_end(walrow__push *push, walrow__push_message *out, walrow_error *err)
{
    PGresult *result = PQgetResult(push->conn);
    ExecStatusType status = PQresultStatus(result);
    walrow_code code = WALROW_OK;
    if (result == NULL || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN)
        out->kind = WALROW__PUSH_END;
    else
        code = walrow__pg_error(push->conn, result, WALROW_ERR_NET, "streaming", err);
    PQclear(result);
    return code;
}

walrow_code
walrow__push_read(walrow__push *push, walrow__push_message *out, walrow_error *err)
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
        return read_header(push, size, out, err);
    if (size == 0)
        return WALROW_OK;
    if (size == -1)
        return read_end(push, out, err);
    return walrow__pg_error(push->conn, NULL, WALROW_ERR_NET, "streaming", err);
}

static void
free_message(struct ArrowBufferAllocator *allocator, uint8_t *bytes, int64_t size)
{
    (void)bytes; /* a view of the message may begin anywhere in it */
    (void)size;
    PQfreemem(allocator->private_data);
}

void
walrow__push_take(walrow__push *push, struct ArrowBuffer *out)
{
    ArrowBufferInit(out);
    out->data = (uint8_t *)push->buffer;
    out->allocator = ArrowBufferDeallocator(free_message, push->buffer);
    push->buffer = NULL;
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
