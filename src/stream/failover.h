/*
 * stream/failover.h
 *	  Each new connection may be to another server: one of the URL's other hosts, or what was restored behind the
 *	  same name. Nothing is asked of it before it is known that all that was handed on is part of its past.
 */
#ifndef WALROW_STREAM_FAILOVER_H
#define WALROW_STREAM_FAILOVER_H

#include "stream/receiver.h"

/** A connection to the server the stream goes on with; replication: a walsender. */
walrow_code walrow__receiver_connect(walrow__receiver *receiver, bool replication, PGconn **out,
                                     walrow_error *err) WALROW_MUST_CHECK;
/**
 * Was what was received and handed on part of the server's past? After a fail-over, the stream and its state
 * follow it.
 * Errors: WALROW_ERR_SERVER, WALROW_ERR_STATE, WALROW_ERR_SLOT: it is not, and why
 */
walrow_code walrow__receiver_check_server(walrow__receiver *receiver, PGconn *conn, bool replication,
                                          walrow_error *err) WALROW_MUST_CHECK;

#endif
