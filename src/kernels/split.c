#include "kernels/split.h"

#include "base/error.h"
#include "columns/table.h"
#include "kernels/take.h"

#include <stdlib.h>

bool
walrow__has_old_row(const struct ArrowArray *batch, int64_t row)
{
    const struct ArrowArray *old = batch->children[WALROW__OLD];
    return !walrow__may_have_nulls(old) || ArrowBitGet(old->buffers[0], row + batch->offset + old->offset);
}

/* One slot of the batch's child into the column of the same number, or of another with the same type. */
static bool
take_cell(walrow__column *column, const struct ArrowArray *parent, int64_t offset, int child, uint32_t row)
{
    return walrow__column_take_child(column, parent->children[child], offset, &row, 1) == WALROW__APPENDED;
}

static bool
append_position(walrow__column *columns, const struct ArrowArray *batch, uint32_t row, const char *op)
{
    if (walrow__column_append_utf8(&columns[WALROW__OP], op, 1) != WALROW__APPENDED)
        return false;
    for (int i = WALROW__COMMIT_LSN; i <= WALROW__COMMIT_TIME; i++)
        if (!take_cell(&columns[i], batch, batch->offset, i, row))
            return false;
    return true;
}

static bool
append_old_values(walrow__column *columns, int n_columns, const struct ArrowArray *batch, uint32_t row)
{
    const struct ArrowArray *old = batch->children[WALROW__OLD];
    bool good = true;
    for (int i = WALROW__N_META; good && i < n_columns; i++)
        good = take_cell(&columns[i], old, batch->offset + old->offset, i - WALROW__N_META, row);
    return good;
}

/* Those of the row's own: the key did not change. */
static bool
append_key_values(walrow__column *columns, int n_columns, const struct ArrowArray *batch, uint32_t row,
                  const walrow__table *table)
{
    bool good = true;
    for (int i = WALROW__N_META; good && i < n_columns; i++)
        if (table->columns[i - WALROW__N_META].is_key)
            good = take_cell(&columns[i], batch, batch->offset, i, row);
        else
            walrow__column_append_nulls(&columns[i], 1);
    return good;
}

bool
walrow__split_append_delete(walrow__column *all, const struct ArrowArray *batch, uint32_t row,
                            const walrow__table *table)
{
    walrow__column *columns = all->children;
    bool good = append_position(columns, batch, row, "D");
    walrow__column_append_nulls(&columns[WALROW__UNCHANGED], 1);
    walrow__column_append_nulls(&columns[WALROW__OLD], 1);
    good = good && (table == NULL || walrow__has_old_row(batch, row)
                        ? append_old_values(columns, all->n_children, batch, row)
                        : append_key_values(columns, all->n_children, batch, row, table));
    return good && walrow__column_append_nested(all) == WALROW__APPENDED;
}

bool
walrow__split_append_insert(walrow__column *all, const struct ArrowArray *batch, uint32_t row)
{
    walrow__column *columns = all->children;
    bool good = append_position(columns, batch, row, "I") &&
                take_cell(&columns[WALROW__UNCHANGED], batch, batch->offset, WALROW__UNCHANGED, row);
    walrow__column_append_nulls(&columns[WALROW__OLD], 1);
    for (int i = WALROW__N_META; good && i < all->n_children; i++)
        good = take_cell(&columns[i], batch, batch->offset, i, row);
    return good && walrow__column_append_nested(all) == WALROW__APPENDED;
}

static bool
append_moved(walrow__column *all, const struct ArrowArray *batch, uint32_t row)
{
    return walrow__split_append_delete(all, batch, row, NULL) && walrow__split_append_insert(all, batch, row);
}

walrow_code
walrow__split_updates(walrow__rows *rows, const struct ArrowArray *batch, const uint32_t *moved, size_t n,
                      struct ArrowArray *out, walrow_error *err)
{
    int64_t length = batch->length, done = 0;
    uint32_t *numbers = malloc((size_t)length * sizeof *numbers);
    bool good = numbers != NULL;
    for (int64_t i = 0; good && i < length; i++)
        numbers[i] = (uint32_t)i;
    for (size_t i = 0; good && i < n; i++) {
        good =
            walrow__column_take(&rows->column, batch, numbers + done, moved[i] - done) == WALROW__APPENDED &&
            append_moved(&rows->column, batch, moved[i]);
        done = (int64_t)moved[i] + 1;
    }
    good =
        good && walrow__column_take(&rows->column, batch, numbers + done, length - done) == WALROW__APPENDED;
    free(numbers);
    return good ? walrow__rows_take(rows, out, err) : walrow__fail_memory(err);
}
