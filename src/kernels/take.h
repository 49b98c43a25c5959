/*
 * kernels/take.h
 *	  Arrow's "take": slots of an array, gathered by their numbers into a column under construction.
 */
#ifndef WALROW_KERNELS_TAKE_H
#define WALROW_KERNELS_TAKE_H

#include "columns/column.h"

/**
 * Append slots rows[0], ..., rows[n - 1] of src, an array of the column's type. Unlike
 * walrow__column_append_range, src may have an offset, and anything under its nulls.
 * @return WALROW__APPENDED or WALROW__NO_MEMORY (also for more than 2 GiB in one column): then the column is of no
 * use any more
 */
walrow__appended walrow__column_take(walrow__column *column, const struct ArrowArray *src,
                                     const uint32_t *rows, int64_t n) WALROW_MUST_CHECK;
/**
 * The same of a struct's child, of which the struct's offset is the children's, too.
 * @param offset  the parent's
 */
walrow__appended walrow__column_take_child(walrow__column *column, const struct ArrowArray *src,
                                           int64_t offset, const uint32_t *rows, int64_t n) WALROW_MUST_CHECK;

/* A slot's bits may say that it is null. */
static inline bool
walrow__may_have_nulls(const struct ArrowArray *array)
{
    return array->null_count != 0 && array->buffers[0] != NULL;
}

#endif
