/*
 * pg/tables.c
 *	  Discovery as the public interface gives it.
 */
#include "base/error.h"
#include "columns/type.h"
#include "pg/catalog.h"
#include "pg/connection.h"
#include "pg/discover.h"

#include <stdlib.h>
#include <string.h>

void
walrow_tables_release(walrow_tables *tables)
{
    for (size_t i = 0; i < tables->count; i++) {
        walrow_table_info *table = &tables->items[i];
        for (size_t j = 0; j < table->n_columns; j++) {
            free(table->columns[j].name);
            free(table->columns[j].pg_type);
            free(table->columns[j].arrow_type);
        }
        for (size_t j = 0; j < table->n_key; j++)
            free(table->key[j]);
        free(table->columns);
        free(table->key);
        free(table->schema);
        free(table->name);
        free(table->kind);
        free(table->replica_identity);
        free(table->reason);
    }
    free(tables->items);
    *tables = (walrow_tables){0};
}

static walrow_code
arrow_type(walrow__catalog *catalog, const walrow_options *options, const walrow__found *table,
           const walrow__found_column *column, char **out, walrow_error *err)
{
    walrow__type type;
    const char *override = walrow__options_override(options, table->schema, table->name, column->name);
    WALROW_TRY(walrow__type_resolve(catalog, column->oid, column->typmod, override, &type, err));
    *out = walrow__type_arrow_name(&type);
    walrow__type_release(&type);
    return *out == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
fill_columns(walrow_table_info *out, const walrow__found *table, walrow__catalog *catalog,
             const walrow_options *options, walrow_error *err)
{
    out->columns = calloc(table->n_columns + 1, sizeof *out->columns);
    out->key = calloc(table->n_columns + 1, sizeof(char *));
    if (out->columns == NULL || out->key == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < table->n_columns; i++) {
        const walrow__found_column *from = &table->columns[i];
        walrow_column_info *to = &out->columns[out->n_columns++];
        to->name = strdup(from->name);
        to->pg_type = strdup(from->pg_type);
        to->nullable = from->nullable;
        if (from->is_key && (out->key[out->n_key++] = strdup(from->name)) == NULL)
            return walrow__fail_memory(err);
        if (to->name == NULL || to->pg_type == NULL)
            return walrow__fail_memory(err);
        WALROW_TRY(arrow_type(catalog, options, table, from, &to->arrow_type, err));
    }
    return WALROW_OK;
}

static walrow_code
fill_table(walrow_table_info *out, const walrow__found *table, walrow__catalog *catalog,
           const walrow_options *options, walrow_error *err)
{
    out->schema = strdup(table->schema);
    out->name = strdup(table->name);
    out->kind = strdup(walrow__found_kind_text(table));
    out->replica_identity = strdup(walrow__found_identity_text(table));
    out->reason = strdup(table->reason);
    out->rows = table->rows;
    out->bytes = table->bytes;
    out->streamable = table->streamable;
    out->relid = table->relid;
    if (out->schema == NULL || out->name == NULL || out->kind == NULL || out->replica_identity == NULL ||
        out->reason == NULL)
        return walrow__fail_memory(err);
    return fill_columns(out, table, catalog, options, err);
}

static walrow_code
fill_tables(walrow_tables *out, const walrow__discovery *found, walrow__catalog *catalog,
            const walrow_options *options, walrow_error *err)
{
    uint32_t *relids = calloc(found->count + 1, sizeof *relids);
    out->items = calloc(found->count + 1, sizeof *out->items);
    walrow_code code = relids == NULL || out->items == NULL ? walrow__fail_memory(err) : WALROW_OK;
    for (size_t i = 0; i < found->count && code == WALROW_OK; i++)
        relids[i] = found->items[i].relid;
    if (code == WALROW_OK)
        code = walrow__catalog_preload(catalog, relids, found->count, err);
    for (size_t i = 0; i < found->count && code == WALROW_OK; i++)
        code = fill_table(&out->items[out->count++], &found->items[i], catalog, options, err);
    free(relids);
    if (code != WALROW_OK)
        walrow_tables_release(out);
    return code;
}

walrow_code
walrow_tables_discover(const walrow_options *options, walrow_tables *out, walrow_error *err)
{
    PGconn *conn;
    walrow__catalog *catalog = NULL;
    walrow__discovery found = {0};
    *out = (walrow_tables){0};

    WALROW_TRY(walrow__pg_connect(options, false, &conn, err));
    walrow_code code = walrow__discover(conn, options, true, &found, err);
    if (code == WALROW_OK && found.unmatched.count > 0)
        code = walrow__discovery_require(&found, options, err);
    if (code == WALROW_OK)
        code = walrow__catalog_new(conn, &catalog, err);
    if (code == WALROW_OK)
        code = fill_tables(out, &found, catalog, options, err);
    if (catalog != NULL)
        catalog->free(catalog);
    walrow__discovery_release(&found);
    PQfinish(conn);
    return code;
}
