/*
 * pg/catalog.h
 *	  The server's answers to columns/catalog.h, remembered; and the same from what a recording remembered.
 */
#ifndef WALROW_PG_CATALOG_H
#define WALROW_PG_CATALOG_H

#include "columns/catalog.h"

#include <libpq-fe.h>

/**
 * A catalogue that asks conn, once for each type with all it is made of, and remembers.
 * @param conn  an SQL connection, borrowed
 */
walrow_code walrow__catalog_new(PGconn *conn, walrow__catalog **out, walrow_error *err) WALROW_MUST_CHECK;
/** From now on ask conn (after a reconnection), or nobody (NULL). Only for what walrow__catalog_new or _load
 * made. */
void walrow__catalog_use(walrow__catalog *catalog, PGconn *conn);
/** Ask for every type of these tables' columns in two round trips. */
walrow_code walrow__catalog_preload(walrow__catalog *catalog, const uint32_t *relids, size_t count,
                                    walrow_error *err) WALROW_MUST_CHECK;
/** Everything asked so far as a JSON document; malloc'ed, NUL-terminated. */
walrow_code walrow__catalog_dump(walrow__catalog *catalog, char **out, walrow_error *err) WALROW_MUST_CHECK;
/** A catalogue that knows what a dump holds and asks nobody. Errors: WALROW_ERR_PROTOCOL (not such a
 * document) */
walrow_code walrow__catalog_load(const char *json, size_t size, walrow__catalog **out,
                                 walrow_error *err) WALROW_MUST_CHECK;
/** What catalog->table gave. */
void walrow__pg_table_release(walrow__pg_table *table);

#endif
