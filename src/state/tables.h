/*
 * state/tables.h
 *	  What the state knows of tables whose rows were there before the stream: read, or on their way.
 *
 *	  snapshot/TABLE   {"relid": 16401, "point": "0/15D6B88", "entry": 12, "rows": 1000}: they were delivered, or
 *	                   are in the log up to that entry
 *	  reading/TABLE    {"rows": 500, "total": 1000}: so many of about so many were read, for those who look
 */
#ifndef WALROW_STATE_TABLES_H
#define WALROW_STATE_TABLES_H

#include "state/state.h"

/* A table whose rows were read. */
typedef struct walrow__state_table {
    const char *schema, *name;
    uint32_t relid;
    uint64_t point; /* the consistent point they were read at */
    uint64_t entry; /* of the log, their last; 0 where they went to the sinks without it */
    int64_t rows;   /* -1: not known */
} walrow__state_table;

/** Were the table's rows read? relid 0: whichever table of that name. */
walrow_code walrow__state_snapshot(walrow__state *state, const char *schema, const char *name, uint32_t relid,
                                   bool *known, walrow__state_table *out,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** They were: it is not on its way any more. */
walrow_code walrow__state_put_snapshot(walrow__store_write *write, const walrow__state_table *table,
                                       walrow_error *err) WALROW_MUST_CHECK;

/* A table whose rows are on their way. */
typedef struct walrow__state_reading {
    const char *schema, *name;
    int64_t rows, total; /* read, and about as many as there are; -1: not known */
} walrow__state_reading;

walrow_code walrow__state_put_reading(walrow__store_write *write, const walrow__state_reading *table,
                                      walrow_error *err) WALROW_MUST_CHECK;
/** What was on its way is not any more. */
walrow_code walrow__state_forget_reading(walrow__state *state, walrow__store_write *write,
                                         walrow_error *err) WALROW_MUST_CHECK;

/** Call each for every table, those that were read first; table ("schema.table") is borrowed, total -1: not known. */
typedef walrow_code (*walrow__state_each_table_fn)(void *arg, const char *table, int64_t rows, int64_t total,
                                                   bool done, walrow_error *err);
walrow_code walrow__state_each_table(walrow__state *state, walrow__state_each_table_fn each, void *arg,
                                     walrow_error *err) WALROW_MUST_CHECK;

#endif
