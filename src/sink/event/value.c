#include "sink/event/value.h"

#include "base/error.h"
#include "base/json.h"
#include "columns/datetime.h"
#include "columns/float.h"
#include "columns/print_types.h"
#include "sink/event/value_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The i-th buffer as an array of the type, and where the row is in it. */
#define AT(type, value, row) (((const type *)(value)->array->buffers[1])[(row) + (value)->array->offset])

/* ---- scalars, as their output functions print them ---- */

static bool
is_true(const walrow__value *value, int64_t row)
{
    return ArrowBitGet(value->array->buffers[1], row + value->array->offset);
}

static void
text_bool(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, is_true(value, row) ? 't' : 'f');
}

static void
text_int16(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(int16_t, value, row));
}

static void
text_int32(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(int32_t, value, row));
}

static void
text_int64(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(int64_t, value, row));
}

static void
text_uint32(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_integer(buf, AT(uint32_t, value, row));
}

static void
text_float32(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__print_float(AT(float, value, row), buf);
}

static void
text_float64(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__print_double(AT(double, value, row), buf);
}

static void
text_decimal(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const uint8_t *values = value->array->buffers[1];
    walrow__print_decimal(buf, values + (row + value->array->offset) * value->bits / 8, value->bits,
                          value->scale);
}

static const char *
bytes_at(const walrow__value *value, int64_t row, size_t *size)
{
    const int32_t *offsets = value->array->buffers[1];
    int64_t at = row + value->array->offset;
    *size = (size_t)(offsets[at + 1] - offsets[at]);
    return (const char *)value->array->buffers[2] + offsets[at];
}

static void
text_utf8(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t size;
    const char *text = bytes_at(value, row, &size);
    walrow__strbuf_add(buf, text, size);
}

static void
text_binary(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t size;
    const char *bytes = bytes_at(value, row, &size);
    walrow__strbuf_add(buf, "\\x", 2);
    walrow__print_hex(buf, (const uint8_t *)bytes, size);
}

static void
text_date(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__print_date(AT(int32_t, value, row), buf);
}

static void
text_time(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__print_pg_time(AT(int64_t, value, row), buf);
}

static void
text_timestamp(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__print_timestamp(AT(int64_t, value, row), value->with_zone, buf);
}

/* Arrow specification, "MonthDayNano": two int32 and an int64. */
static void
text_interval(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const uint8_t *at = (const uint8_t *)value->array->buffers[1] + 16 * (row + value->array->offset);
    int32_t months, days;
    int64_t ns;
    memcpy(&months, at, 4);
    memcpy(&days, at + 4, 4);
    memcpy(&ns, at + 8, 8);
    walrow__print_pg_interval(ns / 1000, days, months, buf);
}

static void
text_uuid(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__print_uuid(buf, (const uint8_t *)value->array->buffers[1] + 16 * (row + value->array->offset));
}

/* ---- nested ones, likewise ---- */

static void
text_list(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const int32_t *offsets = (const int32_t *)value->array->buffers[1] + value->array->offset;
    walrow__strbuf_add_char(buf, '{');
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
        if (i > offsets[row])
            walrow__strbuf_add_char(buf, value->delimiter);
        size_t start = buf->size;
        if (walrow__value_is_null(&value->children[0], i)) {
            walrow__strbuf_add(buf, "NULL", 4);
            continue;
        }
        value->children[0].print_text(&value->children[0], i, buf);
        walrow__quote_element(buf, start, value->delimiter);
    }
    walrow__strbuf_add_char(buf, '}');
}

static void
text_struct(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '(');
    for (int i = 0; i < value->n_children; i++) {
        const walrow__value *child = &value->children[i];
        if (i > 0)
            walrow__strbuf_add_char(buf, ',');
        size_t start = buf->size;
        if (walrow__value_is_null(child, row + value->array->offset))
            continue;
        child->print_text(child, row + value->array->offset, buf);
        walrow__quote_field(buf, start);
    }
    walrow__strbuf_add_char(buf, ')');
}

static void
add_hstore_part(const walrow__value *part, int64_t row, walrow__strbuf *buf)
{
    size_t start = buf->size;
    if (walrow__value_is_null(part, row)) {
        walrow__strbuf_add(buf, "NULL", 4);
        return;
    }
    part->print_text(part, row, buf);
    if (!buf->failed)
        walrow__quote(buf, start, false);
}

/* children: the struct of key and value, as Arrow nests them */
static void
text_map(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    const int32_t *offsets = (const int32_t *)value->array->buffers[1] + value->array->offset;
    const walrow__value *entries = &value->children[0];
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
        if (i > offsets[row])
            walrow__strbuf_add(buf, ", ", 2);
        add_hstore_part(&entries->children[0], i + entries->array->offset, buf);
        walrow__strbuf_add(buf, "=>", 2);
        add_hstore_part(&entries->children[1], i + entries->array->offset, buf);
    }
}

/* ---- as JSON ---- */

static void
json_bool(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_text(buf, is_true(value, row) ? "true" : "false");
}

/* JSON has no number for NaN and the infinities: they stay text. */
static void
json_number(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t start = buf->size;
    value->print_text(value, row, buf);
    if (!buf->failed && !walrow__is_finite_text(buf->data + start))
        walrow__quote(buf, start, false);
}

static void
json_utf8(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t size;
    const char *text = bytes_at(value, row, &size);
    walrow__json_add_string(buf, text, size);
}

static void
json_binary(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add(buf, "\"\\", 2);
    value->print_text(value, row, buf);
    walrow__strbuf_add_char(buf, '"');
}

static void
json_base64(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    size_t size;
    const char *bytes = bytes_at(value, row, &size);
    walrow__json_add_base64(buf, bytes, size);
}

/* The zone is UTC, whose +00 is what the last three bytes say; infinity has none. */
static void
json_zulu(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '"');
    value->print_text(value, row, buf);
    if (!buf->failed && memcmp(buf->data + buf->size - 3, "+00", 3) == 0) {
        buf->size -= 3;
        walrow__strbuf_add_char(buf, 'Z');
    }
    walrow__strbuf_add_char(buf, '"');
}

/* A text that needs no escapes. */
static void
json_plain(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '"');
    value->print_text(value, row, buf);
    walrow__strbuf_add_char(buf, '"');
}

static void
json_list(const walrow__value *value, int64_t row, walrow__strbuf *buf)
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
json_struct(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_char(buf, '{');
    for (int i = 0; i < value->n_children; i++) {
        if (i > 0)
            walrow__strbuf_add_char(buf, ',');
        walrow__value_print_key(&value->children[i], buf);
        walrow__value_print(&value->children[i], row + value->array->offset, buf);
    }
    walrow__strbuf_add_char(buf, '}');
}

static void
json_map(const walrow__value *value, int64_t row, walrow__strbuf *buf)
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

static const struct printer {
    const char *format;
    bool prefix;
    walrow__value_print_fn print, print_text;
} printers[] = {
    {"b", false, json_bool, text_bool},         {"s", false, text_int16, text_int16},
    {"i", false, text_int32, text_int32},       {"l", false, text_int64, text_int64},
    {"I", false, text_uint32, text_uint32},     {"f", false, json_number, text_float32},
    {"g", false, json_number, text_float64},    {"d:", true, text_decimal, text_decimal},
    {"u", false, json_utf8, text_utf8},         {"z", false, json_binary, text_binary},
    {"tdD", false, json_plain, text_date},      {"ttu", false, json_plain, text_time},
    {"tsu:", true, json_plain, text_timestamp}, {"tin", false, json_plain, text_interval},
    {"w:16", false, json_plain, text_uuid},     {"+l", false, json_list, text_list},
    {"+s", false, json_struct, text_struct},    {"+m", false, json_map, text_map},
};

static const struct printer *
find_printer(const char *format)
{
    for (size_t i = 0; i < sizeof printers / sizeof *printers; i++) {
        const char *known = printers[i].format;
        if (printers[i].prefix ? strncmp(format, known, strlen(known)) == 0 : strcmp(format, known) == 0)
            return &printers[i];
    }
    return NULL;
}

/* Of the column's type as PostgreSQL names it. */
typedef struct type_facts {
    bool is_numeric; /* or an array of them: text that is a number */
    char delimiter;  /* of PostgreSQL's own types only box has another than the comma */
} type_facts;

static type_facts
facts_of(const struct ArrowSchema *schema)
{
    struct ArrowStringView type = ArrowCharView("");
    ArrowMetadataGetValue(schema->metadata, ArrowCharView("pg.type"), &type);
    bool is_numeric = type.size_bytes >= 7 && memcmp(type.data, "numeric", 7) == 0 &&
                      (type.size_bytes == 7 || type.data[7] == '(' || type.data[7] == '[');
    bool is_boxes = type.size_bytes == 5 && memcmp(type.data, "box[]", 5) == 0;
    return (type_facts){.is_numeric = is_numeric, .delimiter = is_boxes ? ';' : ','};
}

static walrow_code
init_value(walrow__value *value, const struct ArrowSchema *schema, type_facts facts, walrow_error *err)
{
    const char *name = schema->name == NULL ? "" : schema->name;
    const struct printer *printer = find_printer(schema->format);
    if (printer == NULL)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED,
                            "column \"%s\" has an Arrow type events do not know: %s", name, schema->format);
    value->print = facts.is_numeric && printer->print == json_utf8 ? json_number : printer->print;
    value->print_text = printer->print_text;
    value->delimiter = facts.delimiter;
    if (value->print_text == text_timestamp)
        value->with_zone = schema->format[4] != '\0';
    if (value->print_text == text_decimal) {
        int precision;
        value->bits = 128;
        sscanf(schema->format, "d:%d,%d,%d", &precision, &value->scale, &value->bits);
    }
    walrow__strbuf key;
    walrow__strbuf_init(&key);
    walrow__json_add_key(&key, name);
    value->key_size = key.size;
    value->key = walrow__strbuf_take(&key);
    value->children = calloc((size_t)schema->n_children + 1, sizeof *value->children);
    if (value->key == NULL || value->children == NULL)
        return walrow__fail_memory(err);
    value->n_children = (int)schema->n_children;
    if (value->print != json_list)
        facts = (type_facts){.delimiter = ','};
    for (int i = 0; i < value->n_children; i++)
        WALROW_TRY(init_value(&value->children[i], schema->children[i], facts, err));
    return WALROW_OK;
}

walrow_code
walrow__value_init(walrow__value *value, const struct ArrowSchema *schema, walrow_error *err)
{
    memset(value, 0, sizeof *value);
    walrow_code code = init_value(value, schema, facts_of(schema), err);
    if (code != WALROW_OK)
        walrow__value_release(value);
    return code;
}

void
walrow__value_use_debezium(walrow__value *value)
{
    if (value->print == json_binary)
        value->print = json_base64;
    else if (value->print_text == text_timestamp && value->with_zone)
        value->print = json_zulu;
    for (int i = 0; i < value->n_children; i++)
        walrow__value_use_debezium(&value->children[i]);
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
