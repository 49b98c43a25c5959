/*
 * sink/query/events.h
 *	  The relation `events`, of all tables that are kept: a row for each change, with what any change has.
 */
#ifndef WALROW_SINK_QUERY_EVENTS_H
#define WALROW_SINK_QUERY_EVENTS_H

#include "sink/query/kept.h"

/**
 * Have it over the tables known now; they, in its order: event_type, schema, table, lsn, seq, timestamp,
 * transaction_id. A table of the user's that is called so needs its schema, like any other, and has no part in this.
 */
walrow_code walrow__kept_make_events(walrow__kept *kept, walrow_error *err) WALROW_MUST_CHECK;
/** Take it away, for a moment. */
walrow_code walrow__kept_hide_events(walrow__kept *kept, walrow_error *err) WALROW_MUST_CHECK;

#endif
