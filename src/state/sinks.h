/*
 * state/sinks.h
 *	  The sinks a state knows, all together, and forgetting one.
 */
#ifndef WALROW_STATE_SINKS_H
#define WALROW_STATE_SINKS_H

#include "state/state.h"

typedef struct walrow__known_sink {
    char *uri;     /* without parameters */
    uint64_t lsn;  /* what it had durably; 0: not known */
    bool buffered; /* it has a cursor: the log keeps what it does not have */
    uint64_t cursor;
} walrow__known_sink;

typedef struct walrow__known_sinks {
    walrow__known_sink *items;
    size_t count;
} walrow__known_sinks;

walrow_code walrow__state_sinks(walrow__state *state, walrow__known_sinks *out,
                                walrow_error *err) WALROW_MUST_CHECK;
/** NULL: it is not among them. uri may have parameters. */
const walrow__known_sink *walrow__known_sinks_find(const walrow__known_sinks *sinks, const char *uri);
/** Do both name the same sink? Parameters may change from run to run. */
bool walrow__same_sink(const char *a, const char *b);
void walrow__known_sinks_release(walrow__known_sinks *sinks);

/** Have it begin at the log's end. */
walrow_code walrow__state_add_sink(walrow__state *state, const char *uri,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** Forget it, and what only it did not have yet. Without effect on a sink that is not known. */
walrow_code walrow__state_remove_sink(walrow__state *state, const char *uri,
                                      walrow_error *err) WALROW_MUST_CHECK;

#endif
