/*
 * columns/wire_batch.c
 *	  A batch in format compact, written: first how large it is, then all of it into one piece.
 */
#include "columns/append.h"
#include "columns/wire_frame.h"

/* The columns whose buffers the batch builder has itself. */
enum { N_FIXED = WALROW__UNCHANGED };

/* ---- what a node is made of ---- */

/* A struct's children may end before it does: the missing slots are null. */
static int64_t
null_count(const walrow__column *column, int64_t length)
{
    return column->null_count + (length - column->length);
}

/* Slots that are in the buffers; the others are null. */
static int64_t
filled_slots(const walrow__column *column)
{
    return column->length - column->trailing_nulls;
}

/* The last offset: bytes of text, or slots of a list's children. */
static int32_t
content_end(const walrow__column *column)
{
    int32_t end = 0;
    if (column->offsets.size_bytes > 0)
        memcpy(&end, column->offsets.data + column->offsets.size_bytes - 4, sizeof end);
    return end;
}

static size_t
bitmap_size(int64_t bits)
{
    return (size_t)(bits + 7) / 8;
}

static int64_t
child_length(const walrow__column *column, int64_t length)
{
    return column->type->kind == WALROW__STRUCT ? length : content_end(column);
}

/* ---- how large ---- */

typedef struct layout {
    size_t n_nodes;
    size_t bytes; /* of buffers, padded */
} layout;

static size_t
buffers_size(const walrow__column *column, int64_t length)
{
    walrow__kind kind = column->type->kind;
    size_t n = (size_t)length, size = 0;
    if (null_count(column, length) > 0)
        size = walrow__wire_padded(bitmap_size(length));
    if (kind == WALROW__BOOL)
        return size + walrow__wire_padded(bitmap_size(length));
    if (!walrow__has_offsets(kind))
        return size + walrow__wire_padded(n * (size_t)walrow__slot_width(kind));
    size += walrow__wire_padded((n + 1) * 4);
    return column->n_children > 0 ? size : size + walrow__wire_padded((size_t)content_end(column));
}

static void
measure(const walrow__column *column, int64_t length, layout *out)
{
    out->n_nodes++;
    if (null_count(column, length) == length) /* or there are none */
        return;
    out->bytes += buffers_size(column, length);
    int64_t n = child_length(column, length);
    if (column->type->kind == WALROW__MAP) {
        out->n_nodes++; /* the entries */
        if (n == 0)
            return;
    }
    for (int i = 0; i < column->n_children; i++)
        measure(&column->children[i], n, out);
}

static layout
measure_batch(const walrow__batch_builder *batch)
{
    size_t n = (size_t)batch->rows;
    layout out = {.n_nodes = N_FIXED};
    out.bytes =
        walrow__wire_padded((n + 1) * 4) + walrow__wire_padded(n) + n * 8 + walrow__wire_padded(n * 4);
    if (!batch->without_xids)
        out.bytes += walrow__wire_padded(n * 4);
    if (!batch->without_commit_times)
        out.bytes += n * 8;
    measure(&batch->unchanged, batch->rows, &out);
    measure(&batch->old, batch->rows, &out);
    for (int i = 0; i < batch->table->n_columns; i++)
        measure(&batch->values[i], batch->rows, &out);
    return out;
}

/* ---- all of it ---- */

typedef struct body {
    uint8_t *nulls;   /* where the next node's number of nulls goes */
    uint8_t *buffers; /* where the next buffer goes */
} body;

static void
put_null_count(body *out, int64_t nulls, int64_t length)
{
    bool all = nulls == length && length > 0;
    out->nulls = walrow__put_u32(out->nulls, all ? WALROW__WIRE_ALL_NULL : (uint32_t)nulls);
}

/* Size bytes, zeros up to full, and to a multiple of 8. */
static void
put_buffer(body *out, const void *bytes, size_t size, size_t full)
{
    size_t padded = walrow__wire_padded(full);
    walrow__put_bytes(out->buffers, bytes, size);
    memset(out->buffers + size, 0, padded - size);
    out->buffers += padded;
}

/* The column's bitmap ends with the last null in its buffers: ones follow, and zeros for the trailing nulls. */
static void
put_validity(body *out, const walrow__column *column, int64_t length)
{
    int64_t filled = filled_slots(column);
    size_t present = (size_t)column->validity.size_bytes, ones = bitmap_size(filled);
    uint8_t *bits = out->buffers;
    put_buffer(out, column->validity.data, present, bitmap_size(length));
    memset(bits + present, 0xFF, ones - present);
    if (filled % 8 != 0)
        bits[filled / 8] &= (uint8_t)((1 << filled % 8) - 1);
}

/* Trailing nulls are empty: the last offset again and again. */
static void
put_offsets(body *out, const walrow__column *column, int64_t length)
{
    size_t present = (size_t)column->offsets.size_bytes, full = (size_t)(length + 1) * 4;
    int32_t end = content_end(column);
    uint8_t *offsets = out->buffers;
    put_buffer(out, column->offsets.data, present, full);
    for (size_t at = present; at < full; at += 4)
        memcpy(offsets + at, &end, sizeof end);
}

static void
put_buffers(body *out, const walrow__column *column, int64_t length)
{
    walrow__kind kind = column->type->kind;
    size_t present = (size_t)column->data.size_bytes;
    if (null_count(column, length) > 0)
        put_validity(out, column, length);
    if (kind == WALROW__BOOL) {
        put_buffer(out, column->data.data, present, bitmap_size(length));
    } else if (walrow__has_offsets(kind)) {
        put_offsets(out, column, length);
        if (column->n_children == 0)
            put_buffer(out, column->data.data, present, present);
    } else if (kind != WALROW__STRUCT) {
        put_buffer(out, column->data.data, present, (size_t)length * (size_t)walrow__slot_width(kind));
    }
}

static void
put_column(body *out, const walrow__column *column, int64_t length)
{
    int64_t nulls = null_count(column, length);
    put_null_count(out, nulls, length);
    if (nulls == length)
        return;
    put_buffers(out, column, length);
    int64_t n = child_length(column, length);
    if (column->type->kind == WALROW__MAP) {
        put_null_count(out, 0, n);
        if (n == 0)
            return;
    }
    for (int i = 0; i < column->n_children; i++)
        put_column(out, &column->children[i], n);
}

/* Every op is one byte long. */
static void
put_ops(body *out, const walrow__batch_builder *batch)
{
    size_t n = (size_t)batch->rows;
    uint8_t *offsets = out->buffers;
    put_buffer(out, NULL, 0, (n + 1) * 4);
    for (uint32_t i = 0; i <= n; i++)
        offsets = walrow__put_u32(offsets, i);
    put_buffer(out, batch->ops.data, n, n);
}

static void
put_fixed(body *out, const walrow__batch_builder *batch, const struct ArrowBuffer *values, size_t width,
          bool all_null)
{
    size_t size = (size_t)batch->rows * width;
    put_null_count(out, all_null ? batch->rows : 0, batch->rows);
    if (!all_null)
        put_buffer(out, values->data, size, size);
}

static void
put_batch(body *out, const walrow__batch_builder *batch)
{
    put_null_count(out, 0, batch->rows);
    put_ops(out, batch);
    put_fixed(out, batch, &batch->commit_lsns, 8, false);
    put_fixed(out, batch, &batch->seqs, 4, false);
    put_fixed(out, batch, &batch->xids, 4, batch->without_xids);
    put_fixed(out, batch, &batch->commit_times, 8, batch->without_commit_times);
    put_column(out, &batch->unchanged, batch->rows);
    put_column(out, &batch->old, batch->rows);
    for (int i = 0; i < batch->table->n_columns; i++)
        put_column(out, &batch->values[i], batch->rows);
}

bool
walrow__wire_write_batch(walrow__wire_out *out, walrow__batch_builder *batch)
{
    layout size = measure_batch(batch);
    size_t counts = walrow__wire_padded(4 + size.n_nodes * 4);
    uint8_t *at =
        walrow__wire_open_frame(out, WALROW__WIRE_BATCH, WALROW__WIRE_BATCH_HEAD + counts + size.bytes);
    if (at == NULL)
        return false;
    at = walrow__wire_put_batch_head(at, batch->table, batch->rows);
    body parts = {.nulls = walrow__put_u32(at, (uint32_t)size.n_nodes), .buffers = at + counts};
    put_batch(&parts, batch);
    memset(parts.nulls, 0, (size_t)(at + counts - parts.nulls));
    return true;
}
