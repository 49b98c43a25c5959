/*
 * test_duckdb.c
 *	  Parquet files through DuckDB: what is written is what is read. Skipped where there is no libduckdb.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "duckdb/duckdb.h"
#include "duckdb/parquet_schema.h"

typedef struct fixture {
    walrow__duckdb *duckdb;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    walrow__strbuf rows; /* of the last query: cells end with |, rows with a newline */
    char path[64];
    walrow_error error;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/walrow'test.%d.parquet", (int)getpid());
    walrow__strbuf_init(&f->rows);
    if (walrow__duckdb_open(&f->duckdb, &f->error) != WALROW_OK)
        f->duckdb = NULL;
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__duckdb_free(f->duckdb);
    walrow__strbuf_release(&f->rows);
    if (f->schema.release != NULL)
        ArrowSchemaRelease(&f->schema);
    if (f->batch.release != NULL)
        ArrowArrayRelease(&f->batch);
    unlink(f->path);
    free(f);
    return 0;
}

static fixture *
need_duckdb(void **state)
{
    fixture *f = *state;
    if (f->duckdb == NULL)
        skip();
    return f;
}

/* ---- making a batch: begin, one column after another, end ---- */

/* formats as in the Arrow C Data Interface; NULL ends them */
static void
begin(fixture *f, int n_columns, const char *const columns[][2])
{
    ArrowSchemaInit(&f->schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&f->schema, n_columns), 0);
    for (int i = 0; i < n_columns; i++) {
        assert_int_equal(ArrowSchemaSetName(f->schema.children[i], columns[i][0]), 0);
        assert_int_equal(ArrowSchemaSetFormat(f->schema.children[i], columns[i][1]), 0);
    }
}

static void
begin_rows(fixture *f)
{
    assert_int_equal(ArrowArrayInitFromSchema(&f->batch, &f->schema, NULL), 0);
    assert_int_equal(ArrowArrayStartAppending(&f->batch), 0);
}

static void
add_decimal(struct ArrowArray *array, int bits, int precision, int scale, const char *digits)
{
    struct ArrowDecimal decimal;
    ArrowDecimalInit(&decimal, bits, precision, scale);
    assert_int_equal(ArrowDecimalSetDigits(&decimal, ArrowCharView(digits)), 0);
    assert_int_equal(ArrowArrayAppendDecimal(array, &decimal), 0);
}

static void
add_interval(struct ArrowArray *array, int32_t months, int32_t days, int64_t ns)
{
    struct ArrowInterval interval;
    ArrowIntervalInit(&interval, NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO);
    interval.months = months;
    interval.days = days;
    interval.ns = ns;
    assert_int_equal(ArrowArrayAppendInterval(array, &interval), 0);
}

static void
end_row(fixture *f)
{
    assert_int_equal(ArrowArrayFinishElement(&f->batch), 0);
}

static walrow_code
write_batch(fixture *f, const char *const *kv)
{
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    assert_int_equal(ArrowSchemaDeepCopy(&f->schema, &schema), 0);
    assert_int_equal(ArrowArrayFinishBuildingDefault(&f->batch, NULL), 0);
    assert_int_equal(ArrowBasicArrayStreamInit(&stream, &schema, 1), 0);
    ArrowBasicArrayStreamSetArray(&stream, 0, &f->batch);
    walrow_code code = walrow__duckdb_write_parquet(f->duckdb, &stream, f->path, kv, &f->error);
    ArrowArrayStreamRelease(&stream);
    return code;
}

static void
assert_written(fixture *f)
{
    if (write_batch(f, NULL) != WALROW_OK)
        fail_msg("%s", f->error.message);
}

/* ---- reading it back ---- */

static walrow_code
keep_row(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    (void)err;
    for (int64_t i = 0; i < n_cells; i++) {
        struct ArrowStringView text = cells[i].data == NULL ? ArrowCharView("null") : cells[i];
        walrow__strbuf_add(arg, text.data, (size_t)text.size_bytes);
        walrow__strbuf_add_char(arg, '|');
    }
    walrow__strbuf_add_char(arg, '\n');
    return WALROW_OK;
}

/* sql: a `$` stands for the quoted path */
static void
assert_rows(fixture *f, const char *sql, const char *expected)
{
    walrow__strbuf text;
    walrow__strbuf_init(&text);
    for (const char *c = sql; *c != '\0'; c++)
        if (*c == '$')
            walrow__strbuf_addf(&text, "'/tmp/walrow''test.%d.parquet'", (int)getpid());
        else
            walrow__strbuf_add_char(&text, *c);
    walrow__strbuf_clear(&f->rows);
    walrow_code code = walrow__duckdb_query(f->duckdb, text.data, keep_row, &f->rows, &f->error);
    walrow__strbuf_release(&text);
    if (code != WALROW_OK)
        fail_msg("%s", f->error.message);
    assert_string_equal(walrow__strbuf_text(&f->rows), expected);
}

/* ---- tests ---- */

static void
test_plain_types_come_through(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 8,
          (const char *const[][2]){{"_op", "u"},
                                   {"_commit_lsn", "L"},
                                   {"_commit_time", "tsu:UTC"},
                                   {"day", "tdD"},
                                   {"flag", "b"},
                                   {"price", "d:38,2"},
                                   {"raw", "z"},
                                   {"odd \"name\", 'é'", "s"}});
    begin_rows(f);
    struct ArrowArray **column = f->batch.children;
    ArrowArrayAppendString(column[0], ArrowCharView("I"));
    ArrowArrayAppendUInt(column[1], UINT64_MAX);
    ArrowArrayAppendInt(column[2], 1700000000123456);
    ArrowArrayAppendInt(column[3], INT32_MAX);
    ArrowArrayAppendInt(column[4], 1);
    add_decimal(column[5], 128, 38, 2, "-99999999999999999999999999999999999999");
    ArrowArrayAppendBytes(column[6], (struct ArrowBufferView){.data.as_char = "\0\xff", .size_bytes = 2});
    ArrowArrayAppendInt(column[7], INT16_MIN);
    end_row(f);
    for (int i = 0; i < 8; i++)
        ArrowArrayAppendNull(column[i], 1);
    end_row(f);

    assert_written(f);
    assert_rows(f, "SELECT * FROM $",
                "I|18446744073709551615|2023-11-14 22:13:20.123456+00|infinity|true|"
                "-999999999999999999999999999999999999.99|\\x00\\xFF|-32768|\n"
                "null|null|null|null|null|null|null|null|\n");
}

static void
test_postgres_infinities_keep_their_bits(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 1, (const char *const[][2]){{"ts", "tsu:UTC"}});
    begin_rows(f);
    ArrowArrayAppendInt(f->batch.children[0], INT64_MAX);
    end_row(f);
    ArrowArrayAppendInt(f->batch.children[0], INT64_MIN);
    end_row(f);

    assert_written(f);
    assert_rows(f, "SELECT epoch_us(ts), ts < '2000-01-01' FROM $",
                "null|false|\n-9223372036854775808|true|\n");
}

static void
test_wide_decimals_become_text_with_all_digits(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 3, (const char *const[][2]){{"wide", "d:70,2,256"}, {"round", "d:5,-2"}, {"fine", "d:3,5"}});
    begin_rows(f);
    static const char *const rows[][3] = {
        {"-12345678901234567890123456789012345678901234567890", "123", "123"}, {"-1", "0", "-1"}};
    for (int i = 0; i < 2; i++) {
        add_decimal(f->batch.children[0], 256, 70, 2, rows[i][0]);
        add_decimal(f->batch.children[1], 128, 5, -2, rows[i][1]);
        add_decimal(f->batch.children[2], 128, 3, 5, rows[i][2]);
        end_row(f);
    }

    assert_written(f);
    assert_rows(f, "SELECT *, typeof(fine) FROM $",
                "-123456789012345678901234567890123456789012345678.90|12300|.00123|DECIMAL(5,5)|\n"
                "-0.01|0|-.00001|DECIMAL(5,5)|\n");
}

static void
test_intervals_become_structs_also_in_structs(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 2, (const char *const[][2]){{"_old", "+s"}, {"span", "tin"}});
    struct ArrowSchema *old = f->schema.children[0];
    ArrowSchemaSetTypeStruct(old, 1);
    ArrowSchemaSetFormat(old->children[0], "tin");
    ArrowSchemaSetName(old->children[0], "span");
    begin_rows(f);
    add_interval(f->batch.children[0]->children[0], -1, 2, -3000);
    ArrowArrayFinishElement(f->batch.children[0]);
    ArrowArrayAppendNull(f->batch.children[1], 1);
    end_row(f);
    ArrowArrayAppendNull(f->batch.children[0], 1);
    add_interval(f->batch.children[1], 0, 0, INT64_MAX / 1000 * 1000);
    end_row(f);

    assert_written(f);
    assert_rows(f, "SELECT * FROM $",
                "{'span': {'months': -1, 'days': 2, 'microseconds': -3}}|null|\n"
                "null|{'months': 0, 'days': 0, 'microseconds': 9223372036854775}|\n");
}

static void
test_names_that_differ_only_in_case_are_numbered(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 4, (const char *const[][2]){{"Id", "i"}, {"id", "i"}, {"ID_1", "i"}, {"É", "i"}});
    begin_rows(f);
    for (int i = 0; i < 4; i++)
        ArrowArrayAppendInt(f->batch.children[i], i);
    end_row(f);

    assert_written(f);
    assert_rows(f, "SELECT \"Id\", id_2, \"ID_1\", \"É\" FROM $", "0|1|2|3|\n");
}

static void
test_metadata_is_in_the_file(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 2, (const char *const[][2]){{"_op", "u"}, {"Id", "i"}});
    ArrowSchemaSetMetadata(&f->schema, "\1\0\0\0\14\0\0\0walrow.table\3\0\0\0o'k");
    ArrowSchemaSetMetadata(f->schema.children[1], "\1\0\0\0\7\0\0\0pg.type\7\0\0\0integer");
    begin_rows(f);

    assert_int_equal(write_batch(f, (const char *const[]){"walrow.slot", "a \"b\"", NULL}), WALROW_OK);
    assert_rows(f,
                "SELECT decode(key), decode(value) FROM parquet_kv_metadata($) "
                "WHERE decode(key) <> 'ARROW:schema' ORDER BY 1",
                "pg.columns|[{\"column\":\"Id\",\"name\":\"Id\",\"pg.type\":\"integer\"}]|\n"
                "walrow.slot|a \"b\"|\nwalrow.table|o'k|\n");
}

static void
test_a_struct_without_fields_becomes_bool(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 1, (const char *const[][2]){{"_old", "+s"}});
    begin_rows(f);
    ArrowArrayFinishElement(f->batch.children[0]);
    end_row(f);
    ArrowArrayAppendNull(f->batch.children[0], 1);
    end_row(f);

    assert_written(f);
    assert_rows(f, "SELECT * FROM $", "true|\nnull|\n");
}

static void
test_rows_of_many_row_groups_keep_their_order(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 2, (const char *const[][2]){{"i", "l"}, {"text", "u"}});
    begin_rows(f);
    char text[1000];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 100000; i++) {
        ArrowArrayAppendInt(f->batch.children[0], i);
        ArrowArrayAppendString(f->batch.children[1], (struct ArrowStringView){text, i % 1000});
        end_row(f);
    }

    assert_written(f);
    assert_rows(f, "SELECT count(*) FROM read_parquet($, file_row_number = true) WHERE i = file_row_number",
                "100000|\n");
    assert_rows(f, "SELECT count(DISTINCT row_group_id) > 1 FROM parquet_metadata($)", "true|\n");
}

static void
test_an_offset_is_refused_and_leaves_no_file(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 1, (const char *const[][2]){{"a", "i"}});
    begin_rows(f);
    ArrowArrayAppendInt(f->batch.children[0], 1);
    end_row(f);
    ArrowArrayAppendInt(f->batch.children[0], 2);
    end_row(f);
    f->batch.offset = 1;
    f->batch.length = 1;

    assert_int_equal(write_batch(f, NULL), WALROW_ERR_UNEXPECTED);
    assert_string_equal(f->error.message, "a struct with an offset cannot be written as Parquet");
    assert_int_equal(access(f->path, F_OK), -1);
}

static void
test_a_path_that_cannot_be_written_is_a_sink_error(void **state)
{
    fixture *f = need_duckdb(state);
    begin(f, 1, (const char *const[][2]){{"a", "i"}});
    begin_rows(f);
    strcpy(f->path, "/nonexistent/a.parquet");

    assert_int_equal(write_batch(f, NULL), WALROW_ERR_SINK);
    assert_non_null(strstr(f->error.message, "/nonexistent/a.parquet"));
}

static void
test_a_missing_library_is_explained(void **state)
{
    fixture *f = *state;
    walrow__duckdb *duckdb = NULL;
    char *before = getenv("WALROW_DUCKDB") == NULL ? NULL : strdup(getenv("WALROW_DUCKDB"));
    setenv("WALROW_DUCKDB", "/nonexistent/libduckdb.so", 1);
    walrow_code code = walrow__duckdb_open(&duckdb, &f->error);
    unsetenv("WALROW_DUCKDB");
    if (before != NULL)
        setenv("WALROW_DUCKDB", before, 1);
    free(before);

    assert_int_equal(code, WALROW_ERR_SINK);
    assert_null(duckdb);
    assert_non_null(strstr(f->error.message, "needs libduckdb"));
    assert_non_null(strstr(f->error.hint, "scripts/bootstrap"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_types_come_through),
        TEST(test_postgres_infinities_keep_their_bits),
        TEST(test_wide_decimals_become_text_with_all_digits),
        TEST(test_intervals_become_structs_also_in_structs),
        TEST(test_names_that_differ_only_in_case_are_numbered),
        TEST(test_metadata_is_in_the_file),
        TEST(test_a_struct_without_fields_becomes_bool),
        TEST(test_rows_of_many_row_groups_keep_their_order),
        TEST(test_an_offset_is_refused_and_leaves_no_file),
        TEST(test_a_path_that_cannot_be_written_is_a_sink_error),
        TEST(test_a_missing_library_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
