/*
 * test_event_options.c
 *	  The parameters of jsonl: what they leave out of an event and add to it, and the lines of wal2json.
 */
#include "changes.h"

#include "sink/event/event.h"

typedef struct fixture {
    walrow__table *t; /* public.t (id integer key, name text) */
    walrow__strbuf text;
    walrow_error err;
    changes c;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->t = simple_table("t", 1);
    walrow__strbuf_init(&f->text);
    begin_changes(&f->c);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__strbuf_release(&f->text);
    walrow__table_unref(f->t);
    free(f);
    return 0;
}

static walrow_code
keep(void *arg, walrow__strbuf *buf, walrow_error *err)
{
    (void)err;
    walrow__strbuf_add(&((fixture *)arg)->text, buf->data, buf->size);
    walrow__strbuf_clear(buf);
    return WALROW_OK;
}

/* All lines of the change set, with these parameters. */
static const char *
printed(fixture *f, const char *params)
{
    walrow__event_options options;
    walrow__event_printer printer;
    walrow__event_options_init(&options);
    ASSERT_OK(walrow__event_options_parse(&options, "jsonl:-", params, &f->err), f->err);
    walrow__event_init(&printer, &options, keep, f);
    ASSERT_OK(walrow__event_print(&printer, finish_changes(&f->c, 0x208), &f->err), f->err);
    ASSERT_OK(walrow__event_flush(&printer, &f->err), f->err);
    end_changes(&f->c);
    walrow__event_release(&printer);
    return walrow__strbuf_text(&f->text);
}

static void
add_insert(fixture *f, walrow__table *table, const char *first, const char *second)
{
    add_row(&f->c, table, 'I', 0x200, 0, ROW(first, second));
    add_transaction(&f->c, 0x200, 0x208);
}

/* ---- events ---- */

static void
fields_are_left_out(void **state)
{
    fixture *f = *state;
    add_insert(f, f->t, "1", "a");
    assert_string_equal(
        printed(
            f, "include-transaction=off&include-xids=0&include-timestamp=f&include-lsn=no&include-schemas=off"
               "&include-pk=off&include-origin=false"),
        "{\"event_type\":\"insert\",\"table\":\"t\",\"data\":{\"id\":1,\"name\":\"a\"},\"old_data\":null}\n");
}

static void
types_are_added(void **state)
{
    fixture *f = *state;
    add_insert(f, f->t, "1", "a");
    assert_non_null(strstr(printed(f, "include-types=on&include-type-oids=1"),
                           ",\"key_data\":{\"id\":1},\"types\":{\"id\":\"integer\",\"name\":\"text\"},"
                           "\"type_oids\":{\"id\":23,\"name\":25},\"lsn\":\"0/200\""));
}

static void
a_transaction_without_wanted_actions_has_no_events(void **state)
{
    fixture *f = *state;
    add_insert(f, f->t, "1", "a");
    assert_string_equal(printed(f, "actions=update,delete"), "");
}

/* ---- wal2json ---- */

static void
numbers_are_text_if_asked_for(void **state)
{
    fixture *f = *state;
    walrow__table *n = simple_table("n", 2);
    add_insert(f, n, "7", "x");
    assert_string_equal(
        printed(
            f, "format=wal2json-v2&numeric-data-types-as-string=on&include-transaction=off&format-version=2"),
        "{\"action\":\"I\",\"schema\":\"public\",\"table\":\"n\",\"columns\":[{\"name\":\"id\",\"type\":"
        "\"integer\","
        "\"value\":\"7\"},{\"name\":\"name\",\"type\":\"text\",\"value\":\"x\"}]}\n");
    walrow__table_unref(n);
}

/* The Arrow value is null, wal2json's is not. */
static void
a_value_in_the_dead_letters_is_printed(void **state)
{
    fixture *f = *state;
    walrow_dead_letter letters[] = {
        {.table_name = "t", .column = "name", .text = "other row", .text_size = 9, .lsn = 0x200, .seq = 7},
        {.table_name = "t", .column = "name", .text = "old one", .text_size = 7, .lsn = 0x200, .old = true},
        {.table_name = "t", .column = "name", .text = "{{1,2}}", .text_size = 7, .lsn = 0x200},
    };
    add_insert(f, f->t, "1", NULL);
    f->c.set.dead_letters = letters;
    f->c.set.n_dead_letters = 3;
    assert_non_null(strstr(printed(f, "format=wal2json-v2"), "\"type\":\"text\",\"value\":\"{{1,2}}\"}]}\n"));
}

static void
ones_own_defaults_may_be_said_of_what_cannot_be_answered(void **state)
{
    fixture *f = *state;
    assert_string_equal(printed(f, "format=wal2json-v2&include-lsn=off&include-default=0&include-pk=f"), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_are_left_out),
        TEST(types_are_added),
        TEST(a_transaction_without_wanted_actions_has_no_events),
        TEST(numbers_are_text_if_asked_for),
        TEST(a_value_in_the_dead_letters_is_printed),
        TEST(ones_own_defaults_may_be_said_of_what_cannot_be_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
