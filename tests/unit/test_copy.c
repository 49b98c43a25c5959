/*
 * test_copy.c
 *	  Rows of COPY, binary and text, into the batch of a snapshot.
 */
#include "wire.h"

#include "source/copy.h"

typedef struct fixture {
    walrow__collector collector;
    walrow__feed *feed; /* of public.t(id integer key, name text) */
    walrow__copy copy;
    walrow_changes changes;
    walrow_error err;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    walrow__table *table = simple_table("t", 1);
    walrow_transaction snapshot = {.commit_lsn = 0x99, .commit_time = NOON};
    ASSERT_OK(walrow__collector_init(&f->collector, false, &f->err), f->err);
    ASSERT_OK(walrow__feed_new(table, 0, &f->feed, &f->err), f->err);
    walrow__table_unref(table);
    f->collector.snapshot = true;
    ASSERT_OK(walrow__collector_begin(&f->collector, &snapshot, &f->err), f->err);
    *state = f;
    return 0;
}

static int set_up_binary(void **state)
{
    set_up(state);
    fixture *f = *state;
    walrow__copy_init(&f->copy, &f->collector, f->feed, true);
    return 0;
}

static int set_up_text(void **state)
{
    set_up(state);
    fixture *f = *state;
    walrow__copy_init(&f->copy, &f->collector, f->feed, false);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    walrow__copy_release(&f->copy);
    walrow__feed_free(f->feed);
    walrow__collector_release(&f->collector);
    free(f);
    return 0;
}

/* ---- acts ---- */

static walrow_code try_feed(fixture *f, const void *bytes, size_t size)
{
    uint8_t *exact = malloc(size + !size); /* so that a read past its end is seen */
    memcpy(exact, bytes, size);
    walrow_code code = walrow__copy_feed(&f->copy, exact, size, &f->err);
    free(exact);
    return code;
}

#define FEED(f, literal) ASSERT_OK(try_feed(f, literal, sizeof literal - 1), (f)->err)

static const char *rows(fixture *f)
{
    ASSERT_OK(walrow__collector_cut_feed(&f->collector, f->feed, &f->changes, &f->err), f->err);
    return rows_of(&f->changes);
}

static void assert_refused(fixture *f, const void *bytes, size_t size, const char *why)
{
    assert_int_equal(try_feed(f, bytes, size), WALROW_ERR_PROTOCOL);
    if (strstr(f->err.message, why) == NULL || strstr(f->err.message, "public.t") == NULL)
        fail_msg("\"%s\" does not say \"%s\" and the table", f->err.message, why);
}

#define ASSERT_REFUSED(f, literal, why) assert_refused(f, literal, sizeof literal - 1, why)

#define HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
#define ROW_ONE "\0\2\0\0\0\4\0\0\0\1\0\0\0\3one"
#define ROW_NULL "\0\2\0\0\0\4\0\0\0\2\377\377\377\377"
#define TRAILER "\377\377"

/* ---- binary ---- */

static void binary_rows_come_with_ordinal_0(void **state)
{
    fixture *f = *state;
    FEED(f, HEADER ROW_ONE);
    FEED(f, ROW_NULL);
    FEED(f, TRAILER);
    assert_string_equal(rows(f), "t:\nR 99/0 1 one\nR 99/0 2 -\n");
    assert_true(f->copy.ended);
    assert_false(f->changes.partial);
    assert_int_equal(f->changes.n_transactions, 0);
}

static void a_header_with_an_extension_is_skipped(void **state)
{
    fixture *f = *state;
    FEED(f, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\3abc" ROW_ONE TRAILER);
    assert_string_equal(rows(f), "t:\nR 99/0 1 one\n");
}

static void no_rows_are_a_chunk_too(void **state)
{
    fixture *f = *state;
    FEED(f, HEADER TRAILER);
    assert_string_equal(rows(f), "t:\n");
}

static void what_is_not_a_binary_copy_is_refused(void **state)
{
    ASSERT_REFUSED(*state, "PGCOPY\n\377\r\r\0\0\0\0\0\0\0\0\0", "not a binary COPY");
    ASSERT_REFUSED(*state, "", "not a binary COPY");
    ASSERT_REFUSED(*state, "PGCOPY\n\377\r\n\0\0\0\0\0\377\377\377\377", "not a binary COPY");
}

static void a_binary_row_has_the_tables_columns(void **state)
{
    fixture *f = *state;
    FEED(f, HEADER);
    ASSERT_REFUSED(f, "\0\1\0\0\0\4\0\0\0\1", "another number of columns");
    ASSERT_REFUSED(f, "\0\3\0\0\0\4\0\0\0\1\377\377\377\377\377\377\377\377", "another number of columns");
}

static void a_length_past_the_end_is_refused(void **state)
{
    fixture *f = *state;
    FEED(f, HEADER);
    ASSERT_REFUSED(f, "\0\2\0\0\0\4\0\0\0\1\177\377\377\377one", "ends too soon");
}

static void after_the_trailer_nothing_may_come(void **state)
{
    fixture *f = *state;
    FEED(f, HEADER TRAILER);
    ASSERT_REFUSED(f, ROW_ONE, "after the trailer");
}

static void every_binary_row_cut_short_is_refused(void **state)
{
    fixture *f = *state;
    FEED(f, HEADER);
    for (size_t size = 1; size < sizeof ROW_ONE - 1; size++)
        assert_refused(f, ROW_ONE, size, "ends too soon");
}

/* ---- text ---- */

static void text_rows_come_without_their_escapes(void **state)
{
    fixture *f = *state;
    FEED(f, "1\tone\n2\t\\N\n");
    FEED(f, "3\ttab \\t newline \\n backslash \\\\ \\\\N\n4\t\n");
    assert_string_equal(rows(f), "t:\nR 99/0 1 one\nR 99/0 2 -\nR 99/0 3 tab \t newline \n backslash \\ \\N\n"
                                 "R 99/0 4 \n");
}

static void a_text_row_has_the_tables_columns(void **state)
{
    ASSERT_REFUSED(*state, "1\n", "another number of columns");
    ASSERT_REFUSED(*state, "1\ta\tb\n", "another number of columns");
}

static void a_text_row_ends_with_a_newline(void **state)
{
    ASSERT_REFUSED(*state, "1\tone", "ends too soon");
}

static void a_text_that_is_no_value_names_its_column(void **state)
{
    ASSERT_REFUSED(*state, "one\tone\n", "public.t.id");
}

#define BINARY(name) cmocka_unit_test_setup_teardown(name, set_up_binary, tear_down)
#define TEXTUAL(name) cmocka_unit_test_setup_teardown(name, set_up_text, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BINARY(binary_rows_come_with_ordinal_0),
        BINARY(a_header_with_an_extension_is_skipped),
        BINARY(no_rows_are_a_chunk_too),
        BINARY(what_is_not_a_binary_copy_is_refused),
        BINARY(a_binary_row_has_the_tables_columns),
        BINARY(a_length_past_the_end_is_refused),
        BINARY(after_the_trailer_nothing_may_come),
        BINARY(every_binary_row_cut_short_is_refused),
        TEXTUAL(text_rows_come_without_their_escapes),
        TEXTUAL(a_text_row_has_the_tables_columns),
        TEXTUAL(a_text_row_ends_with_a_newline),
        TEXTUAL(a_text_that_is_no_value_names_its_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
