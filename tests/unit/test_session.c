/*
 * test_session.c
 *	  A stream from a scripted server: what is delivered, what is confirmed, when it comes again.
 */
#include "streaming.h"

#include <poll.h>

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

/* What the keepalive says is past a transaction that was read and is forgotten with the one under way. */
static void
a_keepalive_past_what_is_forgotten_is_not_confirmed_by_the_goodbye(void **state)
{
    fixture *f = *state;
    sends_transaction(f, 0x100, "1");
    walsender_keepalive(f->server, 0x200, false);
    sends(f, a_begin(0x300, 8));
    sends_insert(f, "2", "x");
    walsender_awaits_statuses(f->server, 1);
    walsender_keepalive(f->server, 0x200, true);
    open_stream(f);
    assert_true(walsender_wait_said(f->server));
    assert_true(walsender_wait_statuses(f->server, 2));
    walrow_close(f->stream);
    f->stream = NULL;
    assert_int_equal(walsender_flushed(f->server), 0);
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

/* ---- all of them ---- */

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
        CASE(a_keepalive_past_what_is_forgotten_is_not_confirmed_by_the_goodbye),
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
    };
    return cmocka_run_group_tests_name("session", cases, NULL, NULL);
}
