/*
 * test_session_end.c
 *	  What ends a stream for good, and what it outlives.
 */
#include "streaming.h"

#include <unistd.h>

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
    expect_end_with_identity(*state, "7000000000000000001|1|0/107|app|\n", "WAL ends at 0/107");
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

/* ---- leaving ---- */

static void
a_server_that_goes_on_after_copy_done_is_left(void **state)
{
    fixture *f = *state;
    walsender_goes_on(f->server);
    sends_transaction(f, 0x100, "1");
    open_stream(f);
    next_rows(f);
    alarm(60); /* it used to wait for ever */
    walrow_close(f->stream);
    alarm(0);
    f->stream = NULL;
    assert_int_equal(walsender_goodbyes(f->server), 1);
}

/* ---- all of them ---- */

int
main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(another_server_at_the_same_address_ends_the_stream),
        CASE(a_server_that_went_back_ends_the_stream),
        CASE(lsns_that_go_back_are_a_protocol_error),
        CASE(a_server_that_goes_on_after_copy_done_is_left),
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
    return cmocka_run_group_tests_name("session_end", all, NULL, NULL);
}
