/*
 * pg/connection.h
 *	  Connecting, with the session settings every walrow connection has (DESIGN "Types": they make text exact,
 * and no time-out may end a snapshot).
 */
#ifndef WALROW_PG_CONNECTION_H
#define WALROW_PG_CONNECTION_H

#include "base/options.h"

#include <libpq-fe.h>

/**
 * Connect to options' source: libpq URI or keywords, else PG*. TLS and authentication are libpq's.
 *
 * @param replication  a walsender connection to the database: START_REPLICATION, and SQL in simple queries
 * only Errors:    WALROW_ERR_CONNECT (retryable if the network or a full server is to blame),
 * WALROW_ERR_USAGE (source cannot be parsed), WALROW_ERR_SERVER (role may not replicate) Ownership:
 * PQfinish(*out)
 */
walrow_code walrow__pg_connect(const walrow_options *options, bool replication, PGconn **out,
                               walrow_error *err) WALROW_MUST_CHECK;

/* Which server this is. Positions belong to one system identifier, timeline history, database and slot. */
typedef struct walrow__pg_server {
    int version;                /* as PQserverVersion */
    uint64_t system_identifier; /* 0: the role may not read it (SQL connections only) */
    uint32_t timeline;          /* 0: not known (SQL connections to a standby) */
    uint64_t flush_lsn;         /* of a standby: replayed */
    bool in_recovery;
    char database[64];
    char user[64];
    char encoding[32]; /* the database's: "UTF8", "SQL_ASCII" */
} walrow__pg_server;

/** Ask a connection of either kind. */
walrow_code walrow__pg_identify(PGconn *conn, bool replication, walrow__pg_server *out,
                                walrow_error *err) WALROW_MUST_CHECK;

#endif
