#include "source/wal2arrow.h"

#include "base/error.h"

#include <errno.h>
#include <nanoarrow/nanoarrow_ipc.h>

/* What stands before the flatbuffer (Arrow specification, "Encapsulated message format"). */
#define CONTINUATION UINT32_C(0xFFFFFFFF)
enum { PREFIX = 8 };

static walrow_code
fail(ArrowErrorCode code, const struct ArrowError *error, walrow_error *err)
{
    if (code == ENOMEM)
        return walrow__fail_memory(err);
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "schema: %.200s",
                        error->message[0] != '\0' ? error->message : "not a Schema message");
}

/*
 * ---- what nanoarrow takes for granted: that a field's type and both texts of a piece of metadata are there, which a
 * flatbuffer that was verified need not have. Fields by their numbers in Arrow's Message.fbs and Schema.fbs; all offsets were verified.
 */

static uint32_t
load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* What a table's field of offsets points to; NULL: not there. */
static const uint8_t *
field_of(const uint8_t *table, int number)
{
    uint16_t size, offset = 0;
    const uint8_t *vtable = table - (int32_t)load_u32(table);
    memcpy(&size, vtable, sizeof size);
    if (4 + 2 * number + 2 <= size)
        memcpy(&offset, vtable + 4 + 2 * number, sizeof offset);
    return offset == 0 ? NULL : table + offset + load_u32(table + offset);
}

static uint32_t
count_of(const uint8_t *vector)
{
    return vector == NULL ? 0 : load_u32(vector);
}

static const uint8_t *
item_of(const uint8_t *vector, uint32_t i)
{
    const uint8_t *at = vector + 4 + (size_t)4 * i;
    return at + load_u32(at);
}

static bool
metadata_is_whole(const uint8_t *metadata)
{
    for (uint32_t i = 0; i < count_of(metadata); i++)
        if (field_of(item_of(metadata, i), 0) == NULL || field_of(item_of(metadata, i), 1) == NULL)
            return false;
    return true;
}

/* Field: type 3, dictionary 4, children 5, custom_metadata 6. */
static bool
fields_are_whole(const uint8_t *fields)
{
    for (uint32_t i = 0; i < count_of(fields); i++) {
        const uint8_t *field = item_of(fields, i);
        if (field_of(field, 3) == NULL || field_of(field, 4) != NULL ||
            !metadata_is_whole(field_of(field, 6)) || !fields_are_whole(field_of(field, 5)))
            return false;
    }
    return true;
}

/* Message: header 2. Schema: fields 1, custom_metadata 2. */
static bool
schema_is_whole(const uint8_t *flatbuffer)
{
    const uint8_t *schema = field_of(flatbuffer + load_u32(flatbuffer), 2);
    return schema != NULL && metadata_is_whole(field_of(schema, 2)) && fields_are_whole(field_of(schema, 1));
}

/* ---- */

static walrow_code
decode_schema(struct ArrowIpcDecoder *decoder, struct ArrowBufferView bytes, struct ArrowSchema *out,
              walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    ArrowErrorCode code = ArrowIpcDecoderVerifyHeader(decoder, bytes, &error);
    if (code == NANOARROW_OK &&
        (decoder->message_type != NANOARROW_IPC_MESSAGE_TYPE_SCHEMA ||
         load_u32(bytes.data.as_uint8) != CONTINUATION || !schema_is_whole(bytes.data.as_uint8 + PREFIX)))
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
