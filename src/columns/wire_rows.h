/*
 * columns/wire_rows.h
 *	  A batch in format compact, read: each node is checked when it is reached and then handed on, appended to a
 *	  builder or left where it lies. Nothing is allocated to read, nothing is trusted.
 */
#ifndef WALROW_COLUMNS_WIRE_ROWS_H
#define WALROW_COLUMNS_WIRE_ROWS_H

#include "columns/wire.h"

/* Where reading is. */
typedef struct walrow__wire_reader {
    walrow__cursor nulls;   /* at the next node's number of nulls */
    walrow__cursor buffers; /* at the next buffer */
    int lists;              /* that the next node is inside of: there nothing is elided */
    const char *reason;     /* why reading failed; static */
} walrow__wire_reader;

/* One node, checked; the pointers are borrowed from the message and need not be aligned. */
typedef struct walrow__wire_node {
    int64_t length;
    int64_t null_count;
    bool elided;             /* all null or empty: it has no buffers, and no children on the wire */
    const uint8_t *validity; /* NULL: no nulls */
    const uint8_t *offsets;  /* length + 1, int32 */
    const uint8_t *data;     /* values, bits, or bytes of text */
    int64_t content;         /* the last offset */
} walrow__wire_node;

static inline int64_t
walrow__wire_offset(const walrow__wire_node *node, int64_t i)
{
    int32_t offset;
    memcpy(&offset, node->offsets + 4 * i, sizeof offset);
    return offset;
}

/** The next node: of that kind and length. false: see reader->reason. */
bool walrow__wire_read_node(walrow__wire_reader *reader, walrow__kind kind, int64_t length,
                            walrow__wire_node *out) WALROW_MUST_CHECK;
/** A map's entries, after the map's own node: a struct without nulls. */
bool walrow__wire_read_entries(walrow__wire_reader *reader, int64_t length,
                               walrow__wire_node *out) WALROW_MUST_CHECK;

/* A batch's first five columns, which have no nulls, and what follows them. */
typedef struct walrow__wire_rows {
    walrow__wire_reader rest;
    int64_t n;
    walrow__wire_node ops, commit_lsns, seqs, xids, commit_times;
} walrow__wire_rows;

static inline walrow__position
walrow__wire_position(const walrow__wire_rows *rows, int64_t i)
{
    walrow__position position;
    memcpy(&position.commit_lsn, rows->commit_lsns.data + 8 * i, sizeof position.commit_lsn);
    memcpy(&position.seq, rows->seqs.data + 4 * i, sizeof position.seq);
    return position;
}

/** Open a batch, whose rows ascend by position; needs no schema. *reason: what is wrong with it. */
bool walrow__wire_open_rows(const walrow__wire_batch *batch, walrow__wire_rows *out,
                            const char **reason) WALROW_MUST_CHECK;
/**
 * Append n rows from `start` on to a builder of the batch's table; the rest is read in any case.
 * Errors: WALROW_ERR_PROTOCOL, WALROW_ERR_MEMORY (or a column of more than 2 GiB): the builder is as before.
 */
walrow_code walrow__wire_append_rows(const walrow__wire_rows *rows, int64_t start, int64_t n,
                                     walrow__batch_builder *batch, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Make *out a struct array of the table's schema, whose buffers are the message's where they lie.
 * @param message  a shared buffer (ArrowSharedBufferInit) that holds the batch, each buffer 8-byte aligned; the
 * array keeps references to it
 * Errors: as walrow__wire_append_rows; *out is released.
 */
walrow_code walrow__wire_wrap_rows(const walrow__wire_rows *rows, const walrow__table *table,
                                   struct ArrowBuffer *message, struct ArrowArray *out,
                                   walrow_error *err) WALROW_MUST_CHECK;

#endif
