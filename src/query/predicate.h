/*
 * query/predicate.h
 *	  Which rows of a table are wanted: --where. DuckDB says so of each; what becomes of a change then is decided
 *	  here, so that a copy of the wanted rows stays right.
 *
 * An update of which only the new row is wanted is an insert for the copy, one of which only the old row was is a
 * delete. Old rows are known as far as the replica identity goes: where an expression looks at more than that, deletes
 * pass, and an update whose new row is not wanted is the delete of a row that may not be there.
 */
#ifndef WALROW_QUERY_PREDICATE_H
#define WALROW_QUERY_PREDICATE_H

#include "columns/table.h"
#include "duckdb/duckdb.h"
#include "query/rules.h"

typedef struct walrow__predicate walrow__predicate;

/**
 * The expressions of all rules that match the table.
 * @param duckdb  borrowed, also by the predicate
 * @param out     NULL: no rule matches
 * Errors: WALROW_ERR_USAGE: not an expression over the table's columns
 */
walrow_code walrow__predicate_new(const walrow__rules *rules, const walrow__table *table,
                                  walrow__duckdb *duckdb, walrow__predicate **out,
                                  walrow_error *err) WALROW_MUST_CHECK;
void walrow__predicate_free(walrow__predicate *predicate); /* NULL is allowed */

/**
 * @param batch  of the predicate's table, without an offset
 * @param fates  room for one a row: a walrow__fate each (kernels/pick.h)
 * Errors: WALROW_ERR_USAGE: an expression fails for some row
 */
walrow_code walrow__predicate_judge(const walrow__predicate *predicate, const struct ArrowArray *batch,
                                    uint8_t *fates, walrow_error *err) WALROW_MUST_CHECK;

#endif
