/*
 * source/pull_window.h
 *	  A connection that reads one window of the WAL after another from a temporary copy of a slot: the copy is moved
 *	  to where the window begins, asked where it is, and then for what commits before the window's end.
 *
 * Nothing here waits: a request is begun, and walrow__pull_window_step goes on with it.
 */
#ifndef WALROW_SOURCE_PULL_WINDOW_H
#define WALROW_SOURCE_PULL_WINDOW_H

#include "base/strbuf.h"
#include "source/source.h"

#include <libpq-fe.h>

typedef enum walrow__pull_window_phase {
    WALROW__PULL_NONE,   /* there is no copy */
    WALROW__PULL_COPIES, /* it is made */
    WALROW__PULL_DROPS,
    WALROW__PULL_IDLE,   /* nothing is asked of it */
    WALROW__PULL_SKIPS,  /* it is moved to where reading begins */
    WALROW__PULL_LOOKS,  /* where the WAL's end and the copy are */
    WALROW__PULL_LOOKED, /* that is known */
    WALROW__PULL_CALLS,  /* the first message is waited for */
    WALROW__PULL_READS,  /* a message after the other */
    WALROW__PULL_ENDS,   /* the end of the command is waited for */
    WALROW__PULL_ENDED   /* all of it has come */
} walrow__pull_window_phase;

typedef struct walrow__pull_window {
    PGconn *conn; /* owned; its session owns the copy; NULL: there is none */
    char copy[64];
    const char *function; /* what is asked; NULL: CALL wal2arrow.stream, which sends what a walsender would */
    const char *settings; /* the plugin's, as arguments in SQL; borrowed, as the function */
    char *message;        /* the last one, libpq's */
    PGresult *answer;     /* of the question under way */
    uint64_t end_lsn;     /* LOOKED: where the WAL ended, ... */
    uint64_t restart_lsn, confirmed_lsn; /* ... and the copy is */
    uint64_t upto_lsn;                   /* the window's end */
    int64_t called_at;
    walrow__pull_window_phase phase;
    bool header_read;         /* of the window's COPY */
    bool whole;               /* the window is as large as it should be */
    bool refused;             /* the server would not copy the slot */
    uint64_t messages, bytes; /* of the window, by function */
} walrow__pull_window;

/** Of a connection, which it takes: its copy is not made yet. */
void walrow__pull_window_init(walrow__pull_window *window, PGconn *conn);
void walrow__pull_window_close(walrow__pull_window *window);

/** Copy this slot, which may be in use; what the server has against that is no error, but window->refused. */
walrow_code walrow__pull_window_copy(walrow__pull_window *window, const char *slot,
                                     walrow_error *err) WALROW_MUST_CHECK;
/** The statement for that. */
void walrow__pull_window_copy_sql(const walrow__pull_window *window, const char *slot, walrow__strbuf *sql);
/** It is not needed for now, and would hold WAL back. */
walrow_code walrow__pull_window_drop(walrow__pull_window *window, walrow_error *err) WALROW_MUST_CHECK;
/** What begins to commit before lsn is not wanted, as with START_REPLICATION. Leads to LOOKED. */
walrow_code walrow__pull_window_seek(walrow__pull_window *window, uint64_t lsn,
                                     walrow_error *err) WALROW_MUST_CHECK;
/** Ask for the window, up to upto_lsn. Leads to ENDED. */
walrow_code walrow__pull_window_call(walrow__pull_window *window, uint64_t upto_lsn,
                                     walrow_error *err) WALROW_MUST_CHECK;

/**
 * Go on with what is under way; *out: what came, if it was a message. *wait: nothing can be done before the server
 * says more, or something is begun.
 * Errors: as the server says; WALROW_ERR_PROTOCOL, WALROW_ERR_NET
 */
walrow_code walrow__pull_window_step(walrow__pull_window *window, walrow__incoming *out, bool *wait,
                                     walrow_error *err) WALROW_MUST_CHECK;

/**
 * One message of COPY (SELECT lsn, data ...) TO STDOUT (FORMAT binary): a row becomes DATA, a trailer NOTHING.
 * Errors: WALROW_ERR_PROTOCOL
 */
walrow_code walrow__pull_read_row(const void *bytes, size_t size, bool *header_read, walrow__incoming *out,
                                  walrow_error *err) WALROW_MUST_CHECK;

#endif
