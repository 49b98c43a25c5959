/*
 * sink/redis/client.h
 *	  A connection to Redis: commands go out as they come, and their answers are awaited together. hiredis connects and
 *	  reads the answers; nothing of them is kept but the first error,
 *	  and the keys that SCAN finds.
 *
 *	  Nothing here waits for ever: what takes longer than ?timeout_s= is an error that may pass.
 */
#ifndef WALROW_SINK_REDIS_CLIENT_H
#define WALROW_SINK_REDIS_CLIENT_H

#include "base/strbuf.h"
#include "sink/redis/settings.h"
#include "sink/redis/tls.h"

#include <hiredis.h>

/* What a step of SCAN found, as commands that delete it. */
typedef struct walrow__redis_found {
    char cursor[24]; /* where to go on; "0": that was all */
    walrow__strbuf commands;
    uint64_t n;
} walrow__redis_found;

typedef struct walrow__redis {
    const walrow__redis_settings *settings; /* borrowed */
    redisContext *context;
    walrow__redis_tls *tls; /* NULL: none */
    redisReader *reader;
    uint64_t awaited;           /* commands without an answer yet */
    walrow__redis_found *found; /* what answers are put into; NULL: nothing */
    char refusal[256];          /* the first answer that was an error; "": none */
} walrow__redis;

/** Connect, say who it is, and choose the database. */
walrow_code walrow__redis_open(walrow__redis *redis, const walrow__redis_settings *settings,
                               walrow_error *err) WALROW_MUST_CHECK;
void walrow__redis_close(walrow__redis *redis); /* one that is all zeros is fine */

/**
 * Send commands, when those before are answered: what is on its way stays small.
 * @param commands  n of them
 */
walrow_code walrow__redis_send(walrow__redis *redis, const walrow__strbuf *commands, uint64_t n,
                               walrow_error *err) WALROW_MUST_CHECK;
/** Until all that was sent is answered, and well. */
walrow_code walrow__redis_await(walrow__redis *redis, walrow_error *err) WALROW_MUST_CHECK;
/** Delete all keys like the pattern, step by step: others are served in between. */
walrow_code walrow__redis_unlink_matching(walrow__redis *redis, const walrow__strbuf *pattern,
                                          walrow_error *err) WALROW_MUST_CHECK;

/* ---- commands, as Redis's protocol has them (RESP, "Arrays" of "Bulk strings"): first their number of words ---- */

void walrow__redis_add_command(walrow__strbuf *buf, int n_words);
void walrow__redis_add_word(walrow__strbuf *buf, const void *bytes, size_t size);
void walrow__redis_add_text(walrow__strbuf *buf, const char *text);

#endif
