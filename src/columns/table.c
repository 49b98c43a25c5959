#include "columns/table.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const meta_names[2][WALROW__N_META] = {
    {"_op", "_commit_lsn", "_seq", "_xid", "_commit_time", "_unchanged", "_old"},
    {"_walrow_op", "_walrow_commit_lsn", "_walrow_seq", "_walrow_xid", "_walrow_commit_time",
     "_walrow_unchanged", "_walrow_old"},
};

/* Formats of the Arrow C Data Interface; the last two are made from their types. */
static const char *const meta_formats[] = {"u", "L", "I", "I", "tsu:UTC"};

static const walrow__type name_type = {
    .kind = WALROW__UTF8, .wire = WALROW__WIRE_TEXT, .typmod = -1, .value_typmod = -1};
static const walrow__type unchanged_type = {.kind = WALROW__LIST,
                                            .wire = WALROW__WIRE_NONE,
                                            .typmod = -1,
                                            .value_typmod = -1,
                                            .children = (walrow__type *)&name_type,
                                            .n_children = 1};

const walrow__type *
walrow__table_unchanged_type(void)
{
    return &unchanged_type;
}

static bool
owns_meta_name(const walrow__table *table)
{
    for (int i = 0; i < table->n_columns; i++)
        for (int meta = 0; meta < WALROW__N_META; meta++)
            if (strcmp(table->columns[i].name, meta_names[0][meta]) == 0)
                return true;
    return false;
}

const char *
walrow__meta_name(bool prefixed, int meta)
{
    return meta_names[prefixed][meta];
}

const char *
walrow__table_meta_name(const walrow__table *table, int meta)
{
    return walrow__meta_name(owns_meta_name(table), meta);
}

/* ---- columns ---- */

static walrow_code
init_columns(walrow__table *table, walrow__catalog *catalog, const walrow__column_spec *specs, int n,
             walrow_error *err)
{
    table->columns = calloc((size_t)n + 1, sizeof *table->columns);
    if (table->columns == NULL)
        return walrow__fail_memory(err);
    for (int i = 0; i < n; i++) {
        walrow__table_column *column = &table->columns[i];
        WALROW_TRY(walrow__type_resolve(catalog, specs[i].oid, specs[i].typmod, specs[i].override,
                                        &column->type, err));
        table->n_columns = i + 1;
        column->name = strdup(specs[i].name);
        if (column->name == NULL)
            return walrow__fail_memory(err);
        /* under FULL every column identifies the row, whatever the source's key flags say */
        column->is_key = specs[i].is_key || table->identity == 'f';
    }
    return WALROW_OK;
}

static walrow_code
init_old_type(walrow__table *table, walrow_error *err)
{
    walrow__type *type = &table->old_type;
    size_t n = (size_t)table->n_columns;
    *type =
        (walrow__type){.kind = WALROW__STRUCT, .wire = WALROW__WIRE_NONE, .typmod = -1, .value_typmod = -1};
    type->children = calloc(n + 1, sizeof *type->children);
    type->child_names = calloc(n + 1, sizeof *type->child_names);
    if (type->children == NULL || type->child_names == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        type->children[i] = table->columns[i].type;
        type->child_names[i] = table->columns[i].name;
    }
    type->n_children = table->n_columns;
    return WALROW_OK;
}

static uint64_t
fingerprint(const walrow__table *table)
{
    uint64_t hash = WALROW__HASH_START;
    for (int i = 0; i < table->n_columns; i++) {
        const walrow__table_column *column = &table->columns[i];
        hash = walrow__hash_text(hash, column->name);
        hash = walrow__hash_u32(hash, column->type.oid);
        hash = walrow__hash_u32(hash, (uint32_t)column->type.typmod);
        hash = walrow__hash_u32(hash, column->is_key);
    }
    return walrow__hash_finish(hash);
}

/* ---- schema ---- */

typedef struct metadata {
    const char *key;
    const char *value;
} metadata;

/* Add to what metadata the field has (an extension's). */
static ArrowErrorCode
add_metadata(struct ArrowSchema *field, const metadata *items, size_t n)
{
    struct ArrowBuffer buffer;
    ArrowErrorCode code = ArrowMetadataBuilderInit(&buffer, field->metadata);
    for (size_t i = 0; code == NANOARROW_OK && i < n; i++)
        code =
            ArrowMetadataBuilderAppend(&buffer, ArrowCharView(items[i].key), ArrowCharView(items[i].value));
    if (code == NANOARROW_OK)
        code = ArrowSchemaSetMetadata(field, (const char *)buffer.data);
    ArrowBufferReset(&buffer);
    return code;
}

static walrow_code
init_column_field(const walrow__table_column *column, struct ArrowSchema *field, walrow_error *err)
{
    WALROW_TRY(walrow__type_schema(&column->type, field, err));
    char oid[16], typmod[16];
    snprintf(oid, sizeof oid, "%" PRIu32, column->type.oid);
    snprintf(typmod, sizeof typmod, "%" PRId32, column->type.typmod);
    const metadata items[] = {{"pg.type", column->type.name}, {"pg.oid", oid}, {"pg.typmod", typmod}};
    if (ArrowSchemaSetName(field, column->name) != NANOARROW_OK ||
        add_metadata(field, items, 3) != NANOARROW_OK)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

static walrow_code
init_column_fields(const walrow__table *table, struct ArrowSchema **fields, walrow_error *err)
{
    for (int i = 0; i < table->n_columns; i++)
        WALROW_TRY(init_column_field(&table->columns[i], fields[i], err));
    return WALROW_OK;
}

static walrow_code
init_meta_field(const walrow__table *table, int meta, struct ArrowSchema *field, walrow_error *err)
{
    if (meta == WALROW__UNCHANGED)
        WALROW_TRY(walrow__type_schema(&unchanged_type, field, err));
    else {
        ArrowSchemaInit(field);
        if (ArrowSchemaSetFormat(field, meta == WALROW__OLD ? "+s" : meta_formats[meta]) != NANOARROW_OK)
            return walrow__fail_memory(err);
    }
    if (meta == WALROW__OLD) {
        if (ArrowSchemaAllocateChildren(field, table->n_columns) != NANOARROW_OK)
            return walrow__fail_memory(err);
        WALROW_TRY(init_column_fields(table, field->children, err));
    }
    if (ArrowSchemaSetName(field, walrow__table_meta_name(table, meta)) != NANOARROW_OK)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

/* The key's columns, in column order, as a JSON list; malloc'ed. */
static char *
key_json(const walrow__table *table)
{
    walrow__strbuf json;
    walrow__strbuf_init(&json);
    walrow__strbuf_add_char(&json, '[');
    for (int i = 0; i < table->n_columns; i++) {
        if (!table->columns[i].is_key)
            continue;
        if (json.size > 1)
            walrow__strbuf_add_char(&json, ',');
        walrow__json_add_text(&json, table->columns[i].name);
    }
    walrow__strbuf_add_char(&json, ']');
    char *text = walrow__strbuf_take(&json);
    walrow__strbuf_release(&json);
    return text;
}

static walrow_code
add_table_metadata(walrow__table *table, walrow_error *err)
{
    char relid[16], epoch[20];
    snprintf(relid, sizeof relid, "%" PRIu32, table->relid);
    snprintf(epoch, sizeof epoch, "%016" PRIx64, table->epoch);
    char *key = key_json(table);
    if (key == NULL)
        return walrow__fail_memory(err);
    const metadata items[] = {
        {"walrow.schema", table->schema_name},
        {"walrow.table", table->name},
        {"walrow.relid", relid},
        {"walrow.epoch", epoch},
        {"walrow.key", key},
        {"walrow.version", walrow_version()},
    };
    ArrowErrorCode code = add_metadata(&table->schema, items, sizeof items / sizeof *items);
    free(key);
    return code == NANOARROW_OK ? WALROW_OK : walrow__fail_memory(err);
}

static walrow_code
init_schema(walrow__table *table, walrow_error *err)
{
    struct ArrowSchema *schema = &table->schema;
    ArrowSchemaInit(schema);
    schema->flags = 0; /* the struct itself is a row and never null; every field may be */
    if (ArrowSchemaSetFormat(schema, "+s") != NANOARROW_OK ||
        ArrowSchemaSetName(schema, "") != NANOARROW_OK ||
        ArrowSchemaAllocateChildren(schema, WALROW__N_META + table->n_columns) != NANOARROW_OK)
        return walrow__fail_memory(err);
    for (int meta = 0; meta < WALROW__N_META; meta++)
        WALROW_TRY(init_meta_field(table, meta, schema->children[meta], err));
    WALROW_TRY(init_column_fields(table, schema->children + WALROW__N_META, err));
    return add_table_metadata(table, err);
}

/* ---- life ---- */

walrow_code
walrow__table_begin(uint32_t relid, char identity, walrow__table **out, walrow_error *err)
{
    walrow__table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return walrow__fail_memory(err);
    table->references = 1;
    table->relid = relid;
    table->identity = identity;
    *out = table;
    return WALROW_OK;
}

walrow_code
walrow__table_complete(walrow__table *table, walrow_error *err)
{
    WALROW_TRY(init_old_type(table, err));
    table->epoch = fingerprint(table);
    return init_schema(table, err);
}

static walrow_code
init_table(walrow__table *table, walrow__catalog *catalog, const char *schema_name, const char *name,
           const walrow__column_spec *columns, int n_columns, walrow_error *err)
{
    table->schema_name = strdup(schema_name);
    table->name = strdup(name);
    if (table->schema_name == NULL || table->name == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(init_columns(table, catalog, columns, n_columns, err));
    return walrow__table_complete(table, err);
}

walrow_code
walrow__table_new(walrow__catalog *catalog, const char *schema_name, const char *name, uint32_t relid,
                  char identity, const walrow__column_spec *columns, int n_columns, walrow__table **out,
                  walrow_error *err)
{
    walrow__table *table = NULL;
    WALROW_TRY(walrow__table_begin(relid, identity, &table, err));
    walrow_code code = init_table(table, catalog, schema_name, name, columns, n_columns, err);
    if (code != WALROW_OK)
        walrow__table_unref(table);
    else
        *out = table;
    return code;
}

walrow__table *
walrow__table_ref(walrow__table *table)
{
    __atomic_add_fetch(&table->references, 1, __ATOMIC_RELAXED);
    return table;
}

void
walrow__table_unref(walrow__table *table)
{
    if (table == NULL || __atomic_sub_fetch(&table->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (table->schema.release != NULL)
        table->schema.release(&table->schema);
    free(table->old_type.children); /* the types in it are the columns' */
    free(table->old_type.child_names);
    for (int i = 0; i < table->n_columns; i++) {
        walrow__type_release(&table->columns[i].type);
        free(table->columns[i].name);
    }
    free(table->columns);
    free(table->schema_name);
    free(table->name);
    free(table);
}

bool
walrow__table_has_binary(const walrow__table *table, const char **column)
{
    for (int i = 0; i < table->n_columns; i++)
        if (table->columns[i].type.wire == WALROW__WIRE_NONE) {
            if (column != NULL)
                *column = table->columns[i].name;
            return false;
        }
    return true;
}
