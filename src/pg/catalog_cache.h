/*
 * pg/catalog_cache.h
 *	  What a catalogue remembers: types by oid, printed types by oid and typmod. Internal to pg/catalog*.c.
 */
#ifndef WALROW_PG_CATALOG_CACHE_H
#define WALROW_PG_CATALOG_CACHE_H

#include "columns/catalog.h"

#include <libpq-fe.h>

#define WALROW__CATALOG_BUCKETS 256

typedef struct walrow__type_entry {
    walrow__pg_type type;
    struct walrow__type_entry *next;
} walrow__type_entry;

typedef struct walrow__format_entry {
    uint32_t oid;
    int32_t typmod;
    char *text;
    struct walrow__format_entry *next;
} walrow__format_entry;

typedef struct walrow__pg_catalog {
    walrow__catalog base;
    PGconn *conn; /* borrowed; NULL: what is not remembered is not known */
    walrow__type_entry *types[WALROW__CATALOG_BUCKETS];
    walrow__format_entry *formats[WALROW__CATALOG_BUCKETS];
} walrow__pg_catalog;

/** An empty catalogue whose functions are those of catalog.c. NULL: no memory. */
walrow__pg_catalog *walrow__catalog_create(PGconn *conn);

/* NULL: not remembered. */
walrow__pg_type *walrow__catalog_find_type(walrow__pg_catalog *catalog, uint32_t oid);
walrow__format_entry *walrow__catalog_find_format(walrow__pg_catalog *catalog, uint32_t oid, int32_t typmod);
/* Add; strings are copied; NULL: no memory. */
walrow__pg_type *walrow__catalog_add_type(walrow__pg_catalog *catalog, const walrow__pg_type *type);
bool walrow__catalog_add_field(walrow__pg_type *type, const char *name, uint32_t oid, int32_t typmod);
walrow__format_entry *walrow__catalog_add_format(walrow__pg_catalog *catalog, uint32_t oid, int32_t typmod,
                                                 const char *text);
void walrow__catalog_release(walrow__pg_catalog *catalog); /* and free */

/* The part of catalog_tables.c. */
void walrow__catalog_add_tables(walrow__catalog *catalog);

#endif
