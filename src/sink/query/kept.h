/*
 * sink/query/kept.h
 *	  The changes that queries see, in an in-memory database of DuckDB. A table of theirs is a view there, of the
 *	  table's name in its schema, over pieces: tables in the schema _walrow, one for each segment of the stream and
 *	  each schema the table had in it. Segments are forgotten whole, the oldest first.
 *
 * Rows are gathered before they go into their piece, since it takes DuckDB a millisecond to take any.
 */
#ifndef WALROW_SINK_QUERY_KEPT_H
#define WALROW_SINK_QUERY_KEPT_H

#include "duckdb/duckdb.h"
#include "kernels/rows.h"

/* A table, or one whose name is given away by now. */
typedef struct walrow__kept_table {
    char *schema_name, *name;
    bool wanted;  /* a query refers to it, or may */
    bool changed; /* the view is to be made anew */
    struct walrow__kept_layout *newest;
} walrow__kept_table;

/* A table's schema at one epoch. */
typedef struct walrow__kept_layout {
    walrow__kept_table *table;
    uint32_t relid;
    uint64_t epoch;
    int number;
    struct ArrowSchema schema;
    walrow__rows rows; /* gathered, of the segment that is open */
    struct walrow__kept_layout *next;
} walrow__kept_layout;

typedef struct walrow__kept_piece {
    uint64_t segment;
    walrow__kept_layout *layout;
    int64_t bytes;
} walrow__kept_piece;

typedef struct walrow__kept {
    walrow__duckdb *duckdb; /* borrowed */
    walrow__kept_table **tables;
    size_t n_tables;
    walrow__kept_layout *layouts; /* newest first */
    int n_layouts;
    walrow__kept_piece *pieces; /* by segment */
    size_t n_pieces;
    uint64_t segment; /* the one that is open */
} walrow__kept;

walrow_code walrow__kept_init(walrow__kept *kept, walrow__duckdb *duckdb,
                              walrow_error *err) WALROW_MUST_CHECK;
void walrow__kept_release(walrow__kept *kept);
/**
 * The batch's table and schema, which are known from now on; its view is there.
 * @param is_new  they were not
 */
walrow_code walrow__kept_learn(walrow__kept *kept, const walrow_batch *batch, walrow__kept_layout **out,
                               bool *is_new, walrow_error *err) WALROW_MUST_CHECK;
/** Keep rows [start, start + n) in the open segment. */
walrow_code walrow__kept_add(walrow__kept *kept, walrow__kept_layout *layout, const struct ArrowArray *batch,
                             int64_t start, int64_t n, walrow_error *err) WALROW_MUST_CHECK;
/* What is kept, gathered rows included, as Arrow has it. */
int64_t walrow__kept_bytes(const walrow__kept *kept);
int64_t walrow__kept_segment_bytes(const walrow__kept *kept); /* of the open one */
/** What comes is of another segment, of a higher number. */
walrow_code walrow__kept_begin(walrow__kept *kept, uint64_t segment, walrow_error *err) WALROW_MUST_CHECK;
/** Have the views show all that is kept. */
walrow_code walrow__kept_show(walrow__kept *kept, walrow_error *err) WALROW_MUST_CHECK;
/** Forget the segments before one. */
walrow_code walrow__kept_forget(walrow__kept *kept, uint64_t before, walrow_error *err) WALROW_MUST_CHECK;
/** Nobody refers to the table: its rows go, and come no more. */
walrow_code walrow__kept_ignore(walrow__kept *kept, walrow__kept_table *table,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Take the table's view away, for a moment, or give it back. */
walrow_code walrow__kept_hide(walrow__kept *kept, const walrow__kept_table *table,
                              walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__kept_make_view(walrow__kept *kept, walrow__kept_table *table,
                                   walrow_error *err) WALROW_MUST_CHECK;

#endif
