/*
 * pushing.h
 *	  A client of a scripted server: connecting, starting, reading all there is.
 */
#ifndef WALROW_TEST_PUSHING_H
#define WALROW_TEST_PUSHING_H

#include "walsender.h"
#include "wire.h"

#include <poll.h>

#include "pg/connection.h"
#include "source/push.h"

typedef struct fixture {
    walsender *server;
    walrow_options *options;
    walrow__push push;
    PGconn *conn;
    walrow_error err;
    char heard[4096]; /* what was read, a word a message */
} fixture;

UNUSED_FN static void
set(fixture *f, const char *name, const char *value)
{
    ASSERT_OK(walrow_options_set(f->options, name, value, &f->err), f->err);
}

UNUSED_FN static fixture *
a_fixture(walsender_network network)
{
    fixture *f = calloc(1, sizeof *f);
    f->server = walsender_new(network);
    walsender_durable(f->server, UINT64_MAX);
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    set(f, "source", walsender_source(f->server));
    set(f, "connect-timeout", "5");
    return f;
}

UNUSED_FN static int
set_up(void **state)
{
    *state = a_fixture(WALSENDER_UNIX);
    return 0;
}

UNUSED_FN static int
set_up_tcp(void **state)
{
    *state = a_fixture(WALSENDER_TCP);
    return 0;
}

UNUSED_FN static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__push_close(&f->push);
    PQfinish(f->conn);
    walrow_options_free(f->options);
    walsender_free(f->server);
    free(f);
    return 0;
}

/* ---- acts ---- */

UNUSED_FN static walrow_code
connect_to(fixture *f)
{
    PQfinish(f->conn);
    f->conn = NULL;
    memset(&f->err, 0, sizeof f->err);
    return walrow__pg_connect(f->options, true, &f->conn, &f->err);
}

static const char *const publications[] = {"walrow", NULL};

UNUSED_FN static walrow_code
start(fixture *f)
{
    const walrow__source_options options = {.slot = "walrow",
                                            .publications = publications,
                                            .timeout_ms = (int)f->options->connect_timeout_s * 1000};
    walrow_code code = connect_to(f);
    if (code != WALROW_OK)
        return code;
    PGconn *conn = f->conn;
    f->conn = NULL;
    return walrow__push_start(&f->push, conn, &options, &f->err);
}

UNUSED_FN static void
must_start(fixture *f)
{
    ASSERT_OK(start(f), f->err);
}

UNUSED_FN static void
wait_readable(fixture *f)
{
    struct pollfd fd = {.fd = PQsocket(f->push.conn), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 5000), 1);
}

UNUSED_FN static void
note(fixture *f, const walrow__incoming *message)
{
    if (message->kind == WALROW__INCOMING_DATA)
        say(f->heard, sizeof f->heard, "data %llX:%.*s ", (unsigned long long)message->lsn,
            (int)message->size, (const char *)message->bytes);
    if (message->kind == WALROW__INCOMING_KEEPALIVE)
        say(f->heard, sizeof f->heard, "keepalive %llX%s ", (unsigned long long)message->lsn,
            message->wants_reply ? "?" : "");
    if (message->kind == WALROW__INCOMING_END)
        say(f->heard, sizeof f->heard, "end");
}

/* Until the end or an error: every message is noted. */
UNUSED_FN static walrow_code
read_all(fixture *f)
{
    walrow__incoming message = {.kind = WALROW__INCOMING_NOTHING};
    walrow_code code = WALROW_OK;
    f->heard[0] = '\0';
    while (code == WALROW_OK && message.kind != WALROW__INCOMING_END) {
        code = walrow__push_read(&f->push, &message, &f->err);
        if (code == WALROW_OK)
            note(f, &message);
        if (code == WALROW_OK && message.kind == WALROW__INCOMING_NOTHING)
            wait_readable(f);
    }
    return code;
}

/* Start, read all: the first error. */
UNUSED_FN static walrow_code
stream(fixture *f)
{
    walrow_code code = start(f);
    return code == WALROW_OK ? read_all(f) : code;
}

UNUSED_FN static void
expect_error(const fixture *f, walrow_code code, bool retryable, const char *message, const char *hint)
{
    if (f->err.code != code)
        fail_msg("%s, not %s: %s", walrow_code_name(f->err.code), walrow_code_name(code), f->err.message);
    if (f->err.retryable != retryable)
        fail_msg("%s: %s", f->err.retryable ? "is tried again" : "is not tried again", f->err.message);
    if (strstr(f->err.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->err.message, message);
    if (strstr(f->err.hint, hint) == NULL)
        fail_msg("hint \"%s\" does not say \"%s\"", f->err.hint, hint);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TCP_CASE(name) cmocka_unit_test_setup_teardown(name, set_up_tcp, tear_down)

#endif
