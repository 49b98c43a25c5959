/*
 * sink/format_parquet.c
 *	  Parquet through DuckDB, which writes a file in one go from a stream of batches.
 *
 * So a file's batches wait in a nameless file beside it (sink/batch_file.h), and DuckDB reads them from there: of
 *	  one file at a time in a thread of its own, while more of them come; of others when they end. Memory is
 *	  bounded by a record batch and a row group for each of the two, however large the files.
 */
#include "base/error.h"
#include "base/files.h"
#include "duckdb/duckdb.h"
#include "sink/batch_file.h"
#include "sink/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a sink's writers share. */
typedef struct parquet {
    walrow__duckdb *duckdb; /* the sink's thread's */
    walrow__duckdb *beside; /* the other thread's; NULL until there is one */
    bool busy;              /* there is one */
} parquet;

struct walrow__table_writer {
    parquet *shared;
    char *path;
    struct ArrowSchema schema;
    walrow__batch_file batches;
    bool threaded; /* the thread writes the file; busy with it */
    pthread_t thread;
    walrow_error outcome; /* the thread's; to be read once it has ended */
};

static void
parquet_stop(void *shared)
{
    parquet *self = shared;
    walrow__duckdb_free(self->duckdb);
    walrow__duckdb_free(self->beside);
    free(self);
}

static walrow_code
parquet_start(void **shared, walrow_error *err)
{
    parquet *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__duckdb_open(&self->duckdb, err);
    if (code == WALROW_OK)
        *shared = self;
    else
        parquet_stop(self);
    return code;
}

/* ---- the thread ---- */

static walrow_code
write_file(walrow__table_writer *writer, walrow__duckdb *duckdb, walrow_error *err)
{
    struct ArrowArrayStream stream;
    walrow__batch_file_stream(&writer->batches, &stream);
    return walrow__duckdb_write_parquet(duckdb, &stream, writer->path, NULL, err);
}

static void *
thread_main(void *arg)
{
    walrow__table_writer *writer = arg;
    walrow_error err = {0};
    walrow_code code = write_file(writer, writer->shared->beside, &err);
    writer->outcome = err;
    writer->outcome.code = code;
    return NULL;
}

static walrow_code
start_thread(walrow__table_writer *writer, walrow_error *err)
{
    parquet *shared = writer->shared;
    if (shared->beside == NULL)
        WALROW_TRY(walrow__duckdb_open(&shared->beside, err));
    int failed = pthread_create(&writer->thread, NULL, thread_main, writer);
    if (failed != 0)
        return walrow__fail_errno(err, WALROW_ERR_UNEXPECTED, failed, "cannot start a thread for %s",
                                  writer->path);
    writer->threaded = shared->busy = true;
    return WALROW_OK;
}

static void
join_thread(walrow__table_writer *writer)
{
    pthread_join(writer->thread, NULL);
    writer->threaded = writer->shared->busy = false;
}

/* ---- a file ---- */

static void
parquet_free(walrow__table_writer *writer)
{
    if (writer->threaded) {
        walrow__batch_file_abandon(&writer->batches);
        join_thread(writer);
    }
    walrow__batch_file_release(&writer->batches);
    if (writer->schema.release != NULL)
        writer->schema.release(&writer->schema);
    free(writer->path);
    free(writer);
}

static walrow_code
parquet_open(void *shared, const char *path, const struct ArrowSchema *schema, walrow__table_writer **out,
             walrow_error *err)
{
    walrow__table_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return walrow__fail_memory(err);
    writer->shared = shared;
    writer->path = strdup(path);
    walrow__batch_file_init(&writer->batches, &writer->schema, writer->path);
    if (writer->path == NULL || ArrowSchemaDeepCopy(schema, &writer->schema) != NANOARROW_OK) {
        parquet_free(writer);
        return walrow__fail_memory(err);
    }
    *out = writer;
    return WALROW_OK;
}

static walrow_code
parquet_write(walrow__table_writer *writer, const struct ArrowArray *batch, walrow_error *err)
{
    WALROW_TRY(walrow__batch_file_append(&writer->batches, batch, err));
    return writer->shared->busy ? WALROW_OK : start_thread(writer, err);
}

static int64_t
parquet_bytes(const walrow__table_writer *writer)
{
    return walrow__batch_file_bytes(&writer->batches);
}

/* DuckDB has words for what went wrong, not errno. */
static walrow_code
explain(walrow_code code, walrow_error *err)
{
    if (err != NULL && err->hint[0] == '\0' && code == WALROW_ERR_SINK)
        walrow__hint(err, "%s",
                     walrow__files_way_out(strstr(err->message, strerror(ENOSPC)) != NULL ? ENOSPC : 0));
    return code;
}

static walrow_code
sync_path(const char *path, walrow_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return walrow__files_fail(err, errno, "cannot open", path);
    walrow_code code = walrow__files_sync(fd, path, err);
    close(fd);
    return code;
}

static walrow_code
parquet_close(walrow__table_writer *writer, struct ArrowArray *last, walrow_error *err)
{
    WALROW_TRY(walrow__batch_file_end(&writer->batches, last, err));
    walrow_code code;
    if (writer->threaded) {
        join_thread(writer);
        code = writer->outcome.code;
        if (code != WALROW_OK && err != NULL)
            *err = writer->outcome;
    } else
        code = write_file(writer, writer->shared->duckdb, err);
    return code == WALROW_OK ? sync_path(writer->path, err) : explain(code, err);
}

const walrow__table_format walrow__format_parquet = {
    .name = "parquet",
    .extension = ".parquet",
    .start = parquet_start,
    .stop = parquet_stop,
    .open = parquet_open,
    .write = parquet_write,
    .close = parquet_close,
    .bytes = parquet_bytes,
    .free = parquet_free,
};
