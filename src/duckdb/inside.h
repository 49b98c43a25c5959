/*
 * duckdb/inside.h
 *	  A database as the files of this folder see it.
 */
#ifndef WALROW_DUCKDB_INSIDE_H
#define WALROW_DUCKDB_INSIDE_H

#include "duckdb/duckdb.h"
#include "duckdb/library.h"

struct walrow__duckdb {
    walrow__duckdb_library library;
    void *database;
    void *connection;
    unsigned questions; /* asked so far: each has a view of its own name */
};

#endif
