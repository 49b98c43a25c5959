/*
 * test_sink_duckdb.c
 *	  duckdb:FILE: what is in the file after each kind of set, and after a crash. Skipped without libduckdb.
 */
#include "select.h"

static int
set_up_file(void **state)
{
    int result = set_up(state);
    fixture *f = *state;
    f->scheme = "duckdb";
    return result;
}

static walrow_code
try_open_file(fixture *f, const char *params)
{
    char below[64];
    snprintf(below, sizeof below, "/r.duckdb%s", params);
    return try_open(f, below);
}

static void
open_file(fixture *f, const char *params)
{
    ASSERT_OK(try_open_file(f, params), f->err);
}

static void
close_file(fixture *f)
{
    ASSERT_OK(walrow__sink_finish(f->sink, &f->err), f->err);
    walrow__sink_free(f->sink);
    f->sink = NULL;
}

/* sql of the file, which is closed */
static void
assert_select(fixture *f, const char *sql, const char *expected)
{
    char attach[200];
    snprintf(attach, sizeof attach, "ATTACH '%s/r.duckdb' AS r (READ_ONLY); USE r", f->dir);
    assert_rows(f, attach, sql, expected);
}

/* One change, in a transaction of its own. */
static void
write_change(fixture *f, char op, uint64_t lsn, const char *const *values, const char *const *old)
{
    changes c;
    begin_changes(&c);
    add_old_row(&c, f->t, op, lsn, 0, values, old);
    add_transaction(&c, lsn, lsn + 8);
    write_set(f, &c, lsn + 8);
}

/* ---- the outcome ---- */

static void
the_last_state_of_each_key_wins(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_change(f, 'I', 0x100, ROW("1", "a"), NULL);
    write_change(f, 'I', 0x200, ROW("2", "b"), NULL);
    write_change(f, 'I', 0x300, ROW("3", "c"), NULL);
    sync_sink(f, true);
    write_change(f, 'U', 0x400, ROW("1", "aa"), NULL);
    write_change(f, 'D', 0x500, ROW("2", NULL), NULL);
    write_change(f, 'U', 0x600, ROW("4", "cc"), ROW("3", NULL)); /* 3 becomes 4 */
    write_change(f, 'I', 0x700, ROW("3", "new"), NULL);
    write_change(f, 'U', 0x800, ROW("4", "ccc"), NULL);
    assert_int_equal(sync_sink(f, true), 0x808);
    close_file(f);
    assert_select(f, "SELECT * FROM public.t ORDER BY id", "1,aa 3,new 4,ccc ");
    assert_select(f, "SELECT commit_lsn, seq, end_lsn FROM _walrow.state", "2048,0,2056 ");
}

static void
an_update_of_what_is_not_there_is_taken_in(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_change(f, 'U', 0x100, ROW("1", "a"), NULL);
    write_change(f, 'D', 0x200, ROW("2", NULL), NULL);
    close_file(f);
    assert_select(f, "SELECT * FROM public.t", "1,a ");
}

static void
values_not_sent_are_found_along_the_keys(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_change(f, 'I', 0x100, ROW("1", "large"), NULL);
    write_change(f, 'I', 0x110, ROW("2", "other"), NULL);
    sync_sink(f, true);
    write_change(f, 'U', 0x200, ROW("3", UNCHANGED), ROW("1", NULL));
    write_change(f, 'U', 0x300, ROW("1", UNCHANGED), ROW("2", NULL));
    write_change(f, 'U', 0x400, ROW("2", UNCHANGED), ROW("3", NULL));
    write_change(f, 'I', 0x500, ROW("5", NULL), NULL);
    write_change(f, 'U', 0x600, ROW("6", UNCHANGED), ROW("5", NULL)); /* an SQL NULL is a value */
    close_file(f);
    assert_select(f, "SELECT * FROM public.t ORDER BY id", "1,other 2,large 6,null ");
}

static void
a_truncate_ends_what_came_before_it(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_change(f, 'I', 0x100, ROW("1", "a"), NULL);
    sync_sink(f, true);
    write_change(f, 'U', 0x200, ROW("1", "b"), NULL);
    write_change(f, 'T', 0x300, NULL, NULL);
    write_change(f, 'I', 0x400, ROW("1", "c"), NULL);
    close_file(f);
    assert_select(f, "SELECT * FROM public.t", "1,c ");
}

static void
equal_rows_are_counted(void **state)
{
    fixture *f = need_duckdb(state);
    walrow__table *whole = TABLE("public", "whole", 9, 'f', KEY("id", INT4), KEY("name", TEXT));
    changes c;
    open_file(f, "");
    begin_changes(&c);
    for (uint32_t i = 0; i < 3; i++)
        add_row(&c, whole, 'I', 0x100, i, ROW("1", NULL));
    add_row(&c, whole, 'D', 0x100, 3, ROW("1", NULL));
    write_set(f, &c, 0x108);
    sync_sink(f, true);
    begin_changes(&c);
    add_old_row(&c, whole, 'U', 0x200, 0, ROW("1", "x"), ROW("1", NULL));
    write_set(f, &c, 0x208);
    close_file(f);
    walrow__table_unref(whole);
    assert_select(f, "SELECT * FROM public.whole ORDER BY ALL", "1,x 1,null ");
}

static void
an_update_without_a_key_is_refused(void **state)
{
    fixture *f = need_duckdb(state);
    walrow__table *heap = TABLE("public", "heap", 9, 'n', COLUMN("id", INT4));
    changes c;
    open_file(f, "");
    begin_changes(&c);
    add_row(&c, heap, 'U', 0x100, 0, ROW("1"));
    write_set(f, &c, 0x108);
    uint64_t durable_lsn;
    assert_int_equal(walrow__sink_sync(f->sink, true, &durable_lsn, &f->err), WALROW_ERR_SINK);
    assert_non_null(strstr(f->err.message, "public.heap has no key"));
    assert_non_null(strstr(f->err.hint, "?mode=append"));
    walrow__table_unref(heap);
}

/* ---- schemas ---- */

static void
write_row_of(fixture *f, walrow__table *table, uint64_t lsn, const char *const *values)
{
    changes c;
    begin_changes(&c);
    add_row(&c, table, 'I', lsn, 0, values);
    write_set(f, &c, lsn + 8);
    walrow__table_unref(table);
}

static void
columns_follow_the_source(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_row_of(f, TABLE("public", "s", 5, 'd', KEY("id", INT4), COLUMN("a", INT4), COLUMN("b", TEXT)),
                 0x100, ROW("1", "10", "x"));
    /* a renamed, b dropped, c added: one set has both schemas */
    write_row_of(f, TABLE("public", "s", 5, 'd', KEY("id", INT4), COLUMN("aa", INT8), COLUMN("b", TEXT)),
                 0x200, ROW("2", "20", "y"));
    write_row_of(f, TABLE("public", "s", 5, 'd', KEY("id", INT4), COLUMN("aa", INT8), COLUMN("c", INT4)),
                 0x300, ROW("3", "30", "7"));
    close_file(f);
    assert_select(f, "SELECT * FROM public.s ORDER BY id", "1,10,null 2,20,null 3,30,7 ");
    assert_select(
        f, "SELECT string_agg(column_name || ' ' || data_type) FROM duckdb_columns() WHERE table_name = 's'",
        "id INTEGER,aa BIGINT,c INTEGER ");
}

static void
a_rename_nobody_can_tell_is_an_error(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_row_of(f, TABLE("public", "s", 5, 'd', KEY("id", INT4), COLUMN("a", INT4)), 0x100, ROW("1", "10"));
    write_row_of(f, TABLE("public", "s", 5, 'd', KEY("id", INT4), COLUMN("b", INT4)), 0x200, ROW("2", "20"));
    uint64_t durable_lsn;
    assert_int_equal(walrow__sink_sync(f->sink, true, &durable_lsn, &f->err), WALROW_ERR_SINK);
    assert_non_null(strstr(f->err.message, "column \"a\" renamed to \"b\""));
    assert_non_null(strstr(f->err.hint, "DELETE FROM _walrow.tables"));
}

static void
the_log_keeps_columns_that_went(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "?mode=append");
    write_row_of(f, TABLE("public", "s", 5, 'd', KEY("id", INT4), COLUMN("a", INT4)), 0x100, ROW("1", "10"));
    write_row_of(f, TABLE("public", "s", 5, 'd', KEY("id", INT4), COLUMN("b", TEXT)), 0x200, ROW("2", "y"));
    close_file(f);
    assert_select(f, "SELECT _op, _commit_lsn, id, a, b FROM public.s", "I,256,1,10,null I,512,2,null,y ");
    assert_select(f, "SELECT data_type FROM duckdb_columns() WHERE column_name = '_old'",
                  "STRUCT(id INTEGER, b VARCHAR, a INTEGER) ");
}

/* ---- staying right ---- */

static void
what_is_stored_is_not_applied_again(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "?mode=append");
    write_rows(f, f->t, 0x100, 2);
    assert_int_equal(sync_sink(f, false), 0x108);
    write_rows(f, f->t, 0x200, 2);
    crash(f); /* the second set was not synced */
    open_file(f, "?mode=append");
    write_rows(f, f->t, 0x100, 2);
    write_rows(f, f->t, 0x200, 2);
    close_file(f);
    assert_select(f, "SELECT _commit_lsn, _seq FROM public.t", "256,0 256,1 512,0 512,1 ");
}

static void
parts_of_a_transaction_wait_for_the_last(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_change(f, 'I', 0x100, ROW("9", "whole"), NULL);
    changes c;
    begin_changes(&c);
    add_row(&c, f->t, 'I', 0x200, 0, ROW("1", "a"));
    add_transaction(&c, 0x200, 0);
    c.set.partial = true;
    write_set(f, &c, 0x108);
    assert_int_equal(sync_sink(f, true), 0);
    crash(f);
    assert_select(f, "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'public'", "0 ");
    open_file(f, "");
    write_change(f, 'I', 0x100, ROW("9", "whole"), NULL);
    begin_changes(&c);
    add_row(&c, f->t, 'I', 0x200, 0, ROW("1", "a"));
    c.set.partial = true;
    write_set(f, &c, 0x108);
    assert_int_equal(sync_sink(f, true), 0);
    begin_changes(&c);
    add_row(&c, f->t, 'U', 0x200, 1, ROW("1", "b"));
    write_set(f, &c, 0x208);
    assert_int_equal(sync_sink(f, true), 0x208);
    close_file(f);
    assert_select(f, "SELECT * FROM public.t ORDER BY id", "1,b 9,whole ");
}

static void
a_snapshot_is_there_when_it_is_whole(void **state)
{
    fixture *f = need_duckdb(state);
    bool done;
    uint64_t point;
    open_file(f, "");
    write_chunk(f, f->t, 0x201, 0, 2, false);
    crash(f);
    assert_select(f, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 't'", "0 ");
    open_file(f, "");
    write_chunk(f, f->t, 0x301, 0, 2, false);
    write_chunk(f, f->t, 0x301, 1, 1, false);
    write_chunk(f, f->t, 0x301, 2, 0, true);
    ASSERT_OK(walrow__sink_snapshot(f->sink, "public", "t", 1, &done, &point, &f->err), f->err);
    assert_true(done);
    assert_int_equal(point, 0x301);
    crash(f);
    open_file(f, "");
    write_chunk(f, f->t, 0x401, 0, 5, true); /* it has one */
    write_change(f, 'I', 0x300, ROW("7", "in the snapshot"), NULL);
    write_change(f, 'I', 0x301, ROW("8", "after it"), NULL);
    close_file(f);
    assert_select(f, "SELECT * FROM public.t ORDER BY id", "1,one 1,one 1,one 8,after it ");
    assert_select(f, "SELECT count(*) FROM duckdb_tables() WHERE starts_with(table_name, '_walrow')", "0 ");
}

static void
an_empty_snapshot_makes_an_empty_table(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    write_chunk(f, f->t, 0x201, 0, 0, true);
    close_file(f);
    assert_select(f, "SELECT count(*) FROM public.t", "0 ");
}

static void
the_file_of_another_slot_is_refused(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    close_file(f);
    f->identity.slot = "other";
    assert_int_equal(try_open_file(f, ""), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "slot \"walrow\""));
    walrow__sink_free(f->sink);
    f->identity.slot = "walrow";
    assert_int_equal(try_open_file(f, "?mode=append"), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "mode replica"));
}

static void
another_timeline_is_followed_when_it_is_told(void **state)
{
    fixture *f = need_duckdb(state);
    open_file(f, "");
    assert_int_equal(f->sink->timeline, 1);
    write_chunk(f, f->u, 0x80, 0, 1, true);
    write_rows(f, f->t, 0x100, 3);
    close_file(f);
    f->identity.timeline = 2;
    open_file(f, "");
    assert_int_equal(f->sink->timeline, 1);
    assert_int_equal(f->sink->reached_lsn, 0x108);
    ASSERT_OK(walrow__sink_follow(f->sink, 2, &f->err), f->err);
    close_file(f);
    open_file(f, "");
    assert_int_equal(f->sink->timeline, 2);
    close_file(f);
    assert_select(f, "SELECT timeline, end_lsn FROM _walrow.state", "2,264 ");
}

static void
its_position_is_told_while_it_is_open(void **state)
{
    fixture *f = need_duckdb(state);
    walrow__position position;
    open_file(f, "");
    write_rows(f, f->t, 0x100, 3);
    sync_sink(f, false);
    ASSERT_OK(walrow__sink_position(f->sink, &position, &f->err), f->err);
    assert_int_equal(position.commit_lsn, 0x100);
    assert_int_equal(position.seq, 2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_file, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_last_state_of_each_key_wins),
        TEST(an_update_of_what_is_not_there_is_taken_in),
        TEST(values_not_sent_are_found_along_the_keys),
        TEST(a_truncate_ends_what_came_before_it),
        TEST(equal_rows_are_counted),
        TEST(an_update_without_a_key_is_refused),
        TEST(columns_follow_the_source),
        TEST(a_rename_nobody_can_tell_is_an_error),
        TEST(the_log_keeps_columns_that_went),
        TEST(what_is_stored_is_not_applied_again),
        TEST(parts_of_a_transaction_wait_for_the_last),
        TEST(a_snapshot_is_there_when_it_is_whole),
        TEST(an_empty_snapshot_makes_an_empty_table),
        TEST(the_file_of_another_slot_is_refused),
        TEST(another_timeline_is_followed_when_it_is_told),
        TEST(its_position_is_told_while_it_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
