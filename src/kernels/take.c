#include "kernels/take.h"

#include "columns/append.h"

#include <stdlib.h>

/* Which slots: those numbered rows[i] + shift in the buffers. */
typedef struct pick {
    const uint32_t *rows;
    int64_t n;
    int64_t shift;
} pick;

static walrow__appended take(walrow__column *column, const struct ArrowArray *src, pick picked);

static inline int64_t
slot_of(const pick *picked, int64_t i)
{
    return picked->rows[i] + picked->shift;
}

/* ---- bits ---- */

static inline unsigned
bit_at(const uint8_t *bits, int64_t slot)
{
    return bits[(uint64_t)slot / 8] >> (uint64_t)slot % 8 & 1;
}

/* The picked bits, from bit `at` of `to` on; what is behind them in the last byte becomes `rest`. Returns how many
 * are set. */
static int64_t
take_bits(uint8_t *to, int64_t at, const uint8_t *bits, const pick *picked, unsigned rest)
{
    const pick local = *picked; /* what is written may be anybody's: this cannot change */
    unsigned place = at % 8, byte = place == 0 ? 0 : to[at / 8] & ((1u << place) - 1);
    int64_t set = -__builtin_popcount(byte);
    to += at / 8;
    for (int64_t i = 0; i < local.n;) {
        int64_t end = i + 8 - place < local.n ? i + 8 - place : local.n;
        for (; i < end; i++, place++)
            byte |= bit_at(bits, slot_of(&local, i)) << place;
        set += __builtin_popcount(byte);
        if (place == 8) {
            *to++ = (uint8_t)byte;
            place = byte = 0;
        }
    }
    if (place > 0)
        *to = (uint8_t)(byte | (rest & 0xFF) << place);
    return set;
}

static inline bool
is_null(const struct ArrowArray *src, int64_t slot)
{
    return bit_at(src->buffers[0], slot) == 0;
}

/* The slots' validity, before anything else of them is there. Returns the number of nulls; -1: no memory. */
static int64_t
take_validity(walrow__column *column, const struct ArrowArray *src, const pick *picked)
{
    if (!walrow__may_have_nulls(src))
        return 0;
    if (!walrow__buffer_extend(&column->validity, (column->length + picked->n + 7) / 8, 0xFF))
        return -1;
    return picked->n - take_bits(column->validity.data, column->length, src->buffers[0], picked, 0xFF);
}

/* ---- values of a fixed width ---- */

static inline __attribute__((always_inline)) void
gather(uint8_t *to, const uint8_t *from, const pick *picked, size_t width)
{
    const uint32_t *rows = picked->rows;
    int64_t n = picked->n;
    from += picked->shift * (int64_t)width;
    for (int64_t i = 0; i < n; i++)
        memcpy(to + (size_t)i * width, from + rows[i] * width, width);
}

static void
gather_width(uint8_t *to, const uint8_t *from, const pick *picked, int width)
{
    switch (width) {
    case 2:
        gather(to, from, picked, 2);
        break;
    case 4:
        gather(to, from, picked, 4);
        break;
    case 8:
        gather(to, from, picked, 8);
        break;
    case 16:
        gather(to, from, picked, 16);
        break;
    default:
        gather(to, from, picked, 32);
    }
}

static walrow__appended
take_fixed(walrow__column *column, const struct ArrowArray *src, const pick *picked, int64_t nulls)
{
    int width = walrow__slot_width(column->type->kind);
    if (!walrow__buffer_reserve(&column->data, picked->n * width))
        return WALROW__NO_MEMORY;
    uint8_t *to = column->data.data + column->data.size_bytes;
    gather_width(to, src->buffers[1], picked, width);
    for (int64_t i = 0; nulls > 0 && i < picked->n; i++)
        if (is_null(src, slot_of(picked, i)))
            memset(to + i * width, 0, (size_t)width);
    column->data.size_bytes += picked->n * width;
    return WALROW__APPENDED;
}

static walrow__appended
take_bools(walrow__column *column, const struct ArrowArray *src, const pick *picked, int64_t nulls)
{
    if (!walrow__buffer_extend(&column->data, (column->length + picked->n + 7) / 8, 0))
        return WALROW__NO_MEMORY;
    take_bits(column->data.data, column->length, src->buffers[1], picked, 0);
    for (int64_t i = 0; nulls > 0 && i < picked->n; i++)
        if (is_null(src, slot_of(picked, i)))
            ArrowBitClear(column->data.data, column->length + i);
    return WALROW__APPENDED;
}

/* ---- values of any width ---- */

static bool
reserve_offsets(walrow__column *column, int64_t n)
{
    return (column->offsets.size_bytes > 0 || walrow__repeat_offset(column, 0)) &&
           walrow__buffer_reserve(&column->offsets, n * 4);
}

static inline int32_t *
end_of_offsets(walrow__column *column)
{
    return (int32_t *)(column->offsets.data + column->offsets.size_bytes);
}

enum { SHORT = 16 };

/* Room for that many more bytes behind the data's end, and for a short value's copy. */
static bool
reserve_bytes(walrow__column *column, int64_t size)
{
    return column->data.size_bytes + size <= INT32_MAX && walrow__buffer_reserve(&column->data, size + SHORT);
}

/* What as many values take up if these are like the others. */
static int64_t
likely_bytes(const struct ArrowArray *src, int64_t n)
{
    const int32_t *offsets = (const int32_t *)src->buffers[1] + src->offset;
    return (int64_t)((double)(offsets[src->length] - offsets[0]) / (double)src->length * 1.1 * (double)n);
}

/*
 * Most texts are short, and a call of memcpy costs more than they do: 16 bytes are copied whatever their size is,
 * where as many can be read.
 */
static inline void
copy_bytes(uint8_t *to, const uint8_t *from, int64_t size, bool readable)
{
    if (size <= SHORT && readable)
        memcpy(to, from, SHORT);
    else if (size > 0)
        memcpy(to, from, (size_t)size);
}

static walrow__appended
take_bytes(walrow__column *column, const struct ArrowArray *src, const pick *picked, int64_t nulls)
{
    if (!reserve_offsets(column, picked->n) || !reserve_bytes(column, likely_bytes(src, picked->n)))
        return WALROW__NO_MEMORY;
    const pick local = *picked;
    const int32_t *offsets = src->buffers[1];
    const uint8_t *bytes = src->buffers[2];
    int32_t *ends = end_of_offsets(column), last_readable = offsets[src->offset + src->length] - SHORT;
    int64_t end = column->data.size_bytes, room = column->data.capacity_bytes - SHORT;
    for (int64_t i = 0; i < local.n; i++) {
        int64_t slot = slot_of(&local, i);
        int32_t from = offsets[slot], size = nulls > 0 && is_null(src, slot) ? 0 : offsets[slot + 1] - from;
        if (end + size > room) {
            column->data.size_bytes = end;
            if (!reserve_bytes(column, size))
                return WALROW__NO_MEMORY;
            room = column->data.capacity_bytes - SHORT;
        }
        copy_bytes(column->data.data + end, bytes + from, size, from <= last_readable);
        end += size;
        ends[i] = (int32_t)end;
    }
    column->data.size_bytes = end;
    column->offsets.size_bytes += local.n * 4;
    return end <= INT32_MAX ? WALROW__APPENDED : WALROW__NO_MEMORY;
}

/* ---- nested ---- */

/* A map's children are those of its entries. */
static walrow__appended
take_elements(walrow__column *column, const struct ArrowArray *src, pick elements)
{
    if (column->type->kind == WALROW__LIST)
        return take(&column->children[0], src->children[0], elements);
    elements.shift += src->children[0]->offset;
    walrow__appended outcome = WALROW__APPENDED;
    for (int i = 0; i < column->n_children && outcome == WALROW__APPENDED; i++)
        outcome = take(&column->children[i], src->children[0]->children[i], elements);
    return outcome;
}

/* Where each list ends, when they follow the elements that the column has. Returns where the last does; -1: out of
 * memory, or too much for an offset. */
static int64_t
take_offsets(walrow__column *column, const struct ArrowArray *src, const pick *picked, int64_t nulls)
{
    const int32_t *offsets = src->buffers[1];
    if (!reserve_offsets(column, picked->n))
        return -1;
    int32_t *ends = end_of_offsets(column);
    int64_t end = column->children[0].length;
    for (int64_t i = 0; i < picked->n; i++) {
        int64_t slot = slot_of(picked, i);
        if (nulls == 0 || !is_null(src, slot))
            end += offsets[slot + 1] - offsets[slot];
        ends[i] = (int32_t)end;
    }
    column->offsets.size_bytes += picked->n * 4;
    return end > INT32_MAX ? -1 : end;
}

static void
list_elements(const struct ArrowArray *src, const pick *picked, int64_t nulls, uint32_t *to)
{
    const int32_t *offsets = src->buffers[1];
    for (int64_t i = 0; i < picked->n; i++) {
        int64_t slot = slot_of(picked, i);
        for (int32_t at = offsets[slot]; (nulls == 0 || !is_null(src, slot)) && at < offsets[slot + 1]; at++)
            *to++ = (uint32_t)at;
    }
}

static walrow__appended
take_list(walrow__column *column, const struct ArrowArray *src, const pick *picked, int64_t nulls)
{
    int64_t length = column->children[0].length, end = take_offsets(column, src, picked, nulls);
    if (end < 0)
        return WALROW__NO_MEMORY;
    if (end == length)
        return WALROW__APPENDED;
    uint32_t *elements = malloc((size_t)(end - length) * sizeof *elements);
    if (elements == NULL)
        return WALROW__NO_MEMORY;
    list_elements(src, picked, nulls, elements);
    walrow__appended outcome = take_elements(column, src, (pick){.rows = elements, .n = end - length});
    free(elements);
    return outcome;
}

/* How many of the slots picked from the i-th on are null, or not, as that one is. */
static int64_t
run_length(const struct ArrowArray *src, const pick *picked, int64_t i, bool null)
{
    int64_t n = 1;
    while (i + n < picked->n && is_null(src, slot_of(picked, i + n)) == null)
        n++;
    return n;
}

static walrow__appended
take_fields(walrow__column *column, const struct ArrowArray *src, pick run)
{
    if (!walrow__column_flush_nulls(column))
        return WALROW__NO_MEMORY;
    walrow__appended outcome = WALROW__APPENDED;
    for (int i = 0; i < column->n_children && outcome == WALROW__APPENDED; i++)
        outcome = take(&column->children[i], src->children[i], run);
    column->length += run.n;
    return outcome;
}

/* A null's fields are null, too, whatever the array has there. */
static walrow__appended
take_struct(walrow__column *column, const struct ArrowArray *src, const pick *picked)
{
    if (!walrow__may_have_nulls(src))
        return take_fields(column, src, *picked);
    walrow__appended outcome = WALROW__APPENDED;
    for (int64_t i = 0, n; i < picked->n && outcome == WALROW__APPENDED; i += n) {
        bool null = is_null(src, slot_of(picked, i));
        n = run_length(src, picked, i, null);
        if (null)
            walrow__column_append_nulls(column, n);
        else
            outcome =
                take_fields(column, src, (pick){.rows = picked->rows + i, .n = n, .shift = picked->shift});
    }
    return outcome;
}

/* ---- any ---- */

static walrow__appended
take_slots(walrow__column *column, const struct ArrowArray *src, const pick *picked, int64_t nulls)
{
    if (column->type->kind == WALROW__BOOL)
        return take_bools(column, src, picked, nulls);
    if (!walrow__has_offsets(column->type->kind))
        return take_fixed(column, src, picked, nulls);
    return column->n_children > 0 ? take_list(column, src, picked, nulls)
                                  : take_bytes(column, src, picked, nulls);
}

static walrow__appended
take(walrow__column *column, const struct ArrowArray *src, pick picked)
{
    if (picked.n == 0)
        return WALROW__APPENDED;
    if (src->null_count == src->length) {
        walrow__column_append_nulls(column, picked.n);
        return WALROW__APPENDED;
    }
    picked.shift += src->offset;
    if (column->type->kind == WALROW__STRUCT)
        return take_struct(column, src, &picked);
    int64_t nulls = walrow__column_flush_nulls(column) ? take_validity(column, src, &picked) : -1;
    walrow__appended outcome = nulls < 0 ? WALROW__NO_MEMORY : take_slots(column, src, &picked, nulls);
    column->length += picked.n;
    column->null_count += nulls;
    return outcome;
}

walrow__appended
walrow__column_take(walrow__column *column, const struct ArrowArray *src, const uint32_t *rows, int64_t n)
{
    return take(column, src, (pick){.rows = rows, .n = n});
}

walrow__appended
walrow__column_take_child(walrow__column *column, const struct ArrowArray *src, int64_t offset,
                          const uint32_t *rows, int64_t n)
{
    return take(column, src, (pick){.rows = rows, .n = n, .shift = offset});
}
