/*
 * columns/binary.c
 *	  Values as the types' send functions write them (PostgreSQL documentation, "Binary Format"; the layouts
 *	  are in PostgreSQL's src/backend/utils/adt, each function here naming its own).
 */
#include "base/cursor.h"
#include "columns/append_pg.h"
#include "columns/numeric.h"

enum { MAX_DEPTH = 32 /* of arrays and composites in each other */ };

static inline walrow__appended append_value(walrow__column *column, const uint8_t *bytes, size_t size,
                                            int depth, const char **reason);

/* Functions with a frame of their own stay out of append_value, which for most values needs none. */
#define WITH_FRAME __attribute__((noinline)) static

static walrow__appended
wrong_size(const char **reason)
{
    return walrow__malformed(reason, "wrong number of bytes");
}

/* ---- scalars ---- */

static walrow__appended
append_16(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 2)
        return wrong_size(reason);
    return walrow__append_word(column, walrow__load_u16(bytes), 2);
}

static walrow__appended
append_32(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 4)
        return wrong_size(reason);
    return walrow__append_word(column, walrow__load_u32(bytes), 4);
}

static walrow__appended
append_64(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 8)
        return wrong_size(reason);
    return walrow__append_word(column, walrow__load_u64(bytes), 8);
}

static walrow__appended
append_float32(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 4)
        return wrong_size(reason);
    uint32_t bits = walrow__load_u32(bytes);
    float value;
    memcpy(&value, &bits, sizeof value);
    return walrow__append_float(column, value);
}

static walrow__appended
append_float64(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 8)
        return wrong_size(reason);
    uint64_t bits = walrow__load_u64(bytes);
    double value;
    memcpy(&value, &bits, sizeof value);
    return walrow__append_double(column, value);
}

/* date_send: days since 2000-01-01 */
static walrow__appended
append_date(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 4)
        return wrong_size(reason);
    return walrow__append_pg_date(column, (int32_t)walrow__load_u32(bytes), reason);
}

/* timestamp_send: microseconds since 2000-01-01 */
static walrow__appended
append_timestamp(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 8)
        return wrong_size(reason);
    return walrow__append_pg_timestamp(column, (int64_t)walrow__load_u64(bytes), reason);
}

/* time_send: microseconds since midnight */
static walrow__appended
append_time(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 8)
        return wrong_size(reason);
    return walrow__append_pg_time(column, (int64_t)walrow__load_u64(bytes), reason);
}

/* interval_send: microseconds, days, months */
WITH_FRAME walrow__appended
append_interval(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 16)
        return wrong_size(reason);
    return walrow__append_pg_interval(column, (int64_t)walrow__load_u64(bytes),
                                      (int32_t)walrow__load_u32(bytes + 8),
                                      (int32_t)walrow__load_u32(bytes + 12), reason);
}

static walrow__appended
append_boolean(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 1)
        return wrong_size(reason);
    return walrow__append_bool(column, bytes[0] != 0);
}

static walrow__appended
append_uuid(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (size != 16)
        return wrong_size(reason);
    return walrow__append_fixed(column, bytes, 16);
}

/* Types whose binary form is not what a text column holds: printed. */
WITH_FRAME walrow__appended
append_printed(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    walrow__strbuf_clear(&column->scratch);
    if (!walrow__print_binary(column->type, bytes, size, &column->scratch))
        return walrow__malformed(reason, "not what the type's send function writes");
    if (column->scratch.failed)
        return WALROW__NO_MEMORY;
    return walrow__append_text(column, walrow__strbuf_text(&column->scratch), column->scratch.size, reason);
}

static walrow__appended
append_as_text(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    switch (column->type->wire) {
    case WALROW__WIRE_TEXT:
        return walrow__append_text(column, bytes, size, reason);
    case WALROW__WIRE_JSONB: /* jsonb_send: a version, then text */
        if (size < 1 || bytes[0] != 1)
            return walrow__malformed(reason, "jsonb of an unknown version");
        return walrow__append_text(column, bytes + 1, size - 1, reason);
    default:
        return append_printed(column, bytes, size, reason);
    }
}

/* ---- nested ---- */

/* A length and that many bytes, or -1: null. */
static walrow__appended
append_element(walrow__column *column, walrow__cursor *cursor, int depth, const char **reason)
{
    uint32_t size = walrow__read_u32(cursor);
    if (size == UINT32_MAX && !cursor->failed) {
        walrow__column_append_nulls(column, 1);
        return WALROW__APPENDED;
    }
    const uint8_t *bytes = walrow__read_bytes(cursor, size);
    if (cursor->failed)
        return walrow__malformed(reason, "an element that ends too soon");
    return append_value(column, bytes, size, depth + 1, reason);
}

/* array_send: dimensions, has-nulls flag, element type, then size and lower bound of each dimension, elements
 */
static walrow__appended
append_array(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint32_t n_dimensions = walrow__read_u32(&cursor);
    walrow__read_u32(&cursor); /* flag */
    walrow__read_u32(&cursor); /* element type: the catalogue said it */
    if (cursor.failed || n_dimensions > 6 /* MAXDIM */)
        return walrow__malformed(reason, "not an array");
    if (n_dimensions > 1)
        return walrow__unrepresentable(reason, "an array of several dimensions");
    uint32_t n = n_dimensions == 0 ? 0 : walrow__read_u32(&cursor);
    int32_t lower_bound = n_dimensions == 0 ? 1 : (int32_t)walrow__read_u32(&cursor);
    if (cursor.failed || n > walrow__cursor_left(&cursor) / 4)
        return walrow__malformed(reason, "an array with fewer elements than it says");
    if (lower_bound != 1)
        return walrow__unrepresentable(reason, "an array that does not begin at 1");
    for (uint32_t i = 0; i < n; i++) {
        walrow__appended outcome = append_element(&column->children[0], &cursor, depth, reason);
        if (outcome != WALROW__APPENDED)
            return outcome;
    }
    if (walrow__cursor_left(&cursor) != 0)
        return walrow__malformed(reason, "bytes after an array's end");
    return walrow__column_append_nested(column);
}

/* record_send: number of fields, then type and value of each */
static walrow__appended
append_record(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint32_t n = walrow__read_u32(&cursor);
    if (cursor.failed)
        return walrow__malformed(reason, "not a composite value");
    if (n != (uint32_t)column->n_children)
        return walrow__unrepresentable(reason, "a composite value from before or after its type was altered");
    walrow__column_begin_nested(column);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t oid = walrow__read_u32(&cursor);
        if (!cursor.failed && oid != column->children[i].type->oid)
            return walrow__unrepresentable(reason,
                                           "a composite value from before or after its type was altered");
        walrow__appended outcome = append_element(&column->children[i], &cursor, depth, reason);
        if (outcome != WALROW__APPENDED)
            return outcome;
    }
    if (walrow__cursor_left(&cursor) != 0)
        return walrow__malformed(reason, "bytes after a composite's end");
    return walrow__column_append_nested(column);
}

/* hstore_send: number of pairs, then of each a key and a value (contrib/hstore/hstore_io.c) */
static walrow__appended
append_hstore(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint32_t n = walrow__read_u32(&cursor);
    if (cursor.failed || n > walrow__cursor_left(&cursor) / 8)
        return walrow__malformed(reason, "not an hstore");
    for (uint32_t i = 0; i < n; i++)
        for (int part = 0; part < 2; part++) {
            walrow__column *child = &column->children[part];
            walrow__appended outcome = append_element(child, &cursor, depth, reason);
            if (outcome != WALROW__APPENDED)
                return outcome;
            if (part == 0 && child->trailing_nulls > 0)
                return walrow__malformed(reason, "an hstore key that is null");
        }
    if (walrow__cursor_left(&cursor) != 0)
        return walrow__malformed(reason, "bytes after an hstore's end");
    return walrow__column_append_nested(column);
}

WITH_FRAME walrow__appended
append_nested(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    if (depth > MAX_DEPTH)
        return walrow__unrepresentable(reason, "a value nested too deep");
    int64_t length = column->length;
    walrow__appended outcome;
    switch (column->type->kind) {
    case WALROW__LIST:
        outcome = append_array(column, bytes, size, depth, reason);
        break;
    case WALROW__STRUCT:
        outcome = append_record(column, bytes, size, depth, reason);
        break;
    default:
        outcome = append_hstore(column, bytes, size, depth, reason);
        break;
    }
    if (outcome != WALROW__APPENDED)
        walrow__column_truncate(column, length);
    return outcome;
}

static inline walrow__appended
append_value(walrow__column *column, const uint8_t *bytes, size_t size, int depth, const char **reason)
{
    if (column->type->wire == WALROW__WIRE_NONE)
        return walrow__malformed(reason, "a type whose binary form is not known");
    switch (column->type->kind) {
    case WALROW__INT64:
        return append_64(column, bytes, size, reason);
    case WALROW__INT32:
    case WALROW__UINT32:
        return append_32(column, bytes, size, reason);
    case WALROW__UTF8:
    case WALROW__JSON:
        return append_as_text(column, bytes, size, reason);
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        return append_timestamp(column, bytes, size, reason);
    case WALROW__DECIMAL128:
    case WALROW__DECIMAL256:
        return walrow__decimal_append_binary(column, bytes, size, reason);
    case WALROW__BOOL:
        return append_boolean(column, bytes, size, reason);
    case WALROW__INT16:
        return append_16(column, bytes, size, reason);
    case WALROW__FLOAT32:
        return append_float32(column, bytes, size, reason);
    case WALROW__FLOAT64:
        return append_float64(column, bytes, size, reason);
    case WALROW__BINARY:
        return walrow__append_bytes(column, bytes, size);
    case WALROW__DATE32:
        return append_date(column, bytes, size, reason);
    case WALROW__TIME64:
        return append_time(column, bytes, size, reason);
    case WALROW__INTERVAL:
        return append_interval(column, bytes, size, reason);
    case WALROW__UUID:
        return append_uuid(column, bytes, size, reason);
    case WALROW__LIST:
    case WALROW__STRUCT:
    case WALROW__MAP:
        return append_nested(column, bytes, size, depth, reason);
    }
    return walrow__malformed(reason, "a type nobody knows");
}

walrow__appended
walrow__column_append_binary(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    return append_value(column, bytes, size, 0, reason);
}
