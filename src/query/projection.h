/*
 * query/projection.h
 *	  Some of a table's columns instead of all: --columns. Buffers are not copied.
 */
#ifndef WALROW_QUERY_PROJECTION_H
#define WALROW_QUERY_PROJECTION_H

#include "columns/table.h"
#include "query/rules.h"

typedef struct walrow__projection {
    walrow__table *table; /* with the columns that stay */
    int *columns;         /* their numbers in the whole table */
} walrow__projection;

/**
 * What the rules that match the table name, all of them together, in the table's order.
 * @param out  NULL: no rule matches
 * Errors: WALROW_ERR_USAGE: no such column, or the key is not whole. Where all columns are the key (REPLICA
 *         IDENTITY FULL) those that stay are it then.
 */
walrow_code walrow__projection_new(const walrow__rules *rules, const walrow__table *table,
                                   walrow__projection **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__projection_free(walrow__projection *projection); /* NULL is allowed */

bool walrow__projection_has(const walrow__projection *projection, const char *column);
/** A batch of the whole table becomes one of projection->table. After an error it can only be released. */
walrow_code walrow__projection_apply(const walrow__projection *projection, struct ArrowArray *batch,
                                     walrow_error *err) WALROW_MUST_CHECK;

#endif
