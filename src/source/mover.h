/*
 * source/mover.h
 *	  A connection that moves a slot to what is durable while its copy is read elsewhere, and that holds the
 *	  slot's lock. pg_replication_slot_advance makes the server read WAL, so it is done at its leisure;
 *	  wal2arrow.advance does not, where the extension is there: it is told where the slot's next reader has to begin,
 *	  which is known of the copy.
 */
#ifndef WALROW_SOURCE_MOVER_H
#define WALROW_SOURCE_MOVER_H

#include "base/options.h"

#include <libpq-fe.h>

/* Once everything up to valid_lsn is durable, the slot's next reader may begin at restart_lsn. */
typedef struct walrow__mark {
    uint64_t valid_lsn; /* 0: no mark */
    uint64_t restart_lsn;
    uint32_t catalog_xmin;
} walrow__mark;

typedef struct walrow__mover {
    PGconn *conn; /* owned */
    char slot[64];
    const char *copy;       /* the slot's, that is read; borrowed; NULL: there is no wal2arrow.advance */
    walrow__mark mark;      /* of the copy, not used yet */
    uint64_t confirmed_lsn; /* where the slot is */
    uint64_t durable_lsn;   /* where it may go */
    uint64_t asked_lsn;     /* where it is being moved to; 0: a question without consequence */
    bool asked;             /* an answer is due */
    int64_t asked_at;
    int64_t rests_until;
    uint64_t restart_lsn; /* the slot's */
} walrow__mover;

/**
 * Lock the slot, see where it is. Takes conn whatever the outcome.
 * Errors: WALROW_ERR_SLOT: there is none; somebody else reads it (SQLSTATE 55006)
 */
walrow_code walrow__mover_start(walrow__mover *mover, PGconn *conn, const char *slot, int timeout_ms,
                                walrow_error *err) WALROW_MUST_CHECK;
/** It may go to durable_lsn, after a rest. ping: have the server say something in any case. */
walrow_code walrow__mover_move(walrow__mover *mover, uint64_t durable_lsn, bool ping,
                               walrow_error *err) WALROW_MUST_CHECK;
/** Take the server's answer if there is one: *heard; go on when a rest is over. */
walrow_code walrow__mover_hear(walrow__mover *mover, bool *heard, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Move it as far as it may go, wait a while for that, disconnect.
 * @param victims  processes of the server whose queries are cancelled before
 */
void walrow__mover_close(walrow__mover *mover, const int *victims, int n_victims);

#endif
