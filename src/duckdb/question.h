/*
 * duckdb/question.h
 *	  An expression that DuckDB answers with true or false for each row of a batch, batch after batch. It is prepared
 *	  once, which is most of the work where batches are small.
 */
#ifndef WALROW_DUCKDB_QUESTION_H
#define WALROW_DUCKDB_QUESTION_H

#include "duckdb/duckdb.h"

typedef struct walrow__duckdb_question walrow__duckdb_question;

/**
 * @param duckdb      borrowed, also by the question. Its optimizer has to be off (PRAGMA disable_optimizer): it leaves
 *                    out columns that an expression need not look at, and DuckDB 1.5 takes the batch's first columns
 *                    for those it asked for
 * @param schema      a struct of columns, adapted for a table of DuckDB on their way; copied
 * @param expression  over these columns, a BOOLEAN
 * Errors: WALROW_ERR_SINK
 */
walrow_code walrow__duckdb_question_new(walrow__duckdb *duckdb, const struct ArrowSchema *schema,
                                        const char *expression, walrow__duckdb_question **out,
                                        walrow_error *err) WALROW_MUST_CHECK;
void walrow__duckdb_question_free(walrow__duckdb_question *question); /* NULL is allowed */

/**
 * @param batch   of the schema, without an offset, the caller's alone; released, also on an error
 * @param answer  room for batch->length of them, in the batch's order; NULL is false
 * Errors: WALROW_ERR_SINK: the expression fails for a row
 */
walrow_code walrow__duckdb_ask(walrow__duckdb_question *question, struct ArrowArray *batch, bool *answer,
                               walrow_error *err) WALROW_MUST_CHECK;

#endif
