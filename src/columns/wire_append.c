/*
 * columns/wire_append.c
 *	  A compact batch into a builder that may have rows already: buffers are appended to buffers.
 */
#include "base/error.h"
#include "columns/append.h"
#include "columns/wire_rows.h"

/* The way of one batch into one builder. */
typedef struct appending {
    walrow__wire_reader reader;
    bool no_memory;
} appending;

static bool
no_memory(appending *a)
{
    a->no_memory = true;
    return false;
}

/* ---- bits ---- */

static uint64_t
load_bits(const uint8_t *bits, int64_t at, int64_t n)
{
    uint64_t word = 0;
    int shift = (int)(at % 8);
    size_t bytes = (size_t)(shift + n + 7) / 8; /* at most 8: n is at most 56 */
    memcpy(&word, bits + at / 8, bytes);
    return word >> shift & ((UINT64_C(1) << n) - 1);
}

/* n bits from `from` on to `to` on, where all bits are zero. */
static void
copy_bits(uint8_t *out, int64_t to, const uint8_t *bits, int64_t from, int64_t n)
{
    while (n > 0) {
        int64_t step = n < 56 ? n : 56;
        int shift = (int)(to % 8);
        uint64_t word = load_bits(bits, from, step), low = 0;
        size_t bytes = (size_t)(shift + step + 7) / 8;
        memcpy(&low, out + to / 8, bytes);
        low |= word << shift;
        memcpy(out + to / 8, &low, bytes);
        from += step;
        to += step;
        n -= step;
    }
}

static int64_t
bitmap_size(int64_t bits)
{
    return (bits + 7) / 8;
}

/* The bitmap reaches as far as the last null, with ones behind it (walrow__column_flush_nulls). */
static bool
append_validity(walrow__column *column, const uint8_t *validity, int64_t start, int64_t n)
{
    int64_t end = column->length + n;
    struct ArrowBuffer *bits = &column->validity;
    if (!walrow__buffer_extend(bits, bitmap_size(end), 0xFF))
        return false;
    ArrowBitsSetTo(bits->data, column->length, n, 0);
    copy_bits(bits->data, column->length, validity, start, n);
    return true;
}

/* ---- slots ---- */

static int64_t
count_nulls(const walrow__wire_node *node, int64_t start, int64_t n)
{
    if (node->null_count == 0 || n == node->length)
        return node->null_count;
    return n - ArrowBitCountSet(node->validity, start, n);
}

static bool
append_data(walrow__column *column, const uint8_t *data, int64_t size)
{
    if (!walrow__buffer_reserve(&column->data, size))
        return false;
    if (size > 0)
        memcpy(column->data.data + column->data.size_bytes, data, (size_t)size);
    column->data.size_bytes += size;
    return true;
}

static bool
append_bools(walrow__column *column, const uint8_t *bits, int64_t start, int64_t n)
{
    if (!walrow__buffer_extend(&column->data, bitmap_size(column->length + n), 0))
        return false;
    copy_bits(column->data.data, column->length, bits, start, n);
    return true;
}

/* base: what the column's content was before this node's. */
static bool
append_offsets(walrow__column *column, const walrow__wire_node *node, int64_t start, int64_t n, int64_t base)
{
    int64_t first = walrow__wire_offset(node, start);
    if (base + walrow__wire_offset(node, start + n) - first > INT32_MAX ||
        !walrow__buffer_reserve(&column->offsets, (n + 1) * 4) ||
        (column->offsets.size_bytes == 0 && !walrow__repeat_offset(column, 0)))
        return false;
    int32_t *to = (int32_t *)(column->offsets.data + column->offsets.size_bytes);
    int32_t shift = (int32_t)(base - first);
    for (int64_t i = 0; i < n; i++)
        to[i] = (int32_t)walrow__wire_offset(node, start + 1 + i) + shift;
    column->offsets.size_bytes += n * 4;
    return true;
}

/* ---- nodes ---- */

/* Room for all that the column itself gets: what follows fails only in its children, and can be truncated. */
static bool
reserve_slots(walrow__column *column, const walrow__wire_node *node, int64_t start, int64_t n)
{
    walrow__kind kind = column->type->kind;
    int64_t data = n * walrow__slot_width(kind);
    if (kind == WALROW__BOOL)
        data = bitmap_size(n) + 1;
    if (walrow__has_offsets(kind) && column->n_children == 0)
        data = walrow__wire_offset(node, start + n) - walrow__wire_offset(node, start);
    int64_t bitmap = bitmap_size(column->length + n) - column->validity.size_bytes;
    return walrow__buffer_reserve(&column->data, data) &&
           (node->null_count == 0 || walrow__buffer_reserve(&column->validity, bitmap)) &&
           (!walrow__has_offsets(kind) || walrow__buffer_reserve(&column->offsets, (n + 1) * 4));
}

static bool append_node(appending *a, walrow__column *column, int64_t length, int64_t start, int64_t n);

static bool
append_children(appending *a, walrow__column *column, int64_t length, int64_t start, int64_t n)
{
    for (int i = 0; i < column->n_children; i++)
        if (!append_node(a, &column->children[i], length, start, n))
            return false;
    return true;
}

static bool
append_entries(appending *a, walrow__column *column, int64_t length, int64_t start, int64_t n)
{
    walrow__wire_node entries;
    if (!walrow__wire_read_entries(&a->reader, length, &entries))
        return false;
    if (length == 0)
        return true;
    if (!append_children(a, column, length, start, n))
        return false;
    a->reader.reason = "a map with a key that is null";
    return column->children[0].null_count == 0;
}

/* The slots of a list or map whose own buffers are there. */
static bool
append_content(appending *a, walrow__column *column, const walrow__wire_node *node, int64_t start, int64_t n)
{
    int64_t from = walrow__wire_offset(node, start), size = walrow__wire_offset(node, start + n) - from;
    a->reader.lists++;
    bool good = column->type->kind == WALROW__MAP ? append_entries(a, column, node->content, from, size)
                                                  : append_children(a, column, node->content, from, size);
    a->reader.lists--;
    return good;
}

static bool
append_buffers(walrow__column *column, const walrow__wire_node *node, int64_t start, int64_t n)
{
    walrow__kind kind = column->type->kind;
    if (kind == WALROW__BOOL)
        return append_bools(column, node->data, start, n);
    if (kind == WALROW__STRUCT) {
        walrow__column_begin_nested(column);
        return true;
    }
    if (!walrow__has_offsets(kind)) {
        int64_t width = walrow__slot_width(kind);
        return append_data(column, node->data + start * width, n * width);
    }
    bool nested = column->n_children > 0;
    int64_t base = nested ? column->children[0].length : column->data.size_bytes;
    int64_t from = walrow__wire_offset(node, start), size = walrow__wire_offset(node, start + n) - from;
    return append_offsets(column, node, start, n, base) &&
           (nested || append_data(column, node->data + from, size));
}

static bool
append_slots(appending *a, walrow__column *column, const walrow__wire_node *node, int64_t start, int64_t n)
{
    int64_t nulls = count_nulls(node, start, n);
    if (!walrow__column_flush_nulls(column) || !reserve_slots(column, node, start, n) ||
        !append_buffers(column, node, start, n) ||
        (nulls > 0 && !append_validity(column, node->validity, start, n)))
        return no_memory(a);
    column->length += n;
    column->null_count += nulls;
    if (column->type->kind == WALROW__STRUCT)
        return append_children(a, column, node->length, start, n);
    return column->n_children == 0 || append_content(a, column, node, start, n);
}

/* Slots [start, start + n) of the next node, which has `length`. */
static bool
append_node(appending *a, walrow__column *column, int64_t length, int64_t start, int64_t n)
{
    walrow__wire_node node;
    if (!walrow__wire_read_node(&a->reader, column->type->kind, length, &node))
        return false;
    if (!node.elided)
        return append_slots(a, column, &node, start, n);
    walrow__column_append_nulls(column, n);
    return true;
}

/* ---- rows ---- */

static void
append_fixed(walrow__batch_builder *batch, const walrow__wire_rows *rows, int64_t start, int64_t n)
{
    int64_t to = batch->rows;
    memcpy(batch->ops.data + to, rows->ops.data + start, (size_t)n);
    memcpy(batch->commit_lsns.data + 8 * to, rows->commit_lsns.data + 8 * start, (size_t)(8 * n));
    memcpy(batch->seqs.data + 4 * to, rows->seqs.data + 4 * start, (size_t)(4 * n));
    memcpy(batch->xids.data + 4 * to, rows->xids.data + 4 * start, (size_t)(4 * n));
    memcpy(batch->commit_times.data + 8 * to, rows->commit_times.data + 8 * start, (size_t)(8 * n));
}

static bool
append_columns(appending *a, walrow__batch_builder *batch, int64_t rows, int64_t start, int64_t n)
{
    if (!append_node(a, &batch->unchanged, rows, start, n) || !append_node(a, &batch->old, rows, start, n))
        return false;
    for (int i = 0; i < batch->table->n_columns; i++)
        if (!append_node(a, &batch->values[i], rows, start, n))
            return false;
    return true;
}

walrow_code
walrow__wire_append_rows(const walrow__wire_rows *rows, int64_t start, int64_t n,
                         walrow__batch_builder *batch, walrow_error *err)
{
    appending a = {.reader = rows->rest};
    if (!walrow__batch_reserve_rows(batch, batch->rows + n))
        return walrow__fail_memory(err);
    append_fixed(batch, rows, start, n);
    if (append_columns(&a, batch, rows->n, start, n)) {
        batch->rows += n;
        return WALROW_OK;
    }
    walrow__batch_truncate(batch, batch->rows);
    if (a.no_memory)
        return walrow__fail_memory(err);
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "batch of %s.%s: %s", batch->table->schema_name,
                        batch->table->name, a.reader.reason);
}
