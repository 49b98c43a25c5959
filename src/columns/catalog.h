/*
 * columns/catalog.h
 *	  What must be known of PostgreSQL's types to map them: the port through which the type table asks. pg/
 *	  answers it with SQL, a recorded stream from what was recorded, the plugin from the system caches, a test
 *	  from a list.
 */
#ifndef WALROW_COLUMNS_CATALOG_H
#define WALROW_COLUMNS_CATALOG_H

#include <stdint.h>
#include <walrow.h>

typedef struct walrow__pg_field {
    char *name;
    uint32_t oid;
    int32_t typmod;
} walrow__pg_field;

/* One pg_type row (PostgreSQL documentation, "pg_type"), and for a composite its live attributes in order. */
typedef struct walrow__pg_type {
    uint32_t oid;
    char kind;        /* typtype: b base, c composite, d domain, e enum, r range, m multirange, p pseudo */
    char *schema;     /* of its name */
    char *name;       /* typname */
    char *output;     /* name of the output function: "array_out", "hstore_out", "textout" ... */
    uint32_t element; /* typelem; an array only where output is "array_out" */
    char delimiter; /* typdelim of the type itself: what separates its values in an array, ',' but for box */
    uint32_t base;  /* domain: typbasetype, else 0 */
    int32_t base_typmod;      /* domain: typtypmod, else -1 */
    walrow__pg_field *fields; /* composite */
    int n_fields;
} walrow__pg_type;

typedef struct walrow__catalog walrow__catalog;
struct walrow__catalog {
    /* The type; borrowed, valid as long as the catalogue. An oid nobody knows is an error. */
    walrow_code (*type)(walrow__catalog *catalog, uint32_t oid, const walrow__pg_type **out,
                        walrow_error *err);
    /* As format_type prints it, schema-qualified outside pg_catalog; borrowed, valid as long as the
     * catalogue. */
    walrow_code (*format)(walrow__catalog *catalog, uint32_t oid, int32_t typmod, const char **out,
                          walrow_error *err);
    void (*free)(walrow__catalog *catalog);
};

#endif
