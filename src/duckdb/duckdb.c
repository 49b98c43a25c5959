#include "duckdb/duckdb.h"

#include "base/error.h"
#include "duckdb/inside.h"
#include "duckdb/parquet_schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a database ---- */

static walrow_code
open_database(walrow__duckdb *duckdb, walrow_error *err)
{
    static const char *const settings[][2] = {
        {"threads", "1"}, /* and so none is started */
        /* one thread keeps the order as it is; saying so would forbid ROW_GROUP_SIZE_BYTES */
        {"preserve_insertion_order", "false"},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"temp_directory", ""}, /* else .tmp in the working directory */
    };
    void *config = NULL;
    bool ok = duckdb->library.create_config(&config) == DUCKDB_SUCCESS;
    for (size_t i = 0; ok && i < sizeof settings / sizeof *settings; i++)
        ok = duckdb->library.set_config(config, settings[i][0], settings[i][1]) == DUCKDB_SUCCESS;
    char *reason = NULL;
    ok = ok && duckdb->library.open_ext(NULL, &duckdb->database, config, &reason) == DUCKDB_SUCCESS;
    ok = ok && duckdb->library.connect(duckdb->database, &duckdb->connection) == DUCKDB_SUCCESS;
    walrow_code code = WALROW_OK;
    if (!ok)
        code = walrow__fail(err, WALROW_ERR_SINK, "cannot open a DuckDB database: %s",
                            reason == NULL ? "a setting is not known" : reason);
    duckdb->library.free(reason);
    duckdb->library.destroy_config(&config);
    return code;
}

walrow_code
walrow__duckdb_open(walrow__duckdb **out, walrow_error *err)
{
    walrow__duckdb *duckdb = calloc(1, sizeof *duckdb);
    if (duckdb == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__duckdb_library_open(&duckdb->library, err);
    if (code == WALROW_OK)
        code = open_database(duckdb, err);
    if (code != WALROW_OK) {
        walrow__duckdb_free(duckdb);
        return code;
    }
    /* a setting of the icu extension: without that there are no time zones and all is UTC anyway */
    walrow_code ignored = walrow__duckdb_query(duckdb, "SET TimeZone = 'UTC'", NULL, NULL, NULL);
    (void)ignored;
    *out = duckdb;
    return WALROW_OK;
}

void
walrow__duckdb_free(walrow__duckdb *duckdb)
{
    if (duckdb == NULL)
        return;
    if (duckdb->connection != NULL)
        duckdb->library.disconnect(&duckdb->connection);
    if (duckdb->database != NULL)
        duckdb->library.close(&duckdb->database);
    walrow__duckdb_library_close(&duckdb->library);
    free(duckdb);
}

/* ---- queries ---- */

static struct ArrowStringView
cell(const duckdb_string *text)
{
    const char *data = text->size <= DUCKDB_INLINE_SIZE ? text->prefix : text->pointer;
    return (struct ArrowStringView){data, text->size};
}

/* cells: room for a row. All columns are VARCHAR. */
static walrow_code
give_chunk(walrow__duckdb *duckdb, void *chunk, struct ArrowStringView *cells, uint64_t n_cells,
           walrow__duckdb_row_fn fn, void *arg, walrow_error *err)
{
    uint64_t rows = duckdb->library.data_chunk_get_size(chunk);
    for (uint64_t row = 0; row < rows; row++) {
        for (uint64_t i = 0; i < n_cells; i++) {
            void *vector = duckdb->library.data_chunk_get_vector(chunk, i);
            const uint64_t *validity = duckdb->library.vector_get_validity(vector);
            bool valid = validity == NULL || (validity[row / 64] >> (row % 64) & 1) != 0;
            const duckdb_string *texts = duckdb->library.vector_get_data(vector);
            cells[i] = valid ? cell(&texts[row]) : (struct ArrowStringView){NULL, 0};
        }
        WALROW_TRY(fn(arg, (int64_t)n_cells, cells, err));
    }
    return WALROW_OK;
}

static walrow_code
give_rows(walrow__duckdb *duckdb, duckdb_result *result, walrow__duckdb_row_fn fn, void *arg,
          walrow_error *err)
{
    uint64_t n_cells = duckdb->library.column_count(result);
    struct ArrowStringView *cells = calloc(n_cells, sizeof *cells);
    if (cells == NULL)
        return walrow__fail_memory(err);
    walrow_code code = WALROW_OK;
    void *chunk;
    while (code == WALROW_OK && (chunk = duckdb->library.fetch_chunk(*result)) != NULL) {
        code = give_chunk(duckdb, chunk, cells, n_cells, fn, arg, err);
        duckdb->library.destroy_data_chunk(&chunk);
    }
    free(cells);
    return code;
}

static bool
is_select(walrow__duckdb *duckdb, const char *sql)
{
    void *statement = NULL;
    bool yes = duckdb->library.prepare(duckdb->connection, sql, &statement) == DUCKDB_SUCCESS &&
               duckdb->library.prepared_statement_type(statement) == DUCKDB_STATEMENT_SELECT;
    duckdb->library.destroy_prepare(&statement);
    return yes;
}

walrow_code
walrow__duckdb_query(walrow__duckdb *duckdb, const char *sql, walrow__duckdb_row_fn fn, void *arg,
                     walrow_error *err)
{
    bool wanted = fn != NULL && is_select(duckdb, sql);
    walrow__strbuf text;
    walrow__strbuf_init(&text);
    walrow__strbuf_addf(&text, wanted ? "SELECT COLUMNS(*)::VARCHAR FROM (%s\n)" : "%s", sql);
    if (text.failed) {
        walrow__strbuf_release(&text);
        return walrow__fail_memory(err);
    }
    duckdb_result result = {.internal = NULL};
    walrow_code code = WALROW_OK;
    if (duckdb->library.query(duckdb->connection, text.data, &result) != DUCKDB_SUCCESS)
        code = walrow__fail(err, WALROW_ERR_SINK, "DuckDB: %s", duckdb->library.result_error(&result));
    else if (wanted)
        code = give_rows(duckdb, &result, fn, arg, err);
    duckdb->library.destroy_result(&result);
    walrow__strbuf_release(&text);
    return code;
}

/* ---- batches out ---- */

static walrow_code
give_batches(walrow__duckdb *duckdb, void *result, walrow__duckdb_arrow_fn fn, void *arg, walrow_error *err)
{
    struct ArrowSchema schema = {.release = NULL}, *schema_at = &schema;
    walrow_code code = WALROW_OK;
    if (duckdb->library.query_arrow_schema(result, &schema_at) != DUCKDB_SUCCESS || schema.release == NULL)
        return walrow__fail(err, WALROW_ERR_SINK, "DuckDB: the result has no Arrow schema");
    for (;;) {
        struct ArrowArray rows = {.release = NULL}, *rows_at = &rows;
        if (duckdb->library.query_arrow_array(result, &rows_at) != DUCKDB_SUCCESS)
            code =
                walrow__fail(err, WALROW_ERR_SINK, "DuckDB: %s", duckdb->library.query_arrow_error(result));
        if (code != WALROW_OK || rows.release == NULL)
            break;
        code = fn(arg, &schema, &rows, err);
        ArrowArrayRelease(&rows);
    }
    ArrowSchemaRelease(&schema);
    return code;
}

walrow_code
walrow__duckdb_query_arrow(walrow__duckdb *duckdb, const char *sql, walrow__duckdb_arrow_fn fn, void *arg,
                           walrow_error *err)
{
    void *result = NULL;
    walrow_code code;
    if (duckdb->library.query_arrow(duckdb->connection, sql, &result) != DUCKDB_SUCCESS)
        code = walrow__fail(err, WALROW_ERR_SINK, "DuckDB: %s", duckdb->library.query_arrow_error(result));
    else
        code = give_batches(duckdb, result, fn, arg, err);
    duckdb->library.destroy_arrow(&result);
    return code;
}

/* ---- quoting ---- */

static void
add_quoted(walrow__strbuf *sql, struct ArrowStringView text, char quote)
{
    walrow__strbuf_add_char(sql, quote);
    for (int64_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] == quote)
            walrow__strbuf_add_char(sql, quote);
        walrow__strbuf_add_char(sql, text.data[i]);
    }
    walrow__strbuf_add_char(sql, quote);
}

void
walrow__duckdb_add_name(walrow__strbuf *sql, const char *name)
{
    add_quoted(sql, ArrowCharView(name), '"');
}

void
walrow__duckdb_add_text(walrow__strbuf *sql, const char *text)
{
    add_quoted(sql, ArrowCharView(text), '\'');
}

/* ---- batches in ---- */

/* The caller's stream as DuckDB reads it: adapted batch by batch. */
typedef struct adapter {
    struct ArrowArrayStream *source;
    walrow__adapt_for target;
    struct ArrowSchema schema; /* the source's */
    struct ArrowSchema adapted;
    walrow_error error; /* of the last get_next */
} adapter;

static void
keep_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

/* Lends it: duckdb_arrow_scan never releases a schema that it gets. */
static int
adapter_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    adapter *self = stream->private_data;
    *out = self->adapted;
    out->release = keep_schema;
    return 0;
}

static int
adapter_get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    adapter *self = stream->private_data;
    int code = self->source->get_next(self->source, out);
    if (code != 0) {
        const char *reason = self->source->get_last_error(self->source);
        walrow__fail(&self->error, WALROW_ERR_UNEXPECTED, "cannot read the batches: %s",
                     reason == NULL ? strerror(code) : reason);
        return code;
    }
    if (out->release == NULL ||
        walrow__parquet_adapt_array(self->target, &self->schema, out, &self->error) == WALROW_OK)
        return 0;
    ArrowArrayRelease(out);
    return EIO;
}

static const char *
adapter_get_last_error(struct ArrowArrayStream *stream)
{
    return ((adapter *)stream->private_data)->error.message;
}

static void
adapter_release(struct ArrowArrayStream *stream)
{
    stream->release = NULL;
}

static walrow_code
adapter_init(adapter *self, walrow__adapt_for target, struct ArrowArrayStream *source, walrow_error *err)
{
    memset(self, 0, sizeof *self);
    self->source = source;
    self->target = target;
    if (source->get_schema(source, &self->schema) != 0)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "cannot read the batches' schema");
    walrow_code code = walrow__parquet_adapt_schema(target, &self->schema, &self->adapted, err);
    if (code != WALROW_OK)
        ArrowSchemaRelease(&self->schema);
    return code;
}

static void
adapter_free(adapter *self)
{
    ArrowSchemaRelease(&self->schema);
    ArrowSchemaRelease(&self->adapted);
}

static walrow_code
scan_input(walrow__duckdb *duckdb, adapter *input, const char *sql, walrow_error *err)
{
    struct ArrowArrayStream stream = {adapter_get_schema, adapter_get_next, adapter_get_last_error,
                                      adapter_release, input};
    if (duckdb->library.arrow_scan(duckdb->connection, "walrow_input", &stream) != DUCKDB_SUCCESS)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "DuckDB cannot read batches of this schema");
    walrow_code code = walrow__duckdb_query(duckdb, sql, NULL, NULL, err);
    if (code != WALROW_OK && input->error.code != WALROW_OK) {
        if (err != NULL)
            *err = input->error;
        code = input->error.code;
    }
    walrow_code dropped =
        walrow__duckdb_query(duckdb, "DROP VIEW walrow_input", NULL, NULL, code == WALROW_OK ? err : NULL);
    return code == WALROW_OK ? dropped : code;
}

walrow_code
walrow__duckdb_load(walrow__duckdb *duckdb, const struct ArrowSchema *schema, struct ArrowArray *batch,
                    const char *sql, walrow_error *err)
{
    struct ArrowArrayStream stream;
    struct ArrowSchema copy;
    adapter input;
    if (ArrowSchemaDeepCopy(schema, &copy) != NANOARROW_OK) {
        ArrowArrayRelease(batch);
        return walrow__fail_memory(err);
    }
    if (ArrowBasicArrayStreamInit(&stream, &copy, 1) != NANOARROW_OK) {
        ArrowSchemaRelease(&copy);
        ArrowArrayRelease(batch);
        return walrow__fail_memory(err);
    }
    ArrowBasicArrayStreamSetArray(&stream, 0, batch);
    walrow_code code = adapter_init(&input, WALROW__FOR_TABLE, &stream, err);
    if (code == WALROW_OK) {
        code = scan_input(duckdb, &input, sql, err);
        adapter_free(&input);
    }
    ArrowArrayStreamRelease(&stream);
    return code;
}

/* ---- Parquet ---- */

static void
add_pair(void *sql, struct ArrowStringView key, struct ArrowStringView value)
{
    add_quoted(sql, key, '\'');
    walrow__strbuf_add_text(sql, ": ");
    add_quoted(sql, value, '\'');
    walrow__strbuf_add_text(sql, ", ");
}

static walrow_code
add_copy(walrow__strbuf *sql, const adapter *input, const char *path, const char *const *kv,
         walrow_error *err)
{
    walrow__strbuf_add_text(sql, "COPY (SELECT * FROM walrow_input) TO ");
    walrow__duckdb_add_text(sql, path);
    walrow__strbuf_add_text(sql, " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, "
                                 "ROW_GROUP_SIZE_BYTES '8MB', USE_TMP_FILE false, KV_METADATA {");
    WALROW_TRY(walrow__parquet_metadata(&input->schema, &input->adapted, add_pair, sql, err));
    for (; kv != NULL && *kv != NULL; kv += 2)
        add_pair(sql, ArrowCharView(kv[0]), ArrowCharView(kv[1]));
    sql->size -= 2; /* the last comma */
    walrow__strbuf_add_text(sql, "})");
    return sql->failed ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__duckdb_write_parquet(walrow__duckdb *duckdb, struct ArrowArrayStream *stream, const char *path,
                             const char *const *kv, walrow_error *err)
{
    adapter input;
    WALROW_TRY(adapter_init(&input, WALROW__FOR_PARQUET, stream, err));
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow_code code = add_copy(&sql, &input, path, kv, err);
    if (code == WALROW_OK)
        code = scan_input(duckdb, &input, walrow__strbuf_text(&sql), err);
    if (code != WALROW_OK)
        unlink(path);
    walrow__strbuf_release(&sql);
    adapter_free(&input);
    return code;
}
