/*
 * test_options.c
 *	  The option table, values from text, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
make_options(void **state)
{
    return walrow_options_new((walrow_options **)state, NULL);
}

static int
free_options(void **state)
{
    walrow_options_free(*state);
    return 0;
}

static void
set(walrow_options *options, const char *name, const char *value)
{
    walrow_error err = {0};
    if (walrow_options_set(options, name, value, &err) != WALROW_OK)
        fail_msg("--%s %s: %s", name, value, err.message);
}

static void
assert_refused(walrow_options *options, const char *name, const char *value, const char *message,
               const char *hint)
{
    walrow_error err = {0};
    assert_int_equal(walrow_options_set(options, name, value, &err), WALROW_ERR_USAGE);
    assert_string_equal(err.message, message);
    assert_string_equal(err.hint, hint);
}

static void
test_defaults_are_those_of_the_contract(void **state)
{
    walrow_options *options = *state;
    assert_string_equal(options->slot, "walrow");
    assert_string_equal(options->publication, "walrow");
    assert_int_equal(options->plugin, WALROW__PLUGIN_AUTO);
    assert_int_equal(options->snapshot, WALROW__SNAPSHOT_INITIAL);
    assert_int_equal(options->batch_rows, 65536);
    assert_int_equal(options->batch_bytes, 16 << 20);
    assert_int_equal(options->batch_delay_ms, 100);
    assert_int_equal(options->ack_interval_ms, 1000);
    assert_int_equal(options->connect_timeout_s, 30);
    assert_null(options->source);
    assert_false(options->strict);
}

static void
test_values_are_read(void **state)
{
    walrow_options *options = *state;
    set(options, "plugin", "wal2json");
    assert_int_equal(options->plugin, WALROW__PLUGIN_WAL2JSON);
    set(options, "batch-bytes", "64kB");
    assert_int_equal(options->batch_bytes, 65536);
    set(options, "batch-bytes", "1 MB");
    assert_int_equal(options->batch_bytes, 1 << 20);
    set(options, "batch-bytes", "4096");
    assert_int_equal(options->batch_bytes, 4096);
    set(options, "strict", "true");
    assert_true(options->strict);
    set(options, "start", "16/B374D848");
    assert_true(options->start_lsn == UINT64_C(0x16B374D848));
    set(options, "replica-identity", "full");
    assert_int_equal(options->replica_identity, WALROW__IDENTITY_FULL);
}

static void
test_durations_have_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } durations[] = {{"1ms", 1},       {"500 ms", 500}, {"10s", 10000},
                     {"5min", 300000}, {"1h", 3600000}, {"2d", 172800000}};
    walrow_options *options = *state;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        set(options, "window", durations[i].text);
        assert_int_equal(options->window_ms, durations[i].ms);
    }
    static const char *const others[] = {"10", "s", "-1s", "1.5s", "10x", "10S", "99999999999999999d", "0s"};
    walrow_error err = {0};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(walrow_options_set(options, "every", others[i], &err), WALROW_ERR_USAGE);
    assert_int_equal(options->every_ms, 0);
}

static void
test_with_queries_there_is_no_snapshot_unless_asked_for(void **state)
{
    walrow_options *options = *state;
    assert_int_equal(walrow__options_snapshot(options), WALROW__SNAPSHOT_INITIAL);
    set(options, "sql", "q=select 1");
    assert_int_equal(walrow__options_snapshot(options), WALROW__SNAPSHOT_NEVER);
    set(options, "snapshot", "initial");
    assert_int_equal(walrow__options_snapshot(options), WALROW__SNAPSHOT_INITIAL);
}

static void
test_there_is_no_snapshot_that_nobody_would_see(void **state)
{
    walrow_options *options = *state;
    set(options, "events", "insert,update");
    assert_int_equal(walrow__options_snapshot(options), WALROW__SNAPSHOT_NEVER);
    set(options, "events", "delete,read");
    assert_int_equal(walrow__options_snapshot(options), WALROW__SNAPSHOT_INITIAL);
}

static void
test_what_is_asked_for_is_not_outsmarted(void **state)
{
    walrow_options *options = *state;
    set(options, "events", "insert");
    set(options, "snapshot", "only");
    assert_int_equal(walrow__options_snapshot(options), WALROW__SNAPSHOT_ONLY);
}

static void
test_until_takes_an_lsn_or_now(void **state)
{
    walrow_options *options = *state;
    set(options, "until", "now");
    assert_true(options->until_now);
    set(options, "until", "0/10");
    assert_false(options->until_now);
    assert_true(options->until_lsn == 16);
}

static void
test_repeatable_options_add_up(void **state)
{
    walrow_options *options = *state;
    set(options, "to", "null:");
    set(options, "to", "ipc:/tmp/a,b");
    assert_int_equal(options->to.count, 2);
    assert_string_equal(options->to.items[1], "ipc:/tmp/a,b");
    set(options, "tables", "public.a");
    set(options, "tables", "public.b,public.c");
    assert_string_equal(walrow_options_get(options, "tables"), "public.a,public.b,public.c");
}

static void
test_the_last_word_counts_otherwise(void **state)
{
    walrow_options *options = *state;
    set(options, "slot", "a");
    set(options, "slot", "b");
    assert_string_equal(options->slot, "b");
    assert_string_equal(walrow_options_get(options, "slot"), "b");
}

static void
test_type_overrides(void **state)
{
    walrow_options *options = *state;
    set(options, "type", "public.t.c=utf8");
    set(options, "type", "\"My Schema\".\"a.b\".\"x=y\"=utf8");
    assert_string_equal(walrow__options_override(options, "public", "t", "c"), "utf8");
    assert_string_equal(walrow__options_override(options, "My Schema", "a.b", "x=y"), "utf8");
    assert_null(walrow__options_override(options, "public", "t", "d"));
}

static void
test_refusals_say_what_is_right(void **state)
{
    walrow_options *options = *state;
    assert_refused(options, "tabels", "x", "unknown option \"tabels\"", "did you mean --tables?");
    assert_refused(options, "plugin", "decoderbufs", "--plugin: unknown value \"decoderbufs\"",
                   "it is one of: auto wal2arrow pgoutput wal2json");
    assert_refused(options, "batch-bytes", "16 apples", "--batch-bytes: \"16 apples\" is not a size",
                   "as in --batch-bytes 16MB");
    assert_refused(options, "batch-bytes", "99999999TB", "--batch-bytes: \"99999999TB\" is not a size",
                   "as in --batch-bytes 16MB");
    assert_refused(options, "batch-rows", "0", "--batch-rows: 0 is out of range",
                   "it goes from 1 to 1073741824");
    assert_refused(options, "batch-rows", "1e3", "--batch-rows: \"1e3\" is not a whole number",
                   "as in --batch-rows 65536");
    assert_refused(options, "slot", "My-Slot", "--slot: \"My-Slot\" cannot name a replication slot",
                   "slot names have 1 to 63 lower case letters, digits and underscores");
    assert_refused(options, "publication", "", "--publication: \"\" is not a name: it has 0 bytes",
                   "PostgreSQL names have 1 to 63 bytes");
    assert_refused(options, "until", "tomorrow", "--until: \"tomorrow\" is not a position in the WAL",
                   "positions look like 0/15D6B88; \"select pg_current_wal_flush_lsn()\" gives one");
    assert_refused(options, "type", "t.c=utf8", "--type: \"t.c=utf8\" is not SCHEMA.TABLE.COLUMN=TYPE",
                   "as in --type public.orders.note=utf8; quote odd names: \"My Schema\".t.c=utf8");
    assert_refused(options, "strict", "maybe", "--strict: \"maybe\" is neither true nor false", "");
}

static void
test_a_refused_value_changes_nothing(void **state)
{
    walrow_options *options = *state;
    set(options, "slot", "mine");
    assert_int_not_equal(walrow_options_set(options, "slot", "Not A Slot", NULL), WALROW_OK);
    assert_string_equal(options->slot, "mine");
    assert_string_equal(walrow_options_get(options, "slot"), "mine");
}

static void
test_the_environment_fills_what_is_not_set(void **state)
{
    walrow_options *options = *state;
    setenv("SOURCE_URL", "postgresql://from-the-environment", 1);
    setenv("SOURCE_SLOT_NAME", "from_env", 1);
    setenv("TABLES", "public.*", 1);
    setenv("SOURCE_PUBLICATION_NAME", "", 1); /* empty: not set */
    set(options, "slot", "from_command_line");
    assert_int_equal(walrow_options_env(options, NULL), WALROW_OK);
    assert_string_equal(options->source, "postgresql://from-the-environment");
    assert_string_equal(options->slot, "from_command_line");
    assert_string_equal(options->tables.items[0], "public.*");
    assert_string_equal(options->publication, "walrow");

    setenv("SOURCE_SLOT_NAME", "Bad Slot", 1);
    walrow_options *other;
    walrow_error err = {0};
    assert_int_equal(walrow_options_new(&other, NULL), WALROW_OK);
    assert_int_equal(walrow_options_env(other, &err), WALROW_ERR_USAGE);
    walrow_options_free(other);
    unsetenv("SOURCE_URL");
    unsetenv("SOURCE_SLOT_NAME");
    unsetenv("TABLES");
    unsetenv("SOURCE_PUBLICATION_NAME");
}

static void
test_get_gives_the_text_in_force(void **state)
{
    walrow_options *options = *state;
    assert_string_equal(walrow_options_get(options, "batch-bytes"), "16MB");
    assert_null(walrow_options_get(options, "source"));
    assert_null(walrow_options_get(options, "json"));
    set(options, "json", "true");
    assert_string_equal(walrow_options_get(options, "json"), "true");
    set(options, "json", "false");
    assert_null(walrow_options_get(options, "json"));
    assert_null(walrow_options_get(options, "no such thing"));
}

/* What walrow said, a line each. */
static char said[1024];

static void
remember_line(void *arg, walrow_log_level level, const char *message)
{
    (void)arg;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%d %s\n", level, message);
}

static void
test_what_may_change_meanwhile_is_adopted_and_the_rest_is_said(void **state)
{
    walrow_options *options = *state, *newer;
    assert_int_equal(walrow_options_new(&newer, NULL), WALROW_OK);
    set(options, "slot", "a");
    set(options, "batch-rows", "7");
    set(options, "ack-interval", "20");
    set(newer, "slot", "b");
    set(newer, "batch-bytes", "1MB");
    set(newer, "ack-interval", "20");
    set(newer, "strict", "true");
    said[0] = '\0';
    walrow_set_log(remember_line, NULL, WALROW_LOG_INFO);
    assert_int_equal(walrow_options_adopt(options, newer, NULL), WALROW_OK);
    walrow_set_log(NULL, NULL, WALROW_LOG_INFO);
    walrow_options_free(newer);

    assert_string_equal(said, "1 --slot has changed: that takes a restart\n"
                              "2 --batch-rows is 65536 now, it was 7\n"
                              "2 --batch-bytes is 1MB now, it was 16MB\n"
                              "1 --strict has changed: that takes a restart\n");
    assert_int_equal(options->batch_rows, 65536);
    assert_int_equal(options->batch_bytes, 1 << 20);
    assert_int_equal(options->ack_interval_ms, 20);
    assert_string_equal(options->slot, "a");
    assert_false(options->strict);
}

static void
adopt_to(walrow_options *options, const char *a, const char *b)
{
    walrow_options *newer;
    assert_int_equal(walrow_options_new(&newer, NULL), WALROW_OK);
    set(newer, "to", a);
    set(newer, "to", b);
    assert_int_equal(walrow_options_adopt(options, newer, NULL), WALROW_OK);
    walrow_options_free(newer);
}

static void
test_what_sinks_are_asked_for_later_leaves_what_a_stream_began_with(void **state)
{
    walrow_options *options = *state;
    set(options, "to", "ipc:a");
    set(options, "to", "null:");
    const walrow__texts *was = walrow__options_to(options);
    adopt_to(options, "ipc:a", "null:");
    assert_ptr_equal(walrow__options_to(options), was);
    adopt_to(options, "ipc:a?rotate_s=1", "null:");
    adopt_to(options, "ipc:a?rotate_s=2", "null:");
    assert_int_equal(walrow__options_to(options)->count, 2);
    assert_string_equal(walrow__options_to(options)->items[0], "ipc:a?rotate_s=2");
    assert_string_equal(was->items[0], "ipc:a");
}

static void
test_the_table_is_sound(void **state)
{
    (void)state;
    size_t count;
    const walrow_option_info *table = walrow_option_table(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(table[i].help) > 3);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(table[i].name, table[j].name);
            assert_true(table[i].short_name == 0 || table[i].short_name != table[j].short_name);
        }
    }
}

#define with_options(test) cmocka_unit_test_setup_teardown(test, make_options, free_options)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_options(test_defaults_are_those_of_the_contract),
        with_options(test_values_are_read),
        with_options(test_durations_have_units),
        with_options(test_with_queries_there_is_no_snapshot_unless_asked_for),
        with_options(test_there_is_no_snapshot_that_nobody_would_see),
        with_options(test_what_is_asked_for_is_not_outsmarted),
        with_options(test_until_takes_an_lsn_or_now),
        with_options(test_repeatable_options_add_up),
        with_options(test_the_last_word_counts_otherwise),
        with_options(test_type_overrides),
        with_options(test_refusals_say_what_is_right),
        with_options(test_a_refused_value_changes_nothing),
        with_options(test_the_environment_fills_what_is_not_set),
        with_options(test_get_gives_the_text_in_force),
        with_options(test_what_may_change_meanwhile_is_adopted_and_the_rest_is_said),
        with_options(test_what_sinks_are_asked_for_later_leaves_what_a_stream_began_with),
        cmocka_unit_test(test_the_table_is_sound),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
