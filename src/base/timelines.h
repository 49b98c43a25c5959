/*
 * base/timelines.h
 *	  How a server came to its timeline: which ones it went through, and where it left each. A promoted standby
 *	  and a server recovered to a point in time begin a new one (PostgreSQL documentation, "Timelines"). What was
 *	  written on the old one past the point where the new one branched off never happened to the new one.
 */
#ifndef WALROW_BASE_TIMELINES_H
#define WALROW_BASE_TIMELINES_H

#include "base/identity.h"

#include <stddef.h>
#include <walrow.h>

typedef struct walrow__branch {
    uint32_t timeline;
    uint64_t lsn; /* where the next one branched off: a record of this timeline that begins here is lost */
} walrow__branch;

typedef struct walrow__timelines {
    uint32_t current;
    walrow__branch *branches; /* oldest first; all but the current one */
    size_t count;
    walrow_error failure; /* code OK, or why there is no history: only who remembers another timeline minds */
} walrow__timelines;

/**
 * Read a history file: a line for each timeline that was left, "1<tab>0/15D6B88<tab>reason"; # begins a comment.
 * Errors:    WALROW_ERR_PROTOCOL: not such a file; says which line
 * Ownership: walrow__timelines_release(out)
 */
walrow_code walrow__timelines_parse(const char *bytes, size_t size, uint32_t current, walrow__timelines *out,
                                    walrow_error *err) WALROW_MUST_CHECK;
void walrow__timelines_release(walrow__timelines *timelines);

/**
 * May what was delivered on timeline then go on with the server as it is now?
 * @param reached_lsn  the end of what was delivered
 * @param what         has it, for the message: "sink parquet:lake"
 * @param branch_lsn   where timeline then was left; UINT64_MAX if it is the current one
 * Errors: WALROW_ERR_STATE: it has what this server never had, or the server is of another branch
 */
walrow_code walrow__timelines_follow(const walrow__identity *now, uint32_t then, uint64_t reached_lsn,
                                     const char *what, uint64_t *branch_lsn,
                                     walrow_error *err) WALROW_MUST_CHECK;
/**
 * Two connections ended at servers of different timelines: a fail-over is under way, and the next may agree.
 * @return WALROW_ERR_NET, which is tried again
 */
walrow_code walrow__timelines_torn(walrow_error *err) WALROW_MUST_CHECK;

#endif
