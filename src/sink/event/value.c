#include "sink/event/value.h"

#include "base/error.h"
#include "base/json.h"
#include "columns/datetime.h"
#include "columns/float.h"
#include "sink/event/value_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The i-th buffer as an array of the type, and where the row is in it. */
#define AT(type, value, row) (((const type *)(value)->array->buffers[1])[(row) + (value)->array->offset])

/* ---- numbers ---- */

static void
print_bool(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    int64_t bit = row + value->array->offset;
    bool is_true = ((const uint8_t *)value->array->buffers[1])[bit / 8] >> bit % 8 & 1;
    walrow__strbuf_add_text(buf, is_true ? "true" : "false");
}

static void
print_int16(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(int16_t, value, row));
}

static void
print_int32(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(int32_t, value, row));
}

static void
print_int64(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(int64_t, value, row));
}

static void
print_uint32(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(uint32_t, value, row));
}

/* JSON has no number for these. */
static bool
print_not_finite(walrow__strbuf *buf, double number)
{
    if (isfinite(number))
        return false;
    walrow__strbuf_add_text(buf, isnan(number) ? "\"NaN\"" : number < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    return true;
}

static void
print_float32(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    float number = AT(float, value, row);
    if (!print_not_finite(buf, (double)number))
        walrow__print_float(number, buf);
}

static void
print_float64(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    double number = AT(double, value, row);
    if (!print_not_finite(buf, number))
        walrow__print_double(number, buf);
}

static void
print_decimal(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const uint8_t *values = value->array->buffers[1];
    walrow__print_decimal(buf, values + (row + value->array->offset) * value->bits / 8, value->bits,
                          value->scale);
}

/* ---- text ---- */

static const char *
bytes_at(const walrow__value *value, int64_t row, size_t *size)
{
    const int32_t *offsets = value->array->buffers[1];
    int64_t at = row + value->array->offset;
    *size = (size_t)(offsets[at + 1] - offsets[at]);
    return (const char *)value->array->buffers[2] + offsets[at];
}

static void
print_utf8(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t size;
    const char *text = bytes_at(value, row, &size);
    walrow__json_add_string(buf, text, size);
}

/* What numeric_out prints: a JSON number, or NaN or an infinity, which stay text. */
static void
print_numeric_text(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t size;
    const char *text = bytes_at(value, row, &size);
    if (size > 0 && strchr("NIna", text[text[0] == '-' && size > 1]) == NULL)
        walrow__strbuf_add(buf, text, size);
    else
        walrow__json_add_string(buf, text, size);
}

static void
print_binary(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t size;
    const char *bytes = bytes_at(value, row, &size);
    walrow__strbuf_add(buf, "\"\\\\x", 4);
    walrow__print_hex(buf, (const uint8_t *)bytes, size);
    walrow__strbuf_add_char(buf, '"');
}

static void
print_date(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '"');
    walrow__print_date(AT(int32_t, value, row), buf);
    walrow__strbuf_add_char(buf, '"');
}

static void
print_time(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '"');
    walrow__print_pg_time(AT(int64_t, value, row), buf);
    walrow__strbuf_add_char(buf, '"');
}

static void
print_timestamp(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '"');
    walrow__print_timestamp(AT(int64_t, value, row), value->with_zone, buf);
    walrow__strbuf_add_char(buf, '"');
}

/* Arrow specification, "MonthDayNano": two int32 and an int64. */
static void
print_interval(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const uint8_t *at = (const uint8_t *)value->array->buffers[1] + 16 * (row + value->array->offset);
    int32_t months, days;
    int64_t ns;
    memcpy(&months, at, 4);
    memcpy(&days, at + 4, 4);
    memcpy(&ns, at + 8, 8);
    walrow__strbuf_add_char(buf, '"');
    walrow__print_pg_interval(ns / 1000, days, months, buf);
    walrow__strbuf_add_char(buf, '"');
}

static void
print_uuid(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '"');
    walrow__print_uuid(buf, (const uint8_t *)value->array->buffers[1] + 16 * (row + value->array->offset));
    walrow__strbuf_add_char(buf, '"');
}

/* ---- nested ---- */

static void
print_list(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const int32_t *offsets = (const int32_t *)value->array->buffers[1] + value->array->offset;
    walrow__strbuf_add_char(buf, '[');
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
        if (i > offsets[row])
            walrow__strbuf_add_char(buf, ',');
        walrow__value_print(&value->children[0], i, buf);
    }
    walrow__strbuf_add_char(buf, ']');
}

static void
print_struct(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '{');
    for (int i = 0; i < value->n_children; i++) {
        if (i > 0)
            walrow__strbuf_add_char(buf, ',');
        walrow__strbuf_add_text(buf, value->children[i].key);
        walrow__value_print(&value->children[i], row + value->array->offset, buf);
    }
    walrow__strbuf_add_char(buf, '}');
}

/* children: the struct of key and value, as Arrow nests them */
static void
print_map(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const int32_t *offsets = (const int32_t *)value->array->buffers[1] + value->array->offset;
    const walrow__value *entries = &value->children[0];
    walrow__strbuf_add_char(buf, '{');
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
        if (i > offsets[row])
            walrow__strbuf_add_char(buf, ',');
        walrow__value_print(&entries->children[0], i + entries->array->offset, buf);
        walrow__strbuf_add_char(buf, ':');
        walrow__value_print(&entries->children[1], i + entries->array->offset, buf);
    }
    walrow__strbuf_add_char(buf, '}');
}

/* ---- choosing ---- */

static const struct {
    const char *format;
    bool prefix;
    walrow__value_print_fn print;
} printers[] = {
    {"b", false, print_bool},        {"s", false, print_int16},      {"i", false, print_int32},
    {"l", false, print_int64},       {"I", false, print_uint32},     {"f", false, print_float32},
    {"g", false, print_float64},     {"d:", true, print_decimal},    {"u", false, print_utf8},
    {"z", false, print_binary},      {"tdD", false, print_date},     {"ttu", false, print_time},
    {"tsu:", true, print_timestamp}, {"tin", false, print_interval}, {"w:16", false, print_uuid},
    {"+l", false, print_list},       {"+s", false, print_struct},    {"+m", false, print_map},
};

static walrow__value_print_fn
find_printer(const char *format)
{
    for (size_t i = 0; i < sizeof printers / sizeof *printers; i++) {
        const char *known = printers[i].format;
        if (printers[i].prefix ? strncmp(format, known, strlen(known)) == 0 : strcmp(format, known) == 0)
            return printers[i].print;
    }
    return NULL;
}

/* Is it a numeric, or an array of them, that became text? */
static bool
is_numeric(const struct ArrowSchema *schema)
{
    struct ArrowStringView type = ArrowCharView(NULL);
    ArrowMetadataGetValue(schema->metadata, ArrowCharView("pg.type"), &type);
    return type.size_bytes >= 7 && memcmp(type.data, "numeric", 7) == 0 &&
           (type.size_bytes == 7 || type.data[7] == '(' || type.data[7] == '[');
}

static walrow_code
init_value(walrow__value *value, const struct ArrowSchema *schema, bool numeric, walrow_error *err)
{
    const char *name = schema->name == NULL ? "" : schema->name;
    value->print = find_printer(schema->format);
    if (value->print == NULL)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED,
                            "column \"%s\" has an Arrow type events do not know: %s", name, schema->format);
    if (numeric && value->print == print_utf8)
        value->print = print_numeric_text;
    if (value->print == print_timestamp)
        value->with_zone = schema->format[4] != '\0';
    if (value->print == print_decimal) {
        int precision;
        value->bits = 128;
        sscanf(schema->format, "d:%d,%d,%d", &precision, &value->scale, &value->bits);
    }
    walrow__strbuf key;
    walrow__strbuf_init(&key);
    walrow__json_add_key(&key, name);
    value->key = walrow__strbuf_take(&key);
    value->children = calloc((size_t)schema->n_children + 1, sizeof *value->children);
    if (value->key == NULL || value->children == NULL)
        return walrow__fail_memory(err);
    value->n_children = (int)schema->n_children;
    for (int i = 0; i < value->n_children; i++)
        WALROW_TRY(
            init_value(&value->children[i], schema->children[i], numeric && value->print == print_list, err));
    return WALROW_OK;
}

walrow_code
walrow__value_init(walrow__value *value, const struct ArrowSchema *schema, walrow_error *err)
{
    memset(value, 0, sizeof *value);
    walrow_code code = init_value(value, schema, is_numeric(schema), err);
    if (code != WALROW_OK)
        walrow__value_release(value);
    return code;
}

void
walrow__value_release(walrow__value *value)
{
    for (int i = 0; value->children != NULL && i < value->n_children; i++)
        walrow__value_release(&value->children[i]);
    free(value->children);
    free(value->key);
    memset(value, 0, sizeof *value);
}

void
walrow__value_bind(walrow__value *value, const struct ArrowArray *array)
{
    value->array = array;
    value->validity = array->null_count == 0 ? NULL : array->buffers[0];
    for (int i = 0; i < value->n_children; i++)
        walrow__value_bind(&value->children[i], array->children[i]);
}
