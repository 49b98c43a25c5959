/*
 * columns/append.h
 *	  How a slot gets into a column's buffers: what the readers of binary and text values end in. Internal to
 *	  columns/.
 */
#ifndef WALROW_COLUMNS_APPEND_H
#define WALROW_COLUMNS_APPEND_H

#include "columns/column.h"

#include <string.h>

/* Nulls counted so far get their slots: zeros, and bits in the validity bitmap. false: out of memory. */
bool walrow__column_flush_nulls(walrow__column *column);
/* The validity bit of the slot about to be filled; only once there was a null. */
bool walrow__column_mark_valid(walrow__column *column);

/* Before a value: room for size bytes of data, and all earlier slots in the buffers. */
static inline bool
walrow__column_ready(walrow__column *column, int64_t size)
{
    if (column->trailing_nulls > 0 && !walrow__column_flush_nulls(column))
        return false;
    if (column->data.size_bytes + size > column->data.capacity_bytes &&
        ArrowBufferReserve(&column->data, size) != NANOARROW_OK)
        return false;
    return column->validity.size_bytes == 0 || walrow__column_mark_valid(column);
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

walrow__appended walrow__append_bool(walrow__column *column, bool value);
/* Bytes of a variable width, as they are. More than 2 GiB in one batch's column is out of memory. */
walrow__appended walrow__append_bytes(walrow__column *column, const void *bytes, size_t size);
/* The same, if they are UTF-8. */
walrow__appended walrow__append_text(walrow__column *column, const void *bytes, size_t size, const char **reason);
/* NaN is the canonical quiet NaN, whatever came. */
walrow__appended walrow__append_float(walrow__column *column, float value);
walrow__appended walrow__append_double(walrow__column *column, double value);

#endif
