/*
 * sink/format_parquet.c
 *	  Parquet through DuckDB, which writes a file in one go from a stream of batches.
 *
 * So a file's batches wait in an Arrow IPC stream, in a nameless file of the same directory, until the file
 * is ended; then DuckDB reads them from there, one at a time. Memory is bounded by a record batch and a row
 * group, however large the file; what waits is gone with the process. A file of one batch needs none of it.
 */
#include "base/error.h"
#include "base/files.h"
#include "columns/ipc.h"
#include "duckdb/duckdb.h"
#include "sink/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct walrow__table_writer {
    walrow__duckdb *duckdb; /* shared by the sink's writers */
    char *path;
    struct ArrowSchema schema;
    int fd; /* of the waiting batches; -1 while there are none */
    walrow__ipc_writer waiting;
};

static walrow_code
parquet_start(void **shared, walrow_error *err)
{
    walrow__duckdb *duckdb;
    WALROW_TRY(walrow__duckdb_open(&duckdb, err));
    *shared = duckdb;
    return WALROW_OK;
}

static void
parquet_stop(void *shared)
{
    walrow__duckdb_free(shared);
}

static void
parquet_free(walrow__table_writer *writer)
{
    walrow__ipc_release(&writer->waiting);
    if (writer->fd >= 0)
        close(writer->fd);
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
    writer->duckdb = shared;
    writer->fd = -1;
    writer->path = strdup(path);
    if (writer->path == NULL || ArrowSchemaDeepCopy(schema, &writer->schema) != NANOARROW_OK) {
        parquet_free(writer);
        return walrow__fail_memory(err);
    }
    *out = writer;
    return WALROW_OK;
}

/* ---- batches that wait ---- */

static walrow_code
write_bytes(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    walrow__table_writer *writer = arg;
    return walrow__files_write(writer->fd, writer->path, bytes, size, err);
}

static walrow_code
begin_waiting(walrow__table_writer *writer, walrow_error *err)
{
    char *directory = walrow__files_parent(writer->path);
    if (directory == NULL)
        return walrow__fail_memory(err);
    writer->fd = walrow__files_open_nameless(directory);
    free(directory);
    if (writer->fd < 0)
        return walrow__files_fail(err, errno, "cannot make", writer->path);
    return walrow__ipc_open(&writer->waiting, WALROW__IPC_STREAM, &writer->schema, write_bytes, writer, err);
}

static walrow_code
parquet_write(walrow__table_writer *writer, const struct ArrowArray *batch, walrow_error *err)
{
    if (writer->fd < 0)
        WALROW_TRY(begin_waiting(writer, err));
    return walrow__ipc_write(&writer->waiting, batch, err);
}

static int64_t
parquet_bytes(const walrow__table_writer *writer)
{
    return writer->waiting.bytes_written;
}

/* ---- the stream DuckDB reads: what waits, then the last batch ---- */

typedef struct source {
    const struct ArrowSchema *schema;
    struct ArrowArrayStream waiting; /* released: none */
    struct ArrowArray *last;
} source;

static int
source_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    return ArrowSchemaDeepCopy(((source *)stream->private_data)->schema, out);
}

static int
source_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    source *self = stream->private_data;
    out->release = NULL;
    if (self->waiting.release != NULL) {
        int code = self->waiting.get_next(&self->waiting, out);
        if (code != 0 || out->release != NULL)
            return code;
        self->waiting.release(&self->waiting);
    }
    *out = *self->last;
    self->last->release = NULL;
    return 0;
}

static const char *
source_error(struct ArrowArrayStream *stream)
{
    source *self = stream->private_data;
    return self->waiting.release == NULL ? NULL : self->waiting.get_last_error(&self->waiting);
}

static void
source_release(struct ArrowArrayStream *stream)
{
    source *self = stream->private_data;
    if (self->waiting.release != NULL)
        self->waiting.release(&self->waiting);
    if (self->last->release != NULL)
        self->last->release(self->last);
    stream->release = NULL;
}

/* Read from the beginning what waits. */
static walrow_code
open_waiting(walrow__table_writer *writer, struct ArrowArrayStream *out, walrow_error *err)
{
    out->release = NULL;
    if (writer->fd < 0)
        return WALROW_OK;
    WALROW_TRY(walrow__ipc_finish(&writer->waiting, err));
    FILE *file = lseek(writer->fd, 0, SEEK_SET) < 0 ? NULL : fdopen(writer->fd, "r");
    if (file == NULL)
        return walrow__files_fail(err, errno, "cannot read back", writer->path);
    writer->fd = -1; /* the file's now */
    struct ArrowIpcInputStream input;
    if (ArrowIpcInputStreamInitFile(&input, file, 1) != NANOARROW_OK) {
        fclose(file);
        return walrow__fail_memory(err);
    }
    if (ArrowIpcArrayStreamReaderInit(out, &input, NULL) != NANOARROW_OK) {
        input.release(&input);
        return walrow__fail_memory(err);
    }
    return WALROW_OK;
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
    source source = {.schema = &writer->schema, .last = last};
    struct ArrowArrayStream stream = {source_schema, source_next, source_error, source_release, &source};
    walrow_code code = open_waiting(writer, &source.waiting, err);
    if (code == WALROW_OK)
        code = explain(walrow__duckdb_write_parquet(writer->duckdb, &stream, writer->path, NULL, err), err);
    source_release(&stream);
    return code == WALROW_OK ? sync_path(writer->path, err) : code;
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
