/*
 * stream/spill.h
 *	  A reader's rows that wait on disk: in a file without a name, gone with the reader. The server keeps what it is
 *	  not told was acknowledged, so nothing here has to survive.
 *
 * One thread puts, one at a time takes; both at once is fine.
 */
#ifndef WALROW_STREAM_SPILL_H
#define WALROW_STREAM_SPILL_H

#include <walrow.h>

typedef struct walrow__spill walrow__spill;

/* Where rows are; size 0: nowhere. */
typedef struct walrow__spilled {
    int64_t offset, size;
} walrow__spilled;

/** @param directory  an existing one */
walrow_code walrow__spill_new(const char *directory, walrow__spill **out,
                              walrow_error *err) WALROW_MUST_CHECK;
void walrow__spill_free(walrow__spill *spill); /* NULL is allowed */

/** The batch stays the caller's. */
walrow_code walrow__spill_put(walrow__spill *spill, const walrow_batch *batch, walrow__spilled *out,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Take rows back; their room on disk is free then. Caller releases *out. */
walrow_code walrow__spill_take(walrow__spill *spill, walrow__spilled where, struct ArrowArray *out,
                               walrow_error *err) WALROW_MUST_CHECK;

#endif
