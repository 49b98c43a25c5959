/*
 * streaming.h
 *	  A stream, through the public interface, from a scripted server. Confirming more than was made durable fails
 *	  every test.
 */
#ifndef WALROW_TEST_STREAMING_H
#define WALROW_TEST_STREAMING_H

#include "walsender.h"
#include "wire.h"

#include "stream/stream.h"

typedef struct fixture {
    walsender *server;
    walrow_options *options;
    walrow_stream *stream;
    walrow_changes changes;
    walrow_error err;
} fixture;

/* What walrow asks at start-up; the publication is FOR ALL TABLES, none of which is there yet. */
static const walsender_answer answers[] = {
    {"pg_replication_slots s", "pgoutput|app|f|f|0||0/10|0/10|0|0|reserved|-1|f||\n", NULL},
    {"server_encoding", "f|app|tester|UTF8|\n", NULL},
    {"pg_control_system", "7000000000000000001|\n", NULL},
    {"pg_walfile_name", "0/1000|000000010000000000000000|\n", NULL},
    {"pg_current_wal_flush_lsn", "0/1000|\n", NULL},
    {"p.puballtables", "16400|t|t|t|t|t|t|t|\n", NULL},
    {"SELECT pubname FROM pg_publication", "walrow|\n", NULL},
    {"made_of",
     "23|b|pg_catalog|int4|int4out|0|,|0|-1|~|~|~|\n"
     "25|b|pg_catalog|text|textout|0|,|0|-1|~|~|~|\n",
     NULL},
    {"format_type($1", "whatever|\n", NULL},
    {NULL, NULL, NULL},
};

UNUSED_FN static void
set(fixture *f, const char *name, const char *value)
{
    ASSERT_OK(walrow_options_set(f->options, name, value, &f->err), f->err);
}

UNUSED_FN static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->server = walsender_new(WALSENDER_UNIX);
    walsender_answers(f->server, answers);
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    set(f, "source", walsender_source(f->server));
    set(f, "tables", "public.*");
    set(f, "allow-empty", "true");
    set(f, "no-setup", "true");
    set(f, "snapshot", "never");
    set(f, "state", "off");
    set(f, "encoding", "text");
    set(f, "ack-interval", "20");
    set(f, "connect-timeout", "5");
    *state = f;
    return 0;
}

UNUSED_FN static void
release_changes(fixture *f)
{
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
}

UNUSED_FN static int
tear_down(void **state)
{
    fixture *f = *state;
    release_changes(f);
    walrow_close(f->stream);
    walrow_options_free(f->options);
    int violations = walsender_violations(f->server);
    walsender_free(f->server);
    free(f);
    if (violations > 0)
        print_error("%d status updates confirmed what was not durable\n", violations);
    return violations;
}

/* ---- acts ---- */

UNUSED_FN static void
sends(fixture *f, wire w)
{
    walsender_data(f->server, 0xABC, w.bytes, w.size);
}

/* In every session the table is announced. */
UNUSED_FN static void
sends_table(fixture *f)
{
    sends(f, simple_relation(1, "t", 'd'));
}

UNUSED_FN static void
sends_insert(fixture *f, const char *id, const char *name)
{
    sends(f, a_change('I', 1, ROW(id, name), 0, NULL));
}

/* A transaction's end LSN is its commit LSN + 8. */
UNUSED_FN static void
sends_transaction(fixture *f, uint64_t commit_lsn, const char *id)
{
    sends(f, a_begin(commit_lsn, (uint32_t)commit_lsn));
    sends_table(f);
    sends_insert(f, id, "x");
    sends(f, a_commit(commit_lsn, commit_lsn + 8));
}

UNUSED_FN static void
open_stream(fixture *f)
{
    ASSERT_OK(walrow_open(f->options, &f->stream, &f->err), f->err);
}

UNUSED_FN static walrow_code
next(fixture *f, int timeout_ms)
{
    release_changes(f);
    memset(&f->err, 0, sizeof f->err);
    return walrow_next(f->stream, &f->changes, timeout_ms, &f->err);
}

/* The rows of the next change set that has any. */
UNUSED_FN static const char *
next_rows(fixture *f)
{
    do {
        walrow_code code = next(f, 5000);
        if (code != WALROW_OK)
            fail_msg("%s: %s", walrow_code_name(code), f->err.message);
    } while (f->changes.n_batches == 0);
    return rows_of(&f->changes);
}

/* Made durable: from now on it may be confirmed. */
UNUSED_FN static void
ack(fixture *f, uint64_t lsn)
{
    walsender_durable(f->server, lsn);
    ASSERT_OK(walrow_ack(f->stream, lsn, &f->err), f->err);
}

UNUSED_FN static void
expect_end(fixture *f, walrow_code code, const char *message)
{
    walrow_code ended = next(f, 5000);
    while (ended == WALROW_OK)
        ended = next(f, 5000);
    if (ended != code)
        fail_msg("%s, not %s: %s", walrow_code_name(ended), walrow_code_name(code), f->err.message);
    if (strstr(f->err.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->err.message, message);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
