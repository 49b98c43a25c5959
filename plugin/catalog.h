/*
 * catalog.h
 *	  The port columns/catalog.h answered from the server's caches, as src/pg/catalog.c answers it with SQL.
 */
#ifndef WAL2ARROW_CATALOG_H
#define WAL2ARROW_CATALOG_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "columns/catalog.h"

/*
 * All that is to be known of the types of a relation's live columns: read now, because here an error may be
 * raised, while the type table that asks has memory of its own and may not be left by a longjmp. Memory: the current
 * context, as long as the catalog. Its free does nothing.
 */
extern walrow__catalog *relation_catalog_load(TupleDesc desc);

#endif
