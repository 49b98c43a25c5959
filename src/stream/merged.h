/*
 * stream/merged.h
 *	  A reader made of several: the rows that its members have of one change set, as one.
 */
#ifndef WALROW_STREAM_MERGED_H
#define WALROW_STREAM_MERGED_H

#include "stream/router.h"

typedef struct walrow__merged walrow__merged;

walrow_code walrow__merged_new(walrow__merged **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__merged_free(walrow__merged *merged); /* NULL is allowed */
/** The next rows of a reader whose members have some. With the router's lock held, which is let go meanwhile. */
walrow_code walrow__merged_take(struct walrow_reader *reader, walrow_rows *out, uint64_t *number,
                                walrow_error *err) WALROW_MUST_CHECK;

#endif
