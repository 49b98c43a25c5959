/*
 * stream/upstream.h
 *	  The server that changes come from, as everything in a stream shares it: who it is, the SQL connection, what
 *	  is captured there, how the slot is read, and what is remembered of it. A stream's bottom: it knows nothing
 *	  of threads and sessions.
 */
#ifndef WALROW_STREAM_UPSTREAM_H
#define WALROW_STREAM_UPSTREAM_H

#include "base/timelines.h"
#include "pg/connection.h"
#include "query/sieve.h"
#include "state/state.h"
#include "stream/dialect.h"
#include "stream/plan.h"

typedef struct walrow__upstream walrow__upstream;

/* What whoever stores the changes already has; asked before the stream starts. */
typedef struct walrow__stream_hooks {
    void *arg;
    bool eager;           /* whoever waits gets what there is at once, not when the delay is over */
    bool patient;         /* once the stream is open, what fails is tried again though nothing ever worked */
    bool all_remember;    /* the hook snapshot speaks for every sink */
    bool notes_snapshots; /* tables that were delivered are noted in the state */
    /* The server is known: open what belongs to it. May say how many share the memory (shares), and is to raise
     * reached_lsn to the end of what is there. */
    walrow_code (*opened)(void *arg, const walrow__identity *identity, walrow__upstream *up,
                          walrow_error *err);
    /*
     * Is the table's snapshot there, and at which consistent point? NULL: nobody remembers, so that only a
     * slot created now has its tables read.
     */
    walrow_code (*snapshot)(void *arg, const char *schema, const char *table, uint32_t relid, bool *done,
                            uint64_t *point, walrow_error *err);
} walrow__stream_hooks;

/* The caller's until the receiver starts, and the receiver's while it runs. */
struct walrow__upstream {
    const walrow_options *options; /* borrowed */
    walrow__stream_hooks hooks;
    walrow__pg_server server;    /* as the stream began */
    walrow__timelines timelines; /* of the server */
    PGconn *sql;                 /* discovery and who-blocks-us questions */
    bool sql_is_stale;           /* a connection broke: this one is likely to be broken, too */
    walrow__catalog *catalog;

    walrow_patterns *patterns;
    walrow__plan plan;
    walrow__texts publications;
    char tables_token[64]; /* of the last discovery; see walrow__discover_token */

    const char *plugin;
    const walrow__dialect *dialect; /* the plugin's */
    bool slot_exists;
    bool binary;
    uint64_t until_lsn; /* 0: for ever */

    walrow__sieve *sieve; /* what is handed on of the changes; NULL: all. Of the thread that takes them */

    bool keeps_state;     /* what is confirmed is in the state first */
    walrow__state *state; /* NULL: none is kept */
    uint64_t reached_lsn; /* the end of what was handed on, now or before */
    int shares;           /* of batch_bytes, one for a change set: see walrow__batch_share */
};

/** Connect the SQL connection (anew): the catalogue and discovery go on with it. */
walrow_code walrow__upstream_connect(walrow__upstream *up, walrow_error *err) WALROW_MUST_CHECK;
/** The same, if it is stale. */
walrow_code walrow__upstream_refresh(walrow__upstream *up, walrow_error *err) WALROW_MUST_CHECK;
/** Ask the server who it is, and how it came to its timeline. */
walrow_code walrow__upstream_identify(walrow__upstream *up, walrow_error *err) WALROW_MUST_CHECK;
/* Whom the stream's positions belong to; borrows. */
walrow__identity walrow__upstream_identity(const walrow__upstream *up);
void walrow__upstream_release(walrow__upstream *up);

#endif
