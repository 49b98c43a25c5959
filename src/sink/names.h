/*
 * sink/names.h
 *	  The names a directory sink gives (the command's contract, "Sinks"): they sort in delivery order, and
 * they are where the sink's position is kept.
 *
 *	  SCHEMA.TABLE/FIRST-LAST.EXT        positions, each 16 hex digits (lower case) of commit LSN, "_", 10
 * digits SCHEMA.TABLE/LSN_r-CHUNK.EXT       a snapshot's: 16 hex digits, 8 digits of chunk from 0
 *	  SCHEMA.TABLE/.FIRST.EXT            staged: a file of changes being written
 *	  SCHEMA.TABLE/.LSN_r-CHUNK.EXT      staged: a snapshot's file whose table is not finished
 */
#ifndef WALROW_SINK_NAMES_H
#define WALROW_SINK_NAMES_H

#include "columns/batch.h"

enum {
    WALROW__TABLE_NAME_MAX = 200, /* bytes; longer ones are cut and get a hash */
    WALROW__FILE_NAME_SIZE = 96
};

typedef enum walrow__name_kind {
    WALROW__NAME_OTHER, /* not one of ours */
    WALROW__NAME_CHANGES,
    WALROW__NAME_CHUNK,
    WALROW__NAME_STAGED_CHANGES,
    WALROW__NAME_STAGED_CHUNK
} walrow__name_kind;

typedef struct walrow__name {
    walrow__name_kind kind;
    walrow__position first, last; /* of changes; a staged name has no last */
    uint64_t lsn;                 /* of a chunk */
    uint32_t chunk;
} walrow__name;

/* SCHEMA.TABLE, percent-encoded and cut; malloc'ed, NULL: out of memory. */
char *walrow__name_table(const char *schema_name, const char *table_name);

/* extension with its dot; buffer of WALROW__FILE_NAME_SIZE. */
void walrow__name_print(const walrow__name *name, const char *extension, char *buffer);
walrow__name walrow__name_parse(const char *text, const char *extension);

#endif
