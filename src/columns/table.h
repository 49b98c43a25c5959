/*
 * columns/table.h
 *	  A table at one schema epoch: its columns, key, fingerprint, and the Arrow schema of its change batches.
 *	  Shared by counting references (atomic), because batches outlive the decoder that made them.
 */
#ifndef WALROW_COLUMNS_TABLE_H
#define WALROW_COLUMNS_TABLE_H

#include "columns/type.h"

/* The seven columns in front of the table's own, in this order; see DESIGN "The data". */
enum {
    WALROW__OP,
    WALROW__COMMIT_LSN,
    WALROW__SEQ,
    WALROW__XID,
    WALROW__COMMIT_TIME,
    WALROW__UNCHANGED,
    WALROW__OLD,
    WALROW__N_META
};

typedef struct walrow__table_column {
    char *name;
    walrow__type type;
    bool is_key; /* part of the replica identity; through a root the root's */
} walrow__table_column;

typedef struct walrow__table {
    int references;
    char *schema_name;
    char *name;
    uint32_t relid;
    char identity;  /* pg_class.relreplident: d default, n nothing, f full, i index */
    uint64_t epoch; /* fingerprint of the columns' names, types, typmods and the key */
    walrow__table_column *columns;
    int n_columns;
    struct ArrowSchema schema; /* of a change batch */
    walrow__type old_type;     /* STRUCT of the columns: borrows their types */
} walrow__table;

/* What a source knows of a column when it makes a table. */
typedef struct walrow__column_spec {
    const char *name;
    uint32_t oid;
    int32_t typmod;
    bool is_key;
    const char *override; /* NULL or an Arrow type's name */
} walrow__column_spec;

walrow_code walrow__table_new(walrow__catalog *catalog, const char *schema_name, const char *name,
                              uint32_t relid, char identity, const walrow__column_spec *columns,
                              int n_columns, walrow__table **out, walrow_error *err) WALROW_MUST_CHECK;
/**
 * The table that a schema from the wire describes, which must be to the letter the one walrow__table_new would
 * give it, but for the version of walrow that made it. Its values cannot be read from text or binary.
 * Errors: WALROW_ERR_PROTOCOL
 */
walrow_code walrow__table_from_schema(const struct ArrowSchema *schema, uint32_t relid, char identity,
                                      walrow__table **out, walrow_error *err) WALROW_MUST_CHECK;
/** The table with n of its columns, numbers ascending. Values cannot be read from text or binary, either. */
walrow_code walrow__table_project(const walrow__table *table, const int *columns, int n, walrow__table **out,
                                  walrow_error *err) WALROW_MUST_CHECK;
walrow__table *walrow__table_ref(walrow__table *table);
void walrow__table_unref(walrow__table *table); /* NULL is allowed */
/** Every column's type can be read in binary. *column: the first that cannot; may be NULL. */
bool walrow__table_has_binary(const walrow__table *table, const char **column);
/* The type of `_unchanged`: list of utf8. */
const walrow__type *walrow__table_unchanged_type(void);
/** Of one of the seven: "_op", prefixed "_walrow_op". */
const char *walrow__meta_name(bool prefixed, int meta);
/** The batch column's name: "_op", or "_walrow_op" in a table that owns one of the seven names. */
const char *walrow__table_meta_name(const walrow__table *table, int meta);

/* ---- making one, internal to columns/ ---- */

/* A table without names and columns. */
walrow_code walrow__table_begin(uint32_t relid, char identity, walrow__table **out,
                                walrow_error *err) WALROW_MUST_CHECK;
/* Names and columns are there: the rest follows from them. */
walrow_code walrow__table_complete(walrow__table *table, walrow_error *err) WALROW_MUST_CHECK;

#endif
