/*
 * query/condition.h
 *	  The expressions of --where for one table, as SQL that DuckDB has looked at, and the columns they need.
 */
#ifndef WALROW_QUERY_CONDITION_H
#define WALROW_QUERY_CONDITION_H

#include "columns/table.h"
#include "duckdb/duckdb.h"
#include "query/rules.h"

typedef struct walrow__condition {
    char *sql;    /* a query of one boolean a row of walrow_input; NULL: no rule matches */
    int *columns; /* of the batch that walrow_input has, ascending; at least one */
    int n_columns;
    struct ArrowSchema schema; /* of those, by the names that DuckDB knows them by */
} walrow__condition;

/** Errors: WALROW_ERR_USAGE: not an expression over the table's columns */
walrow_code walrow__condition_init(walrow__condition *condition, const walrow__rules *rules,
                                   const walrow__table *table, walrow__duckdb *duckdb,
                                   walrow_error *err) WALROW_MUST_CHECK;
void walrow__condition_release(walrow__condition *condition);

/** An error of DuckDB's on one line, without the query that the user did not write; in a buffer, returned. */
const char *walrow__condition_why(const walrow_error *error, char *buffer, size_t size);

#endif
