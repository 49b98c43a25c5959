/*
 * sink/query/result.h
 *	  A query's rows as change batches of the table sql.NAME: every row is an insert; its own columns are
 *	  window_start, window_end and those of the query.
 */
#ifndef WALROW_SINK_QUERY_RESULT_H
#define WALROW_SINK_QUERY_RESULT_H

#include "columns/batch.h"
#include "duckdb/duckdb.h"

/* What the rows of one window say of it. */
typedef struct walrow__window {
    int64_t start_us, end_us; /* since 1970-01-01 UTC; the end is not in it */
    uint64_t commit_lsn;      /* of all results of it */
    uint32_t xid;             /* of the last transaction up to there, as its time */
    int64_t commit_time;
} walrow__window;

typedef struct walrow__result {
    walrow__table *table;
    char *sql; /* the query, its columns cast to what the table's are */
} walrow__result;

/**
 * Ask DuckDB what columns a query has. Integers stay what they are as far as PostgreSQL has them, larger ones
 * become numeric(38,0); what PostgreSQL has no plain type for is text, as DuckDB prints it.
 * Errors: WALROW_ERR_SINK: DuckDB does not understand it; WALROW_ERR_USAGE
 */
walrow_code walrow__result_describe(walrow__duckdb *duckdb, const char *name, const char *sql,
                                    walrow__result *out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__result_release(walrow__result *result);
/**
 * Run the query.
 * @param seq  of the first row; moved past the last
 * @param out  not made (release is NULL) if there are no rows
 */
walrow_code walrow__result_run(const walrow__result *result, walrow__duckdb *duckdb,
                               const walrow__window *window, uint32_t *seq, struct ArrowArray *out,
                               walrow_error *err) WALROW_MUST_CHECK;

#endif
