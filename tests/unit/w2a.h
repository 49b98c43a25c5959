/*
 * w2a.h
 *	  wal2arrow's messages by hand: frames into a buffer, builders into frames.
 */
#ifndef WALROW_TEST_W2A_H
#define WALROW_TEST_W2A_H

#include "changes.h"

#include "base/strbuf.h"
#include "columns/wire.h"
#include "columns/wire_rows.h"

static uint8_t *
w2a__reserve(void *arg, size_t size)
{
    walrow__strbuf *buf = arg;
    if (!walrow__strbuf_reserve(buf, size))
        return NULL;
    uint8_t *at = (uint8_t *)buf->data + buf->size;
    memset(at, 0xAA, size); /* what is not written is not zero */
    buf->size += size;
    return at;
}

UNUSED_FN static walrow__wire_out
out_to(walrow__strbuf *buf)
{
    return (walrow__wire_out){.reserve = w2a__reserve, .arg = buf};
}

UNUSED_FN static walrow__wire_bytes
text_bytes(const char *text)
{
    return (walrow__wire_bytes){.bytes = (const uint8_t *)text, .size = strlen(text)};
}

/* The frames one after the other; ends the test if there is none. */
UNUSED_FN static walrow__wire_frame
next_frame(walrow__cursor *cursor, uint8_t type)
{
    walrow__wire_frame frame;
    assert_true(walrow__wire_read_frame(cursor, &frame));
    assert_int_equal(frame.type, type);
    return frame;
}

/* A table whose columns are of every layout. */
UNUSED_FN static walrow__table *
zoo_table(const char *name, uint32_t relid)
{
    return TABLE("public", name, relid, 'd', KEY("id", INT4), COLUMN("b", BOOL), COLUMN("i8", INT8),
                 COLUMN("f", FLOAT8), {.name = "n", .oid = NUMERIC, .typmod = NUMERIC_TYPMOD(10, 2)},
                 {.name = "n2", .oid = NUMERIC, .typmod = NUMERIC_TYPMOD(50, 2)}, COLUMN("t", TEXT),
                 COLUMN("bytes", BYTEA), COLUMN("d", DATE), COLUMN("ts", TIMESTAMPTZ), COLUMN("iv", INTERVAL),
                 COLUMN("u", UUID), COLUMN("j", JSON), COLUMN("ints", INT4_ARRAY), COLUMN("pair", POINT_PAIR),
                 COLUMN("h", HSTORE));
}

enum { N_ZOO = 16 };

/* Values for a row of it: chosen by n, so that each column has nulls in a rhythm of its own. */
UNUSED_FN static void
zoo_values(uint32_t n, const char *values[N_ZOO])
{
    static const char *const all[N_ZOO][4] = {
        {"1", "-2147483648", "2147483647", "0"},
        {"t", "f", "t", "t"},
        {"0", "9223372036854775807", "-1", "5"},
        {"NaN", "-Infinity", "1.5", "-0"},
        {"1.25", "-99999999.99", "0.00", "7.10"},
        {"1.25", "-123456789012345678901234567890123456789012345678.99", "0.00", "7.10"},
        {"", "one", "zw\xc3\xb6lf", "\xe2\x82\xac"},
        {"\\x", "\\x00ff", "\\x0102030405", "\\xde"},
        {"2024-05-01", "infinity", "1999-12-31", "2000-01-01"},
        {"2024-05-01 12:00:00+00", "-infinity", "1999-12-31 00:00:00.000001+00", "2000-01-01 00:00:00+00"},
        {"1 day", "-00:00:01", "1 year 2 mons", "00:00:00"},
        {"00112233-4455-6677-8899-aabbccddeeff", "ffffffff-ffff-ffff-ffff-ffffffffffff",
         "00000000-0000-0000-0000-000000000000", "01234567-89ab-cdef-0123-456789abcdef"},
        {"{}", "[1, 2]", "null", "\"x\""},
        {"{}", "{1,NULL,3}", "{NULL,NULL}", "{7}"},
        {"(1,one)", "(,)", "(2,)", "(,\"\")"},
        {"", "\"a\"=>\"1\"", "\"a\"=>NULL, \"b\"=>\"2\"", "\"k\"=>NULL"},
    };
    for (uint32_t i = 0; i < N_ZOO; i++)
        values[i] = (n * 7 + i * 3 + n / 5) % (i + 2) == 0 && i > 0 ? NULL : all[i][(n + i) % 4];
}

/* Rows [from, from + n): some with old tuples, some with unchanged values. */
UNUSED_FN static void
put_zoo_rows(walrow__batch_builder *batch, uint64_t lsn, uint32_t from, uint32_t n)
{
    for (uint32_t i = from; i < from + n; i++) {
        const char *values[N_ZOO], *old[N_ZOO];
        zoo_values(i, values);
        zoo_values(i + 1, old);
        if (i % 11 == 3)
            values[6] = UNCHANGED;
        put_row(batch, "IUD"[i % 3], lsn, i, NOON, values, i % 3 == 1 && i % 4 != 0 ? old : NULL);
    }
}

#endif
