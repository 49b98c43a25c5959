/*
 * test_push.c
 *	  A replication session with a scripted server: frames in any shape, and what is written back.
 */
#include "pushing.h"

#include <time.h>

/* ---- START_REPLICATION ---- */

static void
the_command_quotes_what_it_names(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"it's", "a \"b\", c", NULL};
    const walrow__source_options options = {.slot = "s",
                                            .start_lsn = 0x15D6B88,
                                            .publications = names,
                                            .binary = true,
                                            .messages = true,
                                            .timeout_ms = 5000};
    ASSERT_OK(connect_to(f), f->err);
    PGconn *conn = f->conn;
    f->conn = NULL;
    ASSERT_OK(walrow__push_start(&f->push, conn, &options, &f->err), f->err);
    assert_string_equal(
        walsender_command(f->server),
        "START_REPLICATION SLOT \"s\" LOGICAL 0/15D6B88 (\"proto_version\" '1', \"publication_names\" "
        "'\"it''s\",\"a \"\"b\"\", c\"', \"binary\" 'true', \"messages\" 'true')");
}

/* What was given with --plugin-option counts. */
static void
wal2json_is_asked_for_what_walrow_needs(void **state)
{
    fixture *f = *state;
    char *given[] = {(char *)"include-types=off", (char *)"add-tables=public.it's"};
    const walrow__texts texts = {.items = given, .count = 2};
    const walrow__source_options options = {.slot = "s", .wal2json = &texts, .timeout_ms = 5000};
    ASSERT_OK(connect_to(f), f->err);
    PGconn *conn = f->conn;
    f->conn = NULL;
    ASSERT_OK(walrow__push_start(&f->push, conn, &options, &f->err), f->err);
    assert_string_equal(walsender_command(f->server),
                        "START_REPLICATION SLOT \"s\" LOGICAL 0/0 (\"format-version\" '2', "
                        "\"include-transaction\" 'on', \"include-lsn\" 'on', \"include-xids\" 'on', "
                        "\"include-timestamp\" 'on', \"include-schemas\" 'on', \"include-type-oids\" 'on', "
                        "\"include-typmod\" 'on', \"numeric-data-types-as-string\" 'on', "
                        "\"include-types\" 'off', \"include-pk\" 'on', \"include-origin\" 'on', "
                        "\"add-tables\" 'public.it''s')");
}

static void
a_command_that_is_not_answered_is_given_up_after_the_time_out(void **state)
{
    fixture *f = *state;
    set(f, "connect-timeout", "1");
    walsender_ignores_start(f->server);
    assert_int_equal(start(f), WALROW_ERR_NET);
    expect_error(f, WALROW_ERR_NET, true, "starting to stream: the server said nothing for 1 s",
                 "--connect-timeout");
}

static void
a_command_that_is_answered_with_rows_is_an_error(void **state)
{
    fixture *f = *state;
    walsender_refuses_start(f->server, (walsender_error){0});
    assert_int_equal(start(f), WALROW_ERR_PROTOCOL);
    expect_error(f, WALROW_ERR_PROTOCOL, false, "the server did not", "");
}

/* ---- what is read ---- */

static void
script_conversation(fixture *f)
{
    walsender_keepalive(f->server, 0x100, false);
    walsender_data(f->server, 0x110, "one", 3);
    walsender_keepalive(f->server, 0x120, true);
    walsender_data(f->server, 0, "", 0);
    walsender_data(f->server, 0x130, "three", 5);
    walsender_ends_copy(f->server);
}

#define CONVERSATION "keepalive 100 data 110:one keepalive 120? data 0: data 130:three end"

static void
a_conversation_is_read_in_order(void **state)
{
    fixture *f = *state;
    script_conversation(f);
    ASSERT_OK(stream(f), f->err);
    assert_string_equal(f->heard, CONVERSATION);
}

static void
a_conversation_cut_at_any_byte_is_the_same(void **state)
{
    fixture *f = *state;
    ASSERT_OK(connect_to(f), f->err);
    size_t before = walsender_sent(f->server);
    script_conversation(f);
    ASSERT_OK(stream(f), f->err);
    walrow__push_close(&f->push);
    size_t after = walsender_sent(f->server);
    assert_true(after > before + 100);
    for (size_t at = before; at < after; at++) {
        walsender_next_session(f->server);
        script_conversation(f);
        walsender_cut(f->server, at);
        ASSERT_OK(stream(f), f->err);
        walrow__push_close(&f->push);
        assert_string_equal(f->heard, CONVERSATION);
    }
}

static void
a_conversation_that_breaks_off_at_any_byte_is_tried_again(void **state)
{
    fixture *f = *state;
    ASSERT_OK(connect_to(f), f->err);
    size_t before = walsender_sent(f->server);
    script_conversation(f);
    ASSERT_OK(stream(f), f->err);
    walrow__push_close(&f->push);
    size_t after = walsender_sent(f->server) - 30; /* up to CopyDone, after which all has been said */
    for (size_t at = before; at < after; at++) {
        walsender_next_session(f->server);
        script_conversation(f);
        walsender_close_after(f->server, at);
        walrow_code code = stream(f);
        walrow__push_close(&f->push);
        if (code != WALROW_ERR_NET || !f->err.retryable)
            fail_msg("after byte %zu: %s: %s", at, walrow_code_name(code), f->err.message);
        if (strncmp(f->heard, CONVERSATION, strlen(f->heard)) != 0)
            fail_msg("after byte %zu: %s", at, f->heard);
    }
}

static void
a_conversation_that_drips_is_read(void **state)
{
    fixture *f = *state;
    walsender_drip(f->server, 1);
    script_conversation(f);
    ASSERT_OK(stream(f), f->err);
    assert_string_equal(f->heard, CONVERSATION);
}

static void
one_byte_at_a_time_blocks_no_reader(void **state)
{
    fixture *f = *state;
    walrow__incoming message;
    must_start(f);
    walsender_raw(f->server, "d", 1);
    wait_readable(f);
    ASSERT_OK(walrow__push_read(&f->push, &message, &f->err), f->err);
    assert_int_equal(message.kind, WALROW__INCOMING_NOTHING);
}

static void
a_server_that_says_nothing_says_nothing(void **state)
{
    fixture *f = *state;
    walrow__incoming message;
    must_start(f);
    ASSERT_OK(walrow__push_read(&f->push, &message, &f->err), f->err);
    assert_int_equal(message.kind, WALROW__INCOMING_NOTHING);
}

static void
a_message_cut_short_is_a_protocol_error(void **state)
{
    fixture *f = *state;
    static const char data[26] = "w", keepalive[18] = "k";
    for (size_t size = 1; size < 25; size++) {
        walsender_copy(f->server, data, size);
        must_start(f);
        assert_int_equal(read_all(f), WALROW_ERR_PROTOCOL);
        expect_error(f, WALROW_ERR_PROTOCOL, false, "too short", "");
        walrow__push_close(&f->push);
        walsender_next_session(f->server);
    }
    for (size_t size = 1; size < 18; size++) {
        walsender_copy(f->server, keepalive, size);
        must_start(f);
        assert_int_equal(read_all(f), WALROW_ERR_PROTOCOL);
        expect_error(f, WALROW_ERR_PROTOCOL, false, "too short", "");
        walrow__push_close(&f->push);
        walsender_next_session(f->server);
    }
}

static void
a_keepalive_with_more_in_it_is_read_as_far_as_it_is_known(void **state)
{
    fixture *f = *state;
    static const char longer[30] = {'k', 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    walsender_copy(f->server, longer, sizeof longer);
    walsender_ends_copy(f->server);
    ASSERT_OK(stream(f), f->err);
    assert_string_equal(f->heard, "keepalive 100? end");
}

static void
an_unknown_kind_of_copy_data_is_a_protocol_error(void **state)
{
    fixture *f = *state;
    walsender_copy(f->server, "z and more", 10);
    assert_int_equal(stream(f), WALROW_ERR_PROTOCOL);
    expect_error(f, WALROW_ERR_PROTOCOL, false, "unknown message 0x7A", "");
}

static void
copy_data_with_nothing_in_it_is_passed_over(void **state)
{
    fixture *f = *state;
    walsender_copy(f->server, "", 0);
    walsender_keepalive(f->server, 0x100, false);
    walsender_ends_copy(f->server);
    ASSERT_OK(stream(f), f->err);
    assert_string_equal(f->heard, "keepalive 100 end");
}

static void
notices_and_parameters_are_passed_over(void **state)
{
    fixture *f = *state;
    walsender_raw(f->server, "N\0\0\0\x18SNOTICE\0C00000\0Mhi\0", 25);
    walsender_raw(f->server, "S\0\0\0\x11TimeZone\0UTC", 18);
    walsender_keepalive(f->server, 0x100, false);
    walsender_ends_copy(f->server);
    ASSERT_OK(stream(f), f->err);
    assert_string_equal(f->heard, "keepalive 100 end");
}

static void
an_unknown_message_ends_the_stream_with_an_error(void **state)
{
    fixture *f = *state;
    walsender_raw(f->server, "q\0\0\0\4", 5);
    walsender_keepalive(f->server, 0x100, false);
    assert_int_not_equal(stream(f), WALROW_OK);
    assert_string_equal(f->heard, "");
}

static void
a_length_that_cannot_be_ends_the_stream_with_an_error(void **state)
{
    fixture *f = *state;
    static const char *const frames[] = {"d\0\0\0\0", "d\0\0\0\3", "d\xFF\xFF\xFF\xFF", "d\x80\0\0\0"};
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        walsender_raw(f->server, frames[i], 5);
        walsender_keepalive(f->server, 0x100, false);
        walrow_code code = stream(f);
        walrow__push_close(&f->push);
        if (code == WALROW_OK || f->heard[0] != '\0')
            fail_msg("length %zu: %s", i, f->heard);
        walsender_next_session(f->server);
    }
}

static void
a_server_that_hangs_up_in_a_message_is_tried_again(void **state)
{
    fixture *f = *state;
    walsender_data(f->server, 0x100, "one", 3);
    walsender_raw(f->server, "d\0\0\1\0w and no more", 18);
    walsender_hangs_up(f->server);
    assert_int_equal(stream(f), WALROW_ERR_NET);
    expect_error(f, WALROW_ERR_NET, true, "closed the connection", "");
    assert_string_equal(f->heard, "data 100:one ");
}

static void
a_connection_that_is_reset_is_tried_again(void **state)
{
    fixture *f = *state;
    walsender_keepalive(f->server, 0x100, false);
    walsender_pauses(f->server, 20);
    walsender_resets(f->server);
    assert_int_equal(stream(f), WALROW_ERR_NET);
    expect_error(f, WALROW_ERR_NET, true, "", "");
}

static void
what_came_before_an_error_is_read_first(void **state)
{
    fixture *f = *state;
    walsender_data(f->server, 0x100, "one", 3);
    walsender_fails(
        f->server,
        (walsender_error){"57P01", "terminating connection due to administrator command", .fatal = true});
    assert_int_equal(stream(f), WALROW_ERR_NET);
    assert_string_equal(f->heard, "data 100:one ");
}

/* ---- what is written ---- */

static void
a_status_says_what_it_was_told(void **state)
{
    fixture *f = *state;
    must_start(f);
    ASSERT_OK(walrow__push_status(&f->push, 0x300, 0x200, true, &f->err), f->err);
    assert_true(walsender_wait_statuses(f->server, 1));
    walsender_status status = walsender_last_status(f->server);
    assert_int_equal(status.written_lsn, 0x300);
    assert_int_equal(status.flushed_lsn, 0x200);
    assert_int_equal(status.applied_lsn, 0x200);
    assert_true(status.wants_reply);
}

static void
a_status_to_nobody_is_an_error(void **state)
{
    fixture *f = *state;
    walsender_hangs_up(f->server);
    must_start(f);
    assert_true(walsender_wait_said(f->server));
    walrow_code code = WALROW_OK;
    for (int i = 0; i < 100 && code == WALROW_OK; i++) {
        poll(NULL, 0, 1);
        code = walrow__push_status(&f->push, 0, 0, false, &f->err);
    }
    assert_int_equal(code, WALROW_ERR_NET);
    assert_true(f->err.retryable);
}

static void
closing_says_goodbye(void **state)
{
    fixture *f = *state;
    walsender_data(f->server, 0x100, "on its way", 10);
    must_start(f);
    walrow__push_close(&f->push);
    assert_int_equal(walsender_goodbyes(f->server), 1);
}

static void
closing_waits_for_no_server_that_went_silent(void **state)
{
    fixture *f = *state;
    walsender_raw(f->server, "d\0\0\1\0", 5); /* the rest never comes */
    must_start(f);
    assert_true(walsender_wait_said(f->server));
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    walrow__push_close(&f->push);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec < 5);
}

/* ---- all of them ---- */

int
main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(the_command_quotes_what_it_names),
        CASE(wal2json_is_asked_for_what_walrow_needs),
        CASE(a_command_that_is_not_answered_is_given_up_after_the_time_out),
        CASE(a_command_that_is_answered_with_rows_is_an_error),
        CASE(a_conversation_is_read_in_order),
        TCP_CASE(a_conversation_cut_at_any_byte_is_the_same),
        CASE(a_conversation_that_breaks_off_at_any_byte_is_tried_again),
        TCP_CASE(a_conversation_that_drips_is_read),
        CASE(one_byte_at_a_time_blocks_no_reader),
        CASE(a_server_that_says_nothing_says_nothing),
        CASE(a_message_cut_short_is_a_protocol_error),
        CASE(a_keepalive_with_more_in_it_is_read_as_far_as_it_is_known),
        CASE(an_unknown_kind_of_copy_data_is_a_protocol_error),
        CASE(copy_data_with_nothing_in_it_is_passed_over),
        CASE(notices_and_parameters_are_passed_over),
        CASE(an_unknown_message_ends_the_stream_with_an_error),
        CASE(a_length_that_cannot_be_ends_the_stream_with_an_error),
        CASE(a_server_that_hangs_up_in_a_message_is_tried_again),
        TCP_CASE(a_connection_that_is_reset_is_tried_again),
        CASE(what_came_before_an_error_is_read_first),
        CASE(a_status_says_what_it_was_told),
        CASE(a_status_to_nobody_is_an_error),
        CASE(closing_says_goodbye),
        CASE(closing_waits_for_no_server_that_went_silent),
    };
    return cmocka_run_group_tests_name("push", cases, NULL, NULL);
}
