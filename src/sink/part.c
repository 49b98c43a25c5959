#include "sink/part.h"

#include "base/error.h"
#include "base/files.h"

#include <stdlib.h>
#include <string.h>

walrow_code
walrow__part_open(walrow__part *part, const walrow__table_format *format, void *shared, char *path,
                  const walrow_batch *batch, walrow_error *err)
{
    memset(part, 0, sizeof *part);
    if (path == NULL)
        return walrow__fail_memory(err);
    part->path = path;
    part->format = format;
    part->shared = shared;
    part->relid = batch->relid;
    part->epoch = batch->epoch;
    walrow_code code = walrow__rows_init(&part->rows, batch->schema, err);
    if (code == WALROW_OK && ArrowSchemaDeepCopy(batch->schema, &part->schema) != NANOARROW_OK)
        code = walrow__fail_memory(err);
    part->open = true;
    if (code != WALROW_OK)
        walrow__part_release(part);
    return code;
}

void
walrow__part_release(walrow__part *part)
{
    if (!part->open)
        return;
    if (part->writer != NULL)
        part->format->free(part->writer);
    if (part->schema.release != NULL)
        part->schema.release(&part->schema);
    walrow__rows_release(&part->rows);
    free(part->path);
    memset(part, 0, sizeof *part);
}

bool
walrow__part_takes(const walrow__part *part, const walrow_batch *batch)
{
    return part->relid == batch->relid && part->epoch == batch->epoch;
}

/* ---- writing ---- */

/* Make the directory each time: whoever reads the files may have tidied it away. */
static walrow_code
open_writer(walrow__part *part, walrow_error *err)
{
    char *directory = walrow__files_parent(part->path);
    if (directory == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__files_make_dirs(directory, err);
    free(directory);
    if (code == WALROW_OK)
        code = part->format->open(part->shared, part->path, &part->schema, &part->writer, err);
    return code;
}

static walrow_code
write_batch(walrow__part *part, const struct ArrowArray *batch, walrow_error *err)
{
    if (part->writer == NULL)
        WALROW_TRY(open_writer(part, err));
    return part->format->write(part->writer, batch, err);
}

walrow_code
walrow__part_flush(walrow__part *part, walrow_error *err)
{
    if (walrow__rows_count(&part->rows) == 0)
        return WALROW_OK;
    struct ArrowArray batch;
    WALROW_TRY(walrow__rows_take(&part->rows, &batch, err));
    part->gathered = 0;
    walrow_code code = write_batch(part, &batch, err);
    batch.release(&batch);
    return code;
}

walrow_code
walrow__part_append(walrow__part *part, const struct ArrowArray *batch, int64_t start, int64_t n,
                    walrow_error *err)
{
    part->n_rows += n;
    /* a large batch that is wanted whole needs no copy */
    if (n == batch->length && n >= WALROW__RECORD_BATCH_DIRECT && n <= WALROW__RECORD_BATCH_ROWS) {
        WALROW_TRY(walrow__part_flush(part, err));
        return write_batch(part, batch, err);
    }
    while (n > 0) {
        int64_t room = WALROW__RECORD_BATCH_ROWS - walrow__rows_count(&part->rows);
        int64_t take = n < room ? n : room;
        WALROW_TRY(walrow__rows_append(&part->rows, batch, start, take, err));
        part->gathered = walrow__rows_bytes(&part->rows);
        if (take == room || part->gathered >= WALROW__RECORD_BATCH_BYTES)
            WALROW_TRY(walrow__part_flush(part, err));
        start += take;
        n -= take;
    }
    return WALROW_OK;
}

int64_t
walrow__part_bytes(const walrow__part *part)
{
    return part->gathered + (part->writer == NULL ? 0 : part->format->bytes(part->writer));
}

walrow_code
walrow__part_close(walrow__part *part, walrow_error *err)
{
    struct ArrowArray last = {.release = NULL};
    if (walrow__rows_count(&part->rows) > 0)
        WALROW_TRY(walrow__rows_take(&part->rows, &last, err));
    part->gathered = 0;
    walrow_code code = part->writer == NULL ? open_writer(part, err) : WALROW_OK;
    if (code == WALROW_OK)
        return part->format->close(part->writer, &last, err);
    if (last.release != NULL)
        last.release(&last);
    return code;
}
