#include "sink/batch_file.h"

#include "base/error.h"
#include "base/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
walrow__batch_file_init(walrow__batch_file *file, const struct ArrowSchema *schema, const char *path)
{
    *file = (walrow__batch_file){.schema = schema, .path = path, .fd = -1};
    pthread_mutex_init(&file->lock, NULL);
    pthread_cond_init(&file->grew, NULL);
}

void
walrow__batch_file_release(walrow__batch_file *file)
{
    if (file->waiting.release != NULL)
        file->waiting.release(&file->waiting);
    if (file->last.release != NULL)
        file->last.release(&file->last);
    walrow__ipc_release(&file->writer);
    if (file->fd >= 0)
        close(file->fd);
    pthread_cond_destroy(&file->grew);
    pthread_mutex_destroy(&file->lock);
}

/* ---- appending ---- */

static walrow_code
write_bytes(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    walrow__batch_file *file = arg;
    return walrow__files_write(file->fd, file->path, bytes, size, err);
}

static walrow_code
open_file(walrow__batch_file *file, walrow_error *err)
{
    char *directory = walrow__files_parent(file->path);
    if (directory == NULL)
        return walrow__fail_memory(err);
    file->fd = walrow__files_open_nameless(directory);
    free(directory);
    if (file->fd < 0)
        return walrow__files_fail(err, errno, "cannot make", file->path);
    return walrow__ipc_open(&file->writer, WALROW__IPC_STREAM, file->schema, write_bytes, file, err);
}

/* What was written may be read. */
static void
show(walrow__batch_file *file, bool ended)
{
    pthread_mutex_lock(&file->lock);
    file->size = file->writer.bytes_written;
    file->ended = ended;
    pthread_cond_signal(&file->grew);
    pthread_mutex_unlock(&file->lock);
}

walrow_code
walrow__batch_file_append(walrow__batch_file *file, const struct ArrowArray *batch, walrow_error *err)
{
    if (file->fd < 0)
        WALROW_TRY(open_file(file, err));
    WALROW_TRY(walrow__ipc_write(&file->writer, batch, err));
    show(file, false);
    return WALROW_OK;
}

walrow_code
walrow__batch_file_end(walrow__batch_file *file, struct ArrowArray *last, walrow_error *err)
{
    ArrowArrayMove(last, &file->last);
    if (file->fd >= 0)
        WALROW_TRY(walrow__ipc_finish(&file->writer, err));
    show(file, true);
    return WALROW_OK;
}

void
walrow__batch_file_abandon(walrow__batch_file *file)
{
    pthread_mutex_lock(&file->lock);
    file->abandoned = true;
    pthread_cond_signal(&file->grew);
    pthread_mutex_unlock(&file->lock);
}

int64_t
walrow__batch_file_bytes(const walrow__batch_file *file)
{
    return file->writer.bytes_written;
}

/* ---- reading ---- */

/* Wait until there are so many bytes more, or it has ended. *size: how many of them there are. */
static ArrowErrorCode
wait_for_bytes(walrow__batch_file *file, int64_t *size, struct ArrowError *error)
{
    pthread_mutex_lock(&file->lock);
    while (file->size - file->read < *size && !file->ended && !file->abandoned)
        pthread_cond_wait(&file->grew, &file->lock);
    int64_t left = file->size - file->read;
    bool abandoned = file->abandoned;
    pthread_mutex_unlock(&file->lock);
    if (left < *size)
        *size = left;
    if (abandoned)
        ArrowErrorSet(error, "the file was given up");
    return abandoned ? ECANCELED : NANOARROW_OK;
}

static ArrowErrorCode
read_bytes(struct ArrowIpcInputStream *stream, uint8_t *bytes, int64_t size, int64_t *size_read,
           struct ArrowError *error)
{
    walrow__batch_file *file = stream->private_data;
    *size_read = 0;
    NANOARROW_RETURN_NOT_OK(wait_for_bytes(file, &size, error));
    while (*size_read < size) {
        ssize_t n = pread(file->fd, bytes + *size_read, (size_t)(size - *size_read), file->read);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            ArrowErrorSet(error, "cannot read back what waits for %s: %s", file->path,
                          n < 0 ? strerror(errno) : "it ends too soon");
            return n < 0 ? errno : EIO;
        }
        file->read += n;
        *size_read += n;
    }
    return NANOARROW_OK;
}

static void
release_input(struct ArrowIpcInputStream *stream)
{
    stream->release = NULL;
}

/* If there is a file, or will be. */
static int
open_waiting(walrow__batch_file *file)
{
    int64_t size = 1;
    NANOARROW_RETURN_NOT_OK(wait_for_bytes(file, &size, NULL));
    if (file->fd < 0)
        return 0;
    struct ArrowIpcInputStream input = {read_bytes, release_input, file};
    return ArrowIpcArrayStreamReaderInit(&file->waiting, &input, NULL);
}

static int
stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    walrow__batch_file *file = stream->private_data;
    out->release = NULL;
    if (file->read == 0)
        NANOARROW_RETURN_NOT_OK(open_waiting(file));
    if (file->waiting.release != NULL) {
        int code = file->waiting.get_next(&file->waiting, out);
        if (code != 0 || out->release != NULL)
            return code;
        file->waiting.release(&file->waiting);
    }
    ArrowArrayMove(&file->last, out);
    return 0;
}

static int
stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    return ArrowSchemaDeepCopy(((walrow__batch_file *)stream->private_data)->schema, out);
}

static const char *
stream_error(struct ArrowArrayStream *stream)
{
    walrow__batch_file *file = stream->private_data;
    return file->waiting.release == NULL ? NULL : file->waiting.get_last_error(&file->waiting);
}

static void
stream_release(struct ArrowArrayStream *stream)
{
    stream->release = NULL;
}

void
walrow__batch_file_stream(walrow__batch_file *file, struct ArrowArrayStream *out)
{
    *out = (struct ArrowArrayStream){stream_schema, stream_next, stream_error, stream_release, file};
}
