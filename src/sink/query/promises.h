/*
 * sink/query/promises.h
 *	  What of the stream is durable once results are: each window that was given promises a position, good when the
 *	  inner sink has what was written to it by then.
 */
#ifndef WALROW_SINK_QUERY_PROMISES_H
#define WALROW_SINK_QUERY_PROMISES_H

#include <walrow.h>

typedef struct walrow__promise {
    uint64_t inner_lsn; /* results up to there */
    uint64_t lsn;       /* of the stream */
} walrow__promise;

typedef struct walrow__promises {
    uint64_t written_lsn; /* results: the last written; 0: none */
    uint64_t kept_lsn;    /* what was promised and is durable; it only grows */
    walrow__promise *items;
    size_t n, capacity;
} walrow__promises;

walrow_code walrow__promises_add(walrow__promises *promises, uint64_t lsn,
                                 walrow_error *err) WALROW_MUST_CHECK;
/* The inner sink is durable up to there. true: it has all that was written, and nothing is promised any more. */
bool walrow__promises_settle(walrow__promises *promises, uint64_t inner_lsn);
void walrow__promises_raise(walrow__promises *promises, uint64_t lsn);
void walrow__promises_release(walrow__promises *promises);

#endif
