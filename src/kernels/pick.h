/*
 * kernels/pick.h
 *	  Rows of a change batch, each kept, left out, or made another change: what filters end in.
 */
#ifndef WALROW_KERNELS_PICK_H
#define WALROW_KERNELS_PICK_H

#include "base/ops.h"
#include "columns/batch.h"

typedef enum walrow__fate {
    WALROW__LEFT_OUT,
    WALROW__KEPT,
    WALROW__INSERTED, /* an update, as the insert of its new row */
    WALROW__DELETED /* an update, as the delete of its old row; of the key where that is all that is known */
} walrow__fate;

/** Leave out what is none of ops; a change made another counts as that. fates: one a row, a walrow__fate each. */
void walrow__fates_restrict(uint8_t *fates, const struct ArrowArray *batch, const walrow__ops *ops);
/** How many rows have that fate. */
int64_t walrow__fates_count(const uint8_t *fates, int64_t n, walrow__fate fate);

/**
 * The rows that are left, copied; positions stay as they are.
 * @param batch  without an offset, of at most INT32_MAX rows
 * @param table  the batch's, for its key; NULL will do where no fate is WALROW__DELETED
 * @param out    an array of the same schema, of any length
 */
walrow_code walrow__pick(const struct ArrowSchema *schema, const struct ArrowArray *batch,
                         const uint8_t *fates, const walrow__table *table, struct ArrowArray *out,
                         walrow_error *err) WALROW_MUST_CHECK;

#endif
