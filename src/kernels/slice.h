/*
 * kernels/slice.h
 *	  Rows of a batch that follow each other, as a batch of their own on the same memory.
 */
#ifndef WALROW_KERNELS_SLICE_H
#define WALROW_KERNELS_SLICE_H

#include <nanoarrow/nanoarrow.h>
#include <walrow.h>

/* A batch whose memory several share: the last of them releases it, from whatever thread. */
typedef struct walrow__shared {
    int references;
    struct ArrowArray array;
} walrow__shared;

/** Takes the array over. NULL: out of memory, and the array is the caller's still. */
walrow__shared *walrow__shared_new(struct ArrowArray *array);
void walrow__shared_unref(walrow__shared *shared);

/**
 * Rows [start, start + n) of a struct array without null rows. The columns have the offset, not the batch, because
 * that is what others read. Nothing is copied.
 */
walrow_code walrow__slice(walrow__shared *shared, int64_t start, int64_t n, struct ArrowArray *out,
                          walrow_error *err) WALROW_MUST_CHECK;

/** Of a slice, or a struct in it, only those children: n numbers, ascending. What is left out is released. */
void walrow__slice_keep(struct ArrowArray *slice, const int *children, int n);

#endif
