/*
 * stream/retry.h
 *	  Coming again after a failure: whether it makes sense, and how long to wait before.
 */
#ifndef WALROW_STREAM_RETRY_H
#define WALROW_STREAM_RETRY_H

#include "base/options.h"

/* One for each thread that tries; zeroed but for the options. */
typedef struct walrow__retry {
    const walrow_options *options; /* borrowed */
    int64_t failures;              /* in a row */
    int64_t first_at;              /* when the first of them was, milliseconds */
} walrow__retry;

/** It worked: the next failure is the first of its row. */
void walrow__retry_reset(walrow__retry *retry);
/**
 * After a failure: milliseconds to wait before coming again, logged with the reason; -1: it does not heal by
 * waiting, or --retry-max or --retry-seconds is used up, which *err then says.
 */
int walrow__retry_after(walrow__retry *retry, walrow_error *err);
/** Wait, but no longer than until callbacks want to stop. What they want: 0 nothing, 1 stop, 2 stop now. */
int walrow__retry_sleep(int ms, const walrow_run_callbacks *callbacks);

#endif
