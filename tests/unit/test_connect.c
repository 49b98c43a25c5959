/*
 * test_connect.c
 *	  What walrow makes of how a server, or a network, meets it.
 */
#include "pushing.h"

/* ---- what servers say when they refuse ---- */

typedef enum moment { AT_CONNECT, AT_START, IN_STREAM } moment;

typedef struct refusal {
    const char *sentence;
    moment moment;
    walsender_error error;
    walrow_code code;
    bool retryable;
    const char *hint;
    fixture *fixture;
} refusal;

static refusal refusals[] = {
    {"a server that starts up is tried again",
     AT_CONNECT,
     {"57P03", "the database system is starting up", .fatal = true},
     WALROW_ERR_CONNECT,
     true,
     "try again when it is up"},
    {"a server that shuts down is tried again",
     AT_CONNECT,
     {"57P03", "the database system is shutting down", .fatal = true},
     WALROW_ERR_CONNECT,
     true,
     "try again when it is up"},
    {"a server with too many clients is tried again",
     AT_CONNECT,
     {"53300", "sorry, too many clients already", .file = "proc.c", .function = "InitProcess", .fatal = true},
     WALROW_ERR_CONNECT,
     true,
     "connection limit"},
    {"a server without a free WAL sender is tried again, and the setting named",
     AT_CONNECT,
     {"53300", "number of requested standby connections exceeds max_wal_senders (currently 10)",
      .file = "proc.c", .function = "InitProcess", .fatal = true},
     WALROW_ERR_CONNECT,
     true,
     "raise max_wal_senders"},
    {"a wrong password is not tried again",
     AT_CONNECT,
     {"28P01", "password authentication failed for user \"tester\"", .file = "auth.c", .fatal = true},
     WALROW_ERR_CONNECT,
     false,
     "PGPASSWORD"},
    {"a missing pg_hba.conf line is not tried again",
     AT_CONNECT,
     {"28000", "no pg_hba.conf entry for replication connection", .file = "auth.c", .fatal = true},
     WALROW_ERR_CONNECT,
     false,
     "pg_hba.conf"},
    {"a missing database is not tried again",
     AT_CONNECT,
     {"3D000", "database \"app\" does not exist", .file = "postinit.c", .fatal = true},
     WALROW_ERR_CONNECT,
     false,
     "psql -l"},
    {"a role that may not replicate is not tried again",
     AT_CONNECT,
     {"42501", "must be superuser or replication role to start walsender", .file = "postinit.c",
      .function = "InitPostgres", .fatal = true},
     WALROW_ERR_SERVER,
     false,
     "ALTER ROLE"},
    {"a parameter the server does not know is not tried again",
     AT_CONNECT,
     {"42704", "unrecognized configuration parameter \"nonsense\"", .file = "guc.c", .fatal = true},
     WALROW_ERR_CONNECT,
     false,
     ""},

    {"an active slot is tried again",
     AT_START,
     {"55006", "replication slot \"walrow\" is active for PID 4711", .file = "slot.c"},
     WALROW_ERR_SLOT,
     true,
     "another client streams from this slot"},
    {"a missing slot is not tried again",
     AT_START,
     {"42704", "replication slot \"walrow\" does not exist", .file = "slot.c"},
     WALROW_ERR_SLOT,
     false,
     "creates it"},
    {"a slot invalidated, as servers up to 17 say it, is not tried again",
     AT_START,
     {"55000", "can no longer get changes from replication slot \"walrow\"",
      .detail = "This slot has been invalidated because it exceeded the maximum reserved size.",
      .file = "logical.c", .function = "CreateDecodingContext"},
     WALROW_ERR_SLOT,
     false,
     "walrow teardown"},
    {"a slot invalidated, as servers from 18 on say it, is not tried again",
     AT_START,
     {"55000", "can no longer access replication slot \"walrow\"",
      .detail = "This replication slot has been invalidated due to \"wal_removed\".", .file = "slot.c",
      .function = "ReplicationSlotAcquire"},
     WALROW_ERR_SLOT,
     false,
     "walrow teardown"},
    {"a wal_level that is too low is not tried again",
     AT_START,
     {"55000", "logical decoding requires wal_level >= logical", .file = "logical.c",
      .function = "CheckLogicalDecodingRequirements"},
     WALROW_ERR_SERVER,
     false,
     "wal_level = logical"},
    {"a standby that cannot decode is not tried again",
     AT_START,
     {"0A000", "logical decoding cannot be used while in recovery", .file = "logical.c",
      .function = "CheckLogicalDecodingRequirements"},
     WALROW_ERR_SERVER,
     false,
     "connect to the primary"},
    {"a plugin that is not installed is not tried again",
     AT_START,
     {"58P01", "could not access file \"wal2arrow\": No such file or directory", .file = "dfmgr.c"},
     WALROW_ERR_SERVER,
     false,
     "not installed"},
    {"an option the plugin refuses is not tried again",
     AT_START,
     {"22023", "unrecognized pgoutput option: messages", .file = "pgoutput.c"},
     WALROW_ERR_SLOT,
     false,
     ""},

    {"an administrator's shutdown is tried again",
     IN_STREAM,
     {"57P01", "terminating connection due to administrator command", .fatal = true},
     WALROW_ERR_NET,
     true,
     "try again when it is up"},
    {"a crash of another backend is tried again",
     IN_STREAM,
     {"57P02", "terminating connection because of crash of another server process", .fatal = true},
     WALROW_ERR_NET,
     true,
     "try again when it is up"},
    {"a cancelled walsender is tried again",
     IN_STREAM,
     {"57014", "canceling statement due to user request", .file = "postgres.c"},
     WALROW_ERR_NET,
     true,
     ""},
    {"a server out of memory is tried again",
     IN_STREAM,
     {"53200", "out of memory", .detail = "Failed on request of size 8192.", .file = "mcxt.c"},
     WALROW_ERR_NET,
     true,
     ""},
    {"a server whose disk is full is tried again",
     IN_STREAM,
     {"53100", "could not write to data file for XID 7: No space left on device", .file = "reorderbuffer.c"},
     WALROW_ERR_NET,
     true,
     ""},
    {"a connection the server lost is tried again",
     IN_STREAM,
     {"08006", "unexpected EOF on standby connection", .fatal = true},
     WALROW_ERR_NET,
     true,
     ""},
    {"a conflict with recovery is tried again",
     IN_STREAM,
     {"40001", "canceling statement due to conflict with recovery", .file = "postgres.c"},
     WALROW_ERR_NET,
     true,
     ""},
    {"a missing publication is not tried again",
     IN_STREAM,
     {"42704", "publication \"walrow\" does not exist", .file = "pg_publication.c",
      .function = "GetPublicationByName"},
     WALROW_ERR_PUBLICATION,
     false,
     "created after the slot"},
    {"a missing publication, as 16 and 17 say it, is not tried again",
     IN_STREAM,
     {"42704", "publication \"walrow\" does not exist", .file = "lsyscache.c",
      .function = "get_publication_oid"},
     WALROW_ERR_PUBLICATION,
     false,
     "created after the slot"},
    {"WAL that was removed is not tried again",
     IN_STREAM,
     {"58P01", "requested WAL segment 000000010000000000000001 has already been removed",
      .file = "xlogreader.c"},
     WALROW_ERR_SLOT,
     false,
     "walrow teardown"},
    {"an error of the server that nobody knows is not tried again",
     IN_STREAM,
     {"XX000", "unexpected duplicate for tablespace 0", .file = "relfilenumbermap.c"},
     WALROW_ERR_NET,
     false,
     ""},
};

enum { N_REFUSALS = sizeof refusals / sizeof refusals[0] };

static int
set_up_refusal(void **state)
{
    ((refusal *)*state)->fixture = a_fixture(WALSENDER_UNIX);
    return 0;
}

static int
tear_down_refusal(void **state)
{
    return tear_down((void **)&((refusal *)*state)->fixture);
}

static void
a_refusal_is_understood(void **state)
{
    const refusal *r = *state;
    fixture *f = r->fixture;
    if (r->moment == AT_CONNECT)
        walsender_greet(f->server, (walsender_greeting){.manner = WALSENDER_REFUSES, .error = r->error});
    else if (r->moment == AT_START)
        walsender_refuses_start(f->server, r->error);
    else
        walsender_fails(f->server, r->error);
    assert_int_equal(stream(f), r->code);
    expect_error(f, r->code, r->retryable, r->error.message, r->hint);
    assert_string_equal(f->err.sqlstate, r->error.sqlstate);
}

/* ---- start-up ---- */

static void
a_server_tells_who_it_is(void **state)
{
    fixture *f = *state;
    static const walsender_answer answers[] = {{"current_database", "f|app|tester|UTF8|\n", NULL},
                                               {NULL, NULL, NULL}};
    walrow__pg_server server;
    walsender_answers(f->server, answers);
    ASSERT_OK(connect_to(f), f->err);
    ASSERT_OK(walrow__pg_identify(f->conn, true, &server, &f->err), f->err);
    assert_int_equal(server.system_identifier, UINT64_C(7000000000000000001));
    assert_int_equal(server.timeline, 1);
    assert_int_equal(server.flush_lsn, 0x1000);
    assert_int_equal(server.version, 150008);
    assert_string_equal(server.database, "app");
}

static void
a_server_that_answers_with_no_rows_is_no_crash(void **state)
{
    fixture *f = *state;
    static const walsender_answer answers[] = {{"IDENTIFY_SYSTEM", "", NULL}, {NULL, NULL, NULL}};
    walrow__pg_server server;
    walsender_answers(f->server, answers);
    ASSERT_OK(connect_to(f), f->err);
    ASSERT_OK(walrow__pg_identify(f->conn, true, &server, &f->err), f->err);
    assert_int_equal(server.system_identifier, 0);
    assert_string_equal(server.database, "");
}

static void
a_start_up_cut_at_any_byte_is_the_same(void **state)
{
    fixture *f = *state;
    ASSERT_OK(connect_to(f), f->err);
    size_t size = walsender_sent(f->server);
    assert_true(size > 100);
    for (size_t at = 1; at < size; at++) {
        walsender_cut(f->server, at);
        ASSERT_OK(connect_to(f), f->err);
        assert_int_equal(walsender_sent(f->server), size);
    }
}

static void
a_start_up_that_breaks_off_at_any_byte_is_tried_again(void **state)
{
    fixture *f = *state;
    ASSERT_OK(connect_to(f), f->err);
    size_t size = walsender_sent(f->server);
    for (size_t at = 0; at < size; at++) {
        walsender_close_after(f->server, at);
        walrow_code code = connect_to(f);
        if ((code != WALROW_ERR_CONNECT && code != WALROW_ERR_NET) || !f->err.retryable)
            fail_msg("after byte %zu: %s%s", at, f->err.message, f->err.retryable ? "" : ", final");
    }
}

static void
a_start_up_that_drips_is_waited_for(void **state)
{
    fixture *f = *state;
    walsender_drip(f->server, 2);
    ASSERT_OK(connect_to(f), f->err);
}

static void
encryption_refused_is_an_error_where_it_is_required(void **state)
{
    fixture *f = *state;
    char source[256];
    snprintf(source, sizeof source, "%s sslmode=require", walsender_source(f->server));
    set(f, "source", source);
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
    expect_error(f, WALROW_ERR_CONNECT, false, "SSL", "sslmode");
}

static void
encryption_refused_is_no_error_where_it_is_preferred(void **state)
{
    fixture *f = *state;
    char source[256];
    snprintf(source, sizeof source, "%s sslmode=prefer", walsender_source(f->server));
    set(f, "source", source);
    ASSERT_OK(connect_to(f), f->err);
}

static void
encryption_promised_but_not_spoken_is_an_error(void **state)
{
    fixture *f = *state;
    char source[256];
    snprintf(source, sizeof source, "%s sslmode=require", walsender_source(f->server));
    set(f, "source", source);
    walsender_greet(f->server, (walsender_greeting){.manner = WALSENDER_TALKS_NONSENSE, .encryption = 'S'});
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
    expect_error(f, WALROW_ERR_CONNECT, false, "SSL", "sslmode");
}

static void
a_password_that_is_missing_is_asked_for(void **state)
{
    fixture *f = *state;
    walsender_greet(f->server, (walsender_greeting){.manner = WALSENDER_ASKS_SCRAM});
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
    expect_error(f, WALROW_ERR_CONNECT, false, "password", "PGPASSWORD");
}

static const walsender_error wrong_password = {
    .sqlstate = "28P01", .message = "password authentication failed for user \"tester\"", .fatal = true};

static void
connect_with_password(fixture *f, walsender_manner manner, const walsender_error *error)
{
    char source[256];
    snprintf(source, sizeof source, "%s password=secret", walsender_source(f->server));
    set(f, "source", source);
    walsender_greet(f->server, (walsender_greeting){.manner = manner,
                                                    .error = error == NULL ? (walsender_error){0} : *error});
    (void)!connect_to(f);
}

static void
a_wrong_password_in_clear_is_final(void **state)
{
    connect_with_password(*state, WALSENDER_ASKS_CLEARTEXT, &wrong_password);
    expect_error(*state, WALROW_ERR_CONNECT, false, "password authentication failed", "PGPASSWORD");
}

static void
a_wrong_password_by_md5_is_final(void **state)
{
    connect_with_password(*state, WALSENDER_ASKS_MD5, &wrong_password);
    expect_error(*state, WALROW_ERR_CONNECT, false, "password authentication failed", "PGPASSWORD");
}

static void
a_wrong_password_by_scram_is_final(void **state)
{
    connect_with_password(*state, WALSENDER_ASKS_SCRAM, &wrong_password);
    expect_error(*state, WALROW_ERR_CONNECT, false, "password authentication failed", "PGPASSWORD");
}

static void
a_password_in_clear_logs_in(void **state)
{
    fixture *f = *state;
    connect_with_password(f, WALSENDER_ASKS_CLEARTEXT, NULL);
    assert_non_null(f->conn);
}

static void
no_error_repeats_the_password(void **state)
{
    fixture *f = *state;
    connect_with_password(f, WALSENDER_ASKS_CLEARTEXT, &wrong_password);
    assert_null(strstr(f->err.message, "secret"));
    assert_null(strstr(f->err.hint, "secret"));
}

static void
an_authentication_method_nobody_knows_is_final(void **state)
{
    fixture *f = *state;
    walsender_greet(f->server, (walsender_greeting){.manner = WALSENDER_ASKS_UNKNOWN});
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
    expect_error(f, WALROW_ERR_CONNECT, false, "99", "pg_hba.conf");
}

static void
a_server_that_says_nothing_is_given_up_after_the_time_out(void **state)
{
    fixture *f = *state;
    set(f, "connect-timeout", "1");
    walsender_greet(f->server, (walsender_greeting){.manner = WALSENDER_SAYS_NOTHING});
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
    expect_error(f, WALROW_ERR_CONNECT, true, "within 1 s", "--connect-timeout");
}

static void
a_server_that_falls_silent_after_the_log_in_is_given_up_too(void **state)
{
    fixture *f = *state;
    static const walsender_error silence = {0};
    static const walsender_answer answers[] = {{"set_config", NULL, &silence}, {NULL, NULL, NULL}};
    set(f, "connect-timeout", "1");
    walsender_answers(f->server, answers);
    assert_int_equal(connect_to(f), WALROW_ERR_NET);
    expect_error(f, WALROW_ERR_NET, true, "said nothing for 1 s", "--connect-timeout");
}

static void
a_server_of_something_else_is_an_error(void **state)
{
    fixture *f = *state;
    walsender_greet(f->server, (walsender_greeting){.manner = WALSENDER_TALKS_NONSENSE});
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
}

static void
a_server_that_hangs_up_at_once_is_tried_again(void **state)
{
    fixture *f = *state;
    walsender_greet(f->server, (walsender_greeting){.manner = WALSENDER_HANGS_UP});
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
    expect_error(f, WALROW_ERR_CONNECT, true, "server closed the connection", "is the server up");
}

static void
nobody_who_listens_is_tried_again(void **state)
{
    fixture *f = *state;
    set(f, "source", "host=127.0.0.1 port=1 dbname=app user=tester sslmode=disable");
    assert_int_equal(connect_to(f), WALROW_ERR_CONNECT);
    expect_error(f, WALROW_ERR_CONNECT, true, "refused", "is the server up");
}

static void
the_second_host_is_asked_where_the_first_does_not_listen(void **state)
{
    fixture *f = *state;
    char source[256];
    int port = 0;
    assert_int_equal(sscanf(walsender_source(f->server), "host=127.0.0.1 port=%d", &port), 1);
    snprintf(source, sizeof source, "postgresql://tester@127.0.0.1:1,127.0.0.1:%d/app?sslmode=disable", port);
    set(f, "source", source);
    ASSERT_OK(connect_to(f), f->err);
}

/* ---- all of them ---- */

int
main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(a_server_tells_who_it_is),
        CASE(a_server_that_answers_with_no_rows_is_no_crash),
        CASE(a_start_up_cut_at_any_byte_is_the_same),
        CASE(a_start_up_that_breaks_off_at_any_byte_is_tried_again),
        CASE(a_start_up_that_drips_is_waited_for),
        TCP_CASE(encryption_refused_is_an_error_where_it_is_required),
        TCP_CASE(encryption_refused_is_no_error_where_it_is_preferred),
        TCP_CASE(encryption_promised_but_not_spoken_is_an_error),
        CASE(a_password_that_is_missing_is_asked_for),
        CASE(a_wrong_password_in_clear_is_final),
        CASE(a_wrong_password_by_md5_is_final),
        CASE(a_wrong_password_by_scram_is_final),
        CASE(a_password_in_clear_logs_in),
        CASE(no_error_repeats_the_password),
        CASE(an_authentication_method_nobody_knows_is_final),
        CASE(a_server_that_says_nothing_is_given_up_after_the_time_out),
        CASE(a_server_that_falls_silent_after_the_log_in_is_given_up_too),
        CASE(a_server_of_something_else_is_an_error),
        CASE(a_server_that_hangs_up_at_once_is_tried_again),
        CASE(nobody_who_listens_is_tried_again),
        TCP_CASE(the_second_host_is_asked_where_the_first_does_not_listen),
    };
    enum { N_CASES = sizeof cases / sizeof cases[0] };
    struct CMUnitTest all[N_CASES + N_REFUSALS];
    memcpy(all, cases, sizeof cases);
    for (int i = 0; i < N_REFUSALS; i++)
        all[N_CASES + i] = (struct CMUnitTest){.name = refusals[i].sentence,
                                               .test_func = a_refusal_is_understood,
                                               .setup_func = set_up_refusal,
                                               .teardown_func = tear_down_refusal,
                                               .initial_state = &refusals[i]};
    return cmocka_run_group_tests_name("connect", all, NULL, NULL);
}
