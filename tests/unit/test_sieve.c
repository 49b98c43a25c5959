/*
 * test_sieve.c
 *	  --columns, --events, and what becomes of a change set around its rows.
 */
#include "sieve.h"

#include "arrays.h"

static walrow__table *
three_columns(char identity)
{
    return TABLE("public", "t", 1, identity, KEY("id", INT4), COLUMN("name", TEXT), COLUMN("note", TEXT));
}

static const char *
metadata(const struct ArrowSchema *schema, const char *name, char *buffer, size_t size)
{
    struct ArrowStringView value = {.data = NULL};
    assert_int_equal(ArrowMetadataGetValue(schema->metadata, ArrowCharView(name), &value), NANOARROW_OK);
    snprintf(buffer, size, "%.*s", (int)value.size_bytes, value.data);
    return buffer;
}

/* ---- columns ---- */

static void
a_batch_has_the_columns_that_are_named_in_the_tables_order(void **state)
{
    fixture *f = *state;
    walrow__table *t = three_columns('d');
    set(f, "columns", "public.t: note , id");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "one", "first"));
    add_old_row(&f->c, t, 'U', 11, 0, ROW("2", "two", "second"), ROW("1", NULL, NULL));
    add_row(&f->c, t, 'D', 12, 0, ROW("2", NULL, NULL));
    sift(f);
    assert_left(f, "I 10 1,first\nU 11 2,second from 1,-\nD 12 2,-\n");
    walrow__table_unref(t);
}

static void
its_schema_is_that_of_a_table_of_these_columns(void **state)
{
    fixture *f = *state;
    char text[64], other[64];
    walrow__table *t = three_columns('d');
    walrow__table *same = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("note", TEXT));
    set(f, "columns", "public.t: id,note");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "one", "first"));
    sift(f);
    const walrow_batch *batch = &f->left.batches[0];
    complaint why;
    assert_true(batch->epoch == same->epoch);
    assert_string_equal(metadata(batch->schema, "walrow.epoch", text, sizeof text),
                        metadata(&same->schema, "walrow.epoch", other, sizeof other));
    assert_string_equal(metadata(batch->schema, "walrow.key", text, sizeof text), "[\"id\"]");
    assert_string_equal(metadata(batch->schema->children[WALROW__N_META + 1], "pg.type", text, sizeof text),
                        "text");
    if (!array_is_canonical(&same->schema, &batch->array, &why))
        fail_msg("%s", why.text);
    walrow__table_unref(same);
    walrow__table_unref(t);
}

static void
no_buffer_is_copied_for_fewer_columns(void **state)
{
    fixture *f = *state;
    walrow__table *t = three_columns('d');
    set(f, "columns", "public.t: id,note");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "one", "first"));
    finish_changes(&f->c, 1000);
    f->left = f->c.set;
    const void *notes = f->left.batches[0].array.children[WALROW__N_META + 2]->buffers[2];
    ASSERT_OK(make_sieve(f), f->err);
    ASSERT_OK(walrow__sieve_changes(f->sieve, &f->left, &f->nothing, &f->err), f->err);
    assert_ptr_equal(f->left.batches[0].array.children[WALROW__N_META + 1]->buffers[2], notes);
    walrow__table_unref(t);
}

static void
unchanged_values_of_columns_that_are_gone_are_not_mentioned(void **state)
{
    fixture *f = *state;
    walrow__table *t = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("a", TEXT), COLUMN("b", TEXT),
                             COLUMN("c", TEXT));
    set(f, "columns", "public.t: id,a,c");
    add_row(&f->c, t, 'U', 10, 0, ROW("1", UNCHANGED, UNCHANGED, UNCHANGED));
    add_row(&f->c, t, 'U', 11, 0, ROW("2", "a", UNCHANGED, "c"));
    add_row(&f->c, t, 'U', 12, 0, ROW("3", "a", "b", UNCHANGED));
    add_row(&f->c, t, 'U', 13, 0, ROW("4", "a", "b", "c"));
    sift(f);
    assert_left(f, "U 10 1,-,- unchanged a,c\nU 11 2,a,c\nU 12 3,a,- unchanged c\nU 13 4,a,c\n");
    walrow__table_unref(t);
}

static void
under_identity_full_what_stays_is_the_key(void **state)
{
    fixture *f = *state;
    char text[64];
    walrow__table *t = three_columns('f');
    set(f, "columns", "public.t: name");
    set(f, "columns", "public.*: \"note\"");
    add_old_row(&f->c, t, 'U', 10, 0, ROW("1", "one", "first"), ROW("1", "uno", "first"));
    sift(f);
    assert_left(f, "U 10 one,first from uno,first\n");
    assert_string_equal(metadata(f->left.batches[0].schema, "walrow.key", text, sizeof text),
                        "[\"name\",\"note\"]");
    walrow__table_unref(t);
}

static void
assert_refused(fixture *f, const char *columns, const char *message, const char *hint)
{
    walrow__table *t = three_columns('d');
    walrow_options_free(f->options);
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    set(f, "columns", columns);
    ASSERT_OK(make_sieve(f), f->err);
    assert_int_equal(walrow__sieve_check_table(f->sieve, t, &f->err), WALROW_ERR_USAGE);
    if (strstr(f->err.message, message) == NULL || strstr(f->err.hint, hint) == NULL)
        fail_msg("%s: %s (%s)", columns, f->err.message, f->err.hint);
    walrow__table_unref(t);
}

static void
what_are_no_columns_is_refused(void **state)
{
    fixture *f = *state;
    assert_refused(f, "public.t: id,nam", "table public.t has no column \"nam\"", "did you mean name?");
    assert_refused(f, "public.t: name", "column \"id\" is of the key of public.t", "add it");
    assert_refused(f, "public.t: id,,name", "\"\" is not a column's name", "separated by commas");
    assert_refused(f, "public.t: id,name note", "no column \"name note\"", "");
    assert_refused(f, "public.t: t.id", "\"t.id\" is not a column's name", "quote odd ones");
}

static void
a_pattern_that_matches_nothing_is_refused(void **state)
{
    fixture *f = *state;
    const char *const tables[][2] = {{"public", "t"}, {"public", "u"}};
    set(f, "columns", "public.t: id");
    ASSERT_OK(make_sieve(f), f->err);
    ASSERT_OK(walrow__sieve_check_patterns(f->sieve, tables, 2, &f->err), f->err);
    set(f, "columns", "public.v: id");
    ASSERT_OK(make_sieve(f), f->err);
    assert_int_equal(walrow__sieve_check_patterns(f->sieve, tables, 2, &f->err), WALROW_ERR_USAGE);
    assert_non_null(strstr(f->err.message, "--columns \"public.v: id\": the pattern matches none"));
}

static void
a_condition_sees_columns_that_are_not_handed_on(void **state)
{
    fixture *f = *state;
    walrow__table *t = three_columns('d');
    set(f, "columns", "public.t: id,note");
    set(f, "where", "public.t: name = 'one'");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "one", "first"));
    add_row(&f->c, t, 'I', 11, 0, ROW("2", "two", "second"));
    add_row(&f->c, t, 'U', 12, 0, ROW("1", "two", UNCHANGED));
    add_row(&f->c, t, 'U', 13, 0, ROW("2", "one", UNCHANGED));
    sift(f);
    assert_left(f, "I 10 1,first\nD 12 1,-\nU 13 2,- unchanged note\n");
    walrow__table_unref(t);
}

/* ---- events ---- */

static void
put_one_of_each(fixture *f, walrow__table *t)
{
    add_row(&f->c, t, 'R', 9, 0, ROW("1", "a"));
    add_row(&f->c, t, 'I', 10, 0, ROW("2", "b"));
    add_row(&f->c, t, 'U', 11, 0, ROW("2", "c"));
    add_row(&f->c, t, 'D', 12, 0, ROW("2", NULL));
    add_row(&f->c, t, 'T', 13, 0, NULL);
    f->c.messages[0] = (walrow_message){.prefix = "p", .content = "m", .content_size = 1, .lsn = 14};
    f->c.set.n_messages = 1;
}

static void
only_the_events_that_are_named_are_left(void **state)
{
    static const char *const cases[][2] = {
        {"insert", "I 10 2,b\n"},
        {"update,delete", "U 11 2,c\nD 12 2,-\n"},
        {"truncate", "T 13 -,-\n"},
        {"read,message", "R 9 1,a\n"},
        {"message", ""},
    };
    fixture *f = *state;
    walrow__table *t = simple_table("t", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        walrow_options_free(f->options);
        ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
        set(f, "events", cases[i][0]);
        ASSERT_OK(make_sieve(f), f->err);
        put_one_of_each(f, t);
        sift(f);
        assert_left(f, cases[i][1]);
        assert_int_equal(f->left.n_messages, strstr(cases[i][0], "message") != NULL);
        assert_int_equal(f->left.end_lsn, 1000);
        forget_changes(f);
    }
    walrow__table_unref(t);
}

static void
what_a_condition_makes_of_an_update_counts_as_that(void **state)
{
    fixture *f = *state;
    walrow__table *t = TABLE("public", "t", 1, 'f', COLUMN("id", INT4), COLUMN("name", TEXT));
    set(f, "where", "public.t: name = 'in'");
    set(f, "events", "insert");
    set(f, "events", "update");
    add_old_row(&f->c, t, 'U', 10, 0, ROW("1", "in"), ROW("1", "out"));
    add_old_row(&f->c, t, 'U', 11, 0, ROW("1", "in"), ROW("1", "in"));
    add_old_row(&f->c, t, 'U', 12, 0, ROW("1", "out"), ROW("1", "in"));
    sift(f);
    assert_left(f, "I 10 1,in\nU 11 1,in from 1,in\n");
    walrow__table_unref(t);
}

static void
an_unknown_event_is_refused(void **state)
{
    fixture *f = *state;
    set(f, "events", "insert,upsert,delete");
    assert_int_equal(make_sieve(f), WALROW_ERR_USAGE);
    assert_string_equal(f->err.message, "--events: unknown event \"upsert\"");
    assert_non_null(strstr(f->err.hint, "insert, update, delete, truncate, read and message"));
}

static void
without_options_there_is_no_sieve(void **state)
{
    fixture *f = *state;
    ASSERT_OK(make_sieve(f), f->err);
    assert_null(f->sieve);
}

/* ---- around the rows ---- */

static void
a_batch_with_nothing_left_goes_and_positions_stay(void **state)
{
    fixture *f = *state;
    walrow__table *t = simple_table("t", 1), *u = simple_table("u", 2);
    set(f, "where", "public.t: id > 5");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "a"));
    add_row(&f->c, u, 'I', 10, 1, ROW("1", "b"));
    add_transaction(&f->c, 10, 20);
    sift(f);
    assert_left(f, "I 10 1,b\n");
    assert_int_equal(f->left.n_batches, 1);
    assert_int_equal(f->left.batches[0].relid, 2);
    assert_int_equal(f->left.n_transactions, 1);
    assert_int_equal(f->left.end_lsn, 1000);
    walrow__table_unref(t);
    walrow__table_unref(u);
}

static void
add_letter(fixture *f, const char *column, char op, bool old, uint64_t lsn)
{
    f->c.dead_letters[f->c.set.n_dead_letters++] = (walrow_dead_letter){
        .schema_name = "public", .table_name = "t", .column = column, .op = op, .old = old, .lsn = lsn};
}

/* "name I new 10", ... */
static void
assert_letters(fixture *f, const char *expected)
{
    walrow__strbuf_clear(&f->text);
    for (size_t i = 0; i < f->left.n_dead_letters; i++) {
        const walrow_dead_letter *letter = &f->left.dead_letters[i];
        walrow__strbuf_addf(&f->text, "%s %c %s %d\n", letter->column, letter->op,
                            letter->old ? "old" : "new", (int)letter->lsn);
    }
    assert_string_equal(walrow__strbuf_text(&f->text), expected);
}

static void
dead_letters_go_with_their_rows_and_columns(void **state)
{
    fixture *f = *state;
    walrow__table *t = three_columns('f');
    set(f, "where", "public.t: id > 5");
    set(f, "columns", "public.t: id,name");
    add_row(&f->c, t, 'I', 10, 0, ROW("6", NULL, NULL));
    add_row(&f->c, t, 'I', 11, 0, ROW("1", NULL, NULL));
    add_old_row(&f->c, t, 'U', 12, 0, ROW("6", NULL, NULL), ROW("1", NULL, NULL));
    add_old_row(&f->c, t, 'U', 13, 0, ROW("1", NULL, NULL), ROW("6", NULL, NULL));
    add_letter(f, "name", 'I', false, 10);
    add_letter(f, "note", 'I', false, 10);
    add_letter(f, "name", 'I', false, 11);
    add_letter(f, "name", 'U', false, 12);
    add_letter(f, "name", 'U', true, 12);
    add_letter(f, "name", 'U', false, 13);
    add_letter(f, "name", 'U', true, 13);
    sift(f);
    assert_left(f, "I 10 6,-\nI 12 6,-\nD 13 6,-\n");
    assert_letters(f, "name I new 10\nname I new 12\nname D new 13\n");
    walrow__table_unref(t);
}

static void
put_chunk(fixture *f, walrow__table *t, uint32_t chunk, bool end, const char *id)
{
    forget_changes(f);
    f->c.set.snapshot = true;
    f->c.set.chunk = chunk;
    f->c.set.snapshot_end = end;
    add_row(&f->c, t, 'R', 9, 0, ROW(id, "a"));
    sift(f);
}

static void
chunks_with_nothing_left_are_not_handed_on_but_the_last_one_is(void **state)
{
    fixture *f = *state;
    walrow__table *t = simple_table("t", 1);
    set(f, "where", "public.t: id > 5");
    put_chunk(f, t, 0, false, "1");
    assert_true(f->nothing);
    put_chunk(f, t, 1, false, "6");
    assert_false(f->nothing);
    assert_int_equal(f->left.chunk, 0);
    put_chunk(f, t, 2, false, "1");
    assert_true(f->nothing);
    put_chunk(f, t, 3, true, "1");
    assert_false(f->nothing);
    assert_int_equal(f->left.chunk, 1);
    assert_int_equal(f->left.n_batches, 1);
    assert_int_equal(f->left.batches[0].array.length, 0);
    put_chunk(f, t, 0, true, "6"); /* begun again */
    assert_int_equal(f->left.chunk, 0);
    assert_left(f, "R 9 6,a\n");
    walrow__table_unref(t);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_has_the_columns_that_are_named_in_the_tables_order),
        TEST(its_schema_is_that_of_a_table_of_these_columns),
        TEST(no_buffer_is_copied_for_fewer_columns),
        TEST(unchanged_values_of_columns_that_are_gone_are_not_mentioned),
        TEST(under_identity_full_what_stays_is_the_key),
        TEST(what_are_no_columns_is_refused),
        TEST(a_pattern_that_matches_nothing_is_refused),
        TEST(a_condition_sees_columns_that_are_not_handed_on),
        TEST(only_the_events_that_are_named_are_left),
        TEST(what_a_condition_makes_of_an_update_counts_as_that),
        TEST(an_unknown_event_is_refused),
        TEST(without_options_there_is_no_sieve),
        TEST(a_batch_with_nothing_left_goes_and_positions_stay),
        TEST(dead_letters_go_with_their_rows_and_columns),
        TEST(chunks_with_nothing_left_are_not_handed_on_but_the_last_one_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
