/*
 * stream/fanout.h
 *	  The sinks of one run behind the buffer: a thread each, which takes change sets at its own pace, and a
 *	  cursor each, which says from where a restart gives them again. The slowest bounds nothing but the buffer.
 *
 * A lane is a sink with its thread and cursor. The run puts change sets (walrow__diary_keep) and commits cursors;
 *	  nothing here touches the server.
 */
#ifndef WALROW_STREAM_FANOUT_H
#define WALROW_STREAM_FANOUT_H

#include "state/buffer.h"
#include "stream/outlets.h"

typedef struct walrow__fanout walrow__fanout;

/*
 * Where the receiver, the queue, the buffer's writer and every lane hold a change set each, each is this part of
 * --batch-bytes.
 */
enum { WALROW__FANOUT_SHARES = 4 };

/**
 * Read the buffer and the cursors; a sink without one begins at the buffer's end.
 * Errors: WALROW_ERR_STATE
 */
walrow_code walrow__fanout_open(walrow__state *state, walrow__outlets *outlets, const walrow_options *options,
                                walrow__fanout **out, walrow_error *err) WALROW_MUST_CHECK;
/** Errors: WALROW_ERR_STATE: the buffer keeps changes for a sink that this run does not name */
walrow_code walrow__fanout_check_named(walrow__state *state, const walrow__outlets *outlets, const char *slot,
                                       walrow_error *err) WALROW_MUST_CHECK;
walrow__buffer *walrow__fanout_buffer(walrow__fanout *fanout);
/** As walrow__outlets_snapshot, for every sink: what waits in the buffer for a sink is as good as there. */
walrow_code walrow__fanout_snapshot(walrow__fanout *fanout, const char *schema, const char *table,
                                    uint32_t relid, bool *done, uint64_t *point,
                                    walrow_error *err) WALROW_MUST_CHECK;
/** Start the threads. */
walrow_code walrow__fanout_start(walrow__fanout *fanout, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Write how far the sinks are, trim what all have, and make it durable with what was put before.
 * @param put  something was put since the last time
 * @return WALROW_OK; WALROW_END: a sink cannot go on and says that is fine; else what a sink failed with
 */
walrow_code walrow__fanout_commit(walrow__fanout *fanout, bool put, walrow_error *err) WALROW_MUST_CHECK;
/** Have every sink synced and finished (after all that is in the buffer, if drain), and commit. */
walrow_code walrow__fanout_finish(walrow__fanout *fanout, bool drain, walrow_error *err) WALROW_MUST_CHECK;
/* End the threads as they are; NULL is allowed. */
void walrow__fanout_free(walrow__fanout *fanout);

#endif
