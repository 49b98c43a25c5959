/*
 * kernels/hash.h
 *	  Values hashed by MurmurHash3, a column at a time: the seed of a column's hash is that of the columns before
 *	  it. What bytes stand for a value is a promise, made in walrow.h ("Partitions"): never change it.
 */
#ifndef WALROW_KERNELS_HASH_H
#define WALROW_KERNELS_HASH_H

#include "columns/column.h"

/**
 * For each of n slots of src, from start (its own offset apart) on: hashes[i] goes from the hash so far to the one
 * with this value in it.
 */
void walrow__hash_column(walrow_hash hash, const walrow__type *type, const struct ArrowArray *src,
                         int64_t start, int64_t n, uint64_t *hashes);
/* The same for one value of bytes. */
uint64_t walrow__hash_value(walrow_hash hash, const void *bytes, size_t size, uint64_t so_far);

#endif
