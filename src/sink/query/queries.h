/*
 * sink/query/queries.h
 *	  The queries of --sql over what is kept. A query waits until all of its tables are known, each from its first
 *	  change on, or, if it asks for `events`, any; until then every table's rows are kept, and afterwards those of its tables.
 */
#ifndef WALROW_SINK_QUERY_QUERIES_H
#define WALROW_SINK_QUERY_QUERIES_H

#include "sink/query/kept.h"
#include "sink/query/result.h"
#include "sink/query/settings.h"

typedef struct walrow__query {
    const walrow__query_text *text; /* borrowed */
    walrow__result result;          /* table NULL: it waits */
    bool *refers;                   /* to each of the tables that are kept, by their place */
    size_t n_refers;
    bool refers_to_all;
    bool said; /* that it waits */
} walrow__query;

typedef struct walrow__queries {
    walrow__duckdb *duckdb;
    walrow__kept kept;
    walrow__query *items;
    size_t n;
} walrow__queries;

/**
 * Load libduckdb, and have it read the queries.
 * @param settings  borrowed
 * Errors: WALROW_ERR_USAGE: a query that cannot be meant; WALROW_ERR_SINK: no libduckdb
 */
walrow_code walrow__queries_init(walrow__queries *queries, const walrow__query_settings *settings,
                                 walrow_error *err) WALROW_MUST_CHECK;
void walrow__queries_release(walrow__queries *queries);
/**
 * Rows [start, start + n) of a batch, for whichever query refers to its table.
 * Errors: WALROW_ERR_SINK: a query does not fit the table
 */
walrow_code walrow__queries_take(walrow__queries *queries, const walrow_batch *batch, int64_t start,
                                 int64_t n, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Run them over what is kept.
 * @param batches  room for one of each; the caller releases their arrays, the schemas are borrowed until the next call
 */
walrow_code walrow__queries_run(walrow__queries *queries, const walrow__window *window, walrow_batch *batches,
                                size_t *n_batches, walrow_error *err) WALROW_MUST_CHECK;

#endif
