#include "columns/batch.h"

#include "base/error.h"

#include <assert.h>
#include <string.h>

enum {
    ROW_BYTES = 1 + 8 + 4 + 4 + 8, /* of op, commit LSN, ordinal, xid, commit time */
    FIRST_ROWS = 64
};

walrow_code
walrow__batch_init(walrow__batch_builder *batch, walrow__table *table, struct ArrowBufferAllocator allocator,
                   walrow_error *err)
{
    memset(batch, 0, sizeof *batch);
    struct ArrowBuffer *fixed[] = {&batch->ops, &batch->commit_lsns, &batch->seqs, &batch->xids,
                                   &batch->commit_times};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        ArrowBufferInit(fixed[i]);
        fixed[i]->allocator = allocator;
    }
    batch->table = walrow__table_ref(table);
    size_t n = (size_t)table->n_columns;
    batch->values = ArrowMalloc((int64_t)((n + 1) * sizeof *batch->values));
    walrow_code code = batch->values == NULL ? walrow__fail_memory(err) : WALROW_OK;
    if (code == WALROW_OK) {
        memset(batch->values, 0, (n + 1) * sizeof *batch->values);
        code = walrow__column_init(&batch->unchanged, walrow__table_unchanged_type(), allocator, err);
    }
    if (code == WALROW_OK)
        code = walrow__column_init(&batch->old, &table->old_type, allocator, err);
    for (size_t i = 0; code == WALROW_OK && i < n; i++)
        code = walrow__column_init(&batch->values[i], &table->columns[i].type, allocator, err);
    if (code != WALROW_OK)
        walrow__batch_release(batch);
    return code;
}

/* Columns never initialised are all zeros, which walrow__column_release must not be shown. */
static void
release_column(walrow__column *column)
{
    if (column->type != NULL)
        walrow__column_release(column);
}

void
walrow__batch_release(walrow__batch_builder *batch)
{
    if (batch->table == NULL)
        return;
    ArrowBufferReset(&batch->ops);
    ArrowBufferReset(&batch->commit_lsns);
    ArrowBufferReset(&batch->seqs);
    ArrowBufferReset(&batch->xids);
    ArrowBufferReset(&batch->commit_times);
    release_column(&batch->unchanged);
    release_column(&batch->old);
    for (int i = 0; batch->values != NULL && i < batch->table->n_columns; i++)
        release_column(&batch->values[i]);
    ArrowFree(batch->values);
    walrow__table_unref(batch->table);
    memset(batch, 0, sizeof *batch);
}

/* ---- rows ---- */

static bool
reserve(struct ArrowBuffer *buffer, int64_t rows, int64_t width)
{
    buffer->size_bytes = 0; /* sizes are set when the batch is finished */
    return ArrowBufferReserve(buffer, rows * width) == NANOARROW_OK;
}

bool
walrow__batch_reserve_rows(walrow__batch_builder *batch, int64_t rows)
{
    if (rows <= batch->row_capacity)
        return true;
    int64_t capacity = batch->row_capacity < FIRST_ROWS ? FIRST_ROWS : 2 * batch->row_capacity;
    if (capacity < rows)
        capacity = rows;
    if (!reserve(&batch->ops, capacity, 1) || !reserve(&batch->commit_lsns, capacity, 8) ||
        !reserve(&batch->seqs, capacity, 4) || !reserve(&batch->xids, capacity, 4) ||
        !reserve(&batch->commit_times, capacity, 8))
        return false;
    batch->row_capacity = capacity;
    return true;
}

bool
walrow__batch_begin_row(walrow__batch_builder *batch, char op, walrow__position position, uint32_t xid,
                        int64_t commit_time)
{
    int64_t row = batch->rows;
    if (row == batch->row_capacity && !walrow__batch_reserve_rows(batch, row + 1))
        return false;
    batch->ops.data[row] = (uint8_t)op;
    ((uint64_t *)batch->commit_lsns.data)[row] = position.commit_lsn;
    ((uint32_t *)batch->seqs.data)[row] = position.seq;
    ((uint32_t *)batch->xids.data)[row] = xid;
    ((int64_t *)batch->commit_times.data)[row] = commit_time;
    batch->unchanged_in_row = 0;
    return true;
}

bool
walrow__batch_add_unchanged(walrow__batch_builder *batch, int column)
{
    const char *name = batch->table->columns[column].name;
    if (walrow__column_append_utf8(&batch->unchanged.children[0], name, strlen(name)) != WALROW__APPENDED)
        return false;
    batch->unchanged_in_row++;
    return true;
}

void
walrow__batch_begin_old(walrow__batch_builder *batch)
{
    for (int i = 0; i < batch->old.n_children; i++) {
        walrow__column *child = &batch->old.children[i];
        walrow__column_append_nulls(child, batch->old.length - child->length);
    }
}

bool
walrow__batch_end_row(walrow__batch_builder *batch, bool old_present)
{
    if (batch->unchanged_in_row == 0)
        walrow__column_append_nulls(&batch->unchanged, 1);
    else if (walrow__column_append_nested(&batch->unchanged) != WALROW__APPENDED)
        return false;
    for (int i = 0; old_present && i < batch->old.n_children; i++)
        assert(batch->old.children[i].length == batch->old.length + 1 &&
               "walrow__batch_begin_old was not called");
    if (!old_present)
        walrow__column_append_nulls(&batch->old, 1);
    else if (walrow__column_append_nested(&batch->old) != WALROW__APPENDED)
        return false;
    batch->rows++;
    return true;
}

void
walrow__batch_truncate(walrow__batch_builder *batch, int64_t rows)
{
    batch->rows = rows;
    batch->unchanged_in_row = 0;
    walrow__column_truncate(&batch->unchanged, rows);
    walrow__column_truncate(&batch->old, rows);
    for (int i = 0; i < batch->table->n_columns; i++)
        walrow__column_truncate(&batch->values[i], rows);
}

int64_t
walrow__batch_bytes(const walrow__batch_builder *batch)
{
    int64_t bytes =
        batch->rows * ROW_BYTES + walrow__column_bytes(&batch->unchanged) + walrow__column_bytes(&batch->old);
    for (int i = 0; i < batch->table->n_columns; i++)
        bytes += walrow__column_bytes(&batch->values[i]);
    return bytes;
}

/* ---- copying rows ---- */

/* Every op is one byte, so rows are where their bytes are. */
static void
copy_fixed(walrow__batch_builder *batch, const struct ArrowArray *src, int64_t start, int64_t n)
{
    struct ArrowArray **from = src->children;
    int64_t to = batch->rows;
    const int32_t *op_offsets = from[WALROW__OP]->buffers[1];
    const uint8_t *ops = from[WALROW__OP]->buffers[2];
    memcpy(batch->ops.data + to, ops + op_offsets[start], (size_t)n);
    memcpy(batch->commit_lsns.data + 8 * to,
           (const uint8_t *)from[WALROW__COMMIT_LSN]->buffers[1] + 8 * start, (size_t)(8 * n));
    memcpy(batch->seqs.data + 4 * to, (const uint8_t *)from[WALROW__SEQ]->buffers[1] + 4 * start,
           (size_t)(4 * n));
    memcpy(batch->xids.data + 4 * to, (const uint8_t *)from[WALROW__XID]->buffers[1] + 4 * start,
           (size_t)(4 * n));
    memcpy(batch->commit_times.data + 8 * to,
           (const uint8_t *)from[WALROW__COMMIT_TIME]->buffers[1] + 8 * start, (size_t)(8 * n));
}

static bool
copy_columns(walrow__batch_builder *batch, const struct ArrowArray *src, int64_t start, int64_t n)
{
    struct ArrowArray **from = src->children;
    if (walrow__column_append_range(&batch->unchanged, from[WALROW__UNCHANGED], start, n) !=
            WALROW__APPENDED ||
        walrow__column_append_range(&batch->old, from[WALROW__OLD], start, n) != WALROW__APPENDED)
        return false;
    for (int i = 0; i < batch->table->n_columns; i++)
        if (walrow__column_append_range(&batch->values[i], from[WALROW__N_META + i], start, n) !=
            WALROW__APPENDED)
            return false;
    return true;
}

bool
walrow__batch_append_range(walrow__batch_builder *batch, const struct ArrowArray *src, int64_t start,
                           int64_t n)
{
    if (n == 0)
        return true;
    if (!walrow__batch_reserve_rows(batch, batch->rows + n))
        return false;
    copy_fixed(batch, src, start, n);
    if (!copy_columns(batch, src, start, n)) {
        walrow__batch_truncate(batch, batch->rows);
        return false;
    }
    batch->rows += n;
    return true;
}

/* ---- finish ---- */

/* ArrowBufferMove leaves the source with malloc: give it its own allocator back. */
static ArrowErrorCode
move_buffer(struct ArrowBuffer *buffer, int64_t bytes, struct ArrowArray *out, int64_t i)
{
    struct ArrowBufferAllocator allocator = buffer->allocator;
    buffer->size_bytes = bytes;
    ArrowErrorCode code = ArrowArraySetBuffer(out, i, buffer);
    buffer->allocator = allocator;
    return code;
}

static ArrowErrorCode
init_fixed(struct ArrowArray *out, enum ArrowType type, int64_t rows)
{
    ArrowErrorCode code = ArrowArrayInitFromType(out, type);
    if (code == NANOARROW_OK) {
        out->length = rows;
        out->null_count = 0;
    }
    return code;
}

static ArrowErrorCode
finish_fixed(struct ArrowBuffer *buffer, enum ArrowType type, int64_t rows, int64_t width,
             struct ArrowArray *out)
{
    ArrowErrorCode code = init_fixed(out, type, rows);
    if (code != NANOARROW_OK)
        return code;
    return move_buffer(buffer, rows * width, out, 1);
}

/* The same where every value is null: zeros, no bit of them valid. */
static ArrowErrorCode
finish_fixed_null(struct ArrowBuffer *buffer, enum ArrowType type, int64_t rows, int64_t width,
                  struct ArrowArray *out)
{
    struct ArrowBuffer validity;
    ArrowBufferInit(&validity);
    validity.allocator = buffer->allocator;
    if (rows > 0)
        memset(buffer->data, 0, (size_t)(rows * width));
    ArrowErrorCode code = finish_fixed(buffer, type, rows, width, out);
    if (code == NANOARROW_OK)
        code = ArrowBufferAppendFill(&validity, 0, (rows + 7) / 8);
    if (code == NANOARROW_OK)
        code = ArrowArraySetBuffer(out, 0, &validity);
    out->null_count = rows;
    ArrowBufferReset(&validity);
    return code;
}

/* Every op is one byte long, so its offsets are 0, 1, 2 ... */
static ArrowErrorCode
finish_ops(walrow__batch_builder *batch, struct ArrowArray *out)
{
    struct ArrowBuffer offsets;
    ArrowBufferInit(&offsets);
    offsets.allocator = batch->ops.allocator;
    ArrowErrorCode code = init_fixed(out, NANOARROW_TYPE_STRING, batch->rows);
    if (code == NANOARROW_OK)
        code = ArrowBufferResize(&offsets, (batch->rows + 1) * 4, false);
    if (code == NANOARROW_OK) {
        int32_t *at = (int32_t *)offsets.data;
        for (int64_t i = 0; i <= batch->rows; i++)
            at[i] = (int32_t)i;
        code = ArrowArraySetBuffer(out, 1, &offsets);
    }
    if (code == NANOARROW_OK)
        code = move_buffer(&batch->ops, batch->rows, out, 2);
    ArrowBufferReset(&offsets);
    return code;
}

static ArrowErrorCode
finish_meta(walrow__batch_builder *batch, struct ArrowArray **out)
{
    ArrowErrorCode code = finish_ops(batch, out[WALROW__OP]);
    if (code == NANOARROW_OK)
        code =
            finish_fixed(&batch->commit_lsns, NANOARROW_TYPE_UINT64, batch->rows, 8, out[WALROW__COMMIT_LSN]);
    if (code == NANOARROW_OK)
        code = finish_fixed(&batch->seqs, NANOARROW_TYPE_UINT32, batch->rows, 4, out[WALROW__SEQ]);
    if (code == NANOARROW_OK)
        code = (batch->without_xids ? finish_fixed_null : finish_fixed)(&batch->xids, NANOARROW_TYPE_UINT32,
                                                                        batch->rows, 4, out[WALROW__XID]);
    if (code == NANOARROW_OK)
        code = (batch->without_commit_times ? finish_fixed_null : finish_fixed)(
            &batch->commit_times, NANOARROW_TYPE_INT64, batch->rows, 8, out[WALROW__COMMIT_TIME]);
    return code;
}

static walrow_code
finish_children(walrow__batch_builder *batch, struct ArrowArray *out, walrow_error *err)
{
    if (ArrowArrayInitFromType(out, NANOARROW_TYPE_STRUCT) != NANOARROW_OK)
        return walrow__fail_memory(err);
    out->length = batch->rows;
    out->null_count = 0;
    if (ArrowArrayAllocateChildren(out, WALROW__N_META + batch->table->n_columns) != NANOARROW_OK ||
        finish_meta(batch, out->children) != NANOARROW_OK)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__column_finish(&batch->unchanged, out->children[WALROW__UNCHANGED], err));
    WALROW_TRY(walrow__column_finish(&batch->old, out->children[WALROW__OLD], err));
    for (int i = 0; i < batch->table->n_columns; i++)
        WALROW_TRY(walrow__column_finish(&batch->values[i], out->children[WALROW__N_META + i], err));
    return WALROW_OK;
}

walrow_code
walrow__batch_finish(walrow__batch_builder *batch, struct ArrowArray *out, walrow_error *err)
{
    out->release = NULL;
    walrow_code code = finish_children(batch, out, err);
    if (code != WALROW_OK && out->release != NULL)
        out->release(out);
    batch->rows = batch->row_capacity = 0;
    batch->unchanged_in_row = 0;
    return code;
}

char
walrow__batch_op(const struct ArrowArray *batch, int64_t row)
{
    const struct ArrowArray *ops = batch->children[WALROW__OP];
    const int32_t *offsets = ops->buffers[1];
    int64_t slot = row + batch->offset + ops->offset;
    return offsets[slot + 1] > offsets[slot] ? ((const char *)ops->buffers[2])[offsets[slot]] : '\0';
}

walrow__position
walrow__batch_position(const struct ArrowArray *batch, int64_t row)
{
    const uint64_t *commit_lsns = batch->children[WALROW__COMMIT_LSN]->buffers[1];
    const uint32_t *seqs = batch->children[WALROW__SEQ]->buffers[1];
    return (walrow__position){.commit_lsn = commit_lsns[row], .seq = seqs[row]};
}
