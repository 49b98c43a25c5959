/*
 * kernels/split.h
 *	  Updates that move a row from one owner to another, split into a delete and an insert.
 */
#ifndef WALROW_KERNELS_SPLIT_H
#define WALROW_KERNELS_SPLIT_H

#include "kernels/rows.h"

/**
 * A change batch's rows, in which those numbered moved[0] < ... < moved[n - 1], updates with an old row, are two.
 * @param rows  of the batch's schema, empty; empty again afterwards
 */
walrow_code walrow__split_updates(walrow__rows *rows, const struct ArrowArray *batch, const uint32_t *moved,
                                  size_t n, struct ArrowArray *out, walrow_error *err) WALROW_MUST_CHECK;

#endif
