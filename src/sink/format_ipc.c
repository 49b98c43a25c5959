/* The Arrow IPC file format, through columns/ipc.h. */
#include "base/error.h"
#include "base/files.h"
#include "columns/ipc.h"
#include "sink/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct walrow__table_writer {
    int fd;
    char *path;
    walrow__ipc_writer ipc;
};

static walrow_code
write_bytes(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    walrow__table_writer *writer = arg;
    return walrow__files_write(writer->fd, writer->path, bytes, size, err);
}

static void
ipc_free(walrow__table_writer *writer)
{
    walrow__ipc_release(&writer->ipc);
    if (writer->fd >= 0)
        close(writer->fd);
    free(writer->path);
    free(writer);
}

static walrow_code
ipc_open(void *shared, const char *path, const struct ArrowSchema *schema, walrow__table_writer **out,
         walrow_error *err)
{
    (void)shared;
    walrow__table_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL || (writer->path = strdup(path)) == NULL) {
        free(writer);
        return walrow__fail_memory(err);
    }
    writer->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    walrow_code code =
        writer->fd < 0 ? walrow__files_fail(err, errno, "cannot make", path)
                       : walrow__ipc_open(&writer->ipc, WALROW__IPC_FILE, schema, write_bytes, writer, err);
    if (code != WALROW_OK)
        ipc_free(writer);
    else
        *out = writer;
    return code;
}

static walrow_code
ipc_write(walrow__table_writer *writer, const struct ArrowArray *batch, walrow_error *err)
{
    return walrow__ipc_write(&writer->ipc, batch, err);
}

static walrow_code
write_last(walrow__table_writer *writer, struct ArrowArray *last, walrow_error *err)
{
    if (last->release == NULL)
        return WALROW_OK;
    walrow_code code = walrow__ipc_write(&writer->ipc, last, err);
    last->release(last);
    return code;
}

static walrow_code
ipc_close(walrow__table_writer *writer, struct ArrowArray *last, walrow_error *err)
{
    WALROW_TRY(write_last(writer, last, err));
    WALROW_TRY(walrow__ipc_finish(&writer->ipc, err));
    WALROW_TRY(walrow__files_sync(writer->fd, writer->path, err));
    int fd = writer->fd;
    writer->fd = -1;
    return close(fd) == 0 ? WALROW_OK : walrow__files_fail(err, errno, "cannot write", writer->path);
}

static int64_t
ipc_bytes(const walrow__table_writer *writer)
{
    return writer->ipc.bytes_written;
}

const walrow__table_format walrow__format_ipc = {
    .name = "arrow",
    .extension = ".arrow",
    .open = ipc_open,
    .write = ipc_write,
    .close = ipc_close,
    .bytes = ipc_bytes,
    .free = ipc_free,
};
