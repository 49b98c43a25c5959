/*
 * every_type.h
 *	  Batches of a table with a column of every Arrow type walrow makes, filled at random.
 */
#ifndef WALROW_TEST_EVERY_TYPE_H
#define WALROW_TEST_EVERY_TYPE_H

#include "changes.h"

#include "kernels/rows.h"

static const struct {
    walrow__column_spec column;
    const char *values[4];
} every_type[] = {
    {KEY("id", INT4), {"1", "2", "3", "-4"}},
    {KEY("name", TEXT), {"", "ab", "a text of more than sixteen bytes", "Grüße"}},
    {COLUMN("flag", BOOL), {"t", "f", "t", "f"}},
    {COLUMN("small", INT2), {"0", "-1", "32767", "5"}},
    {COLUMN("big", INT8), {"0", "-1", "9223372036854775807", "5"}},
    {COLUMN("number", OID), {"0", "1", "4294967295", "5"}},
    {COLUMN("single", FLOAT4), {"0", "1.5", "-2.25", "Infinity"}},
    {COLUMN("double", FLOAT8), {"0", "1.5", "NaN", "-Infinity"}},
    {{.name = "cents", .oid = NUMERIC, .typmod = NUMERIC_TYPMOD(12, 2)}, {"0.00", "1.50", "-7.25", "99.99"}},
    {{.name = "huge", .oid = NUMERIC, .typmod = NUMERIC_TYPMOD(60, 2)},
     {"0.00", "1.50", "-7.25", "123456789012345678901234567890123456789012345.67"}},
    {COLUMN("bytes", BYTEA), {"\\x", "\\x00", "\\xff00ff", "\\x000102030405060708090a0b0c0d0e0f1011"}},
    {COLUMN("document", JSON), {"{}", "[1, 2]", "null", "{\"a\": \"a text that is rather long\"}"}},
    {COLUMN("day", DATE), {"2024-05-01", "1969-12-31", "infinity", "-infinity"}},
    {COLUMN("hour", TIME), {"00:00:00", "12:34:56.789", "23:59:59", "01:00:00"}},
    {COLUMN("at", TIMESTAMP), {"2024-05-01 12:00:00", "1969-12-31 00:00:00", "infinity", "-infinity"}},
    {COLUMN("at_utc", TIMESTAMPTZ),
     {"2024-05-01 12:00:00+00", "1969-12-31 00:00:00+00", "infinity", "-infinity"}},
    {COLUMN("while", INTERVAL), {"00:00:00", "1 year 2 mons 3 days", "-1 days", "01:02:03.5"}},
    {COLUMN("uuid", UUID),
     {"00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-1234-1234-1234-123456789abc"}},
    {COLUMN("list", INT4_ARRAY), {"{}", "{1,2,3}", "{NULL,5}", "{7}"}},
    {{.name = "amounts", .oid = NUMERIC_ARRAY, .typmod = NUMERIC_TYPMOD(12, 2)},
     {"{}", "{1.50}", "{NULL,-7.25}", "{1.00,2.00,3.00}"}},
    {COLUMN("pair", POINT_PAIR), {"(,)", "(1,one)", "(2,)", "(,\"two words\")"}},
    {COLUMN("map", HSTORE),
     {"", "\"a\"=>\"1\"", "\"a\"=>NULL, \"b\"=>\"2\"", "\"long\"=>\"a text that is rather long\""}},
};
enum { N_EVERY_TYPE = sizeof every_type / sizeof *every_type };

static uint64_t random_state;

UNUSED_FN static uint64_t
random_below(uint64_t limit)
{
    random_state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */
    uint64_t z = random_state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) % limit;
}

/* identity: d, of id and name; f, of all columns */
UNUSED_FN static walrow__table *
table_of_every_type(char identity)
{
    walrow__column_spec columns[N_EVERY_TYPE];
    for (int i = 0; i < N_EVERY_TYPE; i++) {
        columns[i] = every_type[i].column;
        columns[i].is_key |= identity == 'f';
    }
    return a_table("public", "every_type", 4711, identity, columns, N_EVERY_TYPE);
}

/* One value in four is null; of an old row that has only the key, all others. */
static void
random_values(const char **values, bool only_key)
{
    for (int i = 0; i < N_EVERY_TYPE; i++) {
        bool null = random_below(4) == 0 || (only_key && !every_type[i].column.is_key);
        values[i] = null ? NULL : every_type[i].values[random_below(4)];
    }
}

/* One row a transaction. ops: chosen among; a U has an old row every other time. */
UNUSED_FN static struct ArrowArray
random_batch(walrow__table *table, const char *ops, int rows)
{
    walrow__batch_builder builder;
    walrow_error err = {0};
    struct ArrowArray batch;
    ASSERT_OK(walrow__batch_init(&builder, table, ArrowBufferAllocatorDefault(), &err), err);
    for (int i = 0; i < rows; i++) {
        const char *values[N_EVERY_TYPE], *old[N_EVERY_TYPE];
        char op = ops[random_below(strlen(ops))];
        random_values(values, op == 'D' && table->identity != 'f');
        random_values(old, table->identity != 'f');
        put_row(&builder, op, 1000 + (uint64_t)i, (uint32_t)i, NOON + i, op == 'T' ? NULL : values,
                op == 'U' && random_below(2) == 0 ? old : NULL);
    }
    ASSERT_OK(walrow__batch_finish(&builder, &batch, &err), err);
    walrow__batch_release(&builder);
    return batch;
}

/* ---- row by row, by what has nothing to do with kernels/take.c ---- */

UNUSED_FN static void
begin_rows(walrow__rows *rows, const struct ArrowSchema *schema)
{
    walrow_error err = {0};
    ASSERT_OK(walrow__rows_init(rows, schema, &err), err);
}

UNUSED_FN static struct ArrowArray
end_rows(walrow__rows *rows)
{
    struct ArrowArray array;
    walrow_error err = {0};
    ASSERT_OK(walrow__rows_take(rows, &array, &err), err);
    walrow__rows_release(rows);
    return array;
}

UNUSED_FN static struct ArrowArray
copy_row_by_row(const struct ArrowSchema *schema, const struct ArrowArray *batch, const uint32_t *numbers,
                int64_t n)
{
    walrow__rows rows;
    walrow_error err = {0};
    begin_rows(&rows, schema);
    for (int64_t i = 0; i < n; i++)
        ASSERT_OK(walrow__rows_append(&rows, batch, numbers[i], 1, &err), err);
    return end_rows(&rows);
}

#endif
