/*
 * pg/timelines.h
 *	  Asking a walsender how its server came to its timeline: TIMELINE_HISTORY (PostgreSQL documentation,
 *	  "Streaming Replication Protocol").
 */
#ifndef WALROW_PG_TIMELINES_H
#define WALROW_PG_TIMELINES_H

#include "base/timelines.h"

#include <libpq-fe.h>

/**
 * The history of the server's timeline; the first one has none, and is not asked for.
 * What the server cannot tell, or tells wrong, is in out->failure.
 * @param conn  a replication connection
 * Errors:    WALROW_ERR_NET: the connection broke
 * Ownership: walrow__timelines_release(out)
 */
walrow_code walrow__pg_timelines(PGconn *conn, uint32_t timeline, walrow__timelines *out,
                                 walrow_error *err) WALROW_MUST_CHECK;

#endif
