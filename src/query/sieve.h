/*
 * query/sieve.h
 *	  What of the changes is handed on, before any sink: --where, --events, --columns. In that order: a condition
 *	  sees all columns, and what it makes of an update counts as that.
 */
#ifndef WALROW_QUERY_SIEVE_H
#define WALROW_QUERY_SIEVE_H

#include "base/options.h"
#include "columns/table.h"

#include <stdbool.h>

typedef struct walrow__sieve walrow__sieve;

/**
 * @param search_path  of the patterns' unqualified names; as walrow_patterns_parse has it
 * @param out          NULL: everything is handed on
 * Errors: WALROW_ERR_USAGE: what can be seen without a table, or no libduckdb
 */
walrow_code walrow__sieve_new(const walrow_options *options, const char *const *search_path,
                              walrow__sieve **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__sieve_free(walrow__sieve *sieve); /* NULL is allowed */

/** Is there something to be said of this table? */
bool walrow__sieve_concerns(const walrow__sieve *sieve, const char *schema_name, const char *table_name);
/** Errors: WALROW_ERR_USAGE: expressions and columns do not fit the table */
walrow_code walrow__sieve_check_table(walrow__sieve *sieve, const walrow__table *table,
                                      walrow_error *err) WALROW_MUST_CHECK;
/** Errors: WALROW_ERR_USAGE: a pattern that matches none of these tables, n pairs of schema and name */
walrow_code walrow__sieve_check_patterns(const walrow__sieve *sieve, const char *const (*tables)[2], size_t n,
                                         walrow_error *err) WALROW_MUST_CHECK;

/** Warn of patterns that matched no table of which changes came: where nobody could be asked before. */
void walrow__sieve_warn_of_idle(const walrow__sieve *sieve);

/**
 * Take out what is not wanted. Positions, transactions and end_lsn stay, so that a change set may be left with no
 * batch. Of a snapshot the chunks that are left are numbered anew, and the last one stays, be it empty.
 * @param changes  another one then, which keeps what it needs; after an error it can only be released
 * @param nothing  a snapshot's chunk without rows: not to be handed on
 */
walrow_code walrow__sieve_changes(walrow__sieve *sieve, walrow_changes *changes, bool *nothing,
                                  walrow_error *err) WALROW_MUST_CHECK;

#endif
