/*
 * kernels/split.h
 *	  Updates that move a row from one owner to another, split into a delete and an insert.
 */
#ifndef WALROW_KERNELS_SPLIT_H
#define WALROW_KERNELS_SPLIT_H

#include "columns/table.h"
#include "kernels/rows.h"

/** Does an update's row have an old one beside it? */
bool walrow__has_old_row(const struct ArrowArray *batch, int64_t row);
/** The new row of an update, as an insert at the same position. all: rows of the batch's schema. false: no memory */
bool walrow__split_append_insert(walrow__column *all, const struct ArrowArray *batch,
                                 uint32_t row) WALROW_MUST_CHECK;
/**
 * Its old row, as a delete. table: whose key's values are taken from the new row where there is no old one, because
 * it had the same; NULL: there is one.
 */
bool walrow__split_append_delete(walrow__column *all, const struct ArrowArray *batch, uint32_t row,
                                 const walrow__table *table) WALROW_MUST_CHECK;

/**
 * A change batch's rows, in which those numbered moved[0] < ... < moved[n - 1], updates with an old row, are two.
 * @param rows  of the batch's schema, empty; empty again afterwards
 */
walrow_code walrow__split_updates(walrow__rows *rows, const struct ArrowArray *batch, const uint32_t *moved,
                                  size_t n, struct ArrowArray *out, walrow_error *err) WALROW_MUST_CHECK;

#endif
