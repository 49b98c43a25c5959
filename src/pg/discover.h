/*
 * pg/discover.h
 *	  Which tables the patterns mean on this server, and what must be known of each.
 */
#ifndef WALROW_PG_DISCOVER_H
#define WALROW_PG_DISCOVER_H

#include "base/options.h"
#include "pg/patterns.h"

#include <libpq-fe.h>

typedef struct walrow__found_column {
    char *name;
    uint32_t oid;
    int32_t typmod;
    char *pg_type; /* as format_type prints it */
    bool nullable;
    bool is_key; /* of the replica identity */
} walrow__found_column;

typedef struct walrow__found_leaf {
    uint32_t relid;
    char *schema;
    char *name;
    bool has_identity;
} walrow__found_leaf;

typedef struct walrow__found {
    uint32_t relid;
    char *schema;
    char *name;
    char relkind;     /* pg_class: r p v m f S */
    char persistence; /* p u t */
    bool is_partition;
    uint32_t *ancestors; /* a partition's: parent first, root last */
    size_t n_ancestors;
    bool streamable;
    char *reason;               /* why not; "" if streamable */
    char identity;              /* relreplident: d n f i */
    bool has_identity;          /* of its own, so that UPDATE and DELETE may be published */
    walrow__found_leaf *leaves; /* of a partitioned table: those that are tables here */
    size_t n_leaves;
    walrow__found_column *columns; /* those that are published: not dropped, not generated */
    size_t n_columns;
    char *owner;
    bool is_owner;     /* the role owns it, directly or as a member */
    bool can_select;   /* every column, and the schema */
    bool row_security; /* policies hide rows from the role */
    int64_t rows;      /* estimate, leaves added up; -1 unknown */
    int64_t bytes;     /* likewise; -1 if not asked for */
} walrow__found;

typedef struct walrow__discovery {
    walrow__found *items; /* ordered by schema and name */
    size_t count;
    walrow_patterns *patterns; /* with the role's search path */
    walrow__texts unmatched;   /* patterns that match nothing at all */
    walrow__texts nearest;     /* for each of those: "a, b or c", or "" */
} walrow__discovery;

/**
 * Find the tables options' patterns match, with columns, keys and privileges. Changes nothing.
 * @param with_bytes  ask for sizes too, which waits for tables somebody has locked exclusively
 * Errors:    WALROW_ERR_USAGE (a pattern cannot be parsed); a pattern that matches nothing is in
 * out->unmatched Ownership: walrow__discovery_release
 */
walrow_code walrow__discover(PGconn *conn, const walrow_options *options, bool with_bytes,
                             walrow__discovery *out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__discovery_release(walrow__discovery *discovery);

/**
 * A text that changes whenever tables, their names, schemas or keys do, in one round trip: whether to look
 * again.
 * @param token  64 bytes
 */
walrow_code walrow__discover_token(PGconn *conn, char *token, walrow_error *err) WALROW_MUST_CHECK;

/**
 * Unless --allow-empty: every pattern matched something, and there is something to stream.
 * Errors: WALROW_ERR_USAGE, naming pattern and nearest tables
 */
walrow_code walrow__discovery_require(const walrow__discovery *discovery, const walrow_options *options,
                                      walrow_error *err) WALROW_MUST_CHECK;
/** Can its UPDATEs and DELETEs be published without making them fail? Of a partitioned table: all leaves'. */
bool walrow__found_has_identity(const walrow__found *table);
/** "replica identity" as walrow_table_info has it; static. */
const char *walrow__found_identity_text(const walrow__found *table);
/** "table", "partitioned table", "view" ...; static. */
const char *walrow__found_kind_text(const walrow__found *table);

/* ---- parts, for discover.c ---- */

/** Fill in what only a second look tells: identity, columns, privileges, sizes. */
walrow_code walrow__discover_details(PGconn *conn, bool with_bytes, walrow__discovery *out,
                                     walrow_error *err) WALROW_MUST_CHECK;

#endif
