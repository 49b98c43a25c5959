#include "kernels/pick.h"

#include "base/error.h"
#include "kernels/rows.h"
#include "kernels/split.h"
#include "kernels/take.h"

#include <stdlib.h>

/* ---- fates ---- */

static char
op_by_fate(walrow__fate fate, char op)
{
    if (fate == WALROW__KEPT)
        return op;
    return fate == WALROW__INSERTED ? 'I' : 'D';
}

void
walrow__fates_restrict(uint8_t *fates, const struct ArrowArray *batch, const walrow__ops *ops)
{
    for (int64_t i = 0; i < batch->length; i++)
        if (!ops->has[(uint8_t)op_by_fate(fates[i], walrow__batch_op(batch, i))])
            fates[i] = WALROW__LEFT_OUT;
}

int64_t
walrow__fates_count(const uint8_t *fates, int64_t n, walrow__fate fate)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += fates[i] == fate;
    return count;
}

/* ---- rows ---- */

/* Kept ones are gathered many at a time, a column after the other. */
typedef struct picking {
    const struct ArrowArray *batch;
    const walrow__table *table;
    walrow__rows rows;
    uint32_t *kept;
    int64_t n_kept;
} picking;

static bool
take_kept(picking *self)
{
    int64_t n = self->n_kept;
    self->n_kept = 0;
    return walrow__column_take(&self->rows.column, self->batch, self->kept, n) == WALROW__APPENDED;
}

static bool
pick_row(picking *self, uint32_t row, walrow__fate fate)
{
    if (fate == WALROW__LEFT_OUT)
        return true;
    if (fate == WALROW__KEPT) {
        self->kept[self->n_kept++] = row;
        return true;
    }
    if (!take_kept(self))
        return false;
    return fate == WALROW__INSERTED
               ? walrow__split_append_insert(&self->rows.column, self->batch, row)
               : walrow__split_append_delete(&self->rows.column, self->batch, row, self->table);
}

static walrow_code
pick_rows(picking *self, const uint8_t *fates, struct ArrowArray *out, walrow_error *err)
{
    int64_t length = self->batch->length;
    self->kept = malloc((size_t)(length + 1) * sizeof *self->kept);
    bool good = self->kept != NULL;
    for (int64_t i = 0; good && i < length; i++)
        good = pick_row(self, (uint32_t)i, fates[i]);
    good = good && take_kept(self);
    free(self->kept);
    return good ? walrow__rows_take(&self->rows, out, err) : walrow__fail_memory(err);
}

walrow_code
walrow__pick(const struct ArrowSchema *schema, const struct ArrowArray *batch, const uint8_t *fates,
             const walrow__table *table, struct ArrowArray *out, walrow_error *err)
{
    picking self = {.batch = batch, .table = table};
    WALROW_TRY(walrow__rows_init(&self.rows, schema, err));
    walrow_code code = pick_rows(&self, fates, out, err);
    walrow__rows_release(&self.rows);
    return code;
}
