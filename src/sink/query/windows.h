/*
 * sink/query/windows.h
 *	  The sink of queries, as query.c and windows.c share it: when a window is over, what it gives, and what of the
 *	  stream is settled then.
 */
#ifndef WALROW_SINK_QUERY_WINDOWS_H
#define WALROW_SINK_QUERY_WINDOWS_H

#include "sink/query/panes.h"
#include "sink/query/promises.h"
#include "sink/query/queries.h"
#include "sink/sink.h"

/* The last transaction that came. */
typedef struct walrow__last_transaction {
    uint64_t commit_lsn;
    uint32_t xid;
    int64_t commit_time;
    int64_t pane;
} walrow__last_transaction;

typedef struct walrow__query_sink {
    walrow__sink base;
    walrow__sink *inner;
    walrow__query_settings settings;
    walrow__queries queries;
    walrow_batch *results; /* room for one of each query */
    walrow__panes panes;
    walrow__promises promises;
    walrow__last_transaction last;
    uint64_t end_lsn; /* of the last whole transaction */
    bool partial;     /* a transaction goes on in the next change set */
    bool ended;       /* the inner sink cannot go on, and says that is fine */
    bool forgot;      /* by the clock: more came than --retain holds, and that was said */
    int64_t came_at;  /* when something came last, and was last looked at; milliseconds */
    int64_t ran_at;
    int64_t first_pane; /* windows that begin before it were given by an earlier run */
    uint64_t
        given_lsn; /* of results: by the clock the last, else that which the inner sink had when it was opened */
    int64_t grace_ms;
    walrow_error failure;
} walrow__query_sink;

/* What is committed up to there is in results already given, and in no window to come; 0: no more than before. */
uint64_t walrow__windows_settled_lsn(const walrow__query_sink *self);
/** Give all windows that end before a pane, or with nothing in them; it is open then. */
walrow_code walrow__windows_close_before(walrow__query_sink *self, int64_t pane,
                                         walrow_error *err) WALROW_MUST_CHECK;
/** When nothing comes, the clock says that nothing will. */
walrow_code walrow__windows_close_by_clock(walrow__query_sink *self, walrow_error *err) WALROW_MUST_CHECK;
/** Errors: WALROW_ERR_SINK: what is open has more than --retain allows */
walrow_code walrow__windows_check_fit(const walrow__query_sink *self, walrow_error *err) WALROW_MUST_CHECK;

/** Something of that commit time comes in the open pane. */
walrow_code walrow__windows_enter(walrow__query_sink *self, int64_t commit_time,
                                  walrow_error *err) WALROW_MUST_CHECK;

/* With --every: segments are panes, which end by size. */

/** Begin another segment if this one is large, and forget the oldest past --retain. */
walrow_code walrow__windows_bound_memory(walrow__query_sink *self, walrow_error *err) WALROW_MUST_CHECK;
/** Run the queries if something is new, and the time has come or now is true. */
walrow_code walrow__windows_run_by_clock(walrow__query_sink *self, bool now,
                                         walrow_error *err) WALROW_MUST_CHECK;

#endif
