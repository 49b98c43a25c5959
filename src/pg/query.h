/*
 * pg/query.h
 *	  SQL: running it, reading results, and building it from quoted parts (never with %s).
 */
#ifndef WALROW_PG_QUERY_H
#define WALROW_PG_QUERY_H

#include "base/strbuf.h"
#include "base/texts.h"

#include <libpq-fe.h>
#include <walrow.h>

/**
 * A simple query: either kind of connection, several statements at will; the last one's result counts.
 * @param code, doing  for the error, as walrow__pg_error has them
 * @param out          may be NULL; else PQclear(*out) on WALROW_OK
 */
walrow_code walrow__pg_exec(PGconn *conn, const char *sql, walrow_code code, const char *doing,
                            PGresult **out, walrow_error *err) WALROW_MUST_CHECK;
/**
 * The same, but a server that says nothing for timeout_ms is given up: WALROW_ERR_NET, retryable; close conn.
 * A command that begins a copy in both directions succeeds with that.
 */
walrow_code walrow__pg_exec_within(PGconn *conn, const char *sql, int timeout_ms, walrow_code code,
                                   const char *doing, PGresult **out, walrow_error *err) WALROW_MUST_CHECK;
/** One statement with text parameters ($1...; NULL is SQL's null). Not on a replication connection. */
walrow_code walrow__pg_query(PGconn *conn, const char *sql, int n_params, const char *const *params,
                             walrow_code code, const char *doing, PGresult **out,
                             walrow_error *err) WALROW_MUST_CHECK;

/* Cells of a text result; one that is not there, because the server sent less than was asked for, is null. */
const char *walrow__pg_text(const PGresult *result, int row, int column); /* "" if null */
bool walrow__pg_bool(const PGresult *result, int row, int column);
int64_t walrow__pg_int(const PGresult *result, int row, int column, int64_t if_null);
uint64_t walrow__pg_lsn(const PGresult *result, int row, int column); /* 0 if null */
uint32_t walrow__pg_oid(const PGresult *result, int row, int column); /* 0 if null */
char *walrow__pg_dup(const PGresult *result, int row,
                     int column); /* "" if null; malloc'ed; NULL: no memory */

/* Quoted parts of SQL; a failure (no memory, bad encoding) is remembered in sql->failed. */
void walrow__sql_identifier(walrow__strbuf *sql, PGconn *conn, const char *name);
void walrow__sql_literal(walrow__strbuf *sql, PGconn *conn, const char *text);
void walrow__sql_table(walrow__strbuf *sql, PGconn *conn, const char *schema, const char *table);
/** "{1,2,3}", a parameter for ANY($1::oid[]); sql is appended to. */
void walrow__sql_oids(walrow__strbuf *sql, const uint32_t *oids, size_t count);

#endif
