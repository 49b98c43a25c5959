/*
 * stream/tables.h
 *	  The tables of a stream: planned as they are found, at its start and while it runs.
 */
#ifndef WALROW_STREAM_TABLES_H
#define WALROW_STREAM_TABLES_H

#include "pg/discover.h"
#include "stream/upstream.h"

/** Plan one table that was found; in_snapshot: its rows are to be read, unless somebody has them. */
walrow_code walrow__tables_plan(walrow__upstream *up, const walrow__found *found, bool in_snapshot,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Tables that match and were not planned yet: plan them, publish them. *found: there are some. */
walrow_code walrow__tables_discover(walrow__upstream *up, bool *found, walrow_error *err) WALROW_MUST_CHECK;
/** Plan the table that was met in the stream without being planned, if there is one. */
walrow_code walrow__tables_plan_met(walrow__upstream *up, walrow_error *err) WALROW_MUST_CHECK;

#endif
