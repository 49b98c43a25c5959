#include "duckdb/question.h"

#include "base/error.h"
#include "duckdb/inside.h"
#include "duckdb/parquet_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walrow__duckdb_question {
    walrow__duckdb *duckdb;
    struct ArrowSchema schema, adapted;
    struct ArrowArrayStream stream; /* where the view reads: DuckDB empties the struct each time */
    struct ArrowArray batch;        /* what it gives next; no release: its end */
    char view[40];
    bool has_view;
    void *statement;
};

/* ---- the stream ---- */

static void
keep_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

/* Lends it: duckdb_arrow_scan never releases a schema that it gets. */
static int
get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    const walrow__duckdb_question *self = stream->private_data;
    *out = self->adapted;
    out->release = keep_schema;
    return 0;
}

static int
get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    walrow__duckdb_question *self = stream->private_data;
    *out = self->batch;
    self->batch.release = NULL;
    return 0;
}

static const char *
get_last_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return NULL;
}

static void
release_stream(struct ArrowArrayStream *stream)
{
    stream->release = NULL;
}

static void
renew_stream(walrow__duckdb_question *self)
{
    self->stream = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, self};
}

/* ---- life ---- */

static walrow_code
prepare(walrow__duckdb_question *self, const char *expression, walrow_error *err)
{
    walrow__duckdb_library *library = &self->duckdb->library;
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql, "SELECT %s FROM %s", expression, self->view);
    walrow_code code = WALROW_OK;
    if (sql.failed)
        code = walrow__fail_memory(err);
    else if (library->prepare(self->duckdb->connection, sql.data, &self->statement) != DUCKDB_SUCCESS)
        code = walrow__fail(err, WALROW_ERR_SINK, "DuckDB: %s", library->prepare_error(self->statement));
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
init(walrow__duckdb_question *self, const struct ArrowSchema *schema, const char *expression,
     walrow_error *err)
{
    walrow__duckdb *duckdb = self->duckdb;
    if (ArrowSchemaDeepCopy(schema, &self->schema) != NANOARROW_OK)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__parquet_adapt_schema(WALROW__FOR_TABLE, schema, &self->adapted, err));
    snprintf(self->view, sizeof self->view, "walrow_question_%u", ++duckdb->questions);
    renew_stream(self);
    if (duckdb->library.arrow_scan(duckdb->connection, self->view, &self->stream) != DUCKDB_SUCCESS)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "DuckDB cannot read batches of this schema");
    self->has_view = true;
    return prepare(self, expression, err);
}

walrow_code
walrow__duckdb_question_new(walrow__duckdb *duckdb, const struct ArrowSchema *schema, const char *expression,
                            walrow__duckdb_question **out, walrow_error *err)
{
    walrow__duckdb_question *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->duckdb = duckdb;
    walrow_code code = init(self, schema, expression, err);
    if (code == WALROW_OK)
        *out = self;
    else
        walrow__duckdb_question_free(self);
    return code;
}

static void
drop_view(walrow__duckdb_question *self)
{
    char sql[sizeof self->view + 16];
    snprintf(sql, sizeof sql, "DROP VIEW %s", self->view);
    walrow_code ignored = walrow__duckdb_query(self->duckdb, sql, NULL, NULL, NULL);
    (void)ignored; /* nobody uses it any more */
}

void
walrow__duckdb_question_free(walrow__duckdb_question *self)
{
    if (self == NULL)
        return;
    self->duckdb->library.destroy_prepare(&self->statement);
    if (self->has_view)
        drop_view(self);
    if (self->schema.release != NULL)
        ArrowSchemaRelease(&self->schema);
    if (self->adapted.release != NULL)
        ArrowSchemaRelease(&self->adapted);
    free(self);
}

/* ---- asking ---- */

/* Under a null a value is anything. */
static void
take_chunk(const walrow__duckdb_library *library, void *chunk, bool *answer, uint64_t room)
{
    uint64_t rows = library->data_chunk_get_size(chunk);
    void *vector = library->data_chunk_get_vector(chunk, 0);
    const uint8_t *values = library->vector_get_data(vector);
    const uint64_t *validity = library->vector_get_validity(vector);
    for (uint64_t row = 0; row < rows && row < room; row++) {
        bool valid = validity == NULL || (validity[row / 64] >> (row % 64) & 1) != 0;
        answer[row] = valid && values[row] != 0;
    }
}

static walrow_code
take_answers(walrow__duckdb_library *library, duckdb_result *result, bool *answer, uint64_t n,
             walrow_error *err)
{
    uint64_t done = 0;
    void *chunk;
    while ((chunk = library->fetch_chunk(*result)) != NULL) {
        take_chunk(library, chunk, answer + done, n - done);
        done += library->data_chunk_get_size(chunk);
        library->destroy_data_chunk(&chunk);
        if (done > n)
            break;
    }
    return done == n ? WALROW_OK
                     : walrow__fail(err, WALROW_ERR_SINK, "DuckDB answers for %llu rows of %llu",
                                    (unsigned long long)done, (unsigned long long)n);
}

static walrow_code
ask(walrow__duckdb_question *self, bool *answer, walrow_error *err)
{
    walrow__duckdb_library *library = &self->duckdb->library;
    uint64_t n = (uint64_t)self->batch.length;
    duckdb_result result = {.internal = NULL};
    walrow_code code;
    renew_stream(self);
    if (library->execute_prepared(self->statement, &result) == DUCKDB_SUCCESS)
        code = take_answers(library, &result, answer, n, err);
    else
        code = walrow__fail(err, WALROW_ERR_SINK, "DuckDB: %s", library->result_error(&result));
    library->destroy_result(&result);
    return code;
}

walrow_code
walrow__duckdb_ask(walrow__duckdb_question *self, struct ArrowArray *batch, bool *answer, walrow_error *err)
{
    ArrowArrayMove(batch, &self->batch);
    walrow_code code = walrow__parquet_adapt_array(WALROW__FOR_TABLE, &self->schema, &self->batch, err);
    if (code == WALROW_OK)
        code = ask(self, answer, err);
    if (self->batch.release != NULL)
        ArrowArrayRelease(&self->batch);
    return code;
}
