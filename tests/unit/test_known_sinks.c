/*
 * test_known_sinks.c
 *	  Which sinks a state knows, and what becomes of the log when one comes or goes.
 */
#include "changes.h"

#include "base/uri.h"
#include "state/buffer.h"
#include "state/sinks.h"

#include <unistd.h>

typedef struct fixture {
    char path[64];
    walrow__state *state;
    walrow__known_sinks sinks;
    walrow_error err;
} fixture;

static const walrow__identity shop = {
    .system_identifier = UINT64_C(7311234567890123456), .timeline = 1, .database = "shop", .slot = "walrow"};

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/walrow-test-sinks-%d", (int)getpid());
    ASSERT_OK(walrow__state_open(f->path, &shop, &f->state, &f->err), f->err);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__known_sinks_release(&f->sinks);
    walrow__state_close(f->state);
    walrow_code removed = walrow__place_remove(f->path, NULL);
    free(f);
    return removed == WALROW_OK ? 0 : -1;
}

/* ---- acts ---- */

static void
put_position(fixture *f, const char *uri, uint64_t lsn)
{
    walrow__store_write *write = walrow__store_begin();
    ASSERT_OK(walrow__state_put_sink(write, uri, lsn, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
}

static void
put_cursor(fixture *f, const char *uri, uint64_t number)
{
    walrow__store_write *write = walrow__store_begin();
    ASSERT_OK(walrow__state_put_cursor(write, uri, number, &f->err), f->err);
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
}

static void
put_entries(fixture *f, int n)
{
    const walrow_changes changes = {.end_lsn = 0x100};
    walrow__buffer *buffer;
    ASSERT_OK(walrow__buffer_open(f->state, 1 << 20, &buffer, &f->err), f->err);
    for (int i = 0; i < n; i++) {
        walrow__store_write *write = walrow__store_begin();
        ASSERT_OK(walrow__buffer_put(buffer, write, &changes, &f->err), f->err);
        ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
        walrow__buffer_publish(buffer);
    }
    walrow__buffer_free(buffer);
}

/* The log's first and next entry: "3-9". */
static const char *
log_of(fixture *f)
{
    static char text[48];
    walrow__buffer *buffer;
    ASSERT_OK(walrow__buffer_open(f->state, 1 << 20, &buffer, &f->err), f->err);
    snprintf(text, sizeof text, "%d-%d", (int)walrow__buffer_first(buffer), (int)walrow__buffer_next(buffer));
    walrow__buffer_free(buffer);
    return text;
}

static const walrow__known_sink *
find(fixture *f, const char *uri)
{
    walrow__known_sinks_release(&f->sinks);
    ASSERT_OK(walrow__state_sinks(f->state, &f->sinks, &f->err), f->err);
    return walrow__known_sinks_find(&f->sinks, uri);
}

static void
forget(fixture *f, const char *uri)
{
    ASSERT_OK(walrow__state_remove_sink(f->state, uri, &f->err), f->err);
}

/* ---- tests ---- */

static void
a_new_state_knows_none(void **state)
{
    fixture *f = *state;
    assert_null(find(f, "ipc:lake"));
    assert_int_equal(f->sinks.count, 0);
}

static void
a_sink_is_known_once_with_its_position_and_its_cursor(void **state)
{
    fixture *f = *state;
    put_position(f, "ipc:lake?rotate_s=1", 0x100);
    put_cursor(f, "ipc:lake?rotate_s=2", 7);
    const walrow__known_sink *sink = find(f, "ipc:lake?rotate_s=3");
    assert_int_equal(f->sinks.count, 1);
    assert_string_equal(sink->uri, "ipc:lake");
    assert_int_equal(sink->lsn, 0x100);
    assert_true(sink->buffered);
    assert_int_equal(sink->cursor, 7);
}

static void
a_sink_without_the_buffer_has_no_cursor(void **state)
{
    fixture *f = *state;
    put_position(f, "ipc:lake", 0x100);
    assert_false(find(f, "ipc:lake")->buffered);
}

static void
names_that_begin_alike_are_not_the_same(void **state)
{
    (void)state;
    assert_true(walrow__same_sink("ipc:a", "ipc:a?rotate_s=1"));
    assert_true(walrow__same_sink("ipc:a?rotate_s=2", "ipc:a?rotate_s=1"));
    assert_false(walrow__same_sink("ipc:a", "ipc:ab"));
    assert_false(walrow__same_sink("ipc:ab", "ipc:a?b"));
}

static void
a_sink_that_is_added_begins_at_the_logs_end(void **state)
{
    fixture *f = *state;
    ASSERT_OK(walrow__state_add_sink(f->state, "ipc:first", &f->err), f->err);
    put_entries(f, 4);
    ASSERT_OK(walrow__state_add_sink(f->state, "ipc:second?rotate_s=1", &f->err), f->err);
    assert_int_equal(find(f, "ipc:first")->cursor, 1);
    assert_int_equal(find(f, "ipc:second")->cursor, 5);
}

static void
what_only_a_forgotten_sink_did_not_have_goes_with_it(void **state)
{
    fixture *f = *state;
    put_entries(f, 8);
    put_cursor(f, "ipc:slow", 2);
    put_cursor(f, "ipc:fast", 6);
    put_position(f, "ipc:slow", 0x100);
    forget(f, "ipc:slow?rotate_s=1");
    assert_null(find(f, "ipc:slow"));
    assert_int_equal(find(f, "ipc:fast")->cursor, 6);
    assert_string_equal(log_of(f), "6-9");
}

static void
what_another_does_not_have_stays(void **state)
{
    fixture *f = *state;
    put_entries(f, 8);
    put_cursor(f, "ipc:slow", 2);
    put_cursor(f, "ipc:fast", 6);
    forget(f, "ipc:fast");
    assert_string_equal(log_of(f), "2-9");
    assert_int_equal(find(f, "ipc:slow")->cursor, 2);
}

static void
with_the_last_sink_the_log_is_empty_and_goes_on_counting(void **state)
{
    fixture *f = *state;
    put_entries(f, 8);
    put_cursor(f, "ipc:lake", 2);
    put_position(f, "jsonl:events", 0x100); /* had its changes without the buffer */
    forget(f, "ipc:lake");
    assert_string_equal(log_of(f), "9-9");
    assert_non_null(find(f, "jsonl:events"));
    put_entries(f, 1);
    assert_string_equal(log_of(f), "9-10");
}

static void
forgetting_one_that_is_not_known_changes_nothing(void **state)
{
    fixture *f = *state;
    put_entries(f, 3);
    put_cursor(f, "ipc:lake", 1);
    forget(f, "ipc:elsewhere");
    assert_string_equal(log_of(f), "1-4");
    assert_int_equal(f->sinks.count, 0);
    assert_int_equal(find(f, "ipc:lake")->cursor, 1);
}

static void
a_cursor_that_is_no_number_is_damage(void **state)
{
    fixture *f = *state;
    walrow__store_write *write = walrow__store_begin();
    walrow__store_put_text(write, "cursor/ipc:lake", "many");
    ASSERT_OK(walrow__state_commit(f->state, write, 0, &f->err), f->err);
    assert_int_equal(walrow__state_sinks(f->state, &f->sinks, &f->err), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "\"cursor/ipc:lake\""));
    assert_int_equal(f->sinks.count, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void
what_is_secret_in_a_uri_is_not_shown(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"jsonl:-", "jsonl:-"},
        {"parquet:a//b:c@d?tables=x", "parquet:a//b:c@d?tables=x"},
        {"redis://host:1/2?key=a:b@c", "redis://host:1/2?key=a:b@c"},
        {"redis://user:p@ss:word@host/3", "redis://user@host/3"},
        {"redis://:pass@host", "redis://host"},
        {"redis://user@host?password_file=/a&x=1", "redis://user@host?password_file=/a&x=1"},
        {"kafka://b/p?sasl.username=u&sasl.password=p&password&a.secret=s&ssl.key.pem=k",
         "kafka://b/p?sasl.username=u&sasl.password=***&password&a.secret=***&ssl.key.pem=***"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *shown = walrow__uri_shown(cases[i][0]);
        assert_string_equal(shown, cases[i][1]);
        free(shown);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_secret_in_a_uri_is_not_shown),
        CASE(a_new_state_knows_none),
        CASE(a_sink_is_known_once_with_its_position_and_its_cursor),
        CASE(a_sink_without_the_buffer_has_no_cursor),
        CASE(names_that_begin_alike_are_not_the_same),
        CASE(a_sink_that_is_added_begins_at_the_logs_end),
        CASE(what_only_a_forgotten_sink_did_not_have_goes_with_it),
        CASE(what_another_does_not_have_stays),
        CASE(with_the_last_sink_the_log_is_empty_and_goes_on_counting),
        CASE(forgetting_one_that_is_not_known_changes_nothing),
        CASE(a_cursor_that_is_no_number_is_damage),
    };
    return cmocka_run_group_tests_name("known_sinks", tests, NULL, NULL);
}
