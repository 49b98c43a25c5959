/*
 * kernels/partition.c
 *	  A batch's rows, divided by a hash of their key: whose is each row, which updates have two owners, and then
 *	  for each partition its rows, as a slice if they follow each other, else gathered.
 */
#include "base/error.h"
#include "columns/batch.h"
#include "kernels/hash.h"
#include "kernels/key.h"
#include "kernels/slice.h"
#include "kernels/split.h"
#include "kernels/take.h"

#include <stdlib.h>
#include <string.h>

#define EVERYBODY UINT32_MAX /* instead of an owner */

typedef struct job {
    const walrow_partitioning *how;
    walrow__rows rows;
    walrow__row_key key;
    uint32_t *owners; /* of each row */
    uint32_t *moved;  /* updates whose old row is somebody else's */
    uint32_t *losers; /* those */
    size_t n_moved;
    uint32_t *list; /* the rows of partition 0, of partition 1 ... */
    size_t *starts; /* of each partition in the list, and where it ends; n + 1 */
} job;

static void
release_job(job *self)
{
    walrow__rows_release(&self->rows);
    walrow__row_key_release(&self->key);
    free(self->owners);
    free(self->moved);
    free(self->losers);
    free(self->list);
    free(self->starts);
}

static uint32_t *
new_numbers(size_t n)
{
    return n < SIZE_MAX / sizeof(uint32_t) ? malloc((n + 1) * sizeof(uint32_t)) : NULL;
}

/* ---- whose is each row ---- */

static uint32_t
owner_of(const job *self, uint64_t hash)
{
    return (uint32_t)hash % self->how->n;
}

static walrow_code
own_by_table(job *self, const struct ArrowSchema *schema, int64_t length, walrow_error *err)
{
    struct ArrowStringView parts[] = {walrow__metadata(schema, "walrow.schema"),
                                      walrow__metadata(schema, "walrow.table")};
    uint64_t hash = self->how->seed;
    for (int i = 0; i < 2; i++) {
        if (parts[i].data == NULL) {
            walrow__fail(err, WALROW_ERR_USAGE, "the batch's schema does not say which table it is of");
            return walrow__hint(err, "keep its metadata walrow.schema and walrow.table, or name columns");
        }
        hash = walrow__hash_value(self->how->hash, parts[i].data, (size_t)parts[i].size_bytes, hash);
    }
    for (int64_t i = 0; i < length; i++)
        self->owners[i] = owner_of(self, hash);
    return WALROW_OK;
}

/* Hashes of the key as it is among the children of parent, from first on. */
static void
hash_key(const job *self, const struct ArrowArray *parent, int64_t offset, int first, int64_t length,
         uint64_t *hashes)
{
    for (int64_t i = 0; i < length; i++)
        hashes[i] = self->how->seed;
    for (size_t i = 0; i < self->key.n_columns; i++) {
        int column = self->key.columns[i];
        walrow__hash_column(self->how->hash, &self->rows.type.children[column],
                            parent->children[column - first], offset, length, hashes);
    }
}

static walrow_code
fail_of_stranger(const job *self, char op, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_USAGE,
                 "%s cannot be partitioned by \"%s\": its %s do not have the old value", self->key.table,
                 self->key.stranger, op == 'D' ? "deletes" : "updates");
    return walrow__hint(err, "name columns of its replica identity, or: ALTER TABLE %s REPLICA IDENTITY FULL",
                        self->key.table);
}

/* What an operation does to the row's owners, which are those of the new key so far. */
static walrow_code
own_change(job *self, const struct ArrowArray *batch, int64_t row, const uint64_t *old_hashes,
           walrow_error *err)
{
    char op = walrow__batch_op(batch, row);
    if (self->key.stranger != NULL && (op == 'U' || op == 'D'))
        return fail_of_stranger(self, op, err);
    if (op == 'T')
        self->owners[row] = EVERYBODY;
    if (op != 'U' || old_hashes == NULL || !walrow__has_old_row(batch, row))
        return WALROW_OK;
    uint32_t loser = owner_of(self, old_hashes[row]);
    if (loser != self->owners[row]) {
        self->losers[self->n_moved] = loser;
        self->moved[self->n_moved++] = (uint32_t)row;
    }
    return WALROW_OK;
}

static walrow_code
own_changes(job *self, const struct ArrowArray *batch, uint64_t *hashes, walrow_error *err)
{
    const struct ArrowArray *old = batch->children[WALROW__OLD];
    bool has_old = old->null_count != old->length;
    if (has_old) {
        self->moved = new_numbers((size_t)batch->length);
        self->losers = new_numbers((size_t)batch->length);
        if (self->moved == NULL || self->losers == NULL)
            return walrow__fail_memory(err);
        hash_key(self, old, batch->offset + old->offset, WALROW__N_META, batch->length, hashes);
    }
    for (int64_t i = 0; i < batch->length; i++)
        WALROW_TRY(own_change(self, batch, i, has_old ? hashes : NULL, err));
    return WALROW_OK;
}

static walrow_code
own_by_key(job *self, const struct ArrowSchema *schema, const struct ArrowArray *batch, walrow_error *err)
{
    WALROW_TRY(walrow__row_key_find(schema, self->how->columns, self->how->n_columns, &self->key, err));
    uint64_t *hashes = malloc((size_t)(batch->length + 1) * sizeof *hashes);
    if (hashes == NULL)
        return walrow__fail_memory(err);
    hash_key(self, batch, batch->offset, 0, batch->length, hashes);
    for (int64_t i = 0; i < batch->length; i++)
        self->owners[i] = owner_of(self, hashes[i]);
    walrow_code code = self->key.of_changes ? own_changes(self, batch, hashes, err) : WALROW_OK;
    free(hashes);
    return code;
}

/* ---- two rows of one ---- */

/* Owners of the rows that there are then. */
static walrow_code
split_owners(job *self, int64_t length, walrow_error *err)
{
    uint32_t *owners = new_numbers((size_t)length + self->n_moved);
    if (owners == NULL)
        return walrow__fail_memory(err);
    size_t at = 0, n = 0;
    for (int64_t i = 0; i < length; i++) {
        if (n < self->n_moved && self->moved[n] == i)
            owners[at++] = self->losers[n++];
        owners[at++] = self->owners[i];
    }
    free(self->owners);
    self->owners = owners;
    return WALROW_OK;
}

static walrow_code
split(job *self, const struct ArrowArray *batch, struct ArrowArray *out, walrow_error *err)
{
    WALROW_TRY(split_owners(self, batch->length, err));
    return walrow__split_updates(&self->rows, batch, self->moved, self->n_moved, out, err);
}

/* ---- each one's rows ---- */

static void
count_rows(job *self, int64_t length)
{
    uint32_t n = self->how->n;
    size_t everybody = 0;
    for (int64_t i = 0; i < length; i++)
        if (self->owners[i] == EVERYBODY)
            everybody++;
        else
            self->starts[self->owners[i] + 1]++;
    for (uint32_t p = 0; p < n; p++)
        self->starts[p + 1] += self->starts[p] + everybody;
}

/* starts[p] is where the next row of partition p goes, and so in the end where partition p + 1 begins. */
static void
list_rows(job *self, int64_t length)
{
    uint32_t n = self->how->n;
    for (int64_t i = 0; i < length; i++)
        if (self->owners[i] != EVERYBODY)
            self->list[self->starts[self->owners[i]]++] = (uint32_t)i;
        else
            for (uint32_t p = 0; p < n; p++)
                self->list[self->starts[p]++] = (uint32_t)i;
    memmove(self->starts + 1, self->starts, n * sizeof *self->starts);
    self->starts[0] = 0;
}

static walrow_code
sort_rows(job *self, int64_t length, walrow_error *err)
{
    self->starts = calloc((size_t)self->how->n + 1, sizeof *self->starts);
    if (self->starts == NULL)
        return walrow__fail_memory(err);
    count_rows(self, length);
    self->list = new_numbers(self->starts[self->how->n]);
    if (self->list == NULL)
        return walrow__fail_memory(err);
    list_rows(self, length);
    return WALROW_OK;
}

static int64_t
count_of(const job *self, uint32_t p)
{
    return (int64_t)(self->starts[p + 1] - self->starts[p]);
}

static const uint32_t *
rows_of(const job *self, uint32_t p)
{
    return self->list + self->starts[p];
}

/* Its rows follow each other (or there are none). */
static bool
is_run(const job *self, uint32_t p)
{
    int64_t n = count_of(self, p);
    return n == 0 || (int64_t)rows_of(self, p)[n - 1] - rows_of(self, p)[0] + 1 == n;
}

static walrow_code
slice_runs(const job *self, walrow__shared *batch, struct ArrowArray *out, walrow_error *err)
{
    for (uint32_t p = 0; p < self->how->n; p++)
        if (is_run(self, p) && count_of(self, p) > 0)
            WALROW_TRY(walrow__slice(batch, rows_of(self, p)[0], count_of(self, p), &out[p], err));
    return WALROW_OK;
}

/* A column for all partitions before the next one: it stays in the processor's cache meanwhile. */
static walrow_code
gather_columns(const job *self, const struct ArrowArray *batch, walrow__column *gathered, walrow_error *err)
{
    for (int c = 0; c < batch->n_children; c++)
        for (uint32_t p = 0; p < self->how->n; p++)
            if (gathered[p].type != NULL &&
                walrow__column_take_child(&gathered[p].children[c], batch->children[c], batch->offset,
                                          rows_of(self, p), count_of(self, p)) != WALROW__APPENDED)
                return walrow__fail_memory(err);
    return WALROW_OK;
}

/* gathered: a column, the rows, for each partition that has no run; of the others it is all zeros. */
static walrow_code
gather_rows(const job *self, const struct ArrowArray *batch, walrow__column *gathered, struct ArrowArray *out,
            walrow_error *err)
{
    for (uint32_t p = 0; p < self->how->n; p++)
        if (!is_run(self, p))
            WALROW_TRY(
                walrow__column_init(&gathered[p], &self->rows.type, ArrowBufferAllocatorDefault(), err));
    WALROW_TRY(gather_columns(self, batch, gathered, err));
    for (uint32_t p = 0; p < self->how->n; p++) {
        if (gathered[p].type == NULL)
            continue;
        gathered[p].length = count_of(self, p);
        WALROW_TRY(walrow__column_finish(&gathered[p], &out[p], err));
    }
    return WALROW_OK;
}

static walrow_code
gather(const job *self, const struct ArrowArray *batch, struct ArrowArray *out, walrow_error *err)
{
    walrow__column *gathered = calloc(self->how->n, sizeof *gathered);
    if (gathered == NULL)
        return walrow__fail_memory(err);
    walrow_code code = gather_rows(self, batch, gathered, out, err);
    for (uint32_t p = 0; p < self->how->n; p++)
        if (gathered[p].type != NULL)
            walrow__column_release(&gathered[p]);
    free(gathered);
    return code;
}

/* The batch is released if all goes well, else it is the caller's. */
static walrow_code
fill(job *self, struct ArrowArray *batch, struct ArrowArray *out, walrow_error *err)
{
    WALROW_TRY(sort_rows(self, batch->length, err));
    walrow__shared *shared = walrow__shared_new(batch);
    if (shared == NULL)
        return walrow__fail_memory(err);
    walrow_code code = slice_runs(self, shared, out, err);
    if (code == WALROW_OK)
        code = gather(self, &shared->array, out, err);
    for (uint32_t p = 0; p < self->how->n && code != WALROW_OK; p++)
        if (out[p].release != NULL)
            ArrowArrayRelease(&out[p]);
    if (code != WALROW_OK)
        ArrowArrayMove(&shared->array, batch);
    walrow__shared_unref(shared);
    return code;
}

/* ---- all of it ---- */

static walrow_code
check(const struct ArrowArray *batch, const walrow_partitioning *how, walrow_error *err)
{
    if (how->n == 0 || how->n == EVERYBODY)
        return walrow__fail(err, WALROW_ERR_USAGE, "a batch cannot be divided into %u partitions", how->n);
    if (batch->length > INT32_MAX)
        return walrow__fail(err, WALROW_ERR_USAGE, "a batch of more than %d rows", INT32_MAX);
    if (batch->null_count != 0 && batch->n_buffers == 1 && batch->buffers[0] != NULL)
        return walrow__fail(err, WALROW_ERR_USAGE, "a batch with null rows");
    return WALROW_OK;
}

static walrow_code
divide(job *self, struct ArrowArray *batch, const struct ArrowSchema *schema, struct ArrowArray *out,
       walrow_error *err)
{
    WALROW_TRY(walrow__rows_init(&self->rows, schema, err));
    WALROW_TRY(walrow__rows_check(&self->rows, batch, err));
    if ((self->owners = new_numbers((size_t)batch->length)) == NULL)
        return walrow__fail_memory(err);
    if (self->how->by == WALROW_PARTITION_BY_TABLE)
        WALROW_TRY(own_by_table(self, schema, batch->length, err));
    else
        WALROW_TRY(own_by_key(self, schema, batch, err));
    if (self->n_moved == 0)
        return fill(self, batch, out, err);
    struct ArrowArray halves;
    WALROW_TRY(split(self, batch, &halves, err));
    walrow_code code = fill(self, &halves, out, err);
    ArrowArrayRelease(code == WALROW_OK ? batch : &halves);
    return code;
}

walrow_code
walrow_partition(struct ArrowArray *batch, const struct ArrowSchema *schema,
                 const walrow_partitioning *partitioning, struct ArrowArray *out, walrow_error *err)
{
    job self = {.how = partitioning};
    WALROW_TRY(check(batch, partitioning, err));
    memset(out, 0, partitioning->n * sizeof *out);
    walrow_code code = divide(&self, batch, schema, out, err);
    release_job(&self);
    return code;
}
