/*
 * source/pull.h
 *	  A slot's changes asked for on an ordinary connection, a window of the WAL at a time: PostgreSQL decodes
 *	  several times as fast for a query as for a walsender.
 *
 * What is read is a temporary copy of the slot, so that reading runs ahead of what is durable; the slot itself
 *	  is moved on another connection. Each window is a call that reads WAL again from the copy's restart_lsn: windows
 *	  are several times as large as what is read again, within bounds, and end at the WAL's end as it was before
 *	  the call, because commits that arrive during the call must not be passed over.
 */
#ifndef WALROW_SOURCE_PULL_H
#define WALROW_SOURCE_PULL_H

#include "source/mover.h"
#include "source/source.h"

#include <libpq-fe.h>

typedef enum walrow__pull_phase {
    WALROW__PULL_SKIPS, /* the copy is moved to where reading begins */
    WALROW__PULL_LOOKS, /* where the WAL and the copy are */
    WALROW__PULL_RESTS, /* a call is not worth it yet */
    WALROW__PULL_CALLS, /* the window's first message is waited for */
    WALROW__PULL_READS, /* a message after the other */
    WALROW__PULL_ENDS   /* the end of the command is waited for */
} walrow__pull_phase;

typedef struct walrow__pull {
    walrow__source base;
    PGconn *conn; /* owned; its session owns the copy */
    walrow__mover mover;
    char copy[64];        /* the copy's name */
    char *settings;       /* the plugin's, as arguments in SQL */
    const char *function; /* NULL: CALL wal2arrow.stream, which sends what a walsender would */
    char *message;        /* the last one, libpq's */
    PGresult *answer;     /* of the question under way */
    uint64_t start_lsn, until_lsn, tip_bytes;
    uint64_t read_lsn; /* all up to it has come */
    uint64_t upto_lsn; /* the window's end */
    int64_t called_at, rests_until;
    walrow__pull_phase phase;
    bool header_read;         /* of the window's COPY */
    bool whole;               /* the window is as large as it should be */
    bool at_tip;              /* what is left is for push */
    uint64_t messages, bytes; /* of the window, by function */
    bool or_push;             /* whoever reads would rather push than pull slower */
    bool gives_way; /* pushing is better for now: restart_lsn stays too far behind, or messages are large */
    bool quits;
} walrow__pull;

/**
 * Copy the slot, and begin. Takes both connections, which are ordinary ones, whatever the outcome.
 * Errors: WALROW_ERR_SLOT: somebody else reads the slot (SQLSTATE 55006); as the server says
 */
walrow_code walrow__pull_start(walrow__pull *pull, PGconn *conn, PGconn *mover,
                               const walrow__source_options *options, walrow_error *err) WALROW_MUST_CHECK;
/** What failed with this error cannot be pulled for now, but perhaps pushed: what the server refuses, or has no space for. */
bool walrow__pull_refused(const walrow__pull *pull, const walrow_error *err);

/**
 * Find out how to ask, and make the copy; the server takes the settings.
 * Errors: as walrow__pull_start
 */
walrow_code walrow__pull_copy_slot(walrow__pull *pull, const walrow__source_options *options,
                                   walrow_error *err) WALROW_MUST_CHECK;
/**
 * One message of COPY (SELECT lsn, data ...) TO STDOUT (FORMAT binary): a row becomes DATA, a trailer NOTHING.
 * Errors: WALROW_ERR_PROTOCOL
 */
walrow_code walrow__pull_read_row(const void *bytes, size_t size, bool *header_read, walrow__incoming *out,
                                  walrow_error *err) WALROW_MUST_CHECK;

#endif
