/*
 * columns/catalog.h
 *	  What must be known of PostgreSQL's types to map them: the port through which the type table asks. pg/
 *	  answers it with SQL, a recorded stream from what was recorded, the plugin from the system caches, a test
 *	  from a list.
 */
#ifndef WALROW_COLUMNS_CATALOG_H
#define WALROW_COLUMNS_CATALOG_H

#include <stdbool.h>
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

typedef struct walrow__pg_attribute {
    char *name;
    uint32_t oid;
    int32_t typmod;
    bool is_key;       /* identifies rows of the table it is published as */
    bool is_generated; /* and so not published */
    bool may_be_toasted;
    int published_at; /* its place among the published table's columns */
} walrow__pg_attribute;

/* A table as today's catalogue has it, for sources whose plugin says little (wal2json). */
typedef struct walrow__pg_table {
    uint32_t relid;      /* as which it is published: a partition's root's; 0: there is no such table */
    char *schema, *name; /* likewise */
    char identity;       /* likewise: relreplident */
    bool is_partition;
    char own_identity;             /* a partition's own, which decides what of old rows is sent */
    bool is_table;                 /* not a materialized view, whose rows are nobody's changes */
    uint64_t as_of_lsn;            /* what was committed before it is in here */
    walrow__pg_attribute *columns; /* in the order in which its own rows have them */
    int n_columns;
} walrow__pg_table;

typedef struct walrow__catalog walrow__catalog;
struct walrow__catalog {
    /* The type; borrowed, valid as long as the catalogue. An oid nobody knows is an error. */
    walrow_code (*type)(walrow__catalog *catalog, uint32_t oid, const walrow__pg_type **out,
                        walrow_error *err);
    /* As format_type prints it, schema-qualified outside pg_catalog; borrowed, valid as long as the
     * catalogue. */
    walrow_code (*format)(walrow__catalog *catalog, uint32_t oid, int32_t typmod, const char **out,
                          walrow_error *err);
    /* What follows may be NULL: only a catalogue that can ask a server has it. */
    /* The table of that name, asked anew each time; the caller's. None is no error: relid is 0. */
    walrow_code (*table)(walrow__catalog *catalog, const char *schema, const char *name,
                         walrow__pg_table *out, walrow_error *err);
    /* Back from what format_type prints. *oid 0: no such type today. */
    walrow_code (*parse_type)(walrow__catalog *catalog, const char *text, uint32_t *oid, int32_t *typmod,
                              walrow_error *err);
    /* Name of a replication origin; malloc'ed; NULL: there is none of that number today. */
    walrow_code (*origin)(walrow__catalog *catalog, uint32_t number, char **out, walrow_error *err);
    void (*free)(walrow__catalog *catalog);
};

#endif
