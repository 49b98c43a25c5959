/*
 * source/snapshot.h
 *	  The rows that were there before the stream: a slot is created with an exported snapshot, and tables are
 *	  read in it with COPY (PostgreSQL documentation, "Streaming Replication Protocol", CREATE_REPLICATION_SLOT).
 *
 * What the slot streams begins where the snapshot ends: changes committed before consistent_lsn are in the
 *	  rows, all others in the stream. Rows carry consistent_lsn - 1.
 */
#ifndef WALROW_SOURCE_SNAPSHOT_H
#define WALROW_SOURCE_SNAPSHOT_H

#include "base/options.h"
#include "columns/table.h"
#include "source/capture.h"

#include <libpq-fe.h>

typedef struct walrow__snapshot_request {
    const walrow_options *options; /* connection and limits of a chunk */
    int shares;                    /* see walrow__batch_share */
    const char *slot;
    const char *plugin;
    bool temporary; /* the slot goes with the connection: only its consistent point is wanted */
    walrow__catalog *catalog;
    walrow__capture capture; /* its column overrides */
    bool binary;             /* where the types allow it */
    void *arg;
    /* The connection that is to make the slot: is it the right server? */
    walrow_code (*connected)(void *arg, PGconn *conn, walrow_error *err);
    bool (*stopping)(void *arg); /* asked while waiting */
    /* While the slot's creation waits for running transactions: say which, every few seconds. May be NULL.
     * pid: of the session that waits */
    void (*waiting)(void *arg, int pid);
    /* A chunk of rows; takes it. */
    walrow_code (*emit)(void *arg, walrow_changes *chunk, size_t bytes, walrow_error *err);
} walrow__snapshot_request;

typedef struct walrow__snapshot {
    walrow__snapshot_request request;
    PGconn *sql; /* holds the snapshot open */
    uint64_t consistent_lsn;
    int64_t time; /* of the snapshot, microseconds since 1970 */
} walrow__snapshot;

/**
 * Create the slot and take its snapshot.
 * Errors: WALROW_ERR_SLOT, WALROW_ERR_CONNECT; WALROW_INTERRUPTED when stopping() said so.
 */
walrow_code walrow__snapshot_open(const walrow__snapshot_request *request, walrow__snapshot *out,
                                  walrow_error *err) WALROW_MUST_CHECK;
/** Read one table, emitting chunks; the last one has snapshot_end set and may be empty. */
walrow_code walrow__snapshot_read(walrow__snapshot *snapshot, const char *schema, const char *table,
                                  walrow_error *err) WALROW_MUST_CHECK;
void walrow__snapshot_close(walrow__snapshot *snapshot);

#endif
