/*
 * source/pull.h
 *	  A slot's changes asked for on ordinary connections, a window of the WAL at a time: PostgreSQL decodes several
 *	  times as fast for a query as for a walsender.
 *
 * What is read is a temporary copy of the slot, so that reading runs ahead of what is durable; the slot itself
 *	  is moved on another connection. Each window is a call that reads WAL again from the copy's restart_lsn: windows
 *	  are several times as large as what is read again, within bounds, and end at the WAL's end as it was before
 *	  the call, because commits that arrive during the call must not be passed over.
 *
 * A function's result is made by the server before its first row is sent. So, far behind, two connections take turns:
 *	  while one's window is handed out, the server decodes the next for the other, on another processor.
 */
#ifndef WALROW_SOURCE_PULL_H
#define WALROW_SOURCE_PULL_H

#include "source/mover.h"
#include "source/pull_window.h"
#include "source/source.h"

#include <libpq-fe.h>

enum { WALROW__PULL_WINDOWS = 2 };

typedef struct walrow__pull {
    walrow__source base;
    walrow__pull_window windows[WALROW__PULL_WINDOWS]; /* the second may have no connection */
    int turn;                                          /* whose window is handed out */
    walrow__mover mover;
    char *settings; /* the plugin's, as arguments in SQL */
    uint64_t until_lsn, tip_bytes;
    uint64_t read_lsn;    /* all up to it has come */
    uint64_t planned_lsn; /* all up to it has come or is asked for */
    int64_t rests_until;  /* a call is not worth it yet */
    int messages;         /* since a look at the other connection */
    bool alone;           /* there is nothing the other could read meanwhile */
    bool at_tip;          /* what is left is for push */
    bool or_push;         /* whoever reads would rather push than pull slower */
    bool gives_way; /* pushing is better for now: restart_lsn stays too far behind, or messages are large */
    bool quits;
} walrow__pull;

/**
 * Copy the slot, and begin. Takes both connections, which are ordinary ones, whatever the outcome.
 * Errors: WALROW_ERR_SLOT: somebody else reads the slot (SQLSTATE 55006); as the server says
 */
walrow_code walrow__pull_start(walrow__pull *pull, PGconn *conn, PGconn *mover,
                               const walrow__source_options *options, walrow_error *err) WALROW_MUST_CHECK;
/** Would another connection help? A procedure sends what it has at once, and waits until it is taken. */
bool walrow__pull_wants_second(const walrow__pull *pull);
/** Here it is. It is taken, and needs a slot of its own while it reads; without one there is none. */
void walrow__pull_second(walrow__pull *pull, PGconn *conn);
/** What failed with this error cannot be pulled for now, but perhaps pushed: what the server refuses, or has no space for. */
bool walrow__pull_refused(const walrow__pull *pull, const walrow_error *err);

/**
 * Find out how to ask, and make the first copy; the server takes the settings.
 * Errors: as walrow__pull_start
 */
walrow_code walrow__pull_copy_slot(walrow__pull *pull, const walrow__source_options *options,
                                   walrow_error *err) WALROW_MUST_CHECK;

#endif
