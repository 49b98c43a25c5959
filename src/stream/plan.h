/*
 * stream/plan.h
 *	  What a stream captures: the patterns, the tables known so far, and from where each one's changes count.
 */
#ifndef WALROW_STREAM_PLAN_H
#define WALROW_STREAM_PLAN_H

#include "base/options.h"
#include "source/capture.h"

typedef struct walrow__planned_table {
    char *schema, *name;
    uint64_t from_lsn;   /* its snapshot's consistent point, the earliest of all; 0: all changes count */
    bool needs_snapshot; /* to be read before the stream (goes on) */
    bool has_readers;    /* a sink has its rows, and needs every change since */
    int64_t rows;        /* the planner's estimate; -1 unknown */
} walrow__planned_table;

typedef struct walrow__plan {
    const walrow_options *options;   /* borrowed */
    const walrow_patterns *patterns; /* borrowed */
    walrow__planned_table *tables;
    size_t n_tables;
    bool reads_new;              /* tables that appear are read before their changes count */
    char *met_schema, *met_name; /* one that somebody else has published already; NULL: none */
    bool captures;               /* changes came of a table that the patterns match */
    char *passed_over;           /* the first that they do not, "schema.name"; NULL: none */
} walrow__plan;

/** Add a table; *out borrowed until the next call. */
walrow_code walrow__plan_add(walrow__plan *plan, const char *schema, const char *name,
                             walrow__planned_table **out, walrow_error *err) WALROW_MUST_CHECK;
walrow__planned_table *walrow__plan_find(const walrow__plan *plan, const char *schema, const char *name);
/** Has the stream a table that is not planned? Its changes must not be kept before its rows are read. */
bool walrow__plan_has_met(const walrow__plan *plan);
/** The table that was met counts from its first change on, unless it is planned by now. */
walrow_code walrow__plan_settle_met(walrow__plan *plan, walrow_error *err) WALROW_MUST_CHECK;
bool walrow__plan_needs_snapshot(const walrow__plan *plan);
/** The plan as decoders ask for it; borrows the plan. */
walrow__capture walrow__plan_capture(walrow__plan *plan);
void walrow__plan_release(walrow__plan *plan);

#endif
