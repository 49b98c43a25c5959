/*
 * test_failover.c
 *	  A connection breaks, and the next one is to another server: of another timeline, whose history says whether
 *	  the stream may go on.
 */
#include "streaming.h"

#include <unistd.h>

#define IDENTITY(timeline) "7000000000000000001|" timeline "|0/2000|app|\n"
#define SQL_POSITION(timeline) "0/2000|0000000" timeline "0000000000000000|\n"
#define SLOT(confirmed) "pgoutput|app|f|f|0||0/10|" confirmed "|0|0|reserved|-1|f||\n"

enum { N_SAID = 6 };

/* What the server says that answers next, where it is not as the first one: by default one promoted at 0/500. */
typedef struct promoted {
    walsender_answer said[N_SAID + sizeof answers / sizeof *answers];
} promoted;

static promoted *
a_promoted_server(void)
{
    static promoted p;
    const walsender_answer said[N_SAID] = {
        {"IDENTIFY_SYSTEM", IDENTITY("2"), NULL},
        {"TIMELINE_HISTORY 2", "00000002.history|1\t0/500\tno recovery target specified\n|\n", NULL},
        {"pg_walfile_name", SQL_POSITION("2"), NULL},
        {"pg_replication_slots s", SLOT("0/10"), NULL},
        {"server_encoding", "f|app|tester|UTF8|\n", NULL},
        {"pg_control_system", "7000000000000000001|\n", NULL},
    };
    memcpy(p.said, said, sizeof said);
    memcpy(p.said + N_SAID, answers, sizeof answers);
    return &p;
}

static walsender_answer *
said(promoted *p, const char *words)
{
    for (int i = 0; i < N_SAID; i++)
        if (strcmp(p->said[i].words, words) == 0)
            return &p->said[i];
    fail_msg("nothing is said about %s", words);
    return NULL;
}

static void
says(promoted *p, const char *words, const char *rows)
{
    said(p, words)->rows = rows;
}

/* A transaction that ends at 0/108 is delivered; then the server is another. */
static void
fail_over_to(fixture *f, const promoted *p)
{
    sends_transaction(f, 0x100, "1");
    walsender_next_session(f->server);
    open_stream(f);
    next_rows(f);
    ack(f, 0x108);
    walsender_answers(f->server, p->said);
    walsender_hang_up(f->server);
}

/* It was tried again, in vain; from now on the server is as it should be. */
static void
recovers_after_some_tries(fixture *f, const promoted *p)
{
    int connections = walsender_connections(f->server);
    for (int i = 0; i < 500 && walsender_connections(f->server) < connections + 4; i++)
        usleep(10000);
    assert_int_equal(walsender_sessions(f->server), 1);
    walsender_answers(f->server, p->said);
    sends_transaction(f, 0x600, "2");
    assert_string_equal(next_rows(f), "t:\nI 600/0 2 x\n");
}

static void
expect_refusal(fixture *f, const promoted *p, walrow_code code, const char *message)
{
    fail_over_to(f, p);
    expect_end(f, code, message);
    assert_int_equal(walsender_sessions(f->server), 1);
}

/* ---- going on ---- */

static void
a_promoted_server_goes_on(void **state)
{
    fixture *f = *state;
    fail_over_to(f, a_promoted_server());
    sends_transaction(f, 0x600, "2");
    assert_string_equal(next_rows(f), "t:\nI 600/0 2 x\n");
    assert_non_null(strstr(walsender_command(f->server), "LOGICAL 0/108 ("));
    assert_int_equal(f->stream->receiver.timeline, 2);
}

static void
one_that_was_promoted_just_then_goes_on(void **state)
{
    fixture *f = *state;
    promoted *p = a_promoted_server();
    says(p, "TIMELINE_HISTORY 2", "00000002.history|1\t0/108\twhy\n|\n");
    fail_over_to(f, p);
    sends_transaction(f, 0x108, "2");
    assert_string_equal(next_rows(f), "t:\nI 108/0 2 x\n");
}

static void
several_promotions_at_once_are_followed(void **state)
{
    fixture *f = *state;
    promoted *p = a_promoted_server();
    says(p, "IDENTIFY_SYSTEM", IDENTITY("4"));
    says(p, "pg_walfile_name", SQL_POSITION("4"));
    said(p, "TIMELINE_HISTORY 2")->words = "TIMELINE_HISTORY 4";
    says(p, "TIMELINE_HISTORY 4", "00000004.history|1\t0/500\ta\n3\t0/580\tb\n|\n");
    fail_over_to(f, p);
    sends_transaction(f, 0x600, "2");
    assert_string_equal(next_rows(f), "t:\nI 600/0 2 x\n");
}

/* The old server had said more of what there was nothing of: what the new one has there must not be skipped. */
static void
what_only_keepalives_said_is_taken_back(void **state)
{
    fixture *f = *state;
    walsender_durable(f->server, 0x800);
    sends_transaction(f, 0x100, "1");
    walsender_awaits_flush(f->server, 0x108);
    sends(f, a_begin(0x700, 7));
    sends(f, a_commit(0x700, 0x708));
    walsender_keepalive(f->server, 0x800, true);
    walsender_awaits_flush(f->server, 0x800);
    walsender_next_session(f->server);
    walsender_awaits_statuses(f->server, 1);
    open_stream(f);
    next_rows(f);
    ASSERT_OK(walrow_ack(f->stream, 0x108, &f->err), f->err);
    assert_true(walsender_wait_flush(f->server, 0x800));
    walsender_answers(f->server, a_promoted_server()->said);
    walsender_hang_up(f->server);
    assert_true(walsender_wait_said(f->server));
    assert_true(walsender_last_status(f->server).flushed_lsn <= 0x500);
    sends_transaction(f, 0x600, "2");
    assert_string_equal(next_rows(f), "t:\nI 600/0 2 x\n");
}

static void
what_an_earlier_run_confirmed_so_is_taken_back_too(void **state)
{
    fixture *f = *state;
    char folder[] = "/tmp/walrow-failover-XXXXXX", command[64];
    assert_non_null(mkdtemp(folder));
    set(f, "state", folder);
    walsender_durable(f->server, 0x800);
    walsender_keepalive(f->server, 0x800, true);
    walsender_next_session(f->server);
    open_stream(f);
    assert_true(walsender_wait_flush(f->server, 0x800));
    walrow_close(f->stream);
    f->stream = NULL;
    walsender_awaits_statuses(f->server, 1); /* a connection that never worked is not made again */
    walsender_next_session(f->server);
    open_stream(f);
    assert_true(walsender_wait_said(f->server));
    assert_non_null(strstr(walsender_command(f->server), "LOGICAL 0/800 ("));
    walsender_answers(f->server, a_promoted_server()->said);
    walsender_hang_up(f->server);
    sends_transaction(f, 0x600, "1");
    assert_string_equal(next_rows(f), "t:\nI 600/0 1 x\n");
    assert_non_null(strstr(walsender_command(f->server), "LOGICAL 0/500 ("));
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void
a_standby_is_waited_for_until_it_is_promoted(void **state)
{
    fixture *f = *state;
    promoted *p = a_promoted_server(), standby = *p;
    says(&standby, "server_encoding", "t|app|tester|UTF8|\n");
    fail_over_to(f, &standby);
    recovers_after_some_tries(f, p);
}

/* The SQL connection may have ended at the old server: its slot says nothing. */
static void
connections_to_two_servers_are_tried_again(void **state)
{
    fixture *f = *state;
    promoted *p = a_promoted_server(), torn = *p;
    says(&torn, "pg_walfile_name", SQL_POSITION("1"));
    fail_over_to(f, &torn);
    recovers_after_some_tries(f, p);
}

/* The slot would be looked at on the one, and read from on the other. */
static void
a_start_between_two_servers_may_be_tried_again(void **state)
{
    fixture *f = *state;
    promoted *p = a_promoted_server();
    says(p, "pg_walfile_name", SQL_POSITION("3"));
    walsender_answers(f->server, p->said);
    assert_int_equal(walrow_open(f->options, &f->stream, &f->err), WALROW_ERR_NET);
    assert_true(f->err.retryable);
    assert_non_null(strstr(f->err.message, "servers of different timelines"));
}

/* ---- the history ---- */

static void
a_history_that_is_missing_ends_the_stream(void **state)
{
    static const walsender_error missing = {.sqlstate = "58P01",
                                            .message = "could not open file \"pg_wal/00000002.history\"",
                                            .function = "SendTimeLineHistory"};
    promoted *p = a_promoted_server();
    said(p, "TIMELINE_HISTORY 2")->error = &missing;
    expect_refusal(*state, p, WALROW_ERR_SERVER, "00000002.history");
}

static void
a_connection_lost_over_it_is_tried_again(void **state)
{
    static const walsender_error lost = {.sqlstate = "57P01", .message = "shutting down", .fatal = true};
    fixture *f = *state;
    promoted *p = a_promoted_server(), leaving = *p;
    said(&leaving, "TIMELINE_HISTORY 2")->error = &lost;
    fail_over_to(f, &leaving);
    recovers_after_some_tries(f, p);
}

static void
a_history_of_garbage_ends_the_stream(void **state)
{
    promoted *p = a_promoted_server();
    says(p, "TIMELINE_HISTORY 2", "00000002.history|\x01\x02 garbage|\n");
    expect_refusal(*state, p, WALROW_ERR_PROTOCOL, "the history of timeline 2, line 1");
}

static void
a_history_cut_off_ends_the_stream(void **state)
{
    promoted *p = a_promoted_server();
    says(p, "TIMELINE_HISTORY 2", "00000002.history|1\t0/|\n");
    expect_refusal(*state, p, WALROW_ERR_PROTOCOL, "the history of timeline 2, line 1");
}

static void
a_history_that_is_null_ends_the_stream(void **state)
{
    promoted *p = a_promoted_server();
    says(p, "TIMELINE_HISTORY 2", "00000002.history|~|\n");
    expect_refusal(*state, p, WALROW_ERR_PROTOCOL, "the history of timeline 2");
}

static void
the_history_of_another_timeline_ends_the_stream(void **state)
{
    promoted *p = a_promoted_server();
    says(p, "TIMELINE_HISTORY 2", "00000003.history|1\t0/500\twhy\n|\n");
    expect_refusal(*state, p, WALROW_ERR_PROTOCOL, "did not answer with the history of timeline 2");
}

static void
no_history_ends_the_stream(void **state)
{
    promoted *p = a_promoted_server();
    says(p, "TIMELINE_HISTORY 2", "");
    expect_refusal(*state, p, WALROW_ERR_PROTOCOL, "did not answer with the history of timeline 2");
}

/* ---- what may not go on ---- */

static void
what_was_handed_on_and_never_replicated_is_refused(void **state)
{
    fixture *f = *state;
    promoted *p = a_promoted_server();
    says(p, "TIMELINE_HISTORY 2", "00000002.history|1\t0/100\twhy\n|\n");
    expect_refusal(f, p, WALROW_ERR_STATE, "up to 0/108 of timeline 1, which the server left at 0/100");
    assert_non_null(strstr(f->err.message, "8 bytes of WAL further"));
    assert_non_null(strstr(f->err.hint, "walrow teardown --slot walrow"));
}

/* Rows of it went out; its commit is on the old server only. */
static void
a_transaction_handed_on_in_part_counts_as_a_whole(void **state)
{
    fixture *f = *state;
    set(f, "batch-rows", "1");
    sends(f, a_begin(0x510, 7));
    sends_table(f);
    sends_insert(f, "1", "x");
    sends_insert(f, "2", "x");
    walsender_next_session(f->server);
    open_stream(f);
    next_rows(f);
    next_rows(f);
    walsender_answers(f->server, a_promoted_server()->said);
    walsender_hang_up(f->server);
    expect_end(f, WALROW_ERR_STATE, "up to 0/511 of timeline 1, which the server left at 0/500");
}

static void
an_old_primary_that_comes_back_is_refused(void **state)
{
    fixture *f = *state;
    promoted *p = a_promoted_server();
    fail_over_to(f, p);
    sends_transaction(f, 0x600, "2");
    next_rows(f);
    walsender_next_session(f->server);
    walsender_answers(f->server, answers);
    walsender_hang_up(f->server);
    expect_end(f, WALROW_ERR_STATE, "followed timeline 2, and the server is on timeline 1");
    assert_non_null(strstr(f->err.hint, "connect to the one that was promoted"));
}

static void
a_server_without_the_slot_is_refused(void **state)
{
    promoted *p = a_promoted_server();
    says(p, "pg_replication_slots s", "");
    expect_refusal(*state, p, WALROW_ERR_SLOT, "does not exist any more");
}

static void
a_slot_that_skips_what_the_new_server_wrote_is_refused(void **state)
{
    promoted *p = a_promoted_server();
    says(p, "pg_replication_slots s", SLOT("0/508"));
    expect_refusal(*state, p, WALROW_ERR_STATE, "confirmed up to 0/508, past 0/500");
}

/* ---- all of them ---- */

int
main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(a_promoted_server_goes_on),
        CASE(one_that_was_promoted_just_then_goes_on),
        CASE(several_promotions_at_once_are_followed),
        CASE(what_only_keepalives_said_is_taken_back),
        CASE(what_an_earlier_run_confirmed_so_is_taken_back_too),
        CASE(a_standby_is_waited_for_until_it_is_promoted),
        CASE(connections_to_two_servers_are_tried_again),
        CASE(a_start_between_two_servers_may_be_tried_again),
        CASE(a_history_that_is_missing_ends_the_stream),
        CASE(a_connection_lost_over_it_is_tried_again),
        CASE(a_history_of_garbage_ends_the_stream),
        CASE(a_history_cut_off_ends_the_stream),
        CASE(a_history_that_is_null_ends_the_stream),
        CASE(the_history_of_another_timeline_ends_the_stream),
        CASE(no_history_ends_the_stream),
        CASE(what_was_handed_on_and_never_replicated_is_refused),
        CASE(a_transaction_handed_on_in_part_counts_as_a_whole),
        CASE(an_old_primary_that_comes_back_is_refused),
        CASE(a_server_without_the_slot_is_refused),
        CASE(a_slot_that_skips_what_the_new_server_wrote_is_refused),
    };
    return cmocka_run_group_tests_name("failover", cases, NULL, NULL);
}
