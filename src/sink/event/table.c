#include "sink/event/table.h"

#include "base/error.h"
#include "base/json.h"
#include "columns/batch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void
unbuild(walrow__event_table *table)
{
    for (int i = 0; i < table->n_columns; i++) {
        walrow__value_release(&table->values[i]);
        walrow__value_release(&table->olds[i]);
    }
    free(table->values);
    free(table->olds);
    free(table->is_key);
    free(table->skip);
    table->values = table->olds = NULL;
    table->is_key = table->skip = NULL;
    table->n_columns = 0;
    table->has_key = table->built = false;
}

void
walrow__event_table_free(walrow__event_table *table)
{
    unbuild(table);
    free(table->schema_name);
    free(table->table_name);
    free(table->names);
    free(table);
}

walrow_code
walrow__event_table_new(const char *schema_name, const char *table_name, walrow__event_table **out,
                        walrow_error *err)
{
    walrow__event_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return walrow__fail_memory(err);
    walrow__strbuf names;
    walrow__strbuf_init(&names);
    walrow__strbuf_add_text(&names, ",\"schema\":");
    walrow__json_add_text(&names, schema_name);
    walrow__strbuf_add_text(&names, ",\"table\":");
    walrow__json_add_text(&names, table_name);
    table->names = walrow__strbuf_take(&names);
    table->schema_name = strdup(schema_name);
    table->table_name = strdup(table_name);
    if (table->names == NULL || table->schema_name == NULL || table->table_name == NULL) {
        walrow__event_table_free(table);
        return walrow__fail_memory(err);
    }
    *out = table;
    return WALROW_OK;
}

/* ---- a schema ---- */

static struct ArrowStringView
metadata_of(const struct ArrowSchema *schema, const char *key)
{
    struct ArrowStringView text = ArrowCharView("");
    ArrowMetadataGetValue(schema->metadata, ArrowCharView(key), &text);
    return text;
}

static void
mark_key(walrow__event_table *table, const struct ArrowSchema *schema)
{
    struct ArrowStringView text = metadata_of(schema, "walrow.key");
    json_t *key = json_loadb(text.data, (size_t)text.size_bytes, 0, NULL), *item;
    size_t i;
    json_array_foreach(key, i,
                       item) for (int column = 0; column < table->n_columns;
                                  column++) if (strcmp(json_string_value(item),
                                                       schema->children[WALROW__N_META + column]->name) == 0)
        table->is_key[column] = table->has_key = true;
    json_decref(key);
}

static walrow_code
build(walrow__event_table *table, const struct ArrowSchema *schema, walrow_error *err)
{
    unbuild(table);
    int n = (int)schema->n_children - WALROW__N_META;
    table->values = calloc((size_t)n + 1, sizeof *table->values);
    table->olds = calloc((size_t)n + 1, sizeof *table->olds);
    table->is_key = calloc((size_t)n + 1, sizeof *table->is_key);
    table->skip = calloc((size_t)n + 1, sizeof *table->skip);
    if (table->values == NULL || table->olds == NULL || table->is_key == NULL || table->skip == NULL)
        return walrow__fail_memory(err);
    table->n_columns = n;
    for (int i = 0; i < n; i++) {
        WALROW_TRY(walrow__value_init(&table->values[i], schema->children[WALROW__N_META + i], err));
        WALROW_TRY(walrow__value_init(&table->olds[i], schema->children[WALROW__OLD]->children[i], err));
    }
    mark_key(table, schema);
    table->built = true;
    return WALROW_OK;
}

walrow_code
walrow__event_table_bind(walrow__event_table *table, const walrow_batch *batch, walrow_error *err)
{
    if (!table->built || table->epoch != batch->epoch)
        WALROW_TRY(build(table, batch->schema, err));
    table->epoch = batch->epoch;
    table->epoch_known = true;
    table->bound = batch;
    struct ArrowArray **columns = batch->array.children;
    for (int i = 0; i < table->n_columns; i++) {
        walrow__value_bind(&table->values[i], columns[WALROW__N_META + i]);
        walrow__value_bind(&table->olds[i], columns[WALROW__OLD]->children[i]);
    }
    return WALROW_OK;
}

walrow_code
walrow__event_table_print_change(const walrow__event_table *table, walrow__strbuf *buf, walrow_error *err)
{
    const struct ArrowSchema *schema = table->bound->schema;
    walrow__strbuf_add_text(buf, "{\"event_type\":\"schema_change\"");
    walrow__strbuf_add_text(buf, table->names);
    walrow__strbuf_add_text(buf, ",\"data\":{");
    for (int i = 0; i < table->n_columns; i++) {
        struct ArrowStringView type = metadata_of(schema->children[WALROW__N_META + i], "pg.type");
        walrow__strbuf_add_text(buf, i > 0 ? "," : "");
        walrow__strbuf_add_text(buf, table->values[i].key);
        walrow__json_add_string(buf, type.data, (size_t)type.size_bytes);
    }
    struct ArrowStringView key = metadata_of(schema, "walrow.key");
    walrow__strbuf_add_text(buf, "},\"key\":");
    walrow__strbuf_add(buf, key.size_bytes == 0 ? "[]" : key.data,
                       key.size_bytes == 0 ? 2 : (size_t)key.size_bytes);
    return buf->failed ? walrow__fail_memory(err) : WALROW_OK;
}

/* ---- rows ---- */

static bool
is_null(const struct ArrowArray *array, int64_t row)
{
    const uint8_t *validity = array->null_count == 0 ? NULL : array->buffers[0];
    int64_t bit = row + array->offset;
    return validity != NULL && (validity[bit / 8] >> bit % 8 & 1) == 0;
}

/* The names in the row's _unchanged, one by one; NULL after the last. */
static const char *
unchanged_name(const struct ArrowArray *list, int64_t row, int32_t i, size_t *size)
{
    const int32_t *ends = (const int32_t *)list->buffers[1] + list->offset;
    if (is_null(list, row) || ends[row] + i >= ends[row + 1])
        return NULL;
    const struct ArrowArray *names = list->children[0];
    const int32_t *offsets = (const int32_t *)names->buffers[1] + names->offset + ends[row] + i;
    *size = (size_t)(offsets[1] - offsets[0]);
    return (const char *)names->buffers[2] + offsets[0];
}

static void
mark_unchanged(walrow__event_table *table, int64_t row, bool skip)
{
    const struct ArrowArray *list = table->bound->array.children[WALROW__UNCHANGED];
    const char *name;
    size_t size;
    for (int32_t i = 0; (name = unchanged_name(list, row, i, &size)) != NULL; i++)
        for (int column = 0; column < table->n_columns; column++) {
            const char *known = table->bound->schema->children[WALROW__N_META + column]->name;
            if (strlen(known) == size && memcmp(known, name, size) == 0)
                table->skip[column] = skip;
        }
}

void
walrow__event_table_print_unchanged(const walrow__event_table *table, int64_t row, walrow__strbuf *buf)
{
    const struct ArrowArray *list = table->bound->array.children[WALROW__UNCHANGED];
    const char *name;
    size_t size;
    for (int32_t i = 0; (name = unchanged_name(list, row, i, &size)) != NULL; i++) {
        walrow__strbuf_add_text(buf, i == 0 ? ",\"unchanged\":[" : ",");
        walrow__json_add_string(buf, name, size);
    }
    if (!is_null(list, row))
        walrow__strbuf_add_char(buf, ']');
}

typedef enum choice {
    ALL,   /* the new row: what came */
    KNOWN, /* an old row: the key, and what is not null */
    KEY
} choice;

static bool
is_chosen(const walrow__event_table *table, const walrow__value *value, int column, choice choice,
          int64_t row)
{
    switch (choice) {
    case ALL:
        return !table->skip[column];
    case KNOWN:
        return table->is_key[column] || !walrow__value_is_null(value, row);
    default:
        return table->is_key[column] && !table->skip[column];
    }
}

static void
print_columns(const walrow__event_table *table, const walrow__value *values, choice choice, int64_t row,
              walrow__strbuf *buf)
{
    char separator = '{';
    for (int i = 0; i < table->n_columns; i++) {
        if (!is_chosen(table, &values[i], i, choice, row))
            continue;
        walrow__strbuf_add_char(buf, separator);
        walrow__strbuf_add_text(buf, values[i].key);
        walrow__value_print(&values[i], row, buf);
        separator = ',';
    }
    if (separator == '{')
        walrow__strbuf_add_char(buf, '{');
    walrow__strbuf_add_char(buf, '}');
}

static const char *
event_type(char op)
{
    switch (op) {
    case 'I':
        return "{\"event_type\":\"insert\"";
    case 'U':
        return "{\"event_type\":\"update\"";
    case 'D':
        return "{\"event_type\":\"delete\"";
    case 'T':
        return "{\"event_type\":\"truncate\"";
    default:
        return "{\"event_type\":\"read\"";
    }
}

void
walrow__event_table_print_row(walrow__event_table *table, int64_t row, walrow__strbuf *buf)
{
    struct ArrowArray **columns = table->bound->array.children;
    const int32_t *op_offsets = columns[WALROW__OP]->buffers[1];
    char op = ((const char *)columns[WALROW__OP]->buffers[2])[op_offsets[row]];
    bool has_old = op == 'U' && !is_null(columns[WALROW__OLD], row);
    mark_unchanged(table, row, true);
    walrow__strbuf_add_text(buf, event_type(op));
    walrow__strbuf_add_text(buf, table->names);
    walrow__strbuf_add_text(buf, ",\"data\":");
    if (op == 'D' || op == 'T')
        walrow__strbuf_add_text(buf, "null");
    else
        print_columns(table, table->values, ALL, row, buf);
    walrow__strbuf_add_text(buf, ",\"old_data\":");
    if (op == 'D' || has_old)
        print_columns(table, has_old ? table->olds : table->values, KNOWN, row, buf);
    else
        walrow__strbuf_add_text(buf, "null");
    walrow__strbuf_add_text(buf, ",\"key_data\":");
    if (has_old)
        mark_unchanged(table, row, false); /* the old key is known, whatever was not sent of the new row */
    if (op == 'T' || !table->has_key)
        walrow__strbuf_add_text(buf, "null");
    else
        print_columns(table, has_old ? table->olds : table->values, KEY, row, buf);
    mark_unchanged(table, row, false);
}
