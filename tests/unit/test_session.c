/*
 * test_session.c
 *	  A stream, through the public interface, from a scripted server: what is delivered, what is confirmed, when
 *	  it comes again. Confirming more than was made durable fails every test.
 */
#include "walsender.h"
#include "wire.h"

#include <poll.h>

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
    {"pg_control_system", "7000000000000000001|1|\n", NULL},
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

static void
set(fixture *f, const char *name, const char *value)
{
    ASSERT_OK(walrow_options_set(f->options, name, value, &f->err), f->err);
}

static int
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
    set(f, "encoding", "text");
    set(f, "ack-interval", "20");
    set(f, "connect-timeout", "5");
    *state = f;
    return 0;
}

static void
release_changes(fixture *f)
{
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
}

static int
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

static void
sends(fixture *f, wire w)
{
    walsender_data(f->server, 0xABC, w.bytes, w.size);
}

/* In every session the table is announced. */
static void
sends_table(fixture *f)
{
    sends(f, simple_relation(1, "t", 'd'));
}

static void
sends_insert(fixture *f, const char *id, const char *name)
{
    sends(f, a_change('I', 1, ROW(id, name), 0, NULL));
}

/* A transaction's end LSN is its commit LSN + 8. */
static void
sends_transaction(fixture *f, uint64_t commit_lsn, const char *id)
{
    sends(f, a_begin(commit_lsn, (uint32_t)commit_lsn));
    sends_table(f);
    sends_insert(f, id, "x");
    sends(f, a_commit(commit_lsn, commit_lsn + 8));
}

static void
open_stream(fixture *f)
{
    ASSERT_OK(walrow_open(f->options, &f->stream, &f->err), f->err);
}

static walrow_code
next(fixture *f, int timeout_ms)
{
    release_changes(f);
    memset(&f->err, 0, sizeof f->err);
    return walrow_next(f->stream, &f->changes, timeout_ms, &f->err);
}

/* The rows of the next change set that has any. */
static const char *
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
static void
ack(fixture *f, uint64_t lsn)
{
    walsender_durable(f->server, lsn);
    ASSERT_OK(walrow_ack(f->stream, lsn, &f->err), f->err);
}

static void
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

/* ---- what is delivered ---- */

static void
a_transaction_is_a_change_set(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    assert_int_equal(f->changes.end_lsn, 0x108);
    assert_false(f->changes.partial);
}

static void
a_transaction_that_drips_is_delivered(void **state)
{
    fixture *f = *state;
    open_stream(f);
    assert_true(walsender_wait_sessions(f->server, 1));
    wire begin = a_begin(0x100, 7);
    uint8_t frame[64] = {'d', 0, 0, 0, (uint8_t)(4 + 25 + begin.size), 'w'};
    memcpy(frame + 5 + 25, begin.bytes, begin.size);
    for (size_t i = 0; i < 5 + 25 + begin.size; i++) {
        walsender_raw(f->server, &frame[i], 1);
        walsender_pauses(f->server, 20);
    }
    sends_table(f);
    sends_insert(f, "1", "x");
    sends(f, a_commit(0x100, 0x108));
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
}

static void
an_endless_transaction_comes_in_parts(void **state)
{
    fixture *f = *state;
    set(f, "batch-rows", "10");
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    for (int i = 0; i < 35; i++)
        sends_insert(f, "1", "x");
    open_stream(f);
    for (int part = 0; part < 3; part++) {
        next_rows(f);
        assert_true(f->changes.partial);
        assert_int_equal(f->changes.end_lsn, 0);
        assert_int_equal(f->changes.batches[0].array.length, 10);
    }
    assert_int_equal(next(f, 100), WALROW_TIMEOUT);
    assert_int_equal(walsender_flushed(f->server), 0);
}

/* 24 MB towards a caller who takes nothing: the server must be held up, whatever the sockets hold. */
static void
an_endless_transaction_takes_no_more_memory_than_it_may(void **state)
{
    fixture *f = *state;
    static char name[3000];
    memset(name, 'x', sizeof name - 1);
    set(f, "batch-bytes", "100kB");
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    for (int i = 0; i < 8000; i++)
        sends_insert(f, "1", name);
    open_stream(f);
    size_t before = 0, after = walsender_sent(f->server);
    for (int still = 0; still < 20; still = before == after ? still + 1 : 0) {
        before = after;
        poll(NULL, 0, 10);
        after = walsender_sent(f->server);
    }
    assert_in_range(after, 100 * 1024, 4 * 1024 * 1024);
    assert_in_range(f->stream->receiver.queue.bytes, 100 * 1024, 300 * 1024);
    for (int taken = 0; taken < 1000 * 1000;) {
        next_rows(f);
        taken += (int)f->changes.batches[0].array.length * 3000;
    }
    assert_true(walsender_sent(f->server) > after); /* and goes on when there is room */
}

/* ---- what is confirmed ---- */

static void
nothing_is_confirmed_before_it_is_acknowledged(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    sends_transaction(f, 0x200, "2");
    walsender_keepalive(f->server, 0x300, true);
    open_stream(f);
    next_rows(f);
    assert_true(walsender_wait_statuses(f->server, 2));
    assert_int_equal(walsender_flushed(f->server), 0);
    assert_int_equal(walsender_last_status(f->server).written_lsn, 0x300);
}

static void
what_is_acknowledged_is_confirmed(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    next_rows(f);
    ack(f, 0x108);
    assert_true(walsender_wait_flush(f->server, 0x108));
}

static void
only_what_is_acknowledged_is_confirmed(void **state)
{
    fixture *f = *state;
    open_stream(f);
    sends_transaction(f, 0x100, "1");
    next_rows(f);
    sends_transaction(f, 0x200, "2");
    next_rows(f);
    ack(f, 0x108);
    assert_true(walsender_wait_flush(f->server, 0x108));
    int before = walsender_statuses(f->server);
    walsender_keepalive(f->server, 0x300, true);
    assert_true(walsender_wait_statuses(f->server, before + 1));
    assert_int_equal(walsender_flushed(f->server), 0x108);
}

static void
a_part_of_a_transaction_is_not_confirmed(void **state)
{
    fixture *f = *state;
    set(f, "batch-rows", "1");
    sends_transaction(f, 0x100, "1");
    sends(f, a_begin(0x200, 7));
    sends_table(f);
    sends_insert(f, "2", "x");
    walsender_keepalive(f->server, 0x300, true);
    open_stream(f);
    next_rows(f);
    while (!f->changes.partial || f->changes.end_lsn != 0x108)
        next_rows(f);
    ack(f, f->changes.end_lsn);
    assert_true(walsender_wait_flush(f->server, 0x108));
    int before = walsender_statuses(f->server);
    walsender_keepalive(f->server, 0x400, true);
    assert_true(walsender_wait_statuses(f->server, before + 1));
    assert_int_equal(walsender_flushed(f->server), 0x108);
}

static void
a_keepalive_before_anything_is_confirmed(void **state)
{
    fixture *f = *state;
    walsender_durable(f->server, 0x300);
    walsender_keepalive(f->server, 0x300, false);
    open_stream(f);
    assert_true(walsender_wait_flush(f->server, 0x300));
}

static void
a_keepalive_that_wants_a_reply_gets_one_at_once(void **state)
{
    fixture *f = *state;
    set(f, "ack-interval", "60000");
    walsender_durable(f->server, 0x300);
    walsender_keepalive(f->server, 0x300, true);
    open_stream(f);
    assert_true(walsender_wait_flush(f->server, 0x300));
}

static void
a_keepalive_within_a_transaction_is_answered_but_not_confirmed(void **state)
{
    fixture *f = *state;
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    sends_insert(f, "1", "x");
    walsender_awaits_statuses(f->server, 1);
    walsender_keepalive(f->server, 0x500, true);
    walsender_awaits_statuses(f->server, 2);
    sends(f, a_commit(0x100, 0x108));
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    ack(f, 0x108);
    assert_true(walsender_wait_flush(f->server, 0x108));
    assert_int_equal(walsender_flushed(f->server), 0x108);
}

static void
a_keepalive_after_all_was_acknowledged_is_confirmed(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    next_rows(f);
    ack(f, 0x108);
    assert_true(walsender_wait_flush(f->server, 0x108));
    walsender_durable(f->server, 0x300);
    walsender_keepalive(f->server, 0x300, false);
    assert_true(walsender_wait_flush(f->server, 0x300));
}

static void
a_keepalive_that_goes_back_takes_nothing_back(void **state)
{
    fixture *f = *state;
    walsender_durable(f->server, 0x300);
    walsender_keepalive(f->server, 0x300, true);
    open_stream(f);
    assert_true(walsender_wait_flush(f->server, 0x300));
    int before = walsender_statuses(f->server);
    walsender_keepalive(f->server, 0x200, true);
    assert_true(walsender_wait_statuses(f->server, before + 1));
    assert_int_equal(walsender_last_status(f->server).flushed_lsn, 0x300);
}

static void
an_empty_transaction_is_confirmed_without_the_caller(void **state)
{
    fixture *f = *state;
    walsender_durable(f->server, 0x108);
    sends(f, a_begin(0x100, 7));
    sends(f, a_commit(0x100, 0x108));
    open_stream(f);
    assert_true(walsender_wait_flush(f->server, 0x108));
}

static void
an_empty_transaction_does_not_confirm_the_one_before_it(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    sends(f, a_begin(0x200, 7));
    sends(f, a_commit(0x200, 0x208));
    walsender_keepalive(f->server, 0x300, true);
    open_stream(f);
    next_rows(f);
    assert_true(walsender_wait_statuses(f->server, 2));
    assert_int_equal(walsender_flushed(f->server), 0);
}

static void
the_server_hears_of_us_while_the_caller_takes_nothing(void **state)
{
    fixture *f = *state;
    set(f, "batch-bytes", "1kB");
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    for (int i = 0; i < 1000; i++)
        sends_insert(f, "1", "much more than the queue may hold");
    walsender_keepalive(f->server, 0x500, true);
    open_stream(f);
    assert_true(walsender_wait_statuses(f->server, 5));
    assert_int_equal(walsender_flushed(f->server), 0);
}

static void
an_acknowledgement_cannot_be_taken_back(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    next_rows(f);
    ack(f, 0x108);
    assert_int_equal(walrow_ack(f->stream, 0x100, &f->err), WALROW_ERR_USAGE);
}

static void
the_last_acknowledgement_is_confirmed_before_the_goodbye(void **state)
{
    fixture *f = *state;
    set(f, "ack-interval", "60000");
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    next_rows(f);
    ack(f, 0x108);
    walrow_close(f->stream);
    f->stream = NULL;
    assert_int_equal(walsender_flushed(f->server), 0x108);
    assert_int_equal(walsender_goodbyes(f->server), 1);
}

static void
a_transaction_under_way_is_not_confirmed_by_the_goodbye(void **state)
{
    fixture *f = *state;
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    sends_insert(f, "1", "x");
    walsender_awaits_statuses(f->server, 1);
    walsender_keepalive(f->server, 0x500, true);
    open_stream(f);
    assert_true(walsender_wait_said(f->server));
    assert_true(walsender_wait_statuses(f->server, 2));
    walrow_close(f->stream);
    f->stream = NULL;
    assert_int_equal(walsender_flushed(f->server), 0);
    assert_int_equal(walsender_goodbyes(f->server), 1);
}

/* ---- what comes again ---- */

static void
a_connection_lost_between_transactions_is_made_again(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    walsender_hangs_up(f->server);
    walsender_next_session(f->server);
    sends_transaction(f, 0x200, "2");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    assert_string_equal(next_rows(f), "t:\nI 200/0 2 x\n");
    assert_non_null(strstr(walsender_command(f->server), "LOGICAL 0/108 "));
}

static void
a_connection_lost_within_a_transaction_brings_it_whole(void **state)
{
    fixture *f = *state;
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    sends_insert(f, "1", "x");
    walsender_hangs_up(f->server);
    walsender_next_session(f->server);
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    sends_insert(f, "1", "x");
    sends_insert(f, "2", "y");
    sends(f, a_commit(0x100, 0x108));
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\nI 100/1 2 y\n");
}

static void
parts_that_were_delivered_do_not_come_twice(void **state)
{
    fixture *f = *state;
    set(f, "batch-rows", "1");
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    sends_insert(f, "1", "x");
    walsender_resets(f->server);
    walsender_next_session(f->server);
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    sends_insert(f, "1", "x");
    sends_insert(f, "2", "y");
    sends(f, a_commit(0x100, 0x108));
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    assert_string_equal(next_rows(f), "t:\nI 100/1 2 y\n");
}

static void
a_connection_lost_within_a_message_is_made_again(void **state)
{
    fixture *f = *state;
    walsender_raw(f->server, "d\0\0\1\0w", 6);
    walsender_hangs_up(f->server);
    walsender_next_session(f->server);
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    assert_int_equal(f->stream->receiver.figures.reconnects, 1);
}

static void
a_keepalive_of_the_last_connection_confirms_nothing_in_the_next(void **state)
{
    fixture *f = *state;
    walsender_durable(f->server, 0x300);
    walsender_keepalive(f->server, 0x300, true);
    walsender_awaits_flush(f->server, 0x300);
    sends(f, a_begin(0x400, 7));
    walsender_hangs_up(f->server);
    walsender_next_session(f->server);
    sends(f, a_begin(0x280, 6)); /* the slot was not asked to remember 300 */
    sends(f, a_commit(0x280, 0x288));
    sends_transaction(f, 0x400, "1");
    walsender_awaits_statuses(f->server, 2);
    open_stream(f);
    next_rows(f);
    assert_in_range(walsender_last_status(f->server).flushed_lsn, 0, 0x288);
    ack(f, 0x408);
    assert_true(walsender_wait_flush(f->server, 0x408));
}

static void
a_server_that_ends_the_stream_is_asked_again(void **state)
{
    fixture *f = *state;
    walsender_ends_copy(f->server);
    walsender_next_session(f->server);
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
}

static void
a_server_that_falls_silent_is_asked_and_then_left(void **state)
{
    fixture *f = *state;
    set(f, "receive-timeout", "1");
    sends_transaction(f, 0x100, "1");
    walsender_next_session(f->server);
    sends_transaction(f, 0x200, "2");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    assert_string_equal(next_rows(f), "t:\nI 200/0 2 x\n");
    assert_int_equal(walsender_sessions(f->server), 2);
}

static void
a_server_that_answers_when_asked_is_not_left(void **state)
{
    fixture *f = *state;
    set(f, "receive-timeout", "1");
    walsender_durable(f->server, 0x100);
    open_stream(f);
    for (int i = 0; i < 3; i++) {
        while (!walsender_last_status(f->server).wants_reply)
            assert_true(walsender_wait_statuses(f->server, walsender_statuses(f->server) + 1));
        walsender_keepalive(f->server, 0x100, true);
        while (walsender_last_status(f->server).wants_reply)
            assert_true(walsender_wait_statuses(f->server, walsender_statuses(f->server) + 1));
    }
    assert_int_equal(walsender_sessions(f->server), 1);
}

static void
a_slot_still_active_after_a_lost_connection_is_waited_for(void **state)
{
    fixture *f = *state;
    static const walsender_error active = {.sqlstate = "55006",
                                           .message = "replication slot \"walrow\" is active for PID 4711",
                                           .file = "slot.c"};
    walsender_hangs_up(f->server);
    for (int i = 0; i < 2; i++) {
        walsender_next_session(f->server);
        walsender_refuses_start(f->server, active);
    }
    walsender_next_session(f->server);
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    assert_int_equal(walsender_sessions(f->server), 4);
}

static void
a_server_that_never_comes_back_is_given_up_after_as_many_tries_as_asked(void **state)
{
    fixture *f = *state;
    set(f, "retry-max", "2");
    sends_transaction(f, 0x100, "1");
    walsender_hangs_up(f->server);
    for (int i = 0; i < 4; i++) {
        walsender_next_session(f->server);
        walsender_hangs_up(f->server);
    }
    open_stream(f);
    expect_end(f, WALROW_ERR_NET, "closed the connection");
    assert_non_null(strstr(f->err.hint, "given up after 3 failures in a row: --retry-max"));
    assert_int_equal(walsender_sessions(f->server), 3);
}

static void
no_retry_at_all_may_be_asked_for(void **state)
{
    fixture *f = *state;
    set(f, "retry-max", "0");
    walsender_hangs_up(f->server);
    open_stream(f);
    expect_end(f, WALROW_ERR_NET, "closed the connection");
    assert_int_equal(walsender_sessions(f->server), 1);
}

static void
retries_end_when_their_time_is_over(void **state)
{
    fixture *f = *state;
    set(f, "retry-seconds", "1");
    for (int i = 0; i < 20; i++) {
        walsender_hangs_up(f->server);
        walsender_next_session(f->server);
    }
    open_stream(f);
    expect_end(f, WALROW_ERR_NET, "closed the connection");
    assert_non_null(strstr(f->err.hint, "--retry-seconds"));
    assert_in_range(walsender_sessions(f->server), 4, 8);
}

/* ---- what ends it ---- */

static void
expect_end_with_identity(fixture *f, const char *identity, const char *message)
{
    const walsender_answer others[] = {{"IDENTIFY_SYSTEM", identity, NULL},
                                       {"server_encoding", "f|app|tester|UTF8|\n", NULL},
                                       {NULL, NULL, NULL}};
    sends_transaction(f, 0x100, "1");
    walsender_next_session(f->server);
    open_stream(f);
    next_rows(f);
    ack(f, 0x108);
    walsender_answers(f->server, others);
    walsender_refuses_start(f->server, (walsender_error){.sqlstate = "XX000", .message = "too late"});
    walsender_hang_up(f->server);
    expect_end(f, WALROW_ERR_SERVER, message);
    assert_int_equal(walsender_sessions(f->server), 1);
}

static void
another_server_at_the_same_address_ends_the_stream(void **state)
{
    expect_end_with_identity(*state, "7000000000000000002|1|0/1000|app|\n", "another server answers");
}

static void
a_server_that_went_back_ends_the_stream(void **state)
{
    expect_end_with_identity(*state, "7000000000000000001|2|0/107|app|\n", "WAL ends at 0/107");
}

static void
lsns_that_go_back_are_a_protocol_error(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x200, "1");
    sends_transaction(f, 0x100, "2");
    open_stream(f);
    expect_end(f, WALROW_ERR_PROTOCOL, "0/100");
    assert_int_equal(walsender_sessions(f->server), 1);
}

typedef struct nonsense {
    const char *sentence;
    void (*send)(fixture *f);
    const char *message;
    fixture *fixture;
} nonsense;

static void
send_another_commit(fixture *f)
{
    sends(f, a_begin(0x100, 7));
    sends(f, a_commit(0x200, 0x208));
}

static void
send_commit_alone(fixture *f)
{
    sends(f, a_commit(0x100, 0x108));
}

static void
send_two_begins(fixture *f)
{
    sends(f, a_begin(0x100, 7));
    sends(f, a_begin(0x200, 8));
}

static void
send_change_alone(fixture *f)
{
    sends_table(f);
    sends_insert(f, "1", "x");
}

static void
send_commit_that_ends_early(fixture *f)
{
    sends(f, a_begin(0x100, 7));
    sends(f, a_commit(0x100, 0x0F0));
}

static void
send_unknown_message(fixture *f)
{
    sends(f, (wire){.bytes = "?", .size = 1});
}

static void
send_stream_start(fixture *f)
{
    sends(f, (wire){.bytes = "S\0\0\0\7\1", .size = 6});
}

static void
send_nothing_in_data(fixture *f)
{
    sends(f, (wire){.size = 0});
}

static void
send_unknown_copy_data(fixture *f)
{
    walsender_copy(f->server, "?", 1);
}

static void
send_unknown_table(fixture *f)
{
    sends(f, a_begin(0x100, 7));
    sends(f, a_change('I', 99, ROW("1", "x"), 0, NULL));
}

static void
send_short_insert(fixture *f)
{
    sends(f, a_begin(0x100, 7));
    sends_table(f);
    sends(f, (wire){.bytes = "I\0\0\0\1N\0\2t\0\0\1\0x", .size = 14});
}

static nonsense nonsenses[] = {
    {"a commit that does not match its begin ends the stream", send_another_commit, "another transaction"},
    {"a commit without a begin ends the stream", send_commit_alone, "commit"},
    {"a begin within a transaction ends the stream", send_two_begins, "begin"},
    {"a change outside a transaction ends the stream", send_change_alone, "transaction"},
    {"a commit that ends before it begins ends the stream", send_commit_that_ends_early, "before it begins"},
    {"an unknown message ends the stream", send_unknown_message, "unknown message 0x3F"},
    {"a message of a protocol nobody asked for ends the stream", send_stream_start, "unknown message 0x53"},
    {"data without a message ends the stream", send_nothing_in_data, "pgoutput"},
    {"an unknown kind of copy data ends the stream", send_unknown_copy_data, "unknown message 0x3F"},
    {"a change of a table never announced ends the stream", send_unknown_table, "never announced"},
    {"a change that is cut short ends the stream", send_short_insert, "pgoutput"},
};

enum { N_NONSENSES = sizeof nonsenses / sizeof nonsenses[0] };

static int
set_up_nonsense(void **state)
{
    return set_up((void **)&((nonsense *)*state)->fixture);
}

static int
tear_down_nonsense(void **state)
{
    return tear_down((void **)&((nonsense *)*state)->fixture);
}

/* Whole transactions before it are delivered; it is not tried again, for it would come again. */
static void
nonsense_ends_the_stream(void **state)
{
    const nonsense *n = *state;
    fixture *f = n->fixture;
    sends_transaction(f, 0x80, "1");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 80/0 1 x\n");
    n->send(f);
    expect_end(f, WALROW_ERR_PROTOCOL, n->message);
    assert_false(f->err.retryable);
    assert_int_equal(walsender_sessions(f->server), 1);
}

/* ---- errors of the server ---- */

typedef struct failure {
    const char *sentence;
    walsender_error error;
    walrow_code code; /* WALROW_OK: it comes again */
    fixture *fixture;
} failure;

static failure failures[] = {
    {"an administrator's shutdown is outlived",
     {"57P01", "terminating connection", .fatal = true},
     WALROW_OK},
    {"a crash is outlived", {"57P02", "crash of another server process", .fatal = true}, WALROW_OK},
    {"a lack of memory is outlived", {"53200", "out of memory"}, WALROW_OK},
    {"a full disk of the server is outlived", {"53100", "No space left on device"}, WALROW_OK},
    {"a cancelled walsender is outlived", {"57014", "canceling statement due to user request"}, WALROW_OK},
    {"a missing publication ends the stream",
     {"42704", "publication \"walrow\" does not exist", .file = "pg_publication.c"},
     WALROW_ERR_PUBLICATION},
    {"WAL that was removed ends the stream",
     {"58P01", "requested WAL segment has already been removed", .file = "xlogreader.c"},
     WALROW_ERR_SLOT},
    {"an error nobody knows ends the stream", {"XX000", "unexpected duplicate"}, WALROW_ERR_NET},
};

enum { N_FAILURES = sizeof failures / sizeof failures[0] };

static int
set_up_failure(void **state)
{
    return set_up((void **)&((failure *)*state)->fixture);
}

static int
tear_down_failure(void **state)
{
    return tear_down((void **)&((failure *)*state)->fixture);
}

static void
a_failure_of_the_server_is_outlived_or_not(void **state)
{
    const failure *each = *state;
    fixture *f = each->fixture;
    sends_transaction(f, 0x100, "1");
    walsender_fails(f->server, each->error);
    walsender_next_session(f->server);
    sends_transaction(f, 0x200, "2");
    open_stream(f);
    assert_string_equal(next_rows(f), "t:\nI 100/0 1 x\n");
    if (each->code == WALROW_OK)
        assert_string_equal(next_rows(f), "t:\nI 200/0 2 x\n");
    else
        expect_end(f, each->code, each->error.message);
    assert_int_equal(walsender_sessions(f->server), each->code == WALROW_OK ? 2 : 1);
}

/* ---- all of them ---- */

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(a_transaction_is_a_change_set),
        CASE(a_transaction_that_drips_is_delivered),
        CASE(an_endless_transaction_comes_in_parts),
        CASE(an_endless_transaction_takes_no_more_memory_than_it_may),
        CASE(nothing_is_confirmed_before_it_is_acknowledged),
        CASE(what_is_acknowledged_is_confirmed),
        CASE(only_what_is_acknowledged_is_confirmed),
        CASE(a_part_of_a_transaction_is_not_confirmed),
        CASE(a_keepalive_before_anything_is_confirmed),
        CASE(a_keepalive_that_wants_a_reply_gets_one_at_once),
        CASE(a_keepalive_within_a_transaction_is_answered_but_not_confirmed),
        CASE(a_keepalive_after_all_was_acknowledged_is_confirmed),
        CASE(a_keepalive_that_goes_back_takes_nothing_back),
        CASE(an_empty_transaction_is_confirmed_without_the_caller),
        CASE(an_empty_transaction_does_not_confirm_the_one_before_it),
        CASE(the_server_hears_of_us_while_the_caller_takes_nothing),
        CASE(an_acknowledgement_cannot_be_taken_back),
        CASE(the_last_acknowledgement_is_confirmed_before_the_goodbye),
        CASE(a_transaction_under_way_is_not_confirmed_by_the_goodbye),
        CASE(a_connection_lost_between_transactions_is_made_again),
        CASE(a_connection_lost_within_a_transaction_brings_it_whole),
        CASE(parts_that_were_delivered_do_not_come_twice),
        CASE(a_connection_lost_within_a_message_is_made_again),
        CASE(a_keepalive_of_the_last_connection_confirms_nothing_in_the_next),
        CASE(a_server_that_ends_the_stream_is_asked_again),
        CASE(a_server_that_falls_silent_is_asked_and_then_left),
        CASE(a_server_that_answers_when_asked_is_not_left),
        CASE(a_slot_still_active_after_a_lost_connection_is_waited_for),
        CASE(a_server_that_never_comes_back_is_given_up_after_as_many_tries_as_asked),
        CASE(no_retry_at_all_may_be_asked_for),
        CASE(retries_end_when_their_time_is_over),
        CASE(another_server_at_the_same_address_ends_the_stream),
        CASE(a_server_that_went_back_ends_the_stream),
        CASE(lsns_that_go_back_are_a_protocol_error),
    };
    enum { N_CASES = sizeof cases / sizeof cases[0] };
    struct CMUnitTest all[N_CASES + N_NONSENSES + N_FAILURES];
    memcpy(all, cases, sizeof cases);
    for (int i = 0; i < N_NONSENSES; i++)
        all[N_CASES + i] = (struct CMUnitTest){.name = nonsenses[i].sentence,
                                               .test_func = nonsense_ends_the_stream,
                                               .setup_func = set_up_nonsense,
                                               .teardown_func = tear_down_nonsense,
                                               .initial_state = &nonsenses[i]};
    for (int i = 0; i < N_FAILURES; i++)
        all[N_CASES + N_NONSENSES + i] =
            (struct CMUnitTest){.name = failures[i].sentence,
                                .test_func = a_failure_of_the_server_is_outlived_or_not,
                                .setup_func = set_up_failure,
                                .teardown_func = tear_down_failure,
                                .initial_state = &failures[i]};
    return cmocka_run_group_tests_name("session", all, NULL, NULL);
}
