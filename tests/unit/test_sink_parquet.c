/*
 * test_sink_parquet.c
 *	  parquet:DIR: the same machinery as ipc:DIR with other files, and partitions by day. Skipped without
 *	  libduckdb.
 */
#include "select.h"

#define MIDNIGHT (NOON + INT64_C(43200000000)) /* that begins 2024-05-02 */

static int
set_up_parquet(void **state)
{
    int result = set_up(state);
    ((fixture *)*state)->scheme = "parquet";
    return result;
}

/* SELECT what FROM all the files. */
static void
assert_select(fixture *f, const char *what, const char *expected)
{
    char sql[400];
    snprintf(sql, sizeof sql, "SELECT %s FROM read_parquet('%s/**/[0-9]*.parquet', hive_partitioning = true)",
             what, f->dir);
    assert_rows(f, NULL, sql, expected);
}

static void
rows_are_in_parquet_files_of_the_same_names(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "");
    write_rows(f, f->t, 0x100, 2);
    write_rows(f, f->t, 0x200, 1);
    assert_int_equal(sync_sink(f, true), 0x208);
    assert_string_equal(names_in(f, "public.t"),
                        "0000000000000100_0000000000-0000000000000200_0000000000.parquet");
    assert_select(f, "_op, _commit_lsn, _seq, id, name", "I,256,0,1,one I,256,1,1,one I,512,0,1,one ");
}

static void
a_file_of_many_batches_keeps_their_order(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "");
    for (uint64_t i = 1; i <= 20; i++)
        write_rows(f, f->t, i * 0x100, 9000);
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"),
                        "0000000000000100_0000000000-0000000000001400_0000008999.parquet");
    assert_select(f, "count(*), count(DISTINCT (_commit_lsn, _seq)), count(name)", "180000,180000,180000 ");
    assert_select(f, "first(_commit_lsn), first(_seq), last(_commit_lsn), last(_seq)", "256,0,5120,8999 ");
}

/* Of the first DuckDB writes the file while batches come, of the other when it ends. */
static void
large_files_of_two_tables_are_open_at_once(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "?rotate_rows=100000");
    for (uint64_t i = 1; i <= 20; i++)
        write_rows(f, i % 2 == 0 ? f->t : f->u, i * 0x100, 15000);
    sync_sink(f, true);
    assert_select(f, "count(*), count(DISTINCT (_commit_lsn, _seq)), count(DISTINCT filename)",
                  "300000,300000,4 ");
}

static void
a_large_file_that_is_given_up_leaves_nothing(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "");
    for (uint64_t i = 1; i <= 20; i++)
        write_rows(f, f->t, i * 0x100, 9000);
    walrow__sink_free(f->sink);
    f->sink = NULL;
    assert_string_equal(names_in(f, "public.t"), "");
}

static void
every_day_has_a_directory_and_a_position(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "?partition=day");
    write_rows_at(f, f->t, 0x100, 1, MIDNIGHT - 1);
    write_rows_at(f, f->t, 0x200, 1, MIDNIGHT);
    write_rows_at(f, f->t, 0x300, 1, MIDNIGHT - 1); /* commit times are not ordered by LSN */
    sync_sink(f, true);
    assert_string_equal(names_in(f, "public.t"), "_commit_date=2024-05-01 _commit_date=2024-05-02");
    assert_string_equal(names_in(f, "public.t/_commit_date=2024-05-01"),
                        "0000000000000100_0000000000-0000000000000300_0000000000.parquet");
    assert_string_equal(names_in(f, "public.t/_commit_date=2024-05-02"),
                        "0000000000000200_0000000000-0000000000000200_0000000000.parquet");
    assert_select(f, "min(_commit_date), max(_commit_date), count(*)", "2024-05-01,2024-05-02,3 ");
}

static void
partitions_drop_what_each_has_after_a_crash(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "?partition=day&rotate_rows=1");
    write_rows_at(f, f->t, 0x200, 1, MIDNIGHT);
    crash(f);
    open_sink(f, "?partition=day");
    write_rows_at(f, f->t, 0x100, 1, NOON); /* below what the other day has */
    write_rows_at(f, f->t, 0x200, 1, MIDNIGHT);
    sync_sink(f, true);
    assert_select(f, "count(*), count(DISTINCT _commit_lsn)", "2,2 ");
}

static void
a_partitioned_snapshot_is_completed_after_a_crash(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "?partition=day&rotate_rows=1");
    write_chunk(f, f->t, 0x201, 0, 2, true);
    crash(f);
    char command[300];
    snprintf(command, sizeof command,
             "cd %s/public.t/_commit_date=2024-05-01 && mv 0000000000000200_r-00000001.parquet "
             ".0000000000000200_r-00000001.parquet && sed -i 's/\"done\"/\"renaming\"/' %s/_walrow.json",
             f->dir, f->dir);
    assert_int_equal(system(command), 0);
    open_sink(f, "?partition=day");
    assert_string_equal(names_in(f, "public.t/_commit_date=2024-05-01"),
                        "0000000000000200_r-00000000.parquet 0000000000000200_r-00000001.parquet");
}

static void
another_layout_is_refused(void **state)
{
    fixture *f = need_duckdb(state);
    open_sink(f, "?partition=day");
    crash(f);
    assert_int_equal(try_open(f, ""), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "parquet files partitioned by day"));
    walrow__sink_free(f->sink);
    f->scheme = "ipc";
    assert_int_equal(try_open(f, ""), WALROW_ERR_STATE);
    assert_non_null(strstr(f->err.message, "would write arrow files"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_parquet, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_are_in_parquet_files_of_the_same_names),
        TEST(a_file_of_many_batches_keeps_their_order),
        TEST(large_files_of_two_tables_are_open_at_once),
        TEST(a_large_file_that_is_given_up_leaves_nothing),
        TEST(every_day_has_a_directory_and_a_position),
        TEST(partitions_drop_what_each_has_after_a_crash),
        TEST(a_partitioned_snapshot_is_completed_after_a_crash),
        TEST(another_layout_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
