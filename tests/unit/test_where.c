/*
 * test_where.c
 *	  --where: which changes are left, so that a copy of the wanted rows stays right. Skipped without libduckdb.
 */
#include "sieve.h"

#include "arrays.h"
#include "every_type.h"

/* public.orders(id integer key, status text) */
static walrow__table *
orders(char identity)
{
    return identity == 'f' ? TABLE("public", "orders", 1, 'f', COLUMN("id", INT4), COLUMN("status", TEXT))
                           : TABLE("public", "orders", 1, identity, KEY("id", INT4), COLUMN("status", TEXT));
}

/* ---- old rows that are known ---- */

static void
of_whole_old_rows_each_change_is_what_it_is_for_the_wanted_rows(void **state)
{
    fixture *f = *state;
    walrow__table *t = orders('f');
    set(f, "where", "public.orders: status = 'open'");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "open"));
    add_row(&f->c, t, 'I', 11, 0, ROW("2", "shut"));
    add_row(&f->c, t, 'I', 12, 0, ROW("3", NULL)); /* neither true nor false: not wanted */
    add_old_row(&f->c, t, 'U', 13, 0, ROW("1", "open"), ROW("0", "open"));
    add_old_row(&f->c, t, 'U', 14, 0, ROW("2", "open"), ROW("2", "shut"));
    add_old_row(&f->c, t, 'U', 15, 0, ROW("1", "shut"), ROW("1", "open"));
    add_old_row(&f->c, t, 'U', 16, 0, ROW("4", "shut"), ROW("4", "lost"));
    add_old_row(&f->c, t, 'U', 17, 0, ROW("3", "open"), ROW("3", NULL));
    add_row(&f->c, t, 'D', 18, 0, ROW("2", "open"));
    add_row(&f->c, t, 'D', 19, 0, ROW("4", "shut"));
    add_row(&f->c, t, 'T', 20, 0, NULL);
    sift(f);
    assert_left(f, "I 10 1,open\n"
                   "U 13 1,open from 0,open\n"
                   "I 14 2,open\n"
                   "D 15 1,open\n"
                   "I 17 3,open\n"
                   "D 18 2,open\n"
                   "T 20 -,-\n");
    walrow__table_unref(t);
}

static void
of_a_key_alone_an_update_without_an_old_row_had_the_same_one(void **state)
{
    fixture *f = *state;
    walrow__table *t = orders('d');
    set(f, "where", "public.orders: id < 10");
    add_row(&f->c, t, 'U', 10, 0, ROW("1", "a"));
    add_row(&f->c, t, 'U', 11, 0, ROW("11", "a"));
    add_old_row(&f->c, t, 'U', 12, 0, ROW("2", "b"), ROW("1", NULL));
    add_old_row(&f->c, t, 'U', 13, 0, ROW("12", "b"), ROW("2", NULL));
    add_old_row(&f->c, t, 'U', 14, 0, ROW("3", "b"), ROW("12", NULL));
    add_old_row(&f->c, t, 'U', 15, 0, ROW("14", "b"), ROW("13", NULL));
    add_row(&f->c, t, 'D', 16, 0, ROW("3", NULL));
    add_row(&f->c, t, 'D', 17, 0, ROW("14", NULL));
    sift(f);
    assert_left(f, "U 10 1,a\n"
                   "U 12 2,b from 1,-\n"
                   "D 13 2,-\n"
                   "I 14 3,b\n"
                   "D 16 3,-\n");
    walrow__table_unref(t);
}

/* ---- old rows that are not known ---- */

static void
what_may_have_been_wanted_is_deleted(void **state)
{
    fixture *f = *state;
    walrow__table *t = orders('d');
    set(f, "where", "public.orders: status = 'open'");
    add_row(&f->c, t, 'U', 10, 0, ROW("1", "open"));
    add_row(&f->c, t, 'U', 11, 0, ROW("2", "shut"));
    add_old_row(&f->c, t, 'U', 12, 0, ROW("3", "shut"), ROW("30", NULL));
    add_old_row(&f->c, t, 'U', 13, 0, ROW("4", "open"), ROW("40", NULL));
    add_row(&f->c, t, 'D', 14, 0, ROW("5", NULL));
    sift(f);
    assert_left(f, "U 10 1,open\n"
                   "D 11 2,-\n"
                   "D 12 30,-\n"
                   "U 13 4,open from 40,-\n"
                   "D 14 5,-\n");
    walrow__table_unref(t);
}

static void
without_a_key_nothing_can_be_deleted(void **state)
{
    fixture *f = *state;
    walrow__table *t = TABLE("public", "orders", 1, 'n', COLUMN("id", INT4), COLUMN("status", TEXT));
    set(f, "where", "public.orders: status = 'open'");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "open"));
    add_row(&f->c, t, 'U', 11, 0, ROW("1", "open"));
    add_row(&f->c, t, 'U', 12, 0, ROW("1", "shut"));
    sift(f);
    assert_left(f, "I 10 1,open\nU 11 1,open\n");
    walrow__table_unref(t);
}

static void
a_large_value_that_was_not_sent_cannot_be_judged(void **state)
{
    fixture *f = *state;
    walrow__table *t =
        TABLE("public", "orders", 1, 'd', KEY("id", INT4), COLUMN("status", TEXT), COLUMN("note", TEXT));
    set(f, "where", "public.orders: status = 'open'");
    add_row(&f->c, t, 'U', 10, 0, ROW("1", UNCHANGED, "a"));
    add_row(&f->c, t, 'U', 11, 0, ROW("2", "open", UNCHANGED));
    add_row(&f->c, t, 'U', 12, 0, ROW("3", "shut", UNCHANGED));
    sift(f);
    assert_left(f, "U 10 1,-,a unchanged status\n"
                   "U 11 2,open,- unchanged note\n"
                   "D 12 3,-,-\n");
    walrow__table_unref(t);
}

/* ---- what passes is what it was ---- */

static void
nothing_is_copied_where_all_rows_are_wanted(void **state)
{
    fixture *f = *state;
    walrow__table *t = orders('d');
    set(f, "where", "public.orders: id > 0");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "open"));
    finish_changes(&f->c, 1000);
    f->left = f->c.set;
    const void *ids = f->left.batches[0].array.children[WALROW__N_META]->buffers[1];
    ASSERT_OK(make_sieve(f), f->err);
    ASSERT_OK(walrow__sieve_changes(f->sieve, &f->left, &f->nothing, &f->err), f->err);
    assert_left(f, "I 10 1,open\n");
    assert_ptr_equal(f->left.batches[0].array.children[WALROW__N_META]->buffers[1], ids);
    walrow__table_unref(t);
}

static void
assert_same_rows(const struct ArrowSchema *schema, const struct ArrowArray *a, const struct ArrowArray *b)
{
    complaint why;
    if (!arrays_are_equal(schema, a, b, &why))
        fail_msg("%s", why.text);
}

/* A batch of its own, through the sieve. */
static void
sift_array(fixture *f, walrow__table *table, struct ArrowArray *array)
{
    f->c.batches[0] = (walrow_batch){.schema_name = table->schema_name,
                                     .table_name = table->name,
                                     .relid = table->relid,
                                     .epoch = table->epoch,
                                     .schema = &table->schema};
    ArrowArrayMove(array, &f->c.batches[0].array);
    f->c.set.n_batches = 1;
    f->left = f->c.set;
    ASSERT_OK(make_sieve(f), f->err);
    ASSERT_OK(walrow__sieve_changes(f->sieve, &f->left, &f->nothing, &f->err), f->err);
}

static void
rows_of_every_type_are_left_bit_for_bit(void **state)
{
    enum { ROWS = 300 };
    fixture *f = *state;
    walrow__table *table = table_of_every_type('d');
    random_state = 7;
    struct ArrowArray batch = random_batch(table, "IR", ROWS), same;
    uint32_t numbers[ROWS], n = 0;
    for (uint32_t i = 0; i < ROWS; i++)
        if (i % 3 == 1 || i > 200)
            numbers[n++] = i;
    same = copy_row_by_row(&table->schema, &batch, numbers, n);
    set(f, "where", "public.every_type: _seq % 3 = 1 or _seq > 200");
    sift_array(f, table, &batch);
    assert_int_equal(f->left.n_batches, 1);
    assert_same_rows(&table->schema, &f->left.batches[0].array, &same);
    ArrowArrayRelease(&same);
    walrow__table_unref(table);
}

/* DuckDB adapts some types on their way in: only what it gets may be touched. */
static void
expressions_see_every_type_and_change_none(void **state)
{
    enum { ROWS = 300 };
    fixture *f = *state;
    walrow__table *table = table_of_every_type('f');
    random_state = 11;
    struct ArrowArray batch = random_batch(table, "IUD", ROWS), same;
    uint32_t numbers[ROWS];
    for (uint32_t i = 0; i < ROWS; i++)
        numbers[i] = i;
    same = copy_row_by_row(&table->schema, &batch, numbers, ROWS);
    walrow__strbuf_addf(&f->text, "public.every_type: (");
    for (int i = 0; i < N_EVERY_TYPE; i++)
        walrow__strbuf_addf(&f->text, "\"%s\" is null or ", every_type[i].column.name);
    walrow__strbuf_add_text(&f->text, "id > -100) and (\"at\" is null or \"at\" <= 'infinity')");
    set(f, "where", walrow__strbuf_text(&f->text));
    sift_array(f, table, &batch);
    assert_int_equal(f->left.n_batches, 1);
    assert_same_rows(&table->schema, &f->left.batches[0].array, &same);
    ArrowArrayRelease(&same);
    walrow__table_unref(table);
}

/* ---- expressions ---- */

/* Which of ids 1 to 6, with a = id, b = 10 * id, c = 'x' and 'y' in turns, are wanted. */
static void
assert_wanted(fixture *f, const char *expression, const char *expected)
{
    walrow__table *t = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("a", INT4), COLUMN("b", INT4),
                             COLUMN("c", TEXT));
    walrow__strbuf option, ids;
    walrow__strbuf_init(&option);
    walrow__strbuf_init(&ids);
    walrow__strbuf_addf(&option, "public.t: %s", expression);
    walrow_options_free(f->options);
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    set(f, "where", walrow__strbuf_text(&option));
    forget_changes(f);
    ASSERT_OK(make_sieve(f), f->err);
    for (int i = 1; i <= 6; i++) {
        char a[12], b[12];
        snprintf(a, sizeof a, "%d", i);
        snprintf(b, sizeof b, "%d", 10 * i);
        add_row(&f->c, t, 'I', (uint64_t)i, 0, ROW(a, a, b, i % 2 == 0 ? "y" : "x"));
    }
    sift(f);
    for (int64_t i = 0; f->left.n_batches > 0 && i < f->left.batches[0].array.length; i++)
        walrow__strbuf_addf(&ids, "%d", (int)walrow__batch_position(&f->left.batches[0].array, i).commit_lsn);
    assert_string_equal(walrow__strbuf_text(&ids), expected);
    walrow__strbuf_release(&option);
    walrow__strbuf_release(&ids);
    walrow__table_unref(t);
}

static void
an_expression_sees_the_columns_it_names_in_whatever_order(void **state)
{
    static const char *const cases[][2] = {
        {"a > 3", "456"},
        {"b > 30 and a < 6", "45"},
        {"c = 'x' and b > 10", "35"},
        {"b > 10 and c = 'x' and a < 5", "3"},
        {"true", "123456"},
        {"false", ""},
        {"null", ""},
        {"true or b > 30", "123456"},
        {"a = 2 or (c = 'x' and false)", "2"},
        {"c = 'y' or (false and b > 30)", "246"},
        {"(a > 3 and true) or (b < 20 and c is null)", "456"},
        {"b between 20 and 40 -- a comment", "234"},
        {"a in (1, 6) or c = 'z'", "16"},
        {"case when c = 'x' then a > 2 else b > 50 end", "356"},
        {"_op = 'I' and _commit_lsn >= 5", "56"},
        {"_commit_time >= timestamptz '2024-05-01 11:00:00+00' and a = 1", "1"},
        {"a = (select max(x) from (values (4), (3)) v(x))", "4"},
        {"list_contains([b], 20)", "2"},
        {"\"A\" = 1", "1"}, /* DuckDB folds case */
        {"try_cast(c as integer) is null and a = 6", "6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_wanted(*state, cases[i][0], cases[i][1]);
}

static void
columns_with_difficult_names_are_found(void **state)
{
    fixture *f = *state;
    walrow__table *t = TABLE("public", "t", 1, 'f', COLUMN("user", TEXT), COLUMN("Total", INT4),
                             COLUMN("total", INT4), COLUMN("_op", TEXT), COLUMN("a \"b\"", INT4));
    set(f, "where", "public.t: user = 'me'");
    set(f, "where", "public.t: \"Total\" = 1 and total_1 = 2");
    set(f, "where", "public.t: _op = 'x' and _walrow_op <> 'D' and \"a \"\"b\"\"\" = 3");
    add_row(&f->c, t, 'I', 10, 0, ROW("me", "1", "2", "x", "3"));
    add_row(&f->c, t, 'I', 11, 0, ROW("you", "1", "2", "x", "3"));
    add_row(&f->c, t, 'I', 12, 0, ROW("me", "2", "2", "x", "3"));
    add_row(&f->c, t, 'I', 13, 0, ROW("me", "1", "1", "x", "3"));
    add_row(&f->c, t, 'I', 14, 0, ROW("me", "1", "2", "y", "3"));
    add_old_row(&f->c, t, 'U', 15, 0, ROW("me", "1", "2", "x", "3"), ROW("you", "1", "2", "x", "3"));
    sift(f);
    assert_left(f, "I 10 me,1,2,x,3\nI 15 me,1,2,x,3\n");
    walrow__table_unref(t);
}

static void
each_table_has_the_expressions_whose_pattern_it_matches(void **state)
{
    fixture *f = *state;
    walrow__table *t = simple_table("t", 1), *u = simple_table("u", 2), *odd = simple_table("a:b", 3);
    set(f, "where", "public.*,!public.a*: id > 1");
    set(f, "where", "t: id < 3");
    set(f, "where", "public.\"a:b\": name = 'x:y'");
    for (int i = 0; i < 3; i++) {
        walrow__table *table = i == 0 ? t : i == 1 ? u : odd;
        add_row(&f->c, table, 'I', 10, 0, ROW("1", "x:y"));
        add_row(&f->c, table, 'I', 11, 0, ROW("2", NULL));
        add_row(&f->c, table, 'I', 12, 0, ROW("3", "z"));
    }
    sift(f);
    assert_left(f, "I 11 2,-\n"
                   "I 11 2,-\nI 12 3,z\n"
                   "I 10 1,x:y\n");
    walrow__table_unref(t);
    walrow__table_unref(u);
    walrow__table_unref(odd);
}

/* ---- errors ---- */

static void
assert_refused(fixture *f, const char *where, const char *message, const char *hint)
{
    walrow__table *t = orders('d');
    walrow_options_free(f->options);
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    set(f, "where", where);
    walrow_code code = make_sieve(f);
    if (code == WALROW_OK)
        code = walrow__sieve_check_table(f->sieve, t, &f->err);
    if (code != WALROW_ERR_USAGE || strstr(f->err.message, message) == NULL ||
        strstr(f->err.hint, hint) == NULL)
        fail_msg("%s: %s (%s)", where, f->err.message, f->err.hint);
    assert_null(strchr(f->err.message, '\n'));
    walrow__table_unref(t);
}

static void
what_is_no_expression_is_refused_with_the_reason(void **state)
{
    fixture *f = *state;
    const char *columns = "over the columns id, status, _op, _commit_lsn, _seq, _xid, _commit_time";
    assert_refused(f, "public.orders: stat = 'open'",
                   "--where \"public.orders: stat = 'open'\": table public.orders: ", columns);
    assert_refused(f, "public.orders: stat = 'open'", "\"stat\" not found", columns);
    assert_refused(f, "public.orders: status = ", "syntax error", columns);
    assert_refused(f, "public.orders: id > 1)", "syntax error", columns);
    assert_refused(f, "public.orders: count(*) > 1", "aggregate", columns);
    assert_refused(f, "public.orders: row_number() over () = 1", "window", columns);
    assert_refused(f, "public.orders: _old.id = 1", "_old", columns);
    assert_refused(f, "public.orders: nosuch(id)", "nosuch", columns);
    assert_refused(f, "public.orders: status > 5 and id = 'x'", "--where", columns);
    assert_refused(f, "public.orders: COLUMNS(*) is not null", "COLUMNS(...) cannot be used here",
                   "name the columns");
    assert_refused(f, "id > 1", "no table is named", "--where 'public.orders: ...'");
    assert_refused(f, ": id > 1", "no table is named", "");
    assert_refused(f, "public.orders: ", "nothing follows the colon", "");
    assert_refused(f, "public.(orders: id > 1", "no table is named", "");
    assert_refused(f, "public.[z-a]: id > 1", "table pattern", "");
}

static void
a_row_for_which_an_expression_fails_ends_the_stream(void **state)
{
    fixture *f = *state;
    walrow__table *t = orders('d');
    set(f, "where", "public.orders: cast(status as integer) > 1");
    add_row(&f->c, t, 'I', 10, 0, ROW("1", "open"));
    assert_int_equal(try_sift(f, 1000), WALROW_ERR_USAGE);
    assert_non_null(
        strstr(f->err.message, "--where fails for a row of public.orders: DuckDB: Conversion Error"));
    assert_non_null(strstr(f->err.hint, "try_cast"));
    walrow__table_unref(t);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(of_whole_old_rows_each_change_is_what_it_is_for_the_wanted_rows),
        TEST(of_a_key_alone_an_update_without_an_old_row_had_the_same_one),
        TEST(what_may_have_been_wanted_is_deleted),
        TEST(without_a_key_nothing_can_be_deleted),
        TEST(a_large_value_that_was_not_sent_cannot_be_judged),
        TEST(nothing_is_copied_where_all_rows_are_wanted),
        TEST(rows_of_every_type_are_left_bit_for_bit),
        TEST(expressions_see_every_type_and_change_none),
        TEST(an_expression_sees_the_columns_it_names_in_whatever_order),
        TEST(columns_with_difficult_names_are_found),
        TEST(each_table_has_the_expressions_whose_pattern_it_matches),
        TEST(what_is_no_expression_is_refused_with_the_reason),
        TEST(a_row_for_which_an_expression_fails_ends_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
