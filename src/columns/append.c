#include "columns/append.h"

#include "base/utf8.h"

#include <math.h>

/* ---- values ---- */

walrow__appended
walrow__append_word_slowly(walrow__column *column, uint64_t word, int width)
{
    return walrow__append_fixed(column, &word, width);
}

walrow__appended
walrow__append_bool(walrow__column *column, bool value)
{
    if (!walrow__column_ready(column, 1))
        return WALROW__NO_MEMORY;
    int64_t bit = column->length % 8;
    if (bit == 0)
        column->data.data[column->data.size_bytes++] = 0;
    column->data.data[column->data.size_bytes - 1] |= (uint8_t)(value << bit);
    column->length++;
    return WALROW__APPENDED;
}

/* The offset that ends the slot just filled. */
static bool
append_offset(walrow__column *column, int64_t end)
{
    if (end > INT32_MAX)
        return false;
    if (column->offsets.size_bytes == 0 && !walrow__repeat_offset(column, 0))
        return false;
    if (!walrow__buffer_reserve(&column->offsets, 4))
        return false;
    int32_t offset = (int32_t)end;
    memcpy(column->offsets.data + column->offsets.size_bytes, &offset, sizeof offset);
    column->offsets.size_bytes += 4;
    return true;
}

/* Room for a value of that size and its offset. */
static inline bool
make_room(walrow__column *column, size_t size)
{
    if (size > (size_t)(INT32_MAX - column->data.size_bytes) || !walrow__column_ready(column, (int64_t)size))
        return false;
    if (__builtin_expect(column->offsets.size_bytes == 0, 0) && !walrow__repeat_offset(column, 0))
        return false;
    return walrow__buffer_reserve(&column->offsets, 4);
}

/* The size bytes behind the data's end are a value now. */
static inline void
close_slot(walrow__column *column, size_t size)
{
    column->data.size_bytes += (int64_t)size;
    int32_t end = (int32_t)column->data.size_bytes;
    memcpy(column->offsets.data + column->offsets.size_bytes, &end, sizeof end);
    column->offsets.size_bytes += 4;
    column->length++;
}

walrow__appended
walrow__append_bytes(walrow__column *column, const void *bytes, size_t size)
{
    if (!make_room(column, size))
        return WALROW__NO_MEMORY;
    if (size > 0)
        memcpy(column->data.data + column->data.size_bytes, bytes, size);
    close_slot(column, size);
    return WALROW__APPENDED;
}

/* Copy word by word; false if a byte is not ASCII. Most values are short: a call each to check and copy costs
 * more. */
static inline bool
copy_ascii(uint8_t *to, const uint8_t *from, size_t size)
{
    uint64_t word, seen = 0;
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        memcpy(&word, from + at, 8);
        memcpy(to + at, &word, 8);
        seen |= word;
    }
    for (; at < size; at++)
        seen |= to[at] = from[at];
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

walrow__appended
walrow__append_text(walrow__column *column, const void *bytes, size_t size, const char **reason)
{
    if (!make_room(column, size)) {
        *reason = "more than 2 GiB in a batch's column, or out of memory";
        return WALROW__NO_MEMORY;
    }
    if (!copy_ascii(column->data.data + column->data.size_bytes, bytes, size) &&
        !walrow__utf8_valid(bytes, size)) {
        *reason = "bytes that are not UTF-8";
        return WALROW__UNREPRESENTABLE;
    }
    close_slot(column, size);
    return WALROW__APPENDED;
}

walrow__appended
walrow__column_append_utf8(walrow__column *column, const char *text, size_t size)
{
    return walrow__append_bytes(column, text, size);
}

walrow__appended
walrow__append_float(walrow__column *column, float value)
{
    uint32_t bits = UINT32_C(0x7FC00000);
    if (!isnan(value))
        memcpy(&bits, &value, sizeof bits);
    return walrow__append_fixed(column, &bits, sizeof bits);
}

walrow__appended
walrow__append_double(walrow__column *column, double value)
{
    uint64_t bits = UINT64_C(0x7FF8000000000000);
    if (!isnan(value))
        memcpy(&bits, &value, sizeof bits);
    return walrow__append_fixed(column, &bits, sizeof bits);
}

walrow__appended
walrow__column_append_nested(walrow__column *column)
{
    if (!walrow__column_ready(column, 0))
        return WALROW__NO_MEMORY;
    if (walrow__has_offsets(column->type->kind) && !append_offset(column, column->children[0].length))
        return WALROW__NO_MEMORY;
    column->length++;
    return WALROW__APPENDED;
}

/* ---- copying slots ---- */

static bool
is_valid(const struct ArrowArray *src, int64_t i)
{
    return src->buffers[0] == NULL || ArrowBitGet(src->buffers[0], i);
}

/* How many slots from i on (before end) are valid alike. */
static int64_t
run_length(const struct ArrowArray *src, int64_t i, int64_t end)
{
    if (src->buffers[0] == NULL || src->null_count == 0)
        return end - i;
    bool valid = is_valid(src, i);
    int64_t n = 1;
    while (i + n < end && is_valid(src, i + n) == valid)
        n++;
    return n;
}

static walrow__appended
copy_bools(walrow__column *column, const struct ArrowArray *src, int64_t start, int64_t n)
{
    walrow__appended outcome = WALROW__APPENDED;
    for (int64_t i = start; i < start + n && outcome == WALROW__APPENDED; i++)
        outcome = walrow__append_bool(column, ArrowBitGet(src->buffers[1], i));
    return outcome;
}

static bool
copy_data(walrow__column *column, const uint8_t *from, int64_t size)
{
    if (!walrow__buffer_reserve(&column->data, size))
        return false;
    if (size > 0)
        memcpy(column->data.data + column->data.size_bytes, from, (size_t)size);
    column->data.size_bytes += size;
    return true;
}

/* Offsets of n slots of src, moved to where the column's content ends now. */
static bool
copy_offsets(walrow__column *column, const int32_t *offsets, int64_t start, int64_t n, int64_t base)
{
    if (base + offsets[start + n] - offsets[start] > INT32_MAX || !walrow__repeat_offset(column, 0) ||
        !walrow__buffer_reserve(&column->offsets, n * 4))
        return false;
    int32_t *to = (int32_t *)(column->offsets.data + column->offsets.size_bytes);
    int32_t shift = (int32_t)base - offsets[start];
    for (int64_t i = 0; i < n; i++)
        to[i] = offsets[start + 1 + i] + shift;
    column->offsets.size_bytes += n * 4;
    return true;
}

static walrow__appended
copy_nested(walrow__column *column, const struct ArrowArray *src, int64_t start, int64_t n)
{
    if (column->type->kind == WALROW__MAP) /* its one child is the struct of keys and values */
        src = src->children[0];
    for (int i = 0; i < column->n_children; i++) {
        walrow__appended outcome =
            walrow__column_append_range(&column->children[i], src->children[i], start, n);
        if (outcome != WALROW__APPENDED)
            return outcome;
    }
    return WALROW__APPENDED;
}

static walrow__appended
copy_variable(walrow__column *column, const struct ArrowArray *src, int64_t start, int64_t n)
{
    const int32_t *offsets = src->buffers[1];
    bool nested = column->n_children > 0;
    int64_t base = nested ? column->children[0].length : column->data.size_bytes;
    int64_t size = offsets[start + n] - offsets[start];
    if (!copy_offsets(column, offsets, start, n, base))
        return WALROW__NO_MEMORY;
    if (nested)
        return size == 0 ? WALROW__APPENDED : copy_nested(column, src, offsets[start], size);
    const uint8_t *bytes = src->buffers[2];
    return size == 0 || copy_data(column, bytes + offsets[start], size) ? WALROW__APPENDED
                                                                        : WALROW__NO_MEMORY;
}

/* Slots that are all valid. */
static walrow__appended
copy_run(walrow__column *column, const struct ArrowArray *src, int64_t start, int64_t n)
{
    walrow__kind kind = column->type->kind;
    if (kind == WALROW__BOOL)
        return copy_bools(column, src, start, n);
    if (!walrow__column_flush_nulls(column))
        return WALROW__NO_MEMORY;
    walrow__appended outcome = WALROW__APPENDED;
    if (walrow__has_offsets(kind)) {
        outcome = copy_variable(column, src, start, n);
    } else if (kind == WALROW__STRUCT) {
        outcome = copy_nested(column, src, start, n);
    } else {
        int64_t width = walrow__slot_width(kind);
        const uint8_t *from = src->buffers[1];
        if (!copy_data(column, from + start * width, n * width))
            outcome = WALROW__NO_MEMORY;
    }
    column->length += n;
    return outcome;
}

walrow__appended
walrow__column_append_range(walrow__column *column, const struct ArrowArray *src, int64_t start, int64_t n)
{
    int64_t end = start + n;
    for (int64_t i = start; i < end;) {
        int64_t run = run_length(src, i, end);
        if (!is_valid(src, i)) {
            walrow__column_append_nulls(column, run);
        } else {
            walrow__appended outcome = copy_run(column, src, i, run);
            if (outcome != WALROW__APPENDED)
                return outcome;
        }
        i += run;
    }
    return WALROW__APPENDED;
}
