/*
 * test_queries.c
 *	  --sql around a sink: what a query may say, which tables it sees, what its rows look like, --every, --retain.
 *	  Skipped without libduckdb.
 */
#include "windows.h"

#include <inttypes.h>

#include "sink/query/result.h"

static fixture *
fixture_of(void **state)
{
    walrow__duckdb *duckdb;
    if (walrow__duckdb_open(&duckdb, NULL) != WALROW_OK)
        skip();
    walrow__duckdb_free(duckdb);
    return *state;
}

/* ---- what is asked for ---- */

#define ASSERT_REFUSED(f, words, ...) assert_refused(f, words, (const char *const[]){__VA_ARGS__, NULL})

/* options: name, value, ... */
static void
assert_refused(fixture *f, const char *words, const char *const *options)
{
    walrow_options_free(f->options);
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    for (; *options != NULL; options += 2)
        set(f, options[0], options[1]);
    assert_int_equal(try_wrap(f), WALROW_ERR_USAGE);
    if (strstr(f->err.message, words) == NULL)
        fail_msg("not \"%s\": %s", words, f->err.message);
    assert_null(strchr(f->err.message, '\n'));
    assert_string_not_equal(f->err.hint, "");
    walrow__sink_free(f->sink);
    f->sink = NULL;
}

static void
options_that_do_not_go_together_are_refused(void **state)
{
    fixture *f = fixture_of(state);
    const char *sql = "q=select 1 from public.t";
    ASSERT_REFUSED(f, "there is no --sql", "window", "10s");
    ASSERT_REFUSED(f, "needs --window or --every", "sql", sql);
    ASSERT_REFUSED(f, "exclude each other", "sql", sql, "window", "1s", "every", "1s");
    ASSERT_REFUSED(f, "--slide is of windows", "sql", sql, "every", "10s", "slide", "1s");
    ASSERT_REFUSED(f, "a whole number up to 32", "sql", sql, "window", "10s", "slide", "3s");
    ASSERT_REFUSED(f, "a whole number up to 32", "sql", sql, "window", "33s", "slide", "1s");
    ASSERT_REFUSED(f, "a snapshot's rows are none", "sql", sql, "window", "1s", "snapshot", "initial");
}

static void
queries_that_cannot_be_meant_are_refused(void **state)
{
    fixture *f = fixture_of(state);
    ASSERT_REFUSED(f, "does not begin with a name", "sql", "select 1 from public.t", "window", "1s");
    ASSERT_REFUSED(f, "does not begin with a name", "sql", "a-b=select 1 from public.t", "window", "1s");
    ASSERT_REFUSED(f, "query q: DuckDB: Parser Error", "sql", "q=selec 1", "window", "1s");
    ASSERT_REFUSED(f, "query q: DuckDB: Parser Error", "sql", "q=drop table t", "window", "1s");
    ASSERT_REFUSED(f, "query q: DuckDB: Parser Error", "sql", "q=select 1; select 2", "window", "1s");
    ASSERT_REFUSED(f, "query q refers to no table", "sql", "q=select 1", "window", "1s");
    ASSERT_REFUSED(f, "two queries q", "sql", "q=from public.t", "sql", "q=from public.u", "window", "1s");
}

static void
without_a_query_the_sink_stays_as_it_is(void **state)
{
    fixture *f = *state;
    open_queries(f);
    assert_ptr_equal(f->sink->ops, &noting_ops);
}

static void
who_reads_changes_gets_no_results(void **state)
{
    fixture *f = *state;
    walrow_stream *stream;
    set(f, "sql", "q=select 1 from public.t");
    set(f, "window", "1s");
    assert_int_equal(walrow_open(f->options, &stream, &f->err), WALROW_ERR_USAGE);
    assert_non_null(strstr(f->err.message, "the caller is the sink"));
}

/* ---- tables ---- */

static void
a_table_has_walrow_s_columns_too(void **state)
{
    fixture *f = fixture_of(state);
    set(f, "sql",
        "q=SELECT _op || _seq || '/' || _commit_lsn, _xid::bigint, epoch_us(_commit_time)::bigint FROM "
        "public.t;");
    set(f, "window", "10s");
    open_queries(f);
    come(f, 1, "a");
    come(f, 10, "");
    ASSERT_GIVEN(f, "q [0,10) I0/1024 1024 1714564801000000 @1024,0");
}

static void
a_query_waits_for_its_tables(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    set(f, "sql", "q=SELECT t.name, count(*) FROM public.t JOIN public.\"u\" ON t.name = u.name GROUP BY 1");
    set(f, "window", "10s");
    open_queries(f);
    come(f, 1, "a");
    come(f, 11, "ab");
    ASSERT_NOTHING_GIVEN(f);
    begin_changes(&c);
    add_letters(f, &c, f->u, 12, "b", true);
    write_set(f, &c);
    come(f, 25, "");
    ASSERT_GIVEN(f, "q [10,20) b 1 @1152,0");
}

static void
a_table_without_changes_is_empty(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    set(f, "sql", "q=SELECT 'rows', (SELECT count(*) FROM public.t), (SELECT count(*) FROM public.u)");
    set(f, "window", "10s");
    open_queries(f);
    begin_changes(&c);
    add_letters(f, &c, f->t, 1, "abc", true);
    add_letters(f, &c, f->u, 2, "ab", true);
    write_set(f, &c);
    come(f, 11, "z");
    come(f, 21, "");
    ASSERT_GIVEN(f, "q [0,10) rows 3 2 @1088,0", "q [10,20) rows 1 0 @1152,0");
}

static void
events_are_of_all_tables_that_came_so_far(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    set(f, "sql",
        "q=SELECT \"table\" || ' ' || event_type || ' ' || lsn, count(*) FROM events GROUP BY 1 ORDER BY 1");
    set(f, "sql", "t=SELECT 'rows', count(*) FROM public.t");
    set(f, "window", "10s");
    open_queries(f);
    come(f, 1, "ab");
    begin_changes(&c);
    add_letters(f, &c, f->u, 2, "c", true);
    write_set(f, &c);
    begin_changes(&c);
    add_letters(f, &c, f->u, 11, "de", true);
    write_set(f, &c);
    come(f, 21, "");
    ASSERT_GIVEN(f, "q [0,10) t insert 0/400 2 @1088,0", "q [0,10) u insert 0/440 1 @1088,1",
                 "t [0,10) rows 2 @1088,2", "q [10,20) u insert 0/480 2 @1152,0", "t [10,20) rows 0 @1152,1");
}

static void
several_queries_have_one_order(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    set(f, "sql", "r=SELECT 'all', count(*) FROM public.t HAVING count(*) > 1");
    crash(f, 0);
    come(f, 1, "ab");
    come(f, 11, "c");
    come(f, 21, "");
    ASSERT_GIVEN(f, "q [0,10) a 1 @1024,0", "q [0,10) b 1 @1024,1", "r [0,10) all 2 @1024,2",
                 "q [10,20) c 1 @1088,0");
}

static void
a_query_that_does_not_fit_its_table_is_an_error(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    set(f, "sql", "q=SELECT nope FROM public.t");
    set(f, "window", "10s");
    open_queries(f);
    begin_changes(&c);
    add_letters(f, &c, f->t, 1, "a", true);
    assert_int_equal(try_write(f, &c), WALROW_ERR_SINK);
    assert_non_null(
        strstr(f->err.message, "query q: DuckDB: Binder Error: Referenced column \"nope\" not found"));
    uint64_t lsn;
    assert_int_equal(walrow__sink_sync(f->sink, true, &lsn, &f->err), WALROW_ERR_SINK);
}

/* ---- a table that changes ---- */

static void
rows_before_and_after_a_change_of_the_table_are_seen_together(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    walrow__table *wider =
        TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("name", TEXT), COLUMN("more", INT8));
    open_windows(f, "10s", NULL);
    come(f, 1, "ab");
    begin_changes(&c);
    c.time = NOON + 2000000;
    add_row(&c, wider, 'I', f->lsn, 0, ROW("9", "a", "7"));
    add_transaction(&c, f->lsn, f->lsn + 48);
    f->lsn += 64;
    write_set(f, &c);
    come(f, 11, "z");
    ASSERT_GIVEN(f, "q [0,10) a 2 @1088,0", "q [0,10) b 1 @1088,1");
    walrow__table_unref(wider);
}

/* ---- results ---- */

static void
a_result_is_a_change_batch_of_its_own_table(void **state)
{
    fixture *f = fixture_of(state);
    walrow__duckdb *duckdb;
    walrow__result result;
    ASSERT_OK(walrow__duckdb_open(&duckdb, &f->err), f->err);
    ASSERT_OK(walrow__result_describe(
                  duckdb, "kinds",
                  "SELECT 1::TINYINT AS i, 2::UINTEGER AS u, 3::HUGEINT AS h, 4.25 AS d, 'x' AS t, "
                  "[1, 2] AS l, TIMESTAMPTZ '2024-05-01 12:00:00+00' AS z, NULL AS n, "
                  "INTERVAL '1 day' AS v, DATE '2024-05-01' AS y",
                  &result, &f->err),
              f->err);
    const struct {
        const char *name, *format, *pg_type;
    } wanted[] = {{"window_start", "tsu:UTC", "timestamp with time zone"},
                  {"window_end", "tsu:UTC", "timestamp with time zone"},
                  {"i", "s", "smallint"},
                  {"u", "l", "bigint"},
                  {"h", "d:38,0", "numeric(38,0)"},
                  {"d", "d:3,2", "numeric(3,2)"},
                  {"t", "u", "text"},
                  {"l", "u", "text"},
                  {"z", "tsu:UTC", "timestamp with time zone"},
                  {"n", "i", "integer"},
                  {"v", "tin", "interval"},
                  {"y", "tdD", "date"}};
    assert_int_equal(result.table->n_columns, sizeof wanted / sizeof *wanted);
    for (int i = 0; i < result.table->n_columns; i++) {
        const struct ArrowSchema *field = result.table->schema.children[WALROW__N_META + i];
        struct ArrowStringView type;
        assert_string_equal(field->name, wanted[i].name);
        assert_string_equal(field->format, wanted[i].format);
        ArrowMetadataGetValue(field->metadata, ArrowCharView("pg.type"), &type);
        assert_int_equal(type.size_bytes, strlen(wanted[i].pg_type));
        assert_memory_equal(type.data, wanted[i].pg_type, strlen(wanted[i].pg_type));
    }
    struct ArrowArray rows;
    walrow__window window = {.start_us = NOON, .end_us = NOON + 1, .commit_lsn = 77, .commit_time = NOON};
    uint32_t seq = 5;
    ASSERT_OK(walrow__result_run(&result, duckdb, &window, &seq, &rows, &f->err), f->err);
    assert_int_equal(rows.length, 1);
    assert_int_equal(seq, 6);
    assert_int_equal(walrow__batch_position(&rows, 0).commit_lsn, 77);
    assert_int_equal(walrow__batch_position(&rows, 0).seq, 5);
    assert_int_equal(rows.children[WALROW__N_META + 9]->null_count, 1);
    ArrowArrayRelease(&rows);
    walrow__result_release(&result);
    walrow__duckdb_free(duckdb);
}

/* ---- memory ---- */

/* A transaction of rows with names of so many bytes. */
static walrow_code
come_with_rows(fixture *f, double seconds, uint32_t n, size_t bytes)
{
    changes c;
    char *text = malloc(bytes + 1);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    begin_changes(&c);
    c.time = NOON + (int64_t)(seconds * 1e6);
    for (uint32_t seq = 0; seq < n; seq++)
        add_row(&c, f->t, 'I', f->lsn, seq, ROW("1", text));
    add_transaction(&c, f->lsn, f->lsn + 48);
    f->lsn += 64;
    free(text);
    return try_write(f, &c);
}

static walrow_code
come_with(fixture *f, double seconds, size_t bytes)
{
    return come_with_rows(f, seconds, 1, bytes);
}

static void
a_window_that_is_too_large_is_an_error(void **state)
{
    fixture *f = fixture_of(state);
    set(f, "sql", "q=SELECT 'all', count(*) FROM public.t");
    set(f, "window", "10s");
    set(f, "retain", "1MB");
    open_queries(f);
    ASSERT_OK(come_with(f, 1, 600000), f->err);
    ASSERT_OK(come_with(f, 11, 600000), f->err); /* another window */
    assert_int_equal(come_with(f, 12, 600000), WALROW_ERR_SINK);
    assert_non_null(strstr(f->err.message, "--retain"));
    assert_non_null(strstr(f->err.hint, "nothing is lost"));
}

static void
open_every(fixture *f, const char *sql)
{
    set(f, "sql", sql);
    set(f, "every", "100d");
    set(f, "retain", "1MB");
    open_queries(f);
}

/* As if the time had come. */
static uint64_t
tick(fixture *f)
{
    uint64_t lsn = 0;
    ASSERT_OK(walrow__sink_sync(f->sink, true, &lsn, &f->err), f->err);
    return lsn;
}

static void
every_so_often_a_query_sees_all_that_is_retained(void **state)
{
    fixture *f = fixture_of(state);
    open_every(f, "q=SELECT 'all', count(*) FROM public.t");
    come(f, 1, "ab");
    come(f, 5, "c");
    assert_int_equal(durable_lsn(f), 0); /* in no result yet */
    assert_int_equal(tick(f), 1136);
    ASSERT_GIVEN(f, "q [1,5) all 3 @1088,0");
    tick(f);
    ASSERT_NOTHING_GIVEN(f); /* nothing is new */
    come(f, 3, "d");
    assert_int_equal(tick(f), 1200);
    ASSERT_GIVEN(f, "q [1,3) all 4 @1152,0");
}

/* All but an eighth, or two, of what fits. */
static void
assert_retained(fixture *f, int64_t bytes_each)
{
    int64_t count = 0, sum = 0;
    assert_int_equal(f->notes.n, 1);
    const char *line = strstr(f->notes.lines[0], "sum ");
    assert_int_equal(sscanf(line, "sum %" SCNd64 " %" SCNd64, &count, &sum), 2);
    assert_int_equal(sum, count * bytes_each);
    assert_in_range(sum, 700000, 1 << 20);
}

static void
the_oldest_changes_are_forgotten(void **state)
{
    fixture *f = fixture_of(state);
    open_every(f, "q=SELECT 'sum', count(*), sum(length(name))::bigint FROM public.t");
    for (int i = 0; i < 40; i++)
        ASSERT_OK(come_with(f, i, 100000), f->err);
    tick(f);
    assert_retained(f, 100000);
}

static void
also_of_one_large_transaction(void **state)
{
    fixture *f = fixture_of(state);
    open_every(f, "q=SELECT 'sum', count(*), sum(length(name))::bigint FROM public.t");
    ASSERT_OK(come_with_rows(f, 1, 1000, 4000), f->err);
    tick(f);
    assert_retained(f, 4000);
}

static void
with_windows_of_the_clock_what_was_given_is_not_given_again(void **state)
{
    fixture *f = fixture_of(state);
    open_every(f, "q=SELECT 'all', count(*) FROM public.t");
    come(f, 1, "ab");
    uint64_t durable = tick(f);
    ASSERT_GIVEN(f, "q [1,1) all 2 @1024,0");
    crash(f, durable);
    f->lsn = 1024;
    come(f, 1, "ab");
    assert_int_equal(tick(f), durable);
    ASSERT_NOTHING_GIVEN(f);
    come(f, 2, "c");
    tick(f);
    ASSERT_GIVEN(f, "q [2,2) all 1 @1088,0"); /* what was kept went with the crash */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(options_that_do_not_go_together_are_refused),
        TEST(queries_that_cannot_be_meant_are_refused),
        TEST(without_a_query_the_sink_stays_as_it_is),
        TEST(who_reads_changes_gets_no_results),
        TEST(a_table_has_walrow_s_columns_too),
        TEST(a_query_waits_for_its_tables),
        TEST(a_table_without_changes_is_empty),
        TEST(events_are_of_all_tables_that_came_so_far),
        TEST(several_queries_have_one_order),
        TEST(a_query_that_does_not_fit_its_table_is_an_error),
        TEST(rows_before_and_after_a_change_of_the_table_are_seen_together),
        TEST(a_result_is_a_change_batch_of_its_own_table),
        TEST(a_window_that_is_too_large_is_an_error),
        TEST(every_so_often_a_query_sees_all_that_is_retained),
        TEST(the_oldest_changes_are_forgotten),
        TEST(also_of_one_large_transaction),
        TEST(with_windows_of_the_clock_what_was_given_is_not_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
