/*
 * source/push.h
 *	  START_REPLICATION: a walsender pushes a slot's changes (PostgreSQL documentation, "Streaming Replication
 *	  Protocol"). Nothing here blocks, but starting and stopping; one thread.
 */
#ifndef WALROW_SOURCE_PUSH_H
#define WALROW_SOURCE_PUSH_H

#include "source/source.h"

#include <libpq-fe.h>

typedef struct walrow__push {
    walrow__source base;
    PGconn *conn; /* owned */
    char *buffer; /* the last message, libpq's */
} walrow__push;

/**
 * Begin to stream. Takes conn whatever the outcome.
 * Errors: WALROW_ERR_SLOT, WALROW_ERR_PUBLICATION, WALROW_ERR_NET, as the server says.
 */
walrow_code walrow__push_start(walrow__push *push, PGconn *conn, const walrow__source_options *options,
                               walrow_error *err) WALROW_MUST_CHECK;
/** The next message, without waiting; when there is none, poll PQsocket(push->conn) for reading. */
walrow_code walrow__push_read(walrow__push *push, walrow__incoming *out, walrow_error *err) WALROW_MUST_CHECK;
/** Standby status update. Each LSN: 0, or one past the last byte written, made durable, applied. */
walrow_code walrow__push_status(walrow__push *push, uint64_t written_lsn, uint64_t flushed_lsn,
                                bool wants_reply, walrow_error *err) WALROW_MUST_CHECK;
/** Say goodbye with CopyDone and wait a short while for the server to agree; then disconnect. */
void walrow__push_close(walrow__push *push);

#endif
