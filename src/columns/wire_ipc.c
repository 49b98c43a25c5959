/*
 * columns/wire_ipc.c
 *	  The frames that hold Arrow IPC messages: a table's schema, a batch in format ipc.
 */
#include "base/error.h"
#include "columns/wire_frame.h"

#include <nanoarrow/nanoarrow_ipc.h>

/* What one frame needs; nothing of it outlives the call. */
typedef struct encoding {
    struct ArrowIpcEncoder encoder;
    struct ArrowArrayView view;
    struct ArrowArray array;
    struct ArrowBuffer metadata, body;
} encoding;

static walrow_code
init_encoding(encoding *e, walrow_error *err)
{
    memset(e, 0, sizeof *e);
    ArrowArrayViewInitFromType(&e->view, NANOARROW_TYPE_UNINITIALIZED);
    ArrowBufferInit(&e->metadata);
    ArrowBufferInit(&e->body);
    return ArrowIpcEncoderInit(&e->encoder) == NANOARROW_OK ? WALROW_OK : walrow__fail_memory(err);
}

static void
release_encoding(encoding *e)
{
    ArrowIpcEncoderReset(&e->encoder);
    ArrowArrayViewReset(&e->view);
    if (e->array.release != NULL)
        e->array.release(&e->array);
    ArrowBufferReset(&e->metadata);
    ArrowBufferReset(&e->body);
}

static walrow_code
fail(const struct ArrowError *error, walrow_error *err)
{
    if (error->message[0] == '\0')
        return walrow__fail_memory(err);
    return walrow__fail(err, WALROW_ERR_UNEXPECTED, "cannot encode as Arrow IPC: %s", error->message);
}

/* ---- S ---- */

static walrow_code
encode_schema(encoding *e, const walrow__table *table, walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    if (ArrowIpcEncoderEncodeSchema(&e->encoder, &table->schema, &error) != NANOARROW_OK ||
        ArrowIpcEncoderFinalizeBuffer(&e->encoder, true, &e->metadata) != NANOARROW_OK)
        return fail(&error, err);
    return WALROW_OK;
}

static walrow_code
write_schema(encoding *e, walrow__wire_out *out, const walrow__table *table, walrow_error *err)
{
    WALROW_TRY(encode_schema(e, table, err));
    uint8_t *at = walrow__wire_open_frame(out, WALROW__WIRE_SCHEMA, 16 + (size_t)e->metadata.size_bytes);
    if (at == NULL)
        return walrow__fail_memory(err);
    at = walrow__put_u32(at, table->relid);
    at = walrow__put_u32(at, (uint8_t)table->identity);
    at = walrow__put_u64(at, table->epoch);
    walrow__put_bytes(at, e->metadata.data, (size_t)e->metadata.size_bytes);
    return WALROW_OK;
}

walrow_code
walrow__wire_write_schema(walrow__wire_out *out, const walrow__table *table, walrow_error *err)
{
    encoding e;
    walrow_code code = init_encoding(&e, err);
    if (code == WALROW_OK)
        code = write_schema(&e, out, table, err);
    release_encoding(&e);
    return code;
}

/* ---- R ---- */

static walrow_code
encode_batch(encoding *e, walrow__batch_builder *batch, walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    WALROW_TRY(walrow__batch_finish(batch, &e->array, err));
    if (ArrowArrayViewInitFromSchema(&e->view, &batch->table->schema, &error) != NANOARROW_OK ||
        ArrowArrayViewSetArray(&e->view, &e->array, &error) != NANOARROW_OK ||
        ArrowIpcEncoderEncodeSimpleRecordBatch(&e->encoder, &e->view, &e->body, &error) != NANOARROW_OK ||
        ArrowIpcEncoderFinalizeBuffer(&e->encoder, true, &e->metadata) != NANOARROW_OK)
        return fail(&error, err);
    return WALROW_OK;
}

static walrow_code
write_batch(encoding *e, walrow__wire_out *out, walrow__batch_builder *batch, walrow_error *err)
{
    WALROW_TRY(encode_batch(e, batch, err));
    size_t metadata = (size_t)e->metadata.size_bytes, body = (size_t)e->body.size_bytes;
    uint8_t *at = walrow__wire_open_frame(out, WALROW__WIRE_BATCH, WALROW__WIRE_BATCH_HEAD + metadata + body);
    if (at == NULL)
        return walrow__fail_memory(err);
    at = walrow__wire_put_batch_head(at, batch->table, e->array.length);
    at = walrow__put_bytes(at, e->metadata.data, metadata);
    walrow__put_bytes(at, e->body.data, body);
    return WALROW_OK;
}

walrow_code
walrow__wire_write_ipc_batch(walrow__wire_out *out, walrow__batch_builder *batch, walrow_error *err)
{
    encoding e;
    walrow_code code = init_encoding(&e, err);
    if (code == WALROW_OK)
        code = write_batch(&e, out, batch, err);
    release_encoding(&e);
    return code;
}
