#include "columns/column.h"

#include "base/error.h"
#include "columns/append.h"

int
walrow__slot_width(walrow__kind kind)
{
    switch (kind) {
    case WALROW__INT16:
        return 2;
    case WALROW__INT32:
    case WALROW__UINT32:
    case WALROW__FLOAT32:
    case WALROW__DATE32:
        return 4;
    case WALROW__INT64:
    case WALROW__FLOAT64:
    case WALROW__TIME64:
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        return 8;
    case WALROW__DECIMAL128:
    case WALROW__INTERVAL:
    case WALROW__UUID:
        return 16;
    case WALROW__DECIMAL256:
        return 32;
    default:
        return 0;
    }
}

bool
walrow__has_offsets(walrow__kind kind)
{
    return kind == WALROW__UTF8 || kind == WALROW__BINARY || kind == WALROW__JSON || kind == WALROW__LIST ||
           kind == WALROW__MAP;
}

/* ---- life ---- */

static void
init_buffer(struct ArrowBuffer *buffer, struct ArrowBufferAllocator allocator)
{
    ArrowBufferInit(buffer);
    buffer->allocator = allocator;
}

walrow_code
walrow__column_init(walrow__column *column, const walrow__type *type, struct ArrowBufferAllocator allocator,
                    walrow_error *err)
{
    memset(column, 0, sizeof *column);
    column->type = type;
    init_buffer(&column->validity, allocator);
    init_buffer(&column->offsets, allocator);
    init_buffer(&column->data, allocator);
    walrow__strbuf_init_with(&column->scratch, allocator);
    if (type->n_children == 0)
        return WALROW_OK;
    size_t size = (size_t)type->n_children * sizeof *column->children;
    column->children = (walrow__column *)allocator.reallocate(&allocator, NULL, 0, (int64_t)size);
    if (column->children == NULL)
        return walrow__fail_memory(err);
    memset(column->children, 0, size);
    column->n_children = type->n_children;
    walrow_code code = WALROW_OK;
    for (int i = 0; i < type->n_children && code == WALROW_OK; i++)
        code = walrow__column_init(&column->children[i], &type->children[i], allocator, err);
    if (code != WALROW_OK)
        walrow__column_release(column);
    return code;
}

int64_t
walrow__column_bytes(const walrow__column *column)
{
    int64_t bytes = column->validity.size_bytes + column->offsets.size_bytes + column->data.size_bytes;
    for (int i = 0; i < column->n_children; i++)
        bytes += walrow__column_bytes(&column->children[i]);
    return bytes;
}

void
walrow__column_release(walrow__column *column)
{
    for (int i = 0; i < column->n_children; i++)
        if (column->children[i].type != NULL)
            walrow__column_release(&column->children[i]);
    if (column->children != NULL) {
        struct ArrowBufferAllocator allocator = column->data.allocator;
        allocator.free(&allocator, (uint8_t *)column->children,
                       (int64_t)((size_t)column->n_children * sizeof *column->children));
    }
    ArrowBufferReset(&column->validity);
    ArrowBufferReset(&column->offsets);
    ArrowBufferReset(&column->data);
    walrow__strbuf_release(&column->scratch);
    memset(column, 0, sizeof *column);
}

/* ---- buffers ---- */

/* ArrowBufferReserve would lose the buffer where there is no memory, and begin with a few bytes. */
bool
walrow__buffer_grow(struct ArrowBuffer *buffer, int64_t more)
{
    int64_t capacity = buffer->capacity_bytes < 32 ? 64 : buffer->capacity_bytes * 2;
    if (capacity - buffer->size_bytes < more)
        capacity = buffer->size_bytes + more;
    uint8_t *data =
        buffer->allocator.reallocate(&buffer->allocator, buffer->data, buffer->capacity_bytes, capacity);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->capacity_bytes = capacity;
    return true;
}

bool
walrow__buffer_extend(struct ArrowBuffer *buffer, int64_t size, int fill)
{
    int64_t missing = size - buffer->size_bytes;
    if (missing <= 0)
        return true;
    if (!walrow__buffer_reserve(buffer, missing))
        return false;
    memset(buffer->data + buffer->size_bytes, fill, (size_t)missing);
    buffer->size_bytes = size;
    return true;
}

static int64_t
bitmap_size(int64_t bits)
{
    return (bits + 7) / 8;
}

/* ---- nulls ---- */

/* Slots that are in the buffers. */
static int64_t
filled_slots(const walrow__column *column)
{
    return column->length - column->trailing_nulls;
}

bool
walrow__repeat_offset(walrow__column *column, int64_t n)
{
    int32_t last = 0;
    if (column->offsets.size_bytes == 0)
        n++; /* the first of all is zero */
    else
        memcpy(&last, column->offsets.data + column->offsets.size_bytes - 4, sizeof last);
    if (!walrow__buffer_reserve(&column->offsets, n * 4))
        return false;
    int32_t *at = (int32_t *)(column->offsets.data + column->offsets.size_bytes);
    for (int64_t i = 0; i < n; i++)
        at[i] = last;
    column->offsets.size_bytes += n * 4;
    return true;
}

/* Zeros for n slots from `from` on; children of a struct get their own. */
static bool
append_zero_slots(walrow__column *column, int64_t from, int64_t n)
{
    walrow__kind kind = column->type->kind;
    if (kind == WALROW__BOOL)
        return walrow__buffer_extend(&column->data, bitmap_size(from + n), 0);
    if (walrow__has_offsets(kind))
        return walrow__repeat_offset(column, n);
    if (kind != WALROW__STRUCT)
        return walrow__buffer_extend(&column->data, (from + n) * walrow__slot_width(kind), 0);
    walrow__column_begin_nested(column); /* brings them up to the struct's length, which is from + n */
    return true;
}

/*
 * The bitmap reaches as far as the last null, and its bits behind that are ones, so that a value that follows
 * has nothing to do; finish_validity completes it.
 */
bool
walrow__column_flush_nulls(walrow__column *column)
{
    int64_t n = column->trailing_nulls, from = filled_slots(column);
    if (n == 0)
        return true;
    if (!walrow__buffer_extend(&column->validity, bitmap_size(from + n), 0xFF) ||
        !append_zero_slots(column, from, n))
        return false;
    ArrowBitsSetTo(column->validity.data, from, n, 0);
    column->trailing_nulls = 0;
    return true;
}

/* Ones up to the end, zeros behind it. */
static bool
finish_validity(walrow__column *column)
{
    if (column->null_count == 0)
        return true;
    if (!walrow__buffer_extend(&column->validity, bitmap_size(column->length), 0xFF))
        return false;
    if (column->length % 8 != 0)
        column->validity.data[column->length / 8] &= (uint8_t)((1 << column->length % 8) - 1);
    return true;
}

/* ---- the way back ---- */

static void
truncate_children(walrow__column *column, int64_t length)
{
    int64_t child_length = length;
    if (walrow__has_offsets(column->type->kind)) {
        int32_t offset = 0;
        if (column->offsets.size_bytes > 0)
            memcpy(&offset, column->offsets.data + length * 4, sizeof offset);
        child_length = offset;
    }
    for (int i = 0; i < column->n_children; i++)
        if (column->children[i].length > child_length)
            walrow__column_truncate(&column->children[i], child_length);
}

static void
truncate_data(walrow__column *column, int64_t length)
{
    walrow__kind kind = column->type->kind;
    if (kind == WALROW__BOOL) {
        column->data.size_bytes = (length + 7) / 8;
        if (length % 8 != 0) /* bits past the end are zero, as append_bits promises */
            column->data.data[length / 8] &= (uint8_t)((1 << length % 8) - 1);
    } else if (walrow__has_offsets(kind)) {
        if (column->offsets.size_bytes > 0) {
            int32_t end;
            memcpy(&end, column->offsets.data + length * 4, sizeof end);
            column->offsets.size_bytes = (length + 1) * 4;
            if (column->n_children == 0)
                column->data.size_bytes = end;
        }
    } else {
        column->data.size_bytes = length * walrow__slot_width(kind);
    }
}

/* Bits [length, filled) go; the rest of the last byte is ones again. */
static void
truncate_validity(walrow__column *column, int64_t length, int64_t filled)
{
    struct ArrowBuffer *bits = &column->validity;
    int64_t end = bits->size_bytes * 8 < filled ? bits->size_bytes * 8 : filled;
    column->null_count -= column->trailing_nulls;
    if (end > length)
        column->null_count -= end - length - ArrowBitCountSet(bits->data, length, end - length);
    if (column->null_count == 0) {
        bits->size_bytes = 0;
    } else if (bits->size_bytes > length / 8) {
        bits->size_bytes = bitmap_size(length);
        if (length % 8 != 0)
            bits->data[length / 8] |= (uint8_t)(0xFF << length % 8);
    }
}

void
walrow__column_truncate(walrow__column *column, int64_t length)
{
    int64_t filled = filled_slots(column);
    if (length >= filled) {
        /* a value that failed half way may have left more behind than there are slots */
        int64_t dropped = column->length - length;
        column->length = length;
        column->trailing_nulls -= dropped;
        column->null_count -= dropped;
        if (column->n_children > 0)
            truncate_children(column, column->type->kind == WALROW__STRUCT ? length : filled);
        return;
    }
    truncate_children(column, length);
    truncate_data(column, length);
    truncate_validity(column, length, filled);
    column->length = length;
    column->trailing_nulls = 0;
}

/* ---- finish ---- */

enum ArrowType
walrow__layout_of(walrow__kind kind)
{
    switch (kind) {
    case WALROW__BOOL:
        return NANOARROW_TYPE_BOOL;
    case WALROW__UTF8:
    case WALROW__JSON:
        return NANOARROW_TYPE_STRING;
    case WALROW__BINARY:
        return NANOARROW_TYPE_BINARY;
    case WALROW__LIST:
        return NANOARROW_TYPE_LIST;
    case WALROW__STRUCT:
        return NANOARROW_TYPE_STRUCT;
    case WALROW__MAP:
        return NANOARROW_TYPE_MAP;
    default:
        return NANOARROW_TYPE_INT64; /* validity and data, as every fixed-width type */
    }
}

/* ArrowBufferMove leaves the source with malloc: give it its own allocator back. */
static ArrowErrorCode
move_buffer(struct ArrowBuffer *buffer, struct ArrowArray *out, int64_t i)
{
    struct ArrowBufferAllocator allocator = buffer->allocator;
    ArrowErrorCode code = ArrowArraySetBuffer(out, i, buffer);
    buffer->allocator = allocator;
    return code;
}

static walrow_code
finish_children(walrow__column *column, struct ArrowArray *out, walrow_error *err)
{
    if (ArrowArrayAllocateChildren(out, column->n_children) != NANOARROW_OK)
        return walrow__fail_memory(err);
    for (int i = 0; i < column->n_children; i++)
        WALROW_TRY(walrow__column_finish(&column->children[i], out->children[i], err));
    return WALROW_OK;
}

/* map<k, v> is a list of non-null structs of key and value. */
static walrow_code
finish_entries(walrow__column *column, struct ArrowArray *out, walrow_error *err)
{
    if (ArrowArrayAllocateChildren(out, 1) != NANOARROW_OK ||
        ArrowArrayInitFromType(out->children[0], NANOARROW_TYPE_STRUCT) != NANOARROW_OK)
        return walrow__fail_memory(err);
    out->children[0]->length = column->children[0].length;
    out->children[0]->null_count = 0;
    return finish_children(column, out->children[0], err);
}

static walrow_code
finish_buffers(walrow__column *column, struct ArrowArray *out, walrow_error *err)
{
    walrow__kind kind = column->type->kind;
    int next = 1;
    ArrowErrorCode code = column->null_count > 0 ? move_buffer(&column->validity, out, 0) : NANOARROW_OK;
    if (code == NANOARROW_OK && walrow__has_offsets(kind)) {
        if (column->offsets.size_bytes == 0 && !walrow__repeat_offset(column, 0))
            return walrow__fail_memory(err);
        code = move_buffer(&column->offsets, out, next++);
    }
    if (code == NANOARROW_OK && column->n_children == 0 && kind != WALROW__STRUCT)
        code = move_buffer(&column->data, out, next);
    if (code != NANOARROW_OK)
        return walrow__fail_memory(err);
    if (kind == WALROW__MAP)
        return finish_entries(column, out, err);
    return column->n_children > 0 ? finish_children(column, out, err) : WALROW_OK;
}

static void
begin_anew(walrow__column *column)
{
    column->length = column->null_count = column->trailing_nulls = 0;
    column->validity.size_bytes = column->offsets.size_bytes = column->data.size_bytes = 0;
    for (int i = 0; i < column->n_children; i++)
        begin_anew(&column->children[i]);
}

walrow_code
walrow__column_finish(walrow__column *column, struct ArrowArray *out, walrow_error *err)
{
    out->release = NULL;
    if (!walrow__column_flush_nulls(column) || !finish_validity(column) ||
        ArrowArrayInitFromType(out, walrow__layout_of(column->type->kind)) != NANOARROW_OK)
        return walrow__fail_memory(err);
    out->length = column->length;
    out->null_count = column->null_count;
    walrow_code code = finish_buffers(column, out, err);
    begin_anew(column);
    return code;
}
