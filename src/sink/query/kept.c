#include "sink/query/kept.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { GATHERED_BYTES = 4 << 20 }; /* of one layout */

walrow_code
walrow__kept_init(walrow__kept *kept, walrow__duckdb *duckdb, walrow_error *err)
{
    *kept = (walrow__kept){.duckdb = duckdb};
    WALROW_TRY(walrow__duckdb_query(duckdb, "CREATE SCHEMA _walrow", NULL, NULL, err));
    return walrow__duckdb_query(duckdb, "SET search_path = 'main,_walrow'", NULL, NULL, err);
}

void
walrow__kept_release(walrow__kept *kept)
{
    while (kept->layouts != NULL) {
        walrow__kept_layout *layout = kept->layouts;
        kept->layouts = layout->next;
        if (layout->schema.release != NULL)
            ArrowSchemaRelease(&layout->schema);
        walrow__rows_release(&layout->rows);
        free(layout);
    }
    for (size_t i = 0; i < kept->n_tables; i++) {
        free(kept->tables[i]->schema_name);
        free(kept->tables[i]->name);
        free(kept->tables[i]);
    }
    free(kept->tables);
    free(kept->pieces);
    memset(kept, 0, sizeof *kept);
}

/* ---- SQL ---- */

/* Runs it and begins it anew. */
static walrow_code
run(walrow__kept *kept, walrow__strbuf *sql, walrow_error *err)
{
    walrow_code code = sql->failed
                           ? walrow__fail_memory(err)
                           : walrow__duckdb_query(kept->duckdb, walrow__strbuf_text(sql), NULL, NULL, err);
    walrow__strbuf_clear(sql);
    return code;
}

static void
add_name(walrow__strbuf *sql, const walrow__kept_table *table)
{
    walrow__duckdb_add_name(sql, table->schema_name);
    walrow__strbuf_add_char(sql, '.');
    walrow__duckdb_add_name(sql, table->name);
}

static void
add_piece_name(walrow__strbuf *sql, const walrow__kept_piece *piece)
{
    walrow__strbuf_addf(sql, "_walrow.s%" PRIu64 "_%d", piece->segment, piece->layout->number);
}

/* Whether it holds rows or not, the table is there: with the columns of its newest schema, and older ones' that do. */
static void
add_view(walrow__strbuf *sql, const walrow__kept *kept, const walrow__kept_table *table)
{
    walrow__strbuf_add_text(sql, "CREATE OR REPLACE VIEW ");
    add_name(sql, table);
    walrow__strbuf_addf(sql, " AS SELECT * FROM _walrow.empty_%d", table->newest->number);
    for (size_t i = 0; i < kept->n_pieces; i++) {
        if (kept->pieces[i].layout->table != table)
            continue;
        walrow__strbuf_add_text(sql, " UNION ALL BY NAME SELECT * FROM ");
        add_piece_name(sql, &kept->pieces[i]);
    }
}

walrow_code
walrow__kept_make_view(walrow__kept *kept, walrow__kept_table *table, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    add_view(&sql, kept, table);
    walrow_code code = run(kept, &sql, err);
    walrow__strbuf_release(&sql);
    table->changed = false;
    return code;
}

walrow_code
walrow__kept_hide(walrow__kept *kept, const walrow__kept_table *table, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "DROP VIEW ");
    add_name(&sql, table);
    walrow_code code = run(kept, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

/* ---- tables and their schemas ---- */

static walrow_code
check_case(const walrow__kept *kept, const walrow_batch *batch, walrow_error *err)
{
    for (size_t i = 0; i < kept->n_tables; i++) {
        const walrow__kept_table *table = kept->tables[i];
        if (!table->wanted || strcasecmp(table->schema_name, batch->schema_name) != 0 ||
            strcasecmp(table->name, batch->table_name) != 0)
            continue;
        walrow__fail(
            err, WALROW_ERR_SINK,
            "tables %s.%s and %s.%s differ only by the case of letters, which DuckDB's SQL does not tell "
            "apart",
            table->schema_name, table->name, batch->schema_name, batch->table_name);
        return walrow__hint(err, "leave one of them out with --tables");
    }
    return WALROW_OK;
}

static walrow_code
make_schema(walrow__kept *kept, const char *name, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    walrow__duckdb_add_name(&sql, name);
    walrow_code code = run(kept, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
add_table(walrow__kept *kept, const walrow_batch *batch, walrow__kept_table **out, walrow_error *err)
{
    WALROW_TRY(check_case(kept, batch, err));
    walrow__kept_table **tables = realloc(kept->tables, (kept->n_tables + 1) * sizeof(walrow__kept_table *));
    if (tables == NULL)
        return walrow__fail_memory(err);
    kept->tables = tables;
    walrow__kept_table *table = tables[kept->n_tables] = calloc(1, sizeof *table);
    if (table == NULL)
        return walrow__fail_memory(err);
    kept->n_tables++;
    table->wanted = true;
    table->schema_name = strdup(batch->schema_name);
    table->name = strdup(batch->table_name);
    if (table->schema_name == NULL || table->name == NULL)
        return walrow__fail_memory(err);
    *out = table;
    return make_schema(kept, batch->schema_name, err);
}

static walrow_code
find_table(walrow__kept *kept, const walrow_batch *batch, walrow__kept_table **out, walrow_error *err)
{
    for (size_t i = 0; i < kept->n_tables; i++) {
        *out = kept->tables[i];
        if (strcmp((*out)->name, batch->table_name) == 0 &&
            strcmp((*out)->schema_name, batch->schema_name) == 0)
            return WALROW_OK;
    }
    return add_table(kept, batch, out, err);
}

/* Give the rows gathered, if only none, to a new table or add them to one that is there; sql is the beginning. */
static walrow_code
load(walrow__kept *kept, walrow__kept_layout *layout, walrow__strbuf *sql, walrow_error *err)
{
    struct ArrowArray rows;
    walrow__strbuf_add_text(sql, " SELECT * FROM walrow_input");
    if (sql->failed)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__rows_take(&layout->rows, &rows, err));
    return walrow__duckdb_load(kept->duckdb, &layout->schema, &rows, walrow__strbuf_text(sql), err);
}

static walrow_code
make_empty(walrow__kept *kept, walrow__kept_layout *layout, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql, "CREATE TABLE _walrow.empty_%d AS", layout->number);
    walrow_code code = load(kept, layout, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
add_layout(walrow__kept *kept, const walrow_batch *batch, walrow__kept_layout **out, walrow_error *err)
{
    walrow__kept_layout *layout = calloc(1, sizeof *layout);
    if (layout == NULL)
        return walrow__fail_memory(err);
    layout->next = kept->layouts;
    kept->layouts = layout;
    *out = layout;
    layout->number = kept->n_layouts++;
    layout->relid = batch->relid;
    layout->epoch = batch->epoch;
    if (ArrowSchemaDeepCopy(batch->schema, &layout->schema) != NANOARROW_OK)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__rows_init(&layout->rows, &layout->schema, err));
    WALROW_TRY(find_table(kept, batch, &layout->table, err));
    WALROW_TRY(make_empty(kept, layout, err));
    layout->table->newest = layout;
    return walrow__kept_make_view(kept, layout->table, err);
}

walrow_code
walrow__kept_learn(walrow__kept *kept, const walrow_batch *batch, walrow__kept_layout **out, bool *is_new,
                   walrow_error *err)
{
    *is_new = false;
    for (walrow__kept_layout *layout = kept->layouts; layout != NULL; layout = layout->next)
        if (layout->epoch == batch->epoch && layout->relid == batch->relid &&
            strcmp(layout->table->name, batch->table_name) == 0 &&
            strcmp(layout->table->schema_name, batch->schema_name) == 0) {
            *out = layout;
            return WALROW_OK;
        }
    *is_new = true;
    return add_layout(kept, batch, out, err);
}

/* ---- rows ---- */

/* The layout's piece of the open segment; a new one has no bytes. */
static walrow_code
open_piece(walrow__kept *kept, walrow__kept_layout *layout, walrow__kept_piece **out, walrow_error *err)
{
    for (size_t i = kept->n_pieces; i-- > 0 && kept->pieces[i].segment == kept->segment;)
        if (kept->pieces[i].layout == layout) {
            *out = &kept->pieces[i];
            return WALROW_OK;
        }
    walrow__kept_piece *pieces = realloc(kept->pieces, (kept->n_pieces + 1) * sizeof *pieces);
    if (pieces == NULL)
        return walrow__fail_memory(err);
    kept->pieces = pieces;
    *out = &pieces[kept->n_pieces++];
    **out = (walrow__kept_piece){.segment = kept->segment, .layout = layout};
    layout->table->changed = true;
    return WALROW_OK;
}

static walrow_code
flush(walrow__kept *kept, walrow__kept_layout *layout, walrow_error *err)
{
    walrow__kept_piece *piece = NULL;
    int64_t bytes = walrow__rows_bytes(&layout->rows);
    WALROW_TRY(open_piece(kept, layout, &piece, err));
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, piece->bytes == 0 ? "CREATE TABLE " : "INSERT INTO ");
    add_piece_name(&sql, piece);
    walrow__strbuf_add_text(&sql, piece->bytes == 0 ? " AS" : "");
    walrow_code code = load(kept, layout, &sql, err);
    piece->bytes += bytes;
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
flush_all(walrow__kept *kept, walrow_error *err)
{
    for (walrow__kept_layout *layout = kept->layouts; layout != NULL; layout = layout->next)
        if (walrow__rows_count(&layout->rows) > 0)
            WALROW_TRY(flush(kept, layout, err));
    return WALROW_OK;
}

walrow_code
walrow__kept_add(walrow__kept *kept, walrow__kept_layout *layout, const struct ArrowArray *batch,
                 int64_t start, int64_t n, walrow_error *err)
{
    WALROW_TRY(walrow__rows_append(&layout->rows, batch, start, n, err));
    return walrow__rows_bytes(&layout->rows) < GATHERED_BYTES ? WALROW_OK : flush(kept, layout, err);
}

/* Of segments from one on. */
static int64_t
bytes_from(const walrow__kept *kept, uint64_t segment)
{
    int64_t bytes = 0;
    for (const walrow__kept_layout *layout = kept->layouts; layout != NULL; layout = layout->next)
        bytes += walrow__rows_bytes(&layout->rows);
    for (size_t i = kept->n_pieces; i-- > 0 && kept->pieces[i].segment >= segment;)
        bytes += kept->pieces[i].bytes;
    return bytes;
}

int64_t
walrow__kept_bytes(const walrow__kept *kept)
{
    return bytes_from(kept, 0);
}

int64_t
walrow__kept_segment_bytes(const walrow__kept *kept)
{
    return bytes_from(kept, kept->segment);
}

walrow_code
walrow__kept_begin(walrow__kept *kept, uint64_t segment, walrow_error *err)
{
    WALROW_TRY(flush_all(kept, err));
    kept->segment = segment;
    return WALROW_OK;
}

walrow_code
walrow__kept_show(walrow__kept *kept, walrow_error *err)
{
    WALROW_TRY(flush_all(kept, err));
    for (size_t i = 0; i < kept->n_tables; i++)
        if (kept->tables[i]->changed)
            WALROW_TRY(walrow__kept_make_view(kept, kept->tables[i], err));
    return WALROW_OK;
}

/* ---- forgetting ---- */

/* The view must not name it any more. */
static walrow_code
drop_piece(walrow__kept *kept, const walrow__kept_piece *piece, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "DROP TABLE ");
    add_piece_name(&sql, piece);
    walrow_code code = run(kept, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

/* Those of the table, or of any if it is NULL, in segments before one. */
static walrow_code
drop_pieces(walrow__kept *kept, const walrow__kept_table *table, uint64_t before, walrow_error *err)
{
    size_t left = 0;
    for (size_t i = 0; i < kept->n_pieces; i++) {
        walrow__kept_piece piece = kept->pieces[i];
        if (piece.segment >= before || (table != NULL && piece.layout->table != table)) {
            kept->pieces[left++] = piece;
            continue;
        }
        WALROW_TRY(drop_piece(kept, &piece, err));
        piece.layout->table->changed = true;
    }
    kept->n_pieces = left;
    return WALROW_OK;
}

walrow_code
walrow__kept_forget(walrow__kept *kept, uint64_t before, walrow_error *err)
{
    WALROW_TRY(flush_all(kept, err));
    return drop_pieces(kept, NULL, before, err);
}

walrow_code
walrow__kept_ignore(walrow__kept *kept, walrow__kept_table *table, walrow_error *err)
{
    struct ArrowArray rows;
    table->wanted = false;
    for (walrow__kept_layout *layout = kept->layouts; layout != NULL; layout = layout->next) {
        if (layout->table != table || walrow__rows_count(&layout->rows) == 0)
            continue;
        WALROW_TRY(walrow__rows_take(&layout->rows, &rows, err));
        ArrowArrayRelease(&rows);
    }
    return drop_pieces(kept, table, UINT64_MAX, err);
}
