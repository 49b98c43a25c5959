/*
 * state/state.h
 *	  What walrow remembers of a slot between runs: how far it was confirmed, what every sink has, which
 *	  tables' rows were read, what was counted.
 *
 * Keys and values are text, so that any RocksDB tool shows them:
 *	  version            "1"
 *	  identity           {"system_identifier": "7311...", "timeline": 1, "database": "shop", "slot": "walrow"}
 *	  confirmed          "0/15D6B88": whatever was confirmed to the server is at or before it
 *	  reached            "0/15D6B00": the end of what sinks, or the log, have for good; where nothing came, more
 *	                     may be confirmed
 *	  slot               "made": it did not exist when this state began
 *	  sink/URI           "0/15D6B88": the end of what this sink had made durable; the URI without parameters
 *	  snapshot/TABLE     a table whose rows were read, see tables.h; reading/TABLE: one whose rows are on their way
 *	  cursor/URI         "17": likewise; the first entry of the log that this sink does not have for good
 *	  log                "18": the number of the log's next entry
 *	  transport          "pull", or "push: why not": how changes come
 *	  counters           a JSON object, the caller's
 *
 * One process has it open for writing; others may read. Threads: any, at the same time.
 */
#ifndef WALROW_STATE_STATE_H
#define WALROW_STATE_STATE_H

#include "base/identity.h"
#include "state/place.h"
#include "state/store.h"

typedef struct walrow__state walrow__state;

/**
 * Open or make the state at path, for one server, database and slot. The timeline may be another one now
 * (base/timelines.h): walrow__state_follow.
 * Errors: WALROW_ERR_STATE: in use (by whom), another's (whose), of another version, damaged
 */
walrow_code walrow__state_open(const char *path, const walrow__identity *identity, walrow__state **out,
                               walrow_error *err) WALROW_MUST_CHECK;
/** As it is now, to look at, beside a process that has it open; *out NULL: there is none. */
walrow_code walrow__state_read(const char *path, walrow__state **out, walrow_error *err) WALROW_MUST_CHECK;
/** To change it with no server to compare with. Errors: WALROW_ERR_STATE: there is none, in use, damaged */
walrow_code walrow__state_change(const char *path, walrow__state **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__state_close(walrow__state *state); /* NULL is allowed */

/* 0: nothing was confirmed yet. */
uint64_t walrow__state_confirmed(const walrow__state *state);
/* The end of what was delivered for good; never beyond what was confirmed, but for snapshots and slow servers. */
uint64_t walrow__state_reached(const walrow__state *state);
/* Of the server that was last followed. */
uint32_t walrow__state_timeline(const walrow__state *state);
/**
 * The server is on another timeline, which branched off at branch_lsn: what was confirmed beyond that, where
 * nothing came, is not confirmed any more. Durable on return, as one.
 */
walrow_code walrow__state_follow(walrow__state *state, uint32_t timeline, uint64_t branch_lsn,
                                 walrow_error *err) WALROW_MUST_CHECK;
/* walrow made the slot, with this state beside it: what it says of snapshots is all there is. */
bool walrow__state_made_slot(const walrow__state *state);
/** Note it, before the slot is made. */
walrow_code walrow__state_note_slot_made(walrow__state *state, walrow_error *err) WALROW_MUST_CHECK;
/** What this sink had durably; 0: nothing, or not known. */
walrow_code walrow__state_sink(walrow__state *state, const char *uri, uint64_t *lsn,
                               walrow_error *err) WALROW_MUST_CHECK;
/** *known: false if nothing was put for this sink. */
walrow_code walrow__state_cursor(walrow__state *state, const char *uri, bool *known, uint64_t *number,
                                 walrow_error *err) WALROW_MUST_CHECK;
/** The number of the log's next entry, over all its life. */
walrow_code walrow__state_log_next(walrow__state *state, uint64_t *number,
                                   walrow_error *err) WALROW_MUST_CHECK;
void walrow__state_put_log_next(walrow__store_write *write, uint64_t number);
/** The log beside it, whose entries go into the same commit points. */
walrow__store *walrow__state_store(walrow__state *state);
/** The counters as they were last put, malloc'ed; NULL: never. */
walrow_code walrow__state_counters(walrow__state *state, char **json, walrow_error *err) WALROW_MUST_CHECK;
/** How changes come, as it was last put, malloc'ed; NULL: never. */
walrow_code walrow__state_transport(walrow__state *state, char **text, walrow_error *err) WALROW_MUST_CHECK;

/** "key" is missing or not what was written: what to do. */
walrow_code walrow__state_damaged(const walrow__state *state, const char *key, walrow_error *err);

/* ---- a commit point: begin, put, commit ---- */

walrow_code walrow__state_put_sink(walrow__store_write *write, const char *uri, uint64_t lsn,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** The first entry of the log that this sink does not have for good. */
walrow_code walrow__state_put_cursor(walrow__store_write *write, const char *uri, uint64_t number,
                                     walrow_error *err) WALROW_MUST_CHECK;
void walrow__state_put_counters(walrow__store_write *write, const char *json);
/** why: "" if it was asked for. */
void walrow__state_put_transport(walrow__store_write *write, const char *name, const char *why);
/** Somebody has everything before lsn for good: that goes with the next write, whoever makes it. */
void walrow__state_reach(walrow__state *state, uint64_t lsn);
/**
 * Make it durable, with the position up to which the server may be told; one that is not beyond the stored one
 * leaves that. Frees write whatever the outcome; NULL: nothing but the positions, and nothing at all if they are
 * no news.
 */
walrow_code walrow__state_commit(walrow__state *state, walrow__store_write *write, uint64_t confirmed_lsn,
                                 walrow_error *err) WALROW_MUST_CHECK;
/** The same without waiting for the disk: durable with the next commit, in the order of writing. */
walrow_code walrow__state_write_out(walrow__state *state, walrow__store_write *write, uint64_t confirmed_lsn,
                                    walrow_error *err) WALROW_MUST_CHECK;

#endif
