/*
 * columns/print.c
 *	  Binary values as the types' output functions would print them (array_out, record_out, hstore_out and the
 *	  others in PostgreSQL's src/backend/utils/adt), under walrow's session settings.
 */
#include "base/cursor.h"
#include "columns/column.h"
#include "columns/datetime.h"
#include "columns/float.h"
#include "columns/numeric.h"
#include "columns/print_types.h"

#include <inttypes.h>
#include <strings.h>

enum {
    MAX_DEPTH = 32,        /* of arrays and composites in each other */
    MAX_DIMENSIONS = 6,    /* PostgreSQL's MAXDIM */
    ZONE_LIMIT = 16 * 3600 /* timetz_recv's TZDISP_LIMIT */
};
#define US_PER_DAY INT64_C(86400000000)

static bool print_value(const walrow__type *type, const uint8_t *bytes, size_t size, int depth,
                        walrow__strbuf *out);

/* ---- scalars ---- */

static bool
print_boolean(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (size != 1)
        return false;
    walrow__strbuf_add_char(out, bytes[0] != 0 ? 't' : 'f');
    return true;
}

static bool
print_16(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (size != 2)
        return false;
    walrow__strbuf_add_integer(out, (int16_t)walrow__load_u16(bytes));
    return true;
}

static bool
print_32(const walrow__type *type, const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (size != 4)
        return false;
    uint32_t value = walrow__load_u32(bytes);
    float single;
    switch (type->kind) {
    case WALROW__UINT32:
        walrow__strbuf_add_integer(out, value);
        break;
    case WALROW__FLOAT32:
        memcpy(&single, &value, sizeof single);
        walrow__print_float(single, out);
        break;
    case WALROW__DATE32:
        walrow__print_pg_date((int32_t)value, out);
        break;
    default:
        walrow__strbuf_add_integer(out, (int32_t)value);
        break;
    }
    return true;
}

static bool
print_64(const walrow__type *type, const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (size != 8)
        return false;
    int64_t value = (int64_t)walrow__load_u64(bytes);
    double number;
    switch (type->kind) {
    case WALROW__FLOAT64:
        memcpy(&number, &value, sizeof number);
        walrow__print_double(number, out);
        break;
    case WALROW__TIME64:
        if (value < 0 || value > US_PER_DAY)
            return false;
        walrow__print_pg_time(value, out);
        break;
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        walrow__print_pg_timestamp(value, type->kind == WALROW__TIMESTAMPTZ, out);
        break;
    default:
        walrow__strbuf_add_integer(out, value);
        break;
    }
    return true;
}

/* timetz_send: microseconds since midnight, seconds west */
static bool
print_timetz(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (size != 12)
        return false;
    int64_t us = (int64_t)walrow__load_u64(bytes);
    int32_t zone = (int32_t)walrow__load_u32(bytes + 8);
    if (us < 0 || us > US_PER_DAY || zone <= -ZONE_LIMIT || zone >= ZONE_LIMIT)
        return false;
    walrow__print_pg_timetz(us, zone, out);
    return true;
}

static bool
print_interval(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (size != 16)
        return false;
    walrow__print_pg_interval((int64_t)walrow__load_u64(bytes), (int32_t)walrow__load_u32(bytes + 8),
                              (int32_t)walrow__load_u32(bytes + 12), out);
    return true;
}

static void
add_hex(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    static const char digits[] = "0123456789abcdef";
    if (size > SIZE_MAX / 2 || !walrow__strbuf_reserve(out, size * 2)) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < size; i++) {
        out->data[out->size++] = digits[bytes[i] >> 4];
        out->data[out->size++] = digits[bytes[i] & 15];
    }
    out->data[out->size] = '\0';
}

static bool
print_bytea(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    walrow__strbuf_add_text(out, "\\x");
    add_hex(bytes, size, out);
    return true;
}

static bool
print_uuid(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    static const uint8_t ends[] = {4, 6, 8, 10, 16};
    if (size != 16)
        return false;
    for (int i = 0, from = 0; i < 5; from = ends[i++]) {
        if (i > 0)
            walrow__strbuf_add_char(out, '-');
        add_hex(bytes + from, (size_t)(ends[i] - from), out);
    }
    return true;
}

/* ---- quoting what was just printed ---- */

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void
walrow__quote(walrow__strbuf *out, size_t start, bool doubled)
{
    size_t extra = 2;
    for (size_t i = start; i < out->size; i++)
        extra += out->data[i] == '"' || out->data[i] == '\\';
    if (!walrow__strbuf_reserve(out, extra))
        return;
    size_t from = out->size, to = out->size + extra;
    out->size = to;
    out->data[to] = '\0';
    out->data[--to] = '"';
    while (from > start) {
        char c = out->data[--from];
        out->data[--to] = c;
        if (c == '"' || c == '\\')
            out->data[--to] = doubled ? c : '\\';
    }
    out->data[start] = '"';
}

/* array_out */
static bool
element_needs_quotes(const walrow__strbuf *out, size_t start, char delimiter)
{
    const char *text = walrow__strbuf_text(out) + start;
    size_t size = out->size - start;
    if (size == 0 || (size == 4 && strncasecmp(text, "NULL", 4) == 0))
        return true;
    for (size_t i = 0; i < size; i++)
        if (strchr("\"\\{}", text[i]) != NULL || text[i] == delimiter || is_space(text[i]))
            return true;
    return false;
}

/* record_out */
static bool
field_needs_quotes(const walrow__strbuf *out, size_t start)
{
    const char *text = walrow__strbuf_text(out) + start;
    size_t size = out->size - start;
    for (size_t i = 0; i < size; i++)
        if (strchr("\"\\(),", text[i]) != NULL || is_space(text[i]))
            return true;
    return size == 0;
}

void
walrow__quote_element(walrow__strbuf *out, size_t start, char delimiter)
{
    if (!out->failed && element_needs_quotes(out, start, delimiter))
        walrow__quote(out, start, false);
}

void
walrow__quote_field(walrow__strbuf *out, size_t start)
{
    if (!out->failed && field_needs_quotes(out, start))
        walrow__quote(out, start, true);
}

/* ---- nested ---- */

/* The size of the next element, which *bytes points to; null: -1 on the wire. */
static bool
read_element(walrow__cursor *cursor, const uint8_t **bytes, size_t *size, bool *null)
{
    uint32_t n = walrow__read_u32(cursor);
    *null = n == UINT32_MAX;
    *size = *null ? 0 : n;
    *bytes = walrow__read_bytes(cursor, *size);
    return !cursor->failed;
}

typedef struct array {
    const walrow__type *type;
    walrow__cursor cursor;
    int n_dimensions;
    uint32_t sizes[MAX_DIMENSIONS];
    int32_t lower_bounds[MAX_DIMENSIONS];
    int depth;
} array;

static bool
print_element(array *array, walrow__strbuf *out)
{
    const uint8_t *bytes;
    size_t size, start = out->size;
    bool null;
    if (!read_element(&array->cursor, &bytes, &size, &null))
        return false;
    if (null) {
        walrow__strbuf_add_text(out, "NULL");
        return true;
    }
    if (!print_value(&array->type->children[0], bytes, size, array->depth + 1, out))
        return false;
    walrow__quote_element(out, start, array->type->delimiter);
    return true;
}

static bool
print_dimension(array *array, int dimension, walrow__strbuf *out)
{
    walrow__strbuf_add_char(out, '{');
    for (uint32_t i = 0; i < array->sizes[dimension]; i++) {
        if (i > 0)
            walrow__strbuf_add_char(out, array->type->delimiter);
        if (!(dimension + 1 < array->n_dimensions ? print_dimension(array, dimension + 1, out)
                                                  : print_element(array, out)))
            return false;
    }
    walrow__strbuf_add_char(out, '}');
    return true;
}

/* Sizes and lower bounds; *n elements in all, no more than there are bytes for. */
static bool
read_dimensions(array *array, uint64_t *n, bool *bounds)
{
    uint32_t n_dimensions = walrow__read_u32(&array->cursor);
    walrow__read_u32(&array->cursor); /* flag */
    walrow__read_u32(&array->cursor); /* element type */
    if (array->cursor.failed || n_dimensions > MAX_DIMENSIONS)
        return false;
    array->n_dimensions = (int)n_dimensions;
    *n = n_dimensions > 0;
    *bounds = false;
    for (int i = 0; i < array->n_dimensions; i++) {
        array->sizes[i] = walrow__read_u32(&array->cursor);
        array->lower_bounds[i] = (int32_t)walrow__read_u32(&array->cursor);
        *bounds |= array->lower_bounds[i] != 1;
        if (__builtin_mul_overflow(*n, array->sizes[i], n) || *n > walrow__cursor_left(&array->cursor) / 4)
            return false;
    }
    return !array->cursor.failed && *n <= walrow__cursor_left(&array->cursor) / 4;
}

static bool
print_array(const walrow__type *type, const uint8_t *bytes, size_t size, int depth, walrow__strbuf *out)
{
    array array = {.type = type, .cursor = walrow__cursor_over(bytes, size), .depth = depth};
    uint64_t n;
    bool bounds;
    if (!read_dimensions(&array, &n, &bounds))
        return false;
    if (n == 0) {
        walrow__strbuf_add_text(out, "{}");
        return walrow__cursor_left(&array.cursor) == 0;
    }
    for (int i = 0; bounds && i < array.n_dimensions; i++)
        walrow__strbuf_addf(out, "[%" PRId32 ":%" PRId64 "]", array.lower_bounds[i],
                            (int64_t)array.lower_bounds[i] + array.sizes[i] - 1);
    if (bounds)
        walrow__strbuf_add_char(out, '=');
    return print_dimension(&array, 0, out) && walrow__cursor_left(&array.cursor) == 0;
}

/*
 * The type of a composite's field. After ALTER TYPE the fields on the wire are not those the catalogue knew:
 * they are looked for by their type among the others and among PostgreSQL's own types.
 */
static bool
field_type(const walrow__type *type, uint32_t i, uint32_t oid, walrow__type *out)
{
    for (uint32_t n = 0; n < (uint32_t)type->n_children; n++) {
        const walrow__type *child = &type->children[(i + n) % (uint32_t)type->n_children];
        if (child->oid == oid) {
            *out = *child;
            return true;
        }
    }
    return walrow__type_builtin(oid, out);
}

static bool
print_field(const walrow__type *type, uint32_t i, walrow__cursor *cursor, int depth, walrow__strbuf *out)
{
    uint32_t oid = walrow__read_u32(cursor);
    const uint8_t *bytes;
    size_t size, start = out->size;
    bool null;
    walrow__type field;
    if (!read_element(cursor, &bytes, &size, &null))
        return false;
    if (null)
        return true;
    if (!field_type(type, i, oid, &field))
        print_bytea(bytes, size, out); /* nobody knows how else; nothing is lost */
    else if (!print_value(&field, bytes, size, depth + 1, out))
        return false;
    walrow__quote_field(out, start);
    return true;
}

static bool
print_record(const walrow__type *type, const uint8_t *bytes, size_t size, int depth, walrow__strbuf *out)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint32_t n = walrow__read_u32(&cursor);
    if (cursor.failed || n > walrow__cursor_left(&cursor) / 8)
        return false;
    walrow__strbuf_add_char(out, '(');
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            walrow__strbuf_add_char(out, ',');
        if (!print_field(type, i, &cursor, depth, out))
            return false;
    }
    walrow__strbuf_add_char(out, ')');
    return walrow__cursor_left(&cursor) == 0;
}

static bool
print_hstore_part(walrow__cursor *cursor, bool may_be_null, walrow__strbuf *out)
{
    const uint8_t *bytes;
    size_t size, start = out->size;
    bool null;
    if (!read_element(cursor, &bytes, &size, &null) || (null && !may_be_null))
        return false;
    if (null) {
        walrow__strbuf_add_text(out, "NULL");
        return true;
    }
    walrow__strbuf_add(out, bytes, size);
    if (!out->failed)
        walrow__quote(out, start, false);
    return true;
}

static bool
print_hstore(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint32_t n = walrow__read_u32(&cursor);
    if (cursor.failed || n > walrow__cursor_left(&cursor) / 8)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            walrow__strbuf_add_text(out, ", ");
        if (!print_hstore_part(&cursor, false, out))
            return false;
        walrow__strbuf_add_text(out, "=>");
        if (!print_hstore_part(&cursor, true, out))
            return false;
    }
    return walrow__cursor_left(&cursor) == 0;
}

/* ---- any ---- */

static bool
print_plain(const walrow__type *type, const uint8_t *bytes, size_t size, int depth, walrow__strbuf *out)
{
    switch (type->kind) {
    case WALROW__BOOL:
        return print_boolean(bytes, size, out);
    case WALROW__INT16:
        return print_16(bytes, size, out);
    case WALROW__INT32:
    case WALROW__UINT32:
    case WALROW__FLOAT32:
    case WALROW__DATE32:
        return print_32(type, bytes, size, out);
    case WALROW__INT64:
    case WALROW__FLOAT64:
    case WALROW__TIME64:
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        return print_64(type, bytes, size, out);
    case WALROW__DECIMAL128:
    case WALROW__DECIMAL256:
        return walrow__numeric_print(bytes, size, out);
    case WALROW__BINARY:
        return print_bytea(bytes, size, out);
    case WALROW__INTERVAL:
        return print_interval(bytes, size, out);
    case WALROW__UUID:
        return print_uuid(bytes, size, out);
    case WALROW__LIST:
        return print_array(type, bytes, size, depth, out);
    case WALROW__STRUCT:
        return print_record(type, bytes, size, depth, out);
    case WALROW__MAP:
        return print_hstore(bytes, size, out);
    case WALROW__UTF8:
    case WALROW__JSON:
        break; /* never plain */
    }
    return false;
}

/* What is utf8 by itself, or because the user wants it (an int8 mapped to utf8). */
static bool
print_builtin(uint32_t oid, const uint8_t *bytes, size_t size, int depth, walrow__strbuf *out)
{
    walrow__type type;
    if (walrow__type_builtin(oid, &type) && type.wire != WALROW__WIRE_PRINTED)
        return print_value(&type, bytes, size, depth, out);
    return walrow__print_type(oid, bytes, size, out);
}

static bool
print_value(const walrow__type *type, const uint8_t *bytes, size_t size, int depth, walrow__strbuf *out)
{
    if (depth > MAX_DEPTH)
        return false;
    switch (type->wire) {
    case WALROW__WIRE_NONE:
        return false;
    case WALROW__WIRE_PLAIN:
        return print_plain(type, bytes, size, depth, out);
    case WALROW__WIRE_TEXT:
        walrow__strbuf_add(out, bytes, size);
        return true;
    case WALROW__WIRE_JSONB:
        if (size < 1 || bytes[0] != 1)
            return false;
        walrow__strbuf_add(out, bytes + 1, size - 1);
        return true;
    case WALROW__WIRE_NUMERIC:
        return walrow__numeric_print(bytes, size, out);
    case WALROW__WIRE_TIMETZ:
        return print_timetz(bytes, size, out);
    case WALROW__WIRE_PRINTED:
        return print_builtin(type->value_oid, bytes, size, depth, out);
    }
    return false;
}

bool
walrow__print_binary(const walrow__type *type, const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    return print_value(type, bytes, size, 0, out);
}
