/*
 * kernels/rows.h
 *	  Rows of a table gathered from many batches into one. Works from the batches' Arrow schema alone, for a
 *	  sink sees nothing else of a table.
 */
#ifndef WALROW_KERNELS_ROWS_H
#define WALROW_KERNELS_ROWS_H

#include "columns/column.h"

typedef struct walrow__rows {
    walrow__type type; /* STRUCT: a row */
    walrow__column column;
} walrow__rows;

/** The fields' types are the same, whatever their names. */
bool walrow__same_type(const struct ArrowSchema *a, const struct ArrowSchema *b);

walrow_code walrow__rows_init(walrow__rows *rows, const struct ArrowSchema *schema,
                              walrow_error *err) WALROW_MUST_CHECK;
void walrow__rows_release(walrow__rows *rows);
/** A batch from elsewhere has the buffers and children that its schema says. */
walrow_code walrow__rows_check(const walrow__rows *rows, const struct ArrowArray *batch,
                               walrow_error *err) WALROW_MUST_CHECK;
/** Of a batch without an offset. */
walrow_code walrow__rows_append(walrow__rows *rows, const struct ArrowArray *batch, int64_t start, int64_t n,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Move them into *out, a struct array; there are none again. */
walrow_code walrow__rows_take(walrow__rows *rows, struct ArrowArray *out,
                              walrow_error *err) WALROW_MUST_CHECK;
/* The first row of a batch that was not committed before the LSN. */
int64_t walrow__rows_first_from(const struct ArrowArray *batch, uint64_t lsn);
int64_t walrow__rows_count(const walrow__rows *rows);
int64_t walrow__rows_bytes(const walrow__rows *rows);

#endif
