/*
 * stream/memory.h
 *	  What a stream remembers between runs, against what the server says: the state is written before anything
 *	  is confirmed, so when the two disagree, something happened that nobody may pass over.
 */
#ifndef WALROW_STREAM_MEMORY_H
#define WALROW_STREAM_MEMORY_H

#include "pg/discover.h"
#include "pg/slot.h"
#include "stream/upstream.h"

/**
 * Open the slot's state, unless there is to be none. Needs the server's identity.
 * Errors: WALROW_ERR_STATE: among others, it has what the server's timeline never had
 */
walrow_code walrow__memory_open(walrow__upstream *up, walrow_error *err) WALROW_MUST_CHECK;
/** Errors: WALROW_ERR_USAGE: there is no state, whose part the buffer is */
walrow_code walrow__memory_require_for_buffer(const walrow__state *state,
                                              walrow_error *err) WALROW_MUST_CHECK;
/**
 * Compare the slot with what was confirmed to it. If they agree and the server is on another timeline, the state
 * follows.
 * Errors: WALROW_ERR_SLOT (gone), WALROW_ERR_STATE (ahead of the state: something is missing; or the server
 * went back)
 */
walrow_code walrow__memory_check_slot(walrow__upstream *up, const walrow__slot *slot,
                                      walrow_error *err) WALROW_MUST_CHECK;
/**
 * After a fail-over: has the server the slot, as it was before its timeline branched off?
 * Errors: WALROW_ERR_SLOT (gone), WALROW_ERR_STATE (past that)
 */
walrow_code walrow__memory_check_new_slot(const walrow__upstream *up, const walrow__slot *slot,
                                          uint64_t confirmed_lsn, uint64_t branch_lsn,
                                          walrow_error *err) WALROW_MUST_CHECK;
/** The stream goes on with another timeline; state: NULL if none is kept. */
walrow_code walrow__memory_follow(walrow__state *state, uint32_t then, uint32_t now, uint64_t branch_lsn,
                                  walrow_error *err) WALROW_MUST_CHECK;
/** The stream is about to begin: note how far a slot seen for the first time is confirmed. */
walrow_code walrow__memory_adopt(walrow__upstream *up, const walrow__slot *slot,
                                 walrow_error *err) WALROW_MUST_CHECK;
/**
 * Were the table's rows delivered, to all of the sinks (*done) or to some, and as of which point, the earliest?
 * 0: not known, so that every change counts.
 */
walrow_code walrow__memory_snapshot(walrow__upstream *up, const walrow__found *table, bool *done, bool *some,
                                    uint64_t *point, walrow_error *err) WALROW_MUST_CHECK;
/** Does anybody remember which tables were read? */
bool walrow__memory_knows_snapshots(const walrow__upstream *up);

#endif
