#include "stream/spill.h"

#include "base/error.h"
#include "base/files.h"
#include "state/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct walrow__spill {
    char *directory;
    int fd;
    int64_t end; /* of what was put */
};

walrow_code
walrow__spill_new(const char *directory, walrow__spill **out, walrow_error *err)
{
    walrow__spill *spill = calloc(1, sizeof *spill);
    if (spill == NULL)
        return walrow__fail_memory(err);
    spill->fd = -1;
    spill->directory = strdup(directory);
    walrow_code code = spill->directory == NULL ? walrow__fail_memory(err) : WALROW_OK;
    if (code == WALROW_OK && (spill->fd = walrow__files_open_nameless(directory)) < 0)
        code = walrow__files_fail(err, errno, "cannot make a file in", directory);
    if (code == WALROW_OK)
        *out = spill;
    else
        walrow__spill_free(spill);
    return code;
}

void
walrow__spill_free(walrow__spill *spill)
{
    if (spill == NULL)
        return;
    if (spill->fd >= 0)
        close(spill->fd);
    free(spill->directory);
    free(spill);
}

walrow_code
walrow__spill_put(walrow__spill *spill, const walrow_batch *batch, walrow__spilled *out, walrow_error *err)
{
    walrow_batch copy = *batch;
    walrow_changes changes = {.batches = &copy, .n_batches = 1};
    walrow__strbuf bytes;
    walrow__strbuf_init(&bytes);
    walrow_code code = walrow__changes_encode(&changes, &bytes, err);
    if (code == WALROW_OK)
        code = walrow__files_write(spill->fd, spill->directory, bytes.data, bytes.size, err);
    if (code == WALROW_OK) {
        *out = (walrow__spilled){.offset = spill->end, .size = (int64_t)bytes.size};
        spill->end += out->size;
    }
    walrow__strbuf_release(&bytes);
    return code;
}

static walrow_code
read_bytes(const walrow__spill *spill, walrow__spilled where, char *bytes, walrow_error *err)
{
    for (int64_t done = 0; done < where.size;) {
        ssize_t n = pread(spill->fd, bytes + done, (size_t)(where.size - done), where.offset + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return walrow__files_fail(err, n < 0 ? errno : EIO, "cannot read what waits in",
                                      spill->directory);
        done += n;
    }
    return WALROW_OK;
}

walrow_code
walrow__spill_take(walrow__spill *spill, walrow__spilled where, struct ArrowArray *out, walrow_error *err)
{
    walrow_changes changes;
    char *bytes = malloc((size_t)where.size);
    if (bytes == NULL)
        return walrow__fail_memory(err);
    walrow_code code = read_bytes(spill, where, bytes, err);
    if (code == WALROW_OK)
        code = walrow__changes_decode(bytes, (size_t)where.size, &changes, err);
    free(bytes);
    if (code != WALROW_OK)
        return code;
    ArrowArrayMove(&changes.batches[0].array, out);
    changes.release(&changes);
    /* where the file system cannot, the room is free when the reader goes */
    (void)fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, where.offset, where.size);
    return WALROW_OK;
}
