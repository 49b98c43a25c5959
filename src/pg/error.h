/*
 * pg/error.h
 *	  What the server or libpq said, as a walrow_error: SQLSTATE, message, whether trying again helps, the way
 * out.
 */
#ifndef WALROW_PG_ERROR_H
#define WALROW_PG_ERROR_H

#include <libpq-fe.h>
#include <walrow.h>

/**
 * Fill *err from a failed result, or from the connection where result is NULL or says nothing.
 *
 * @param code   what the failure is unless its SQLSTATE says better (a broken connection is WALROW_ERR_NET
 * whatever was tried; "slot is active" is WALROW_ERR_SLOT, ...)
 * @param doing  what was tried: "reading the catalogue"; the message starts with it. NULL: none
 * @return err->code
 */
walrow_code walrow__pg_error(PGconn *conn, const PGresult *result, walrow_code code, const char *doing,
                             walrow_error *err);
/** The same for a connection attempt that failed; conn's error verbosity is PQERRORS_VERBOSE. */
walrow_code walrow__pg_connect_error(PGconn *conn, bool replication, walrow_error *err);

#endif
