#include "query/mesh.h"

#include "base/error.h"
#include "kernels/pick.h"
#include "kernels/split.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

walrow_code
walrow__mesh_new(const walrow__rules *wheres, const walrow__rules *columns, const walrow__ops *ops,
                 const walrow__table *table, walrow__duckdb *duckdb, walrow__mesh **out, walrow_error *err)
{
    walrow__mesh *mesh = calloc(1, sizeof *mesh);
    if (mesh == NULL)
        return walrow__fail_memory(err);
    mesh->table = walrow__table_ref((walrow__table *)table);
    mesh->ops = ops;
    walrow_code code = walrow__predicate_new(wheres, table, duckdb, &mesh->predicate, err);
    if (code == WALROW_OK)
        code = walrow__projection_new(columns, table, &mesh->projection, err);
    if (code == WALROW_OK)
        *out = mesh;
    else
        walrow__mesh_free(mesh);
    return code;
}

void
walrow__mesh_free(walrow__mesh *mesh)
{
    if (mesh == NULL)
        return;
    walrow__predicate_free(mesh->predicate);
    walrow__projection_free(mesh->projection);
    walrow__table_unref(mesh->table);
    free(mesh);
}

bool
walrow__mesh_is_of(const walrow__mesh *mesh, const walrow_batch *batch)
{
    const walrow__table *table = mesh->table;
    return table->epoch == batch->epoch && table->relid == batch->relid &&
           strcmp(table->name, batch->table_name) == 0 && strcmp(table->schema_name, batch->schema_name) == 0;
}

walrow__table *
walrow__mesh_table(const walrow__mesh *mesh)
{
    return mesh->projection == NULL ? mesh->table : mesh->projection->table;
}

/* ---- rows ---- */

static walrow_code
decide(walrow__sifted *self, walrow_error *err)
{
    const walrow__mesh *mesh = self->mesh;
    int64_t length = self->batch->length;
    self->fates = malloc((size_t)length + 1);
    if (self->fates == NULL)
        return walrow__fail_memory(err);
    memset(self->fates, WALROW__KEPT, (size_t)length);
    if (mesh->predicate != NULL)
        WALROW_TRY(walrow__predicate_judge(mesh->predicate, self->batch, self->fates, err));
    if (mesh->ops != NULL)
        walrow__fates_restrict(self->fates, self->batch, mesh->ops);
    self->n_left = length - walrow__fates_count(self->fates, length, WALROW__LEFT_OUT);
    if (walrow__fates_count(self->fates, length, WALROW__KEPT) < length)
        return WALROW_OK;
    free(self->fates);
    self->fates = NULL;
    return WALROW_OK;
}

walrow_code
walrow__mesh_sift(const walrow__mesh *mesh, const struct ArrowArray *batch, walrow__sifted *out,
                  walrow_error *err)
{
    *out = (walrow__sifted){.mesh = mesh, .batch = batch, .n_left = batch->length};
    if (mesh->predicate == NULL && mesh->ops == NULL)
        return WALROW_OK;
    walrow_code code = decide(out, err);
    if (code != WALROW_OK)
        walrow__sifted_release(out);
    return code;
}

void
walrow__sifted_release(walrow__sifted *sifted)
{
    free(sifted->fates);
    sifted->fates = NULL;
}

walrow_code
walrow__sifted_apply(const walrow__sifted *sifted, walrow_batch *batch, walrow_error *err)
{
    const walrow__mesh *mesh = sifted->mesh;
    const walrow__table *table = walrow__mesh_table(mesh);
    struct ArrowArray picked;
    if (mesh->projection != NULL) {
        batch->schema = &table->schema;
        batch->epoch = table->epoch;
        WALROW_TRY(walrow__projection_apply(mesh->projection, &batch->array, err));
    }
    if (sifted->fates == NULL)
        return WALROW_OK;
    WALROW_TRY(walrow__pick(batch->schema, &batch->array, sifted->fates, table, &picked, err));
    ArrowArrayRelease(&batch->array);
    ArrowArrayMove(&picked, &batch->array);
    return WALROW_OK;
}

/* ---- dead letters ---- */

static bool
is_key(const walrow__table *table, const char *column)
{
    for (int i = 0; i < table->n_columns; i++)
        if (strcmp(table->columns[i].name, column) == 0)
            return table->columns[i].is_key;
    return false;
}

/* The row at a position; -1: it is in another batch. */
static int64_t
find_row(const struct ArrowArray *batch, walrow__position position)
{
    int64_t low = 0, high = batch->length;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (walrow__position_compare(walrow__batch_position(batch, middle), position) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found =
        low < batch->length && walrow__position_compare(walrow__batch_position(batch, low), position) == 0;
    return found ? low : -1;
}

/* What a delete has is the old row, or the key of the new one. */
static bool
keeps_of_delete(const walrow__sifted *self, int64_t row, walrow_dead_letter *letter)
{
    bool stays =
        walrow__has_old_row(self->batch, row) ? letter->old : is_key(self->mesh->table, letter->column);
    letter->op = 'D';
    letter->old = false;
    return stays;
}

static bool
keeps_of_insert(walrow_dead_letter *letter)
{
    letter->op = 'I';
    return !letter->old;
}

/* Rows that a snapshot reads share their position: nobody can tell whose letter it is. */
static bool
keeps_of_row(const walrow__sifted *self, walrow_dead_letter *letter)
{
    if (self->fates == NULL)
        return true;
    if (letter->op == 'R')
        return self->n_left > 0;
    int64_t row = find_row(self->batch, (walrow__position){letter->lsn, letter->seq});
    if (row < 0 || self->fates[row] == WALROW__KEPT)
        return true;
    if (self->fates[row] == WALROW__DELETED)
        return keeps_of_delete(self, row, letter);
    return self->fates[row] == WALROW__INSERTED && keeps_of_insert(letter);
}

bool
walrow__sifted_keeps_letter(const walrow__sifted *sifted, walrow_dead_letter *letter)
{
    const walrow__projection *projection = sifted->mesh->projection;
    return (projection == NULL || walrow__projection_has(projection, letter->column)) &&
           keeps_of_row(sifted, letter);
}
