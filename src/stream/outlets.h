/*
 * stream/outlets.h
 *	  The sinks of one run, as one: written, synced and asked together. Durable is what every one has made so.
 */
#ifndef WALROW_STREAM_OUTLETS_H
#define WALROW_STREAM_OUTLETS_H

#include "base/options.h"
#include "sink/sink.h"
#include "state/state.h"

typedef struct walrow__outlets {
    walrow__sink **sinks;
    uint64_t *durable_lsns; /* of each, when it was last synced */
    size_t count;
} walrow__outlets;

/** Make the sinks --to names; none is a usage error. Nothing is touched. */
walrow_code walrow__outlets_new(const walrow_options *options, walrow__outlets *out,
                                walrow_error *err) WALROW_MUST_CHECK;
/** @param were_open  in this run, all of them */
walrow_code walrow__outlets_open(walrow__outlets *outlets, const walrow__identity *identity, bool were_open,
                                 walrow_error *err) WALROW_MUST_CHECK;
/**
 * May every sink, as it was opened, go on with the server as it is? *reached_lsn is raised to the end of what
 * they have.
 * Errors: WALROW_ERR_STATE: one has what this server never had
 */
walrow_code walrow__outlets_check(const walrow__outlets *outlets, const walrow__identity *identity,
                                  uint64_t *reached_lsn, walrow_error *err) WALROW_MUST_CHECK;
/** They go on where the state says they were. */
walrow_code walrow__outlets_resume(walrow__outlets *outlets, walrow__state *state,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** Nothing follows what was written, ever: to be said before the last sync. */
void walrow__outlets_end(walrow__outlets *outlets);
/** What is written from now on is of *timeline, borrowed, whatever that is by then. */
void walrow__outlets_watch(walrow__outlets *outlets, const _Atomic uint32_t *timeline);
bool walrow__outlets_eager(const walrow__outlets *outlets);
/** *done: every sink that remembers has the snapshot, the earliest at *point. */
walrow_code walrow__outlets_snapshot(walrow__outlets *outlets, const char *schema, const char *table,
                                     uint32_t relid, bool *done, uint64_t *point,
                                     walrow_error *err) WALROW_MUST_CHECK;
/** How many of them remember which snapshots they have. */
size_t walrow__outlets_remembering(const walrow__outlets *outlets);
walrow_code walrow__outlets_write(walrow__outlets *outlets, const walrow_changes *changes,
                                  walrow_error *err) WALROW_MUST_CHECK;
/** Sync all; files are finished where they are due, or all of them. *durable_lsn: the least of the sinks'. */
walrow_code walrow__outlets_sync(walrow__outlets *outlets, bool finish_files, uint64_t *durable_lsn,
                                 walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__outlets_finish(walrow__outlets *outlets, walrow_error *err) WALROW_MUST_CHECK;
/** Go on with what --to says now of the same sinks, and say what would take a restart. */
void walrow__outlets_adopt(walrow__outlets *outlets, const walrow__texts *was, const walrow__texts *to);
void walrow__outlets_free(walrow__outlets *outlets);

#endif
