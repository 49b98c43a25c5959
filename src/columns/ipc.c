#include "columns/ipc.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

static const char magic[8] = "ARROW1\0"; /* padded to 8 at the start; 6 bytes of it end the file */

static walrow_code
fail(ArrowErrorCode code, const struct ArrowError *error, walrow_error *err)
{
    if (code == ENOMEM)
        return walrow__fail_memory(err);
    return walrow__fail(err, WALROW_ERR_UNEXPECTED, "cannot encode as Arrow IPC: %s", error->message);
}

static walrow_code
emit(walrow__ipc_writer *writer, const void *bytes, int64_t size, walrow_error *err)
{
    if (size == 0)
        return WALROW_OK;
    WALROW_TRY(writer->write(writer->arg, bytes, (size_t)size, err));
    writer->bytes_written += size;
    return WALROW_OK;
}

/* The encoded metadata as an encapsulated message, or bare (the footer). *size: its bytes. */
static walrow_code
emit_metadata(walrow__ipc_writer *writer, bool encapsulate, int32_t *size, walrow_error *err)
{
    struct ArrowBuffer bytes;
    ArrowBufferInit(&bytes);
    walrow_code code = WALROW_OK;
    if (ArrowIpcEncoderFinalizeBuffer(&writer->encoder, encapsulate, &bytes) != NANOARROW_OK)
        code = walrow__fail_memory(err);
    else
        code = emit(writer, bytes.data, bytes.size_bytes, err);
    *size = (int32_t)bytes.size_bytes;
    ArrowBufferReset(&bytes);
    return code;
}

static walrow_code
write_schema(walrow__ipc_writer *writer, const struct ArrowSchema *schema, walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    ArrowErrorCode code = ArrowArrayViewInitFromSchema(&writer->view, schema, &error);
    if (code == NANOARROW_OK)
        code = ArrowIpcEncoderEncodeSchema(&writer->encoder, schema, &error);
    if (code == NANOARROW_OK && writer->format == WALROW__IPC_FILE)
        code = ArrowSchemaDeepCopy(schema, &writer->footer.schema);
    if (code != NANOARROW_OK)
        return fail(code, &error, err);
    if (writer->format == WALROW__IPC_FILE)
        WALROW_TRY(emit(writer, magic, sizeof magic, err));
    int32_t size;
    return emit_metadata(writer, true, &size, err);
}

walrow_code
walrow__ipc_open(walrow__ipc_writer *writer, walrow__ipc_format format, const struct ArrowSchema *schema,
                 walrow__ipc_write_fn write, void *arg, walrow_error *err)
{
    memset(writer, 0, sizeof *writer);
    writer->format = format;
    writer->write = write;
    writer->arg = arg;
    ArrowArrayViewInitFromType(&writer->view, NANOARROW_TYPE_UNINITIALIZED);
    ArrowIpcFooterInit(&writer->footer);
    walrow_code code = WALROW_OK;
    if (ArrowIpcEncoderInit(&writer->encoder) != NANOARROW_OK)
        code = walrow__fail_memory(err);
    if (code == WALROW_OK)
        code = write_schema(writer, schema, err);
    if (code != WALROW_OK)
        walrow__ipc_release(writer);
    return code;
}

/* The body is copied once into one piece: nanoarrow lays out a record batch's buffers that way. */
static walrow_code
write_batch(walrow__ipc_writer *writer, struct ArrowBuffer *body, walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    ArrowErrorCode code =
        ArrowIpcEncoderEncodeSimpleRecordBatch(&writer->encoder, &writer->view, body, &error);
    if (code != NANOARROW_OK)
        return fail(code, &error, err);
    struct ArrowIpcFileBlock block = {.offset = writer->bytes_written, .body_length = body->size_bytes};
    WALROW_TRY(emit_metadata(writer, true, &block.metadata_length, err));
    WALROW_TRY(emit(writer, body->data, body->size_bytes, err));
    if (writer->format == WALROW__IPC_FILE &&
        ArrowBufferAppend(&writer->footer.record_batch_blocks, &block, sizeof block) != NANOARROW_OK)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

walrow_code
walrow__ipc_write(walrow__ipc_writer *writer, const struct ArrowArray *batch, walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    ArrowErrorCode set = ArrowArrayViewSetArray(&writer->view, batch, &error);
    if (set != NANOARROW_OK)
        return fail(set, &error, err);
    struct ArrowBuffer body;
    ArrowBufferInit(&body);
    walrow_code code = write_batch(writer, &body, err);
    ArrowBufferReset(&body);
    return code;
}

static walrow_code
write_footer(walrow__ipc_writer *writer, walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    ArrowErrorCode code = ArrowIpcEncoderEncodeFooter(&writer->encoder, &writer->footer, &error);
    if (code != NANOARROW_OK)
        return fail(code, &error, err);
    int32_t size;
    WALROW_TRY(emit_metadata(writer, false, &size, err));
    uint8_t tail[4 + 6] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24)};
    memcpy(tail + 4, magic, 6);
    return emit(writer, tail, sizeof tail, err);
}

walrow_code
walrow__ipc_finish(walrow__ipc_writer *writer, walrow_error *err)
{
    const uint8_t end_of_stream[8] = {0xff, 0xff, 0xff, 0xff};
    WALROW_TRY(emit(writer, end_of_stream, sizeof end_of_stream, err));
    return writer->format == WALROW__IPC_FILE ? write_footer(writer, err) : WALROW_OK;
}

void
walrow__ipc_release(walrow__ipc_writer *writer)
{
    if (writer->write == NULL) /* released already, or all zeros */
        return;
    ArrowIpcEncoderReset(&writer->encoder);
    ArrowArrayViewReset(&writer->view);
    ArrowIpcFooterReset(&writer->footer);
    memset(writer, 0, sizeof *writer);
}
