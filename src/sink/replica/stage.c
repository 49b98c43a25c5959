#include "sink/replica/stage.h"

#include "base/error.h"
#include "duckdb/parquet_schema.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- columns ---- */

static void
mark_keys(walrow__stage *stage)
{
    struct ArrowStringView text = {NULL, 0};
    ArrowMetadataGetValue(stage->schema.metadata, ArrowCharView("walrow.key"), &text);
    json_t *key = json_loadb(text.data == NULL ? "" : text.data, (size_t)text.size_bytes, 0, NULL), *item;
    size_t at;
    json_array_foreach(key, at, item)
    {
        for (int i = WALROW__N_META; i < stage->n_columns; i++)
            if (json_is_string(item) && !stage->columns[i].is_key &&
                strcmp(stage->columns[i].pg_name, json_string_value(item)) == 0) {
                stage->columns[i].is_key = true;
                stage->n_keys++;
            }
    }
    json_decref(key);
}

/*
 * A table of the outcome has its own columns only, so their names must differ from each other: those of `_old`,
 * adapted, are just that. In the log they must differ from walrow's, too.
 */
static walrow_code
name_columns(walrow__stage *stage, bool append, walrow_error *err)
{
    struct ArrowSchema adapted;
    WALROW_TRY(walrow__parquet_adapt_schema(WALROW__FOR_TABLE, &stage->schema, &adapted, err));
    const struct ArrowSchema *old = adapted.children[WALROW__OLD];
    bool failed = false;
    for (int i = 0; i < stage->n_columns; i++) {
        walrow__stage_column *column = &stage->columns[i];
        bool own = !append && i >= WALROW__N_META;
        column->pg_name = strdup(stage->schema.children[i]->name);
        column->name = strdup(adapted.children[i]->name);
        column->target = strdup(own ? old->children[i - WALROW__N_META]->name : column->name);
        failed = failed || column->pg_name == NULL || column->name == NULL || column->target == NULL;
    }
    ArrowSchemaRelease(&adapted);
    return failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
set_columns(walrow__stage *stage, bool append, walrow_error *err)
{
    stage->n_columns = (int)stage->schema.n_children;
    stage->first = append ? 0 : WALROW__N_META;
    if (stage->n_columns <= stage->first) {
        walrow__fail(err, WALROW_ERR_SINK, "%s.%s has no columns, and DuckDB has no tables without",
                     stage->schema_name, stage->table_name);
        return walrow__hint(err, "leave it out (--tables '...,!%s.%s'), or use ?mode=append",
                            stage->schema_name, stage->table_name);
    }
    stage->columns = calloc((size_t)stage->n_columns, sizeof *stage->columns);
    if (stage->columns == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(name_columns(stage, append, err));
    mark_keys(stage);
    return WALROW_OK;
}

walrow_code
walrow__stage_new(const walrow__replica *replica, const walrow_batch *batch, uint64_t number,
                  walrow__stage **out, walrow_error *err)
{
    walrow__stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL)
        return walrow__fail_memory(err);
    stage->relid = batch->relid;
    stage->epoch = batch->epoch;
    snprintf(stage->table, sizeof stage->table, "temp.main.walrow_stage_%" PRIu64, number);
    stage->schema_name = strdup(batch->schema_name);
    stage->table_name = strdup(batch->table_name);
    walrow_code code = WALROW_OK;
    if (stage->schema_name == NULL || stage->table_name == NULL ||
        ArrowSchemaDeepCopy(batch->schema, &stage->schema) != NANOARROW_OK)
        code = walrow__fail_memory(err);
    if (code == WALROW_OK)
        code = set_columns(stage, replica->append, err);
    if (code == WALROW_OK)
        code = walrow__rows_init(&stage->rows, &stage->schema, err);
    if (code == WALROW_OK)
        *out = stage;
    else
        walrow__stage_free(stage);
    return code;
}

void
walrow__stage_free(walrow__stage *stage)
{
    if (stage == NULL)
        return;
    for (int i = 0; stage->columns != NULL && i < stage->n_columns; i++) {
        free(stage->columns[i].pg_name);
        free(stage->columns[i].name);
        free(stage->columns[i].target);
        free(stage->columns[i].type);
    }
    free(stage->columns);
    walrow__rows_release(&stage->rows);
    if (stage->schema.release != NULL)
        ArrowSchemaRelease(&stage->schema);
    free(stage->schema_name);
    free(stage->table_name);
    free(stage);
}

bool
walrow__stage_is_of(const walrow__stage *stage, const walrow_batch *batch)
{
    return stage->relid == batch->relid && strcmp(stage->schema_name, batch->schema_name) == 0 &&
           strcmp(stage->table_name, batch->table_name) == 0;
}

bool
walrow__stage_takes(const walrow__stage *stage, const walrow_batch *batch)
{
    return stage->epoch == batch->epoch && walrow__stage_is_of(stage, batch);
}

/* ---- into DuckDB ---- */

static walrow_code
load(walrow__stage *stage, walrow__replica *replica, const walrow__strbuf *sql, walrow_error *err)
{
    struct ArrowArray array;
    if (sql->failed)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__rows_take(&stage->rows, &array, err));
    walrow_code code =
        walrow__duckdb_load(replica->duckdb, &stage->schema, &array, walrow__strbuf_text(sql), err);
    return walrow__replica_explain(code, err);
}

walrow_code
walrow__stage_flush(walrow__stage *stage, walrow__replica *replica, walrow_error *err)
{
    if (stage->created && walrow__rows_count(&stage->rows) == 0)
        return WALROW_OK;
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql,
                        stage->created ? "INSERT INTO %s FROM walrow_input"
                                       : "CREATE TEMP TABLE %s AS FROM walrow_input",
                        stage->table);
    walrow_code code = load(stage, replica, &sql, err);
    walrow__strbuf_release(&sql);
    if (code != WALROW_OK || stage->created)
        return code;
    stage->created = true;
    return walrow__stage_read_types(stage, replica, "temp", "main", strrchr(stage->table, '.') + 1, err);
}

typedef struct type_reader {
    walrow__stage *stage;
    int next;
} type_reader;

static walrow_code
take_type(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    type_reader *reader = arg;
    walrow__stage *stage = reader->stage;
    (void)n_cells;
    if (reader->next >= stage->n_columns)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "%s.%s: DuckDB has more columns than there are",
                            stage->schema_name, stage->table_name);
    walrow__stage_column *column = &stage->columns[reader->next++];
    free(column->type);
    column->type = strndup(cells[0].data, (size_t)cells[0].size_bytes);
    return column->type == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__stage_read_types(walrow__stage *stage, walrow__replica *replica, const char *database,
                         const char *schema_name, const char *table_name, walrow_error *err)
{
    walrow__strbuf sql;
    bool in_temp = strcmp(database, "temp") == 0;
    type_reader reader = {stage, in_temp ? 0 : stage->first}; /* the file's has what the table takes */
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT data_type FROM duckdb_columns() WHERE database_name = ");
    walrow__duckdb_add_text(&sql, database);
    walrow__strbuf_add_text(&sql, " AND schema_name = ");
    walrow__duckdb_add_text(&sql, schema_name);
    walrow__strbuf_add_text(&sql, " AND table_name = ");
    walrow__duckdb_add_text(&sql, table_name);
    walrow__strbuf_add_text(&sql, " ORDER BY column_index");
    walrow_code code = sql.failed ? walrow__fail_memory(err)
                                  : walrow__duckdb_query(replica->duckdb, sql.data, take_type, &reader, err);
    walrow__strbuf_release(&sql);
    if (code == WALROW_OK && reader.next != stage->n_columns)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "%s.%s: DuckDB has fewer columns than there are",
                            stage->schema_name, stage->table_name);
    return walrow__replica_explain(code, err);
}

void
walrow__stage_add_select(const walrow__stage *stage, walrow__strbuf *sql)
{
    for (int i = stage->first; i < stage->n_columns; i++) {
        if (i > stage->first)
            walrow__strbuf_add_text(sql, ", ");
        walrow__duckdb_add_name(sql, stage->columns[i].name);
        walrow__strbuf_add_text(sql, " AS ");
        walrow__duckdb_add_name(sql, stage->columns[i].target);
    }
}
