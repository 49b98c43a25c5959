#include "source/wal2arrow.h"

#include "base/error.h"

#include <errno.h>
#include <nanoarrow/nanoarrow_ipc.h>

static walrow_code
fail(ArrowErrorCode code, const struct ArrowError *error, walrow_error *err)
{
    if (code == ENOMEM)
        return walrow__fail_memory(err);
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "schema: %.200s",
                        error->message[0] != '\0' ? error->message : "not a Schema message");
}

static walrow_code
decode_schema(struct ArrowIpcDecoder *decoder, struct ArrowBufferView bytes, struct ArrowSchema *out,
              walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    ArrowErrorCode code = ArrowIpcDecoderVerifyHeader(decoder, bytes, &error);
    if (code == NANOARROW_OK && decoder->message_type != NANOARROW_IPC_MESSAGE_TYPE_SCHEMA)
        code = EINVAL;
    if (code == NANOARROW_OK)
        code = ArrowIpcDecoderDecodeHeader(decoder, bytes, &error);
    if (code == NANOARROW_OK)
        code = ArrowIpcDecoderDecodeSchema(decoder, out, &error);
    return code == NANOARROW_OK ? WALROW_OK : fail(code, &error, err);
}

/* A flatbuffer must be aligned, which a message need not be: it is copied. */
static walrow_code
read_schema(walrow__wire_bytes ipc, struct ArrowSchema *out, walrow_error *err)
{
    struct ArrowIpcDecoder decoder;
    struct ArrowBuffer bytes;
    ArrowBufferInit(&bytes);
    if (ArrowIpcDecoderInit(&decoder) != NANOARROW_OK)
        return walrow__fail_memory(err);
    walrow_code code = WALROW_OK;
    if (ArrowBufferAppend(&bytes, ipc.bytes, (int64_t)ipc.size) != NANOARROW_OK)
        code = walrow__fail_memory(err);
    if (code == WALROW_OK)
        code = decode_schema(
            &decoder, (struct ArrowBufferView){.data.as_uint8 = bytes.data, .size_bytes = bytes.size_bytes},
            out, err);
    ArrowBufferReset(&bytes);
    ArrowIpcDecoderReset(&decoder);
    return code;
}

walrow_code
walrow__wal2arrow_read_table(walrow__wire_bytes payload, walrow__table **out, walrow_error *err)
{
    walrow__wire_schema frame;
    struct ArrowSchema schema = {.release = NULL};
    walrow__table *table = NULL;
    if (!walrow__wire_read_schema(payload, &frame))
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "short schema");
    if (memchr("dnfi", frame.identity, 4) == NULL)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "schema: an unknown replica identity");
    WALROW_TRY(read_schema(frame.ipc, &schema, err));
    walrow_code code = walrow__table_from_schema(&schema, frame.relid, frame.identity, &table, err);
    if (schema.release != NULL)
        ArrowSchemaRelease(&schema);
    if (code == WALROW_OK && table->epoch != frame.epoch) {
        walrow__table_unref(table);
        code = walrow__fail(err, WALROW_ERR_PROTOCOL, "schema: of another epoch than it says");
    }
    if (code == WALROW_OK)
        *out = table;
    return code;
}
