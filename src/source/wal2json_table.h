/*
 * source/wal2json_table.h
 *	  The tables of a stream of wal2json, by name. The plugin announces nothing: a change says names and types of the
 *	  columns it sends, today's catalogue the rest. Where both agree the table is as the other plugins announce it.
 *
 * A change from before or after an ALTER TABLE does not agree. Then the catalogue is asked again, and if it still says
 * something else, the table is made of what the change itself says.
 */
#ifndef WALROW_SOURCE_WAL2JSON_TABLE_H
#define WALROW_SOURCE_WAL2JSON_TABLE_H

#include "source/wal2json_document.h"

/* A column as changes send it. */
typedef struct walrow__wal2json_slot {
    char *name, *type; /* type: as wal2json prints it; NULL: a domain, of which its oid says all */
    size_t name_size, type_size;
    uint32_t oid;
    int at;              /* its place in the published table; -1: it is generated, and not published */
    bool may_be_missing; /* from an update: its value may be in TOAST, unchanged */
} walrow__wal2json_slot;

typedef struct walrow__wal2json_table {
    struct walrow__wal2json_table *next; /* of its bucket */
    char *schema, *name;                 /* as changes say them: a partition's own */
    size_t schema_size, name_size;
    bool wanted;                        /* it is captured, perhaps as its root */
    bool is_partition;                  /* its TRUNCATE is the root's affair */
    uint64_t as_of_lsn;                 /* what the catalogue said holds for what was committed before */
    walrow__announced_table *announced; /* shared by the partitions of a root */
    uint64_t epoch;                     /* of the table that slots are of */
    uint32_t relid;
    char *published_schema, *published_name;
    char identity, own_identity; /* the published table's, and its own */
    walrow__column_spec *specs;  /* of the published table; names are the slots' */
    int n_specs;
    walrow__wal2json_slot *slots; /* in the order of changes */
    int n_slots;
} walrow__wal2json_table;

enum { WALROW__WAL2JSON_BUCKETS = 256 };

typedef struct walrow__wal2json_tables {
    walrow__announced announced;
    walrow__wal2json_table *buckets[WALROW__WAL2JSON_BUCKETS];
    walrow__wal2json_table *latest; /* most changes are of the table of the change before */
} walrow__wal2json_tables;

/**
 * The table a change is of, and the change's rows as tuples of it; *table NULL: not captured.
 * old: its identity, if that came (old->n_fields >= 0). As for `new`, fields that did not come are null, or (in the
 * new row of an update) unchanged.
 * Errors: what the catalogue says; WALROW_ERR_PROTOCOL
 */
walrow_code walrow__wal2json_place(walrow__wal2json_tables *tables, walrow__decoder *decoder,
                                   const walrow__wal2json_message *change, walrow__tuple *new,
                                   walrow__tuple *old, walrow__wal2json_table **table,
                                   walrow_error *err) WALROW_MUST_CHECK;
void walrow__wal2json_tables_release(walrow__wal2json_tables *tables);

#endif
