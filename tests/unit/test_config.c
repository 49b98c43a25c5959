/*
 * test_config.c
 *	  Options from a YAML file, and the places of what is wrong in one.
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
#include <unistd.h>

static char path[] = "/tmp/walrow-config-XXXXXX";

static int
make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

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
write_file(const char *text, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void
read_text(walrow_options *options, const char *text)
{
    walrow_error err = {0};
    write_file(text, strlen(text));
    if (walrow_options_file(options, path, &err) != WALROW_OK)
        fail_msg("%s", err.message);
}

/* The message without the file's name; rest: how it begins. */
static void
assert_refused(walrow_options *options, const char *text, const char *rest, const char *hint)
{
    walrow_error err = {0};
    write_file(text, strlen(text));
    assert_int_equal(walrow_options_file(options, path, &err), WALROW_ERR_USAGE);
    assert_memory_equal(err.message, path, strlen(path));
    char *message = err.message + strlen(path);
    message[strlen(rest) < strlen(message) ? strlen(rest) : strlen(message)] = '\0';
    assert_string_equal(message, rest);
    assert_string_equal(err.hint, hint);
}

static void
test_values_lists_and_flags_are_read(void **state)
{
    walrow_options *options = *state;
    read_text(options, "# a lake\n"
                       "slot: lake\n"
                       "tables: public.*\n"
                       "to:\n"
                       "  - ipc:/srv/a,b\n"
                       "  - \"null:\"\n"
                       "batch-bytes: 64kB\n"
                       "batch-rows: 0100\n"
                       "strict: true\n");
    assert_string_equal(options->slot, "lake");
    assert_string_equal(options->tables.items[0], "public.*");
    assert_int_equal(options->to.count, 2);
    assert_string_equal(options->to.items[0], "ipc:/srv/a,b");
    assert_string_equal(options->to.items[1], "null:");
    assert_int_equal(options->batch_bytes, 65536);
    assert_int_equal(options->batch_rows, 100);
    assert_true(options->strict);
}

static void
test_what_is_set_already_stays(void **state)
{
    walrow_options *options = *state;
    assert_int_equal(walrow_options_set(options, "slot", "mine", NULL), WALROW_OK);
    assert_int_equal(walrow_options_set(options, "to", "null:", NULL), WALROW_OK);
    read_text(options, "slot: theirs\nto: [jsonl:a, jsonl:b]\npublication: theirs\n");
    assert_string_equal(options->slot, "mine");
    assert_int_equal(options->to.count, 1);
    assert_string_equal(options->publication, "theirs");
}

static void
test_what_is_overridden_is_checked_all_the_same(void **state)
{
    walrow_options *options = *state;
    assert_int_equal(walrow_options_set(options, "batch-rows", "7", NULL), WALROW_OK);
    assert_refused(options, "slot: a\nbatch-rows: 0\n", ", line 2: --batch-rows: 0 is out of range",
                   "it goes from 1 to 1073741824");
    assert_int_equal(options->batch_rows, 7);
}

static void
test_an_empty_file_sets_nothing(void **state)
{
    walrow_options *options = *state;
    read_text(options, "");
    read_text(options, "# nothing\n");
    read_text(options, "---\n");
    assert_string_equal(options->slot, "walrow");
}

static void
test_refusals_name_the_line(void **state)
{
    walrow_options *options = *state;
    assert_refused(options, "\n\ntabels: x\n", ", line 3: unknown option \"tabels\"",
                   "did you mean --tables?");
    assert_refused(options, "to:\n  - \"null:\"\n  - {}\n", ", line 3: \"to\" needs a plain value", "");
    assert_refused(options, "plugin: decoderbufs\n", ", line 1: --plugin: unknown value \"decoderbufs\"",
                   "it is one of: auto wal2arrow pgoutput wal2json");
    assert_refused(options, "\nslot: [a, b]\n", ", line 2: \"slot\" takes one value, not a list", "");
    assert_refused(options, "slot:\n", ", line 1: \"slot\" needs a value", "");
    assert_refused(options, "strict: yes\n", ", line 1: --strict: \"yes\" is neither true nor false", "");
    assert_refused(options, "slot: a\nslot: b\n", ", line 2: \"slot\" comes twice", "");
    assert_refused(options, "config: other.yaml\n", ", line 1: a file cannot name another", "");
    assert_refused(options, "[a]: b\n", ", line 1: an option's name is expected here", "");
    assert_refused(options, "slot: \"a\\0b\"\n", ", line 1: \"slot\" needs a plain value", "");
    assert_refused(options, "- slot\n", ", line 1: this is not a list of options",
                   "write a line for each, as in \"slot: walrow\"; \"to:\" takes a list");
}

static void
test_what_is_not_yaml_is_refused(void **state)
{
    walrow_options *options = *state;
    assert_refused(options, "slot: a\nto: [a\n", ", line 3: ", "");
    assert_refused(options, "slot: a\n\tto: b\n", ", line 2: ", "");
    assert_refused(options, "slot: a\n---\nslot: b\n", ", line 3: a second document begins before this", "");
    assert_refused(options, "slot: a\nto: \xff\n", ", line ", "");
}

static void
test_a_file_that_is_not_there_is_refused(void **state)
{
    walrow_error err = {0};
    assert_int_equal(walrow_options_file(*state, "/no/such.yaml", &err), WALROW_ERR_USAGE);
    assert_string_equal(err.message,
                        "cannot read the configuration /no/such.yaml: No such file or directory");
    assert_int_equal(walrow_options_file(*state, "/", &err), WALROW_ERR_USAGE);
}

/* Whatever is in the file, it ends, with an error or without. */
static void
test_damaged_files_are_survived(void **state)
{
    static const char sound[] =
        "slot: lake\nto:\n  - &a ipc:x\n  - *a\nstrict: true # yes\n\"tables\": 'a.*'\n";
    (void)state;
    for (size_t at = 0; at < sizeof sound - 1; at++)
        for (const char *byte = "\t:-[{\"&*#\xff"; *byte != '\0'; byte++) {
            char damaged[sizeof sound];
            memcpy(damaged, sound, sizeof sound);
            damaged[at] = *byte;
            walrow_options *options;
            walrow_error err = {0};
            write_file(damaged, sizeof sound - 1);
            assert_int_equal(walrow_options_new(&options, NULL), WALROW_OK);
            if (walrow_options_file(options, path, &err) != WALROW_OK)
                assert_true(strstr(err.message, ", line ") != NULL);
            walrow_options_free(options);
        }
}

#define with_options(test) cmocka_unit_test_setup_teardown(test, make_options, free_options)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_options(test_values_lists_and_flags_are_read),
        with_options(test_what_is_set_already_stays),
        with_options(test_what_is_overridden_is_checked_all_the_same),
        with_options(test_an_empty_file_sets_nothing),
        with_options(test_refusals_name_the_line),
        with_options(test_what_is_not_yaml_is_refused),
        with_options(test_a_file_that_is_not_there_is_refused),
        cmocka_unit_test(test_damaged_files_are_survived),
    };
    return cmocka_run_group_tests_name("config", tests, make_file, remove_file);
}
