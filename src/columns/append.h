/*
 * columns/append.h
 *	  How a slot gets into a column's buffers: what the readers of binary and text values, and the plugin's
 *	  writers of the server's own, end in.
 */
#ifndef WALROW_COLUMNS_APPEND_H
#define WALROW_COLUMNS_APPEND_H

#include "columns/column.h"

#include <string.h>

/* Room for more bytes; the buffer grows by doubling and is as before where there is no memory. */
bool walrow__buffer_grow(struct ArrowBuffer *buffer, int64_t more);

/* Grow to at least size bytes, the new ones filled; never shrinks. */
bool walrow__buffer_extend(struct ArrowBuffer *buffer, int64_t size, int fill) WALROW_MUST_CHECK;

static inline bool
walrow__buffer_has_room(const struct ArrowBuffer *buffer, int64_t size)
{
    return size <= buffer->capacity_bytes - buffer->size_bytes;
}

static inline bool
walrow__buffer_reserve(struct ArrowBuffer *buffer, int64_t size)
{
    return walrow__buffer_has_room(buffer, size) || walrow__buffer_grow(buffer, size);
}

/* How a value that was not appended is told; why is a static string. */
static inline walrow__appended
walrow__malformed(const char **reason, const char *why)
{
    *reason = why;
    return WALROW__MALFORMED;
}

static inline walrow__appended
walrow__unrepresentable(const char **reason, const char *why)
{
    *reason = why;
    return WALROW__UNREPRESENTABLE;
}

/* The type whose buffer layout the kind has; the schema says the rest. */
enum ArrowType walrow__layout_of(walrow__kind kind);
/* Bytes of a slot in the data buffer; 0 where slots have no fixed width in bytes. */
int walrow__slot_width(walrow__kind kind);
bool walrow__has_offsets(walrow__kind kind);
/* n empty slots: the last offset n times, or zero before the first; that one too if it is missing. */
bool walrow__repeat_offset(walrow__column *column, int64_t n) WALROW_MUST_CHECK;

/* Nulls counted so far get their slots: zeros, and bits in the validity bitmap. false: out of memory. */
bool walrow__column_flush_nulls(walrow__column *column);

/* Before a value: room for size bytes of data, and all earlier slots in the buffers. */
static inline bool
walrow__column_ready(walrow__column *column, int64_t size)
{
    if (__builtin_expect(column->trailing_nulls > 0, 0) && !walrow__column_flush_nulls(column))
        return false;
    return __builtin_expect(walrow__buffer_has_room(&column->data, size), 1) ||
           walrow__buffer_grow(&column->data, size);
}

/* One slot of a fixed width, to be written by the caller; NULL: out of memory. */
static inline uint8_t *
walrow__append_slot(walrow__column *column, int64_t width)
{
    if (!walrow__column_ready(column, width))
        return NULL;
    uint8_t *slot = column->data.data + column->data.size_bytes;
    column->data.size_bytes += width;
    column->length++;
    return slot;
}

static inline walrow__appended
walrow__append_fixed(walrow__column *column, const void *value, int64_t width)
{
    uint8_t *slot = walrow__append_slot(column, width);
    if (slot == NULL)
        return WALROW__NO_MEMORY;
    memcpy(slot, value, (size_t)width);
    return WALROW__APPENDED;
}

/* The way out of the fast path below. */
walrow__appended walrow__append_word_slowly(walrow__column *column, uint64_t word, int width);

/*
 * The low bytes of a word, least significant first as Arrow has them. Nothing here needs a register saved or
 * a stack frame, which for values of a few bytes is most of the cost.
 */
static inline walrow__appended
walrow__append_word(walrow__column *column, uint64_t word, int width)
{
    if (__builtin_expect(column->trailing_nulls > 0 || !walrow__buffer_has_room(&column->data, width), 0))
        return walrow__append_word_slowly(column, word, width);
    memcpy(column->data.data + column->data.size_bytes, &word, (size_t)width);
    column->data.size_bytes += width;
    column->length++;
    return WALROW__APPENDED;
}

/* Before the children of a slot get theirs: a struct's must stand where the struct does. */
static inline void
walrow__column_begin_nested(walrow__column *column)
{
    if (column->type->kind != WALROW__STRUCT)
        return;
    for (int i = 0; i < column->n_children; i++) {
        walrow__column *child = &column->children[i];
        if (child->length < column->length)
            walrow__column_append_nulls(child, column->length - child->length);
    }
}

walrow__appended walrow__append_bool(walrow__column *column, bool value);
/* Bytes of a variable width, as they are. More than 2 GiB in one batch's column is out of memory. */
walrow__appended walrow__append_bytes(walrow__column *column, const void *bytes, size_t size);
/* The same, if they are UTF-8. */
walrow__appended walrow__append_text(walrow__column *column, const void *bytes, size_t size,
                                     const char **reason);
/* NaN is the canonical quiet NaN, whatever came. */
walrow__appended walrow__append_float(walrow__column *column, float value);
walrow__appended walrow__append_double(walrow__column *column, double value);

#endif
