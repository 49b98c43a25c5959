/*
 * stream/reader.c
 *	  walrow_reader: one table's batches as an ArrowArrayStream.
 *
 * The change set that is being read lives in the stream, so that the reader after a change of schema goes on
 *	  where this one ended.
 */
#include "base/error.h"
#include "stream/stream.h"

#include <errno.h>
#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    walrow_stream *stream; /* borrowed */
    char *table;           /* "schema.table" */
    struct ArrowSchema schema;
    uint64_t epoch;
    bool ended;
    walrow_error err;
} reader;

static bool
is_of_table(const reader *r, const walrow_batch *batch)
{
    size_t n = strlen(batch->schema_name);
    return strncmp(r->table, batch->schema_name, n) == 0 && r->table[n] == '.' &&
           strcmp(r->table + n + 1, batch->table_name) == 0;
}

/* The change set is through: its rows are the caller's, who asks for more. */
static walrow_code
finish_changes(walrow_stream *stream, walrow_error *err)
{
    uint64_t end_lsn = stream->reading.end_lsn;
    stream->reading.release(&stream->reading);
    stream->read_at = 0;
    return end_lsn == 0 ? WALROW_OK : walrow_ack(stream, end_lsn, err);
}

/* The next batch of the table, borrowed; WALROW_END when there are no more. */
static walrow_code
find_batch(reader *r, walrow_batch **out)
{
    walrow_stream *stream = r->stream;
    for (;;) {
        if (stream->reading.release == NULL)
            WALROW_TRY(walrow_next(stream, &stream->reading, -1, &r->err));
        while (stream->read_at < stream->reading.n_batches) {
            walrow_batch *batch = &stream->reading.batches[stream->read_at];
            if (batch->array.release != NULL && batch->array.length > 0 && is_of_table(r, batch)) {
                *out = batch;
                return WALROW_OK;
            }
            stream->read_at++;
        }
        WALROW_TRY(finish_changes(stream, &r->err));
    }
}

static int
status_of(walrow_code code)
{
    switch (code) {
    case WALROW_ERR_MEMORY:
        return ENOMEM;
    case WALROW_ERR_NET:
    case WALROW_ERR_CONNECT:
        return ECONNRESET;
    default:
        return EIO;
    }
}

/* The first batch decides the schema. */
static int
find_schema(reader *r)
{
    walrow_batch *batch;
    if (r->schema.release != NULL)
        return 0;
    walrow_code code = find_batch(r, &batch);
    if (code == WALROW_END) {
        walrow__fail(&r->err, WALROW_END, "the stream ended before the table's first change");
        return ENODATA;
    }
    if (code != WALROW_OK)
        return status_of(code);
    r->epoch = batch->epoch;
    return ArrowSchemaDeepCopy(batch->schema, &r->schema);
}

static int
get_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    reader *r = self->private_data;
    int status = find_schema(r);
    return status != 0 ? status : ArrowSchemaDeepCopy(&r->schema, out);
}

static int
get_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    reader *r = self->private_data;
    walrow_batch *batch;
    out->release = NULL;
    if (r->ended)
        return 0;
    int status = find_schema(r);
    if (status == ENODATA) {
        r->ended = true;
        return 0;
    }
    if (status != 0)
        return status;
    walrow_code code = find_batch(r, &batch);
    if (code == WALROW_END || (code == WALROW_OK && batch->epoch != r->epoch)) {
        r->ended = true;
        return 0;
    }
    if (code != WALROW_OK)
        return status_of(code);
    ArrowArrayMove(&batch->array, out);
    return 0;
}

static const char *
get_last_error(struct ArrowArrayStream *self)
{
    reader *r = self->private_data;
    return r->err.message;
}

static void
release(struct ArrowArrayStream *self)
{
    reader *r = self->private_data;
    if (r->schema.release != NULL)
        ArrowSchemaRelease(&r->schema);
    free(r->table);
    free(r);
    memset(self, 0, sizeof *self);
}

walrow_code
walrow_reader(walrow_stream *stream, const char *table, struct ArrowArrayStream *out, walrow_error *err)
{
    reader *r = calloc(1, sizeof *r);
    if (r == NULL || (r->table = strdup(table)) == NULL) {
        free(r);
        return walrow__fail_memory(err);
    }
    r->stream = stream;
    *out = (struct ArrowArrayStream){.get_schema = get_schema,
                                     .get_next = get_next,
                                     .get_last_error = get_last_error,
                                     .release = release,
                                     .private_data = r};
    return WALROW_OK;
}
