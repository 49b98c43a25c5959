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
        walrow__event_column *column = &table->columns[i];
        walrow__value_release(&column->value);
        walrow__value_release(&column->old);
        free(column->name);
        free(column->head);
    }
    free(table->columns);
    free(table->types);
    table->columns = NULL;
    table->types = NULL;
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

static char *
make_names(const char *schema_name, const char *table_name, const walrow__event_options *options)
{
    walrow__strbuf names;
    walrow__strbuf_init(&names);
    if (options->has[WALROW__EVENT_SCHEMAS]) {
        walrow__strbuf_add_text(&names, ",\"schema\":");
        walrow__json_add_text(&names, schema_name);
    }
    walrow__strbuf_add_text(&names, ",\"table\":");
    walrow__json_add_text(&names, table_name);
    return walrow__strbuf_take(&names);
}

walrow_code
walrow__event_table_new(const char *schema_name, const char *table_name, const walrow__event_options *options,
                        walrow__event_table **out, walrow_error *err)
{
    walrow__event_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return walrow__fail_memory(err);
    table->names = make_names(schema_name, table_name, options);
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

struct ArrowStringView
walrow__event_metadata(const struct ArrowSchema *schema, const char *key)
{
    struct ArrowStringView text = ArrowCharView("");
    ArrowMetadataGetValue(schema->metadata, ArrowCharView(key), &text);
    return text;
}

static uint32_t
oid_of(const struct ArrowSchema *field)
{
    struct ArrowStringView text = walrow__event_metadata(field, "pg.oid");
    uint32_t oid = 0;
    for (int64_t i = 0; i < text.size_bytes && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        oid = oid * 10 + (uint32_t)(text.data[i] - '0');
    return oid;
}

static void
mark_key(walrow__event_table *table, const struct ArrowSchema *schema)
{
    struct ArrowStringView text = walrow__event_metadata(schema, "walrow.key");
    json_t *key = json_loadb(text.data, (size_t)text.size_bytes, 0, NULL), *item;
    size_t i;
    json_array_foreach(key, i, item)
    {
        for (int column = 0; column < table->n_columns; column++)
            if (strcmp(json_string_value(item), table->columns[column].name) == 0)
                table->columns[column].is_key = table->has_key = true;
    }
    json_decref(key);
}

/*
 * wal2json prints a type that begins with a quote as it is, without quotes of its own. Where that would not be JSON
 * ("Odd".mood), ours is.
 */
static void
add_wal2json_type(walrow__strbuf *buf, struct ArrowStringView type)
{
    size_t size = (size_t)type.size_bytes;
    bool is_quoted = size >= 2 && type.data[0] == '"' && type.data[size - 1] == '"';
    for (size_t i = 1; is_quoted && i + 1 < size; i++)
        is_quoted = type.data[i] != '"' && type.data[i] != '\\' && (uint8_t)type.data[i] >= ' ';
    if (is_quoted)
        walrow__strbuf_add(buf, type.data, size);
    else
        walrow__json_add_string(buf, type.data, size);
}

static char *
make_head(const walrow__event_column *column, const struct ArrowSchema *field,
          const walrow__event_options *options)
{
    walrow__strbuf head;
    walrow__strbuf_init(&head);
    walrow__strbuf_add_text(&head, "{\"name\":");
    walrow__json_add_text(&head, column->name);
    if (options->has[WALROW__EVENT_TYPES]) {
        walrow__strbuf_add_text(&head, ",\"type\":");
        add_wal2json_type(&head, walrow__event_metadata(field, "pg.type"));
    }
    if (options->has[WALROW__EVENT_TYPE_OIDS]) /* through a %d */
        walrow__strbuf_addf(&head, ",\"typeoid\":%d", (int)column->oid);
    walrow__strbuf_add_text(&head, ",\"value\":");
    return walrow__strbuf_take(&head);
}

static walrow_code
build_column(walrow__event_column *column, const struct ArrowSchema *field, const struct ArrowSchema *old,
             const walrow__event_options *options, walrow_error *err)
{
    WALROW_TRY(walrow__value_init(&column->value, field, err));
    WALROW_TRY(walrow__value_init(&column->old, old, err));
    if (options->debezium) {
        walrow__value_use_debezium(&column->value);
        walrow__value_use_debezium(&column->old);
    }
    column->name = strdup(field->name);
    column->oid = oid_of(field);
    if (column->name == NULL)
        return walrow__fail_memory(err);
    column->head = make_head(column, field, options);
    return column->head == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static void
add_types(const walrow__event_table *table, const struct ArrowSchema *schema, bool as_oids,
          walrow__strbuf *buf)
{
    walrow__strbuf_add_text(buf, as_oids ? ",\"type_oids\":{" : ",\"types\":{");
    for (int i = 0; i < table->n_columns; i++) {
        const walrow__event_column *column = &table->columns[i];
        struct ArrowStringView type = walrow__event_metadata(schema->children[WALROW__N_META + i], "pg.type");
        walrow__strbuf_add_text(buf, i > 0 ? "," : "");
        walrow__value_print_key(&column->value, buf);
        if (as_oids)
            walrow__strbuf_add_integer(buf, column->oid);
        else
            walrow__json_add_string(buf, type.data, (size_t)type.size_bytes);
    }
    walrow__strbuf_add_char(buf, '}');
}

static char *
make_types(const walrow__event_table *table, const struct ArrowSchema *schema,
           const walrow__event_options *options)
{
    walrow__strbuf types;
    walrow__strbuf_init(&types);
    walrow__strbuf_reserve(&types, 1);
    if (options->has[WALROW__EVENT_TYPES])
        add_types(table, schema, false, &types);
    if (options->has[WALROW__EVENT_TYPE_OIDS])
        add_types(table, schema, true, &types);
    return walrow__strbuf_take(&types);
}

static walrow_code
build(walrow__event_table *table, const struct ArrowSchema *schema, const walrow__event_options *options,
      walrow_error *err)
{
    unbuild(table);
    int n = (int)schema->n_children - WALROW__N_META;
    table->columns = calloc((size_t)n + 1, sizeof *table->columns);
    if (table->columns == NULL)
        return walrow__fail_memory(err);
    table->n_columns = n;
    for (int i = 0; i < n; i++)
        WALROW_TRY(build_column(&table->columns[i], schema->children[WALROW__N_META + i],
                                schema->children[WALROW__OLD]->children[i], options, err));
    table->types = make_types(table, schema, options);
    if (table->types == NULL)
        return walrow__fail_memory(err);
    mark_key(table, schema);
    table->key_is_all = table->has_key;
    for (int i = 0; i < n; i++)
        table->key_is_all &= table->columns[i].is_key;
    table->built = true;
    return WALROW_OK;
}

walrow_code
walrow__event_table_bind(walrow__event_table *table, const walrow__event_options *options,
                         const walrow_batch *batch, walrow_error *err)
{
    if (!table->built || table->epoch != batch->epoch)
        WALROW_TRY(build(table, batch->schema, options, err));
    table->epoch = batch->epoch;
    table->epoch_known = true;
    table->bound = batch;
    struct ArrowArray **columns = batch->array.children;
    for (int i = 0; i < table->n_columns; i++) {
        walrow__value_bind(&table->columns[i].value, columns[WALROW__N_META + i]);
        walrow__value_bind(&table->columns[i].old, columns[WALROW__OLD]->children[i]);
    }
    return WALROW_OK;
}

/* ---- a row ---- */

static bool
is_null(const struct ArrowArray *array, int64_t row)
{
    const uint8_t *validity = array->null_count == 0 ? NULL : array->buffers[0];
    int64_t bit = row + array->offset;
    if (array->null_count == array->length) /* as _unchanged and _old are in most batches */
        return true;
    return validity != NULL && (validity[bit / 8] >> bit % 8 & 1) == 0;
}

char
walrow__event_op(const walrow_batch *batch, int64_t row)
{
    const struct ArrowArray *ops = batch->array.children[WALROW__OP];
    const int32_t *offsets = ops->buffers[1];
    return ((const char *)ops->buffers[2])[offsets[row]];
}

bool
walrow__event_table_has_old(const walrow__event_table *table, int64_t row)
{
    return walrow__event_op(table->bound, row) == 'U' &&
           !is_null(table->bound->array.children[WALROW__OLD], row);
}

const char *
walrow__event_table_unchanged(const walrow__event_table *table, int64_t row, int32_t i, size_t *size)
{
    const struct ArrowArray *list = table->bound->array.children[WALROW__UNCHANGED];
    const int32_t *ends = (const int32_t *)list->buffers[1] + list->offset;
    if (is_null(list, row) || ends[row] + i >= ends[row + 1])
        return NULL;
    const struct ArrowArray *names = list->children[0];
    const int32_t *offsets = (const int32_t *)names->buffers[1] + names->offset + ends[row] + i;
    *size = (size_t)(offsets[1] - offsets[0]);
    return (const char *)names->buffers[2] + offsets[0];
}

void
walrow__event_table_skip_unchanged(walrow__event_table *table, int64_t row, bool skip)
{
    const char *name;
    size_t size;
    for (int32_t i = 0; (name = walrow__event_table_unchanged(table, row, i, &size)) != NULL; i++)
        for (int at = 0; at < table->n_columns; at++) {
            walrow__event_column *column = &table->columns[at];
            if (strlen(column->name) == size && memcmp(column->name, name, size) == 0)
                column->is_skipped = skip;
        }
}

void
walrow__event_table_add_key(const walrow__event_table *table, int64_t row, bool of_old, walrow__strbuf *buf)
{
    char separator = '{';
    for (int i = 0; i < table->n_columns; i++) {
        const walrow__event_column *column = &table->columns[i];
        const walrow__value *value = of_old ? &column->old : &column->value;
        if (!column->is_key)
            continue;
        walrow__strbuf_add_char(buf, separator);
        walrow__value_print_key(value, buf);
        walrow__value_print(value, row, buf);
        separator = ',';
    }
    walrow__strbuf_add_char(buf, '}');
}
