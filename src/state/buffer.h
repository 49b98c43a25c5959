/*
 * state/buffer.h
 *	  Change sets on their way from the stream to the sinks, on disk: put once, durably, and taken by every sink
 *	  at its own pace, by number. Bounded in bytes; trimmed when all sinks have passed.
 *
 * One thread puts and trims; any number take.
 */
#ifndef WALROW_STATE_BUFFER_H
#define WALROW_STATE_BUFFER_H

#include "state/state.h"

typedef struct walrow__buffer walrow__buffer;

/**
 * The buffer of a state, with what is in it. Change sets at its end that were part of something unfinished (a
 * transaction, a table's snapshot) are dropped: that comes again.
 */
walrow_code walrow__buffer_open(walrow__state *state, int64_t max_bytes, walrow__buffer **out,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Errors: WALROW_ERR_STATE: there is something in it */
walrow_code walrow__buffer_require_empty(walrow__state *state, walrow_error *err) WALROW_MUST_CHECK;
void walrow__buffer_free(walrow__buffer *buffer); /* NULL is allowed */

/* Numbers of the first entry and of the one to come; equal if it is empty. */
uint64_t walrow__buffer_first(walrow__buffer *buffer);
uint64_t walrow__buffer_next(walrow__buffer *buffer);
int64_t walrow__buffer_bytes(walrow__buffer *buffer);
/* One more may be put: the bound is not reached, or nothing is there. */
bool walrow__buffer_has_room(walrow__buffer *buffer);

/** Add the change set to what is to be written; it is there for the sinks once published. */
walrow_code walrow__buffer_put(walrow__buffer *buffer, walrow__store_write *write,
                               const walrow_changes *changes, walrow_error *err) WALROW_MUST_CHECK;
/** What was put is written. */
void walrow__buffer_publish(walrow__buffer *buffer);
/** Remove entries before that number; in the same commit point as the cursors that allow it. */
void walrow__buffer_trim(walrow__buffer *buffer, walrow__store_write *write, uint64_t before);
/** Nothing more will be put. */
void walrow__buffer_end(walrow__buffer *buffer);

/**
 * The entry of that number; waits for it.
 * @return WALROW_OK; WALROW_TIMEOUT; WALROW_END: it will never be there; else the error
 */
walrow_code walrow__buffer_take(walrow__buffer *buffer, uint64_t number, int timeout_ms, walrow_changes *out,
                                walrow_error *err) WALROW_MUST_CHECK;

#endif
