/*
 * stream/session.h
 *	  One replication connection, from START_REPLICATION to its end: what comes is decoded, cut into change sets
 *	  for the queue, and confirmed.
 */
#ifndef WALROW_STREAM_SESSION_H
#define WALROW_STREAM_SESSION_H

#include "stream/receiver.h"

typedef enum walrow__session_end {
    WALROW__SESSION_FAILED,     /* the error says whether to come again */
    WALROW__SESSION_STOPPED,    /* as asked, or --until was reached */
    WALROW__SESSION_NEEDS_TEXT, /* come again, in text */
    WALROW__SESSION_GOES_OVER,  /* come again at once, the other way */
    WALROW__SESSION_NEW_TABLES  /* tables appeared that match: read them, come again */
} walrow__session_end;

/** Leaves its connection open only when stopped. */
walrow__session_end walrow__session_run(walrow__receiver *receiver, walrow_error *err);
/** After it was stopped: answer and confirm until closing, then say goodbye. */
void walrow__session_linger(walrow__receiver *receiver);

#endif
