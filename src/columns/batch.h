/*
 * columns/batch.h
 *	  A change batch under construction: rows of one table, written column by column.
 *
 * A row is begun, every column of `values` gets exactly one slot, `old` gets exactly one slot, `unchanged`
 * may get names, and the row is ended.
 */
#ifndef WALROW_COLUMNS_BATCH_H
#define WALROW_COLUMNS_BATCH_H

#include "columns/column.h"
#include "columns/table.h"

typedef struct walrow__position {
    uint64_t commit_lsn;
    uint32_t seq;
} walrow__position;

static inline int
walrow__position_compare(walrow__position a, walrow__position b)
{
    if (a.commit_lsn != b.commit_lsn)
        return a.commit_lsn < b.commit_lsn ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

typedef struct walrow__batch_builder {
    walrow__table *table; /* owns a reference */
    int64_t rows;
    int64_t row_capacity;   /* of the five fixed-width buffers */
    struct ArrowBuffer ops; /* a byte a row */
    struct ArrowBuffer commit_lsns, seqs, xids, commit_times;
    walrow__column unchanged; /* LIST of UTF8 */
    walrow__column old;       /* STRUCT; its children are the old tuple's columns */
    walrow__column *values;   /* n_columns */
    int unchanged_in_row;
    bool without_xids, without_commit_times; /* all null, whatever rows were begun with */
} walrow__batch_builder;

walrow_code walrow__batch_init(walrow__batch_builder *batch, walrow__table *table,
                               struct ArrowBufferAllocator allocator, walrow_error *err) WALROW_MUST_CHECK;
void walrow__batch_release(walrow__batch_builder *batch);

/* false: out of memory. */
bool walrow__batch_begin_row(walrow__batch_builder *batch, char op, walrow__position position, uint32_t xid,
                             int64_t commit_time) WALROW_MUST_CHECK;
bool walrow__batch_add_unchanged(walrow__batch_builder *batch, int column) WALROW_MUST_CHECK;
/*
 * Before the children of `old` get their slots: gives them the slots of the rows before that had no old tuple
 * (which cost nothing until now).
 */
void walrow__batch_begin_old(walrow__batch_builder *batch);
/* old_present: the children of `old` were given a slot each; else they were not touched and the row's is
 * null. */
bool walrow__batch_end_row(walrow__batch_builder *batch, bool old_present) WALROW_MUST_CHECK;
/* Forget rows from the given one on, a half-built one included. */
void walrow__batch_truncate(walrow__batch_builder *batch, int64_t rows);

/* Bytes in the builder's buffers. */
int64_t walrow__batch_bytes(const walrow__batch_builder *batch);

/* Room for that many rows in all, so that the five fixed-width buffers can be filled by hand. */
bool walrow__batch_reserve_rows(walrow__batch_builder *batch, int64_t rows) WALROW_MUST_CHECK;

/** Copy rows [start, start + n) of a finished batch of a table with the same epoch. false: as before. */
bool walrow__batch_append_range(walrow__batch_builder *batch, const struct ArrowArray *src, int64_t start,
                                int64_t n) WALROW_MUST_CHECK;

/** Move everything into *out, a struct array with table->schema; the builder is empty again. */
walrow_code walrow__batch_finish(walrow__batch_builder *batch, struct ArrowArray *out,
                                 walrow_error *err) WALROW_MUST_CHECK;

/* `_op` and position of a finished batch's row. */
char walrow__batch_op(const struct ArrowArray *batch, int64_t row);
walrow__position walrow__batch_position(const struct ArrowArray *batch, int64_t row);

#endif
