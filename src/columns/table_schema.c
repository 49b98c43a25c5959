/*
 * columns/table_schema.c
 *	  A table made from the schema of its batches, as wal2arrow sends it. Little of it is read: the names, types
 *	  and key that everything else follows from. Then the table's own schema is made, and must equal what came.
 */
#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "columns/table.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 1664, MAX_DEPTH = 64, MAX_SCALE = 1024 };

static walrow_code
broken(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "schema: %s", what);
}

/* ---- metadata ---- */

/* The value of a key, malloc'ed; NULL: not there, not text, or no memory. */
static char *
metadata_text(const struct ArrowSchema *schema, const char *key)
{
    struct ArrowStringView value = {.data = NULL};
    if (schema->metadata == NULL ||
        ArrowMetadataGetValue(schema->metadata, ArrowCharView(key), &value) != NANOARROW_OK ||
        value.data == NULL || memchr(value.data, 0, (size_t)value.size_bytes) != NULL ||
        !walrow__utf8_valid(value.data, (size_t)value.size_bytes))
        return NULL;
    char *text = malloc((size_t)value.size_bytes + 1);
    if (text != NULL) {
        memcpy(text, value.data, (size_t)value.size_bytes);
        text[value.size_bytes] = '\0';
    }
    return text;
}

static bool
metadata_integer(const struct ArrowSchema *schema, const char *key, int64_t min, int64_t max, int64_t *out)
{
    char *text = metadata_text(schema, key), *end = NULL;
    if (text == NULL)
        return false;
    *out = strtoll(text, &end, 10);
    bool good = end != text && *end == '\0' && *out >= min && *out <= max;
    free(text);
    return good;
}

/* ---- types ---- */

static bool
is_extension(const struct ArrowSchemaView *view, const char *name)
{
    return view->extension_name.data != NULL && (size_t)view->extension_name.size_bytes == strlen(name) &&
           memcmp(view->extension_name.data, name, strlen(name)) == 0;
}

/* Which kind has this Arrow type? What its schema would be is compared later, so a near miss is no harm. */
static bool
kind_of(const struct ArrowSchemaView *view, walrow__kind *out)
{
    static const struct {
        enum ArrowType type;
        walrow__kind kind;
    } kinds[] = {
        {NANOARROW_TYPE_BOOL, WALROW__BOOL},
        {NANOARROW_TYPE_INT16, WALROW__INT16},
        {NANOARROW_TYPE_INT32, WALROW__INT32},
        {NANOARROW_TYPE_INT64, WALROW__INT64},
        {NANOARROW_TYPE_UINT32, WALROW__UINT32},
        {NANOARROW_TYPE_FLOAT, WALROW__FLOAT32},
        {NANOARROW_TYPE_DOUBLE, WALROW__FLOAT64},
        {NANOARROW_TYPE_DECIMAL128, WALROW__DECIMAL128},
        {NANOARROW_TYPE_DECIMAL256, WALROW__DECIMAL256},
        {NANOARROW_TYPE_STRING, WALROW__UTF8},
        {NANOARROW_TYPE_BINARY, WALROW__BINARY},
        {NANOARROW_TYPE_DATE32, WALROW__DATE32},
        {NANOARROW_TYPE_TIME64, WALROW__TIME64},
        {NANOARROW_TYPE_TIMESTAMP, WALROW__TIMESTAMP},
        {NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO, WALROW__INTERVAL},
        {NANOARROW_TYPE_FIXED_SIZE_BINARY, WALROW__UUID},
        {NANOARROW_TYPE_LIST, WALROW__LIST},
        {NANOARROW_TYPE_STRUCT, WALROW__STRUCT},
        {NANOARROW_TYPE_MAP, WALROW__MAP},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == view->type) {
            *out = kinds[i].kind;
            if (*out == WALROW__UTF8 && is_extension(view, "arrow.json"))
                *out = WALROW__JSON;
            if (*out == WALROW__TIMESTAMP && view->timezone[0] != '\0')
                *out = WALROW__TIMESTAMPTZ;
            return true;
        }
    return false;
}

static walrow_code read_type(const struct ArrowSchema *field, int depth, walrow__type *out,
                             walrow_error *err);

static walrow_code
read_children(const struct ArrowSchema *field, int depth, walrow__type *out, walrow_error *err)
{
    bool named = out->kind == WALROW__STRUCT;
    if (out->kind == WALROW__MAP)
        field = field->children[0]; /* nanoarrow has seen that it is there: the entries, a struct */
    size_t n = (size_t)field->n_children;
    if (out->kind == WALROW__MAP && n != 2)
        return broken("a map without keys and values", err);
    out->children = calloc(n + 1, sizeof *out->children);
    out->child_names = named ? calloc(n + 1, sizeof *out->child_names) : NULL;
    if (out->children == NULL || (named && out->child_names == NULL))
        return walrow__fail_memory(err);
    out->n_children = (int)n;
    for (size_t i = 0; i < n; i++) {
        const struct ArrowSchema *child = field->children[i];
        WALROW_TRY(read_type(child, depth + 1, &out->children[i], err));
        if (named && (child->name == NULL || !walrow__utf8_valid(child->name, strlen(child->name))))
            return broken("a field without a name", err);
        if (named && (out->child_names[i] = strdup(child->name)) == NULL)
            return walrow__fail_memory(err);
    }
    return WALROW_OK;
}

static walrow_code
read_type(const struct ArrowSchema *field, int depth, walrow__type *out, walrow_error *err)
{
    struct ArrowSchemaView view;
    struct ArrowError error = {.message = ""};
    *out = (walrow__type){.wire = WALROW__WIRE_NONE, .typmod = -1, .value_typmod = -1};
    if (depth > MAX_DEPTH || ArrowSchemaViewInit(&view, field, &error) != NANOARROW_OK ||
        !kind_of(&view, &out->kind))
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "schema: a field of a type walrow does not have: %.100s",
                            error.message[0] != '\0' ? error.message : field->format);
    out->precision = view.decimal_precision;
    out->scale = view.decimal_scale;
    bool is_decimal = out->kind == WALROW__DECIMAL128 || out->kind == WALROW__DECIMAL256;
    if (is_decimal && (out->precision < 1 || out->precision > (out->kind == WALROW__DECIMAL128 ? 38 : 76) ||
                       out->scale < -MAX_SCALE || out->scale > MAX_SCALE))
        return broken("a decimal out of bounds", err);
    return out->kind < WALROW__LIST ? WALROW_OK : read_children(field, depth, out, err);
}

/* ---- columns ---- */

static walrow_code
read_column(const struct ArrowSchema *field, walrow__table_column *out, walrow_error *err)
{
    int64_t oid, typmod;
    WALROW_TRY(read_type(field, 0, &out->type, err));
    out->type.name = metadata_text(field, "pg.type");
    out->name = strdup(field->name == NULL ? "" : field->name);
    if (out->name == NULL)
        return walrow__fail_memory(err);
    if (out->type.name == NULL || !metadata_integer(field, "pg.oid", 0, UINT32_MAX, &oid) ||
        !metadata_integer(field, "pg.typmod", INT32_MIN, INT32_MAX, &typmod) ||
        !walrow__utf8_valid(out->name, strlen(out->name)))
        return broken("a column without its PostgreSQL type", err);
    out->type.oid = out->type.value_oid = (uint32_t)oid;
    out->type.typmod = out->type.value_typmod = (int32_t)typmod;
    return WALROW_OK;
}

/* The key is a JSON list of names in column order: each column's name is the list's next, or not of the key. */
static walrow_code
read_key(const struct ArrowSchema *schema, walrow__table *table, walrow_error *err)
{
    char *key = metadata_text(schema, "walrow.key");
    if (key == NULL || key[0] != '[') {
        free(key);
        return broken("no key", err);
    }
    walrow__strbuf name;
    walrow__strbuf_init(&name);
    const char *at = key + 1;
    for (int i = 0; i < table->n_columns; i++) {
        walrow__strbuf_clear(&name);
        walrow__json_add_text(&name, table->columns[i].name);
        if (!name.failed && strncmp(at, walrow__strbuf_text(&name), name.size) == 0) {
            table->columns[i].is_key = true;
            at += name.size + (at[name.size] == ',');
        }
    }
    bool failed = name.failed;
    walrow__strbuf_release(&name);
    free(key);
    return failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
read_columns(const struct ArrowSchema *schema, walrow__table *table, walrow_error *err)
{
    int64_t n = schema->n_children - WALROW__N_META;
    if (n < 0 || n > MAX_COLUMNS)
        return broken("not the number of columns that a table has", err);
    table->columns = calloc((size_t)n + 1, sizeof *table->columns);
    if (table->columns == NULL)
        return walrow__fail_memory(err);
    table->n_columns = (int)n;
    for (int64_t i = 0; i < n; i++)
        WALROW_TRY(read_column(schema->children[WALROW__N_META + i], &table->columns[i], err));
    return read_key(schema, table, err);
}

/* ---- is that what came? ---- */

static bool
same_text(const char *a, const char *b)
{
    return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

/* All keys of one are in the other, with the same value; the version may be another. */
static bool
has_metadata(const char *metadata, const char *of)
{
    struct ArrowMetadataReader reader;
    struct ArrowStringView key, value, other;
    if (ArrowMetadataReaderInit(&reader, of) != NANOARROW_OK)
        return false;
    while (ArrowMetadataReaderRead(&reader, &key, &value) == NANOARROW_OK) {
        other.data = NULL;
        bool is_version = key.size_bytes == 14 && memcmp(key.data, "walrow.version", 14) == 0;
        if (ArrowMetadataGetValue(metadata, key, &other) != NANOARROW_OK || other.data == NULL)
            return false;
        if (!is_version && (other.size_bytes != value.size_bytes ||
                            memcmp(other.data, value.data, (size_t)value.size_bytes) != 0))
            return false;
    }
    return true;
}

static bool
same_schema(const struct ArrowSchema *a, const struct ArrowSchema *b)
{
    if (!same_text(a->format, b->format) || !same_text(a->name, b->name) || a->n_children != b->n_children ||
        b->dictionary != NULL || !has_metadata(a->metadata, b->metadata) ||
        !has_metadata(b->metadata, a->metadata))
        return false;
    for (int64_t i = 0; i < a->n_children; i++)
        if (!same_schema(a->children[i], b->children[i]) ||
            (a->children[i]->flags ^ b->children[i]->flags) & ARROW_FLAG_NULLABLE)
            return false;
    return true;
}

static walrow_code
read_table(const struct ArrowSchema *schema, walrow__table *table, walrow_error *err)
{
    table->schema_name = metadata_text(schema, "walrow.schema");
    table->name = metadata_text(schema, "walrow.table");
    if (table->schema_name == NULL || table->name == NULL)
        return broken("no name of a table", err);
    WALROW_TRY(read_columns(schema, table, err));
    WALROW_TRY(walrow__table_complete(table, err));
    if (same_schema(&table->schema, schema))
        return WALROW_OK;
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "schema: not what this version of walrow makes of %s.%s",
                        table->schema_name, table->name);
}

walrow_code
walrow__table_from_schema(const struct ArrowSchema *schema, uint32_t relid, char identity,
                          walrow__table **out, walrow_error *err)
{
    walrow__table *table = NULL;
    WALROW_TRY(walrow__table_begin(relid, identity, &table, err));
    walrow_code code = read_table(schema, table, err);
    if (code != WALROW_OK)
        walrow__table_unref(table);
    else
        *out = table;
    return code;
}

/* ---- some of its columns ---- */

static walrow_code
copy_columns(const walrow__table *from, const int *columns, int n, walrow__table *table, walrow_error *err)
{
    table->schema_name = strdup(from->schema_name);
    table->name = strdup(from->name);
    table->columns = calloc((size_t)n + 1, sizeof *table->columns);
    if (table->schema_name == NULL || table->name == NULL || table->columns == NULL)
        return walrow__fail_memory(err);
    for (int i = 0; i < n; i++) {
        table->n_columns = i + 1;
        WALROW_TRY(read_column(from->schema.children[WALROW__N_META + columns[i]], &table->columns[i], err));
        table->columns[i].is_key = from->columns[columns[i]].is_key;
    }
    return walrow__table_complete(table, err);
}

walrow_code
walrow__table_project(const walrow__table *table, const int *columns, int n, walrow__table **out,
                      walrow_error *err)
{
    walrow__table *projected = NULL;
    WALROW_TRY(walrow__table_begin(table->relid, table->identity, &projected, err));
    walrow_code code = copy_columns(table, columns, n, projected, err);
    if (code != WALROW_OK)
        walrow__table_unref(projected);
    else
        *out = projected;
    return code;
}
