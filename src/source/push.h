/*
 * source/push.h
 *	  START_REPLICATION: a walsender pushes a slot's changes (PostgreSQL documentation, "Streaming Replication
 *	  Protocol"). Nothing here blocks, but starting and stopping; one thread.
 */
#ifndef WALROW_SOURCE_PUSH_H
#define WALROW_SOURCE_PUSH_H

#include "base/options.h"

#include <libpq-fe.h>
#include <nanoarrow/nanoarrow.h>

typedef struct walrow__push_options {
    const char *slot;
    uint64_t start_lsn;              /* 0: where the slot is confirmed */
    const char *const *publications; /* NULL-terminated */
    bool binary;                     /* pgoutput: values in binary; servers from 14 on */
    bool messages;                   /* logical messages too; pgoutput of servers from 14 on */
    int timeout_ms;                  /* longest wait for the server's first word */
    bool wal2arrow;              /* the slot's plugin; else pgoutput. What follows is for wal2arrow only */
    int64_t max_rows, max_bytes; /* of a message */
    const walrow__type_override *types; /* columns to be sent as another type */
    size_t n_types;
} walrow__push_options;

typedef enum walrow__push_kind {
    WALROW__PUSH_NOTHING,   /* nothing more can be read now */
    WALROW__PUSH_DATA,      /* bytes of the plugin */
    WALROW__PUSH_KEEPALIVE, /* server_lsn is how far the server has read; wants_reply */
    WALROW__PUSH_END        /* the server ended the stream */
} walrow__push_kind;

typedef struct walrow__push_message {
    walrow__push_kind kind;
    const uint8_t *bytes; /* borrowed until the next read */
    size_t size;
    uint64_t lsn; /* DATA: where the bytes came from, as the server says (may be 0); KEEPALIVE: see above */
    bool wants_reply;
} walrow__push_message;

typedef struct walrow__push {
    PGconn *conn; /* owned */
    char *buffer; /* the last message, libpq's */
} walrow__push;

/**
 * Begin to stream. Takes conn whatever the outcome.
 * Errors: WALROW_ERR_SLOT, WALROW_ERR_PUBLICATION, WALROW_ERR_NET, as the server says.
 */
walrow_code walrow__push_start(walrow__push *push, PGconn *conn, const walrow__push_options *options,
                               walrow_error *err) WALROW_MUST_CHECK;
/** The next message, without waiting; when there is none, poll PQsocket(push->conn) for reading. */
walrow_code walrow__push_read(walrow__push *push, walrow__push_message *out,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Give the last message's memory away: *out frees it, and it outlives the next read. */
void walrow__push_take(walrow__push *push, struct ArrowBuffer *out);
/** Standby status update. Each LSN: 0, or one past the last byte written, made durable, applied. */
walrow_code walrow__push_status(walrow__push *push, uint64_t written_lsn, uint64_t flushed_lsn,
                                bool wants_reply, walrow_error *err) WALROW_MUST_CHECK;
/** Say goodbye with CopyDone and wait a short while for the server to agree; then disconnect. */
void walrow__push_close(walrow__push *push);

#endif
