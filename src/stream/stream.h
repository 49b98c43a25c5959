/*
 * stream/stream.h
 *	  A stream from the inside: what walrow_open makes, with the hooks walrow_run needs.
 */
#ifndef WALROW_STREAM_STREAM_H
#define WALROW_STREAM_STREAM_H

#include "base/timelines.h"
#include "pg/connection.h"
#include "pg/discover.h"
#include "stream/receiver.h"

#include <stddef.h>

/* What whoever stores the changes already has; asked before the stream starts. */
typedef struct walrow__stream_hooks {
    void *arg;
    bool eager;           /* whoever waits gets what there is at once */
    bool patient;         /* once the stream is open, what fails is tried again though nothing ever worked */
    bool all_remember;    /* the hook snapshot speaks for every sink */
    bool notes_snapshots; /* tables that were delivered are noted in the state */
    /* The server is known: open what belongs to it. receiver: its state (NULL if none is kept); may be told
     * how many share the memory, and is told the end of what is there (reached_lsn). */
    walrow_code (*opened)(void *arg, const walrow__identity *identity, walrow__receiver *receiver,
                          walrow_error *err);
    /*
     * Is the table's snapshot there, and at which consistent point? NULL: nobody remembers, so that only a
     * slot created now has its tables read.
     */
    walrow_code (*snapshot)(void *arg, const char *schema, const char *table, uint32_t relid, bool *done,
                            uint64_t *point, walrow_error *err);
} walrow__stream_hooks;

struct walrow_stream {
    const walrow_options *options; /* borrowed */
    walrow__stream_hooks hooks;
    walrow__pg_server server;
    walrow__timelines timelines; /* of the server */
    PGconn *sql;
    walrow__catalog *catalog;
    walrow_patterns *patterns;
    walrow__plan plan;
    walrow__texts publications;
    walrow__receiver receiver;
    bool keeps_state;       /* what it confirms is in the state first */
    walrow_changes reading; /* what walrow_reader is in the middle of; release is NULL if nothing */
    size_t read_at;         /* its next batch */
};

static inline walrow_stream *
walrow__stream_of(walrow__receiver *receiver)
{
    return (walrow_stream *)((char *)receiver - offsetof(walrow_stream, receiver));
}

walrow_code walrow__stream_open(const walrow_options *options, const walrow__stream_hooks *hooks,
                                walrow_stream **out, walrow_error *err) WALROW_MUST_CHECK;
/** Everything before the stream itself: connect, find the tables, publish them, look at the slot, plan. */
walrow_code walrow__stream_prepare(walrow_stream *stream, walrow_error *err) WALROW_MUST_CHECK;
/* Whom the stream's positions belong to; borrows. */
walrow__identity walrow__stream_identity(const walrow_stream *stream);
/** Plan one table that was found; in_snapshot: its rows are to be read, unless somebody has them. */
walrow_code walrow__stream_plan_table(walrow_stream *stream, const walrow__found *found, bool in_snapshot,
                                      walrow_error *err) WALROW_MUST_CHECK;
/** (Re)connect the SQL connection: the catalogue and discovery go on with the new one. */
walrow_code walrow__stream_reconnect(walrow_stream *stream, walrow_error *err) WALROW_MUST_CHECK;
/** Let go of what prepare made; the receiver does not run. */
void walrow__stream_release(walrow_stream *stream);
/** End the stream at the next whole transaction: walrow_next gives what is left, then WALROW_END. */
void walrow__stream_stop(walrow_stream *stream);

#endif
