/*
 * columns/type.h
 *	  The type table: which Arrow type a PostgreSQL type becomes, in one place for every source.
 */
#ifndef WALROW_COLUMNS_TYPE_H
#define WALROW_COLUMNS_TYPE_H

#include "columns/catalog.h"

#include <nanoarrow/nanoarrow.h>

typedef enum walrow__kind {
    WALROW__BOOL,
    WALROW__INT16,
    WALROW__INT32,
    WALROW__INT64,
    WALROW__UINT32,
    WALROW__FLOAT32,
    WALROW__FLOAT64,
    WALROW__DECIMAL128,
    WALROW__DECIMAL256,
    WALROW__UTF8,
    WALROW__BINARY,
    WALROW__DATE32,
    WALROW__TIME64,
    WALROW__TIMESTAMP,
    WALROW__TIMESTAMPTZ,
    WALROW__INTERVAL,
    WALROW__UUID,
    WALROW__JSON,
    WALROW__LIST,   /* from here on nested; children[0]: the element */
    WALROW__STRUCT, /* children: the fields */
    WALROW__MAP     /* hstore: utf8 -> utf8 */
} walrow__kind;

/* How the type's binary send format is read; NO_BINARY: nobody outside the server can print it. */
typedef enum walrow__wire {
    WALROW__WIRE_NONE,
    WALROW__WIRE_PLAIN, /* the kind's own: int8send for INT64, numeric_send for DECIMAL*, date_send for DATE32
                           ... */
    WALROW__WIRE_TEXT,  /* the bytes are the text: textsend, enum_send, json_send, namesend ... */
    WALROW__WIRE_JSONB, /* a version byte, then text */
    WALROW__WIRE_NUMERIC, /* to text */
    WALROW__WIRE_TIMETZ,  /* to text */
    WALROW__WIRE_PRINTED  /* to text, by value_oid: inet, bit, ranges, ...; scalars mapped to utf8 */
} walrow__wire;

typedef struct walrow__type {
    walrow__kind kind;
    walrow__wire wire;  /* WIRE_NONE in a child makes the parent's WIRE_NONE too */
    uint32_t oid;       /* as declared: a domain's own */
    int32_t typmod;     /* as declared */
    uint32_t value_oid; /* what is on the wire: the domain's base type */
    int32_t value_typmod;
    char *name;           /* of the type, as format_type prints it */
    int precision, scale; /* decimals */
    char delimiter;       /* LIST: between elements in text */
    struct walrow__type *children;
    char **child_names; /* STRUCT */
    int n_children;
} walrow__type;

/**
 * Map a PostgreSQL type. What nobody named is utf8, as its output function prints it.
 * @param override  NULL, or the Arrow type asked for instead: "utf8" (always possible)
 * Ownership: walrow__type_release.
 */
walrow_code walrow__type_resolve(walrow__catalog *catalog, uint32_t oid, int32_t typmod, const char *override,
                                 walrow__type *out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__type_release(walrow__type *type);
/** One of PostgreSQL's own scalar types by its oid, without a name; nothing to release. false: not one with a
 * binary form. */
bool walrow__type_builtin(uint32_t oid, walrow__type *out);
/** Set *out (initialised by this) to the Arrow field of the type: format, children, extension metadata; no
 * name. */
walrow_code walrow__type_schema(const walrow__type *type, struct ArrowSchema *out,
                                walrow_error *err) WALROW_MUST_CHECK;
/** "decimal128(12, 2)", "list<int32>", "timestamp[us, UTC]", as Arrow's documentation writes them; malloc'ed.
 */
char *walrow__type_arrow_name(const walrow__type *type);

#endif
