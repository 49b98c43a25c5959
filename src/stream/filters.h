/*
 * stream/filters.h
 *	  --where, --events and --columns looked at against the tables of a server, before anything is made there.
 */
#ifndef WALROW_STREAM_FILTERS_H
#define WALROW_STREAM_FILTERS_H

#include "pg/discover.h"
#include "query/sieve.h"

/** What can be seen without a server. Errors: WALROW_ERR_USAGE */
walrow_code walrow__filters_check(const walrow_options *options, walrow_error *err) WALROW_MUST_CHECK;
/**
 * @param catalog  asked for the types of tables that a filter looks at
 * @param out      NULL: everything is handed on
 * Errors: WALROW_ERR_USAGE
 */
walrow_code walrow__filters_new(const walrow_options *options, const walrow__discovery *tables,
                                walrow__catalog *catalog, walrow__sieve **out,
                                walrow_error *err) WALROW_MUST_CHECK;
#endif
