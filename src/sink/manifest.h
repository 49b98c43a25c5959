/*
 * sink/manifest.h
 *	  What a sink of files remembers beside its data: whom the data belongs to and which tables' snapshots it
 * has. A JSON object: DIR/_walrow.json of a directory, .FILE.walrow.json beside a file.
 *
 *	  {"version": 1, "walrow": "0.1.0", "format": "arrow", "partition": "day", "system_identifier": "7311...",
 *	   "timeline": 1, "database": "shop", "slot": "walrow",
 *	   "snapshot": {"public.orders": {"schema": "public", "table": "orders", "relid": 16401, "point":
 * "0/15D6B88", "files": 3, "state": "done"}}}
 *
 * State "renaming" is the write-ahead of a table's snapshot: all of its files are durable under their staged
 * names. Replaced as a whole, durably.
 */
#ifndef WALROW_SINK_MANIFEST_H
#define WALROW_SINK_MANIFEST_H

#include "sink/sink.h"

#include <jansson.h>

typedef struct walrow__manifest {
    char *path;
    char *place;  /* what it belongs to, for messages */
    json_t *root; /* the object; a sink keeps things of its own in it */
    bool found;   /* it was there before */
} walrow__manifest;

typedef struct walrow__snapshot_record {
    const char *schema_name, *table_name; /* borrowed */
    uint32_t relid;
    uint64_t point;
    uint32_t files;
    bool done; /* else its files are being renamed */
} walrow__snapshot_record;

/** Read it without asking whose it is; found says whether it is there. */
walrow_code walrow__manifest_read(walrow__manifest *manifest, const char *path, const char *place,
                                  walrow_error *err) WALROW_MUST_CHECK;
/** The same of bytes that were kept elsewhere than in a file; NULL: there are none. Not to be saved. */
walrow_code walrow__manifest_take(walrow__manifest *manifest, const char *place, const char *bytes,
                                  size_t size, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Compare the identity, or take it where there is none yet (not saved).
 * @param format     "arrow", "parquet", "jsonl"
 * @param partition  "day", or NULL
 * Errors: WALROW_ERR_STATE, with both identities and the way out
 */
walrow_code walrow__manifest_claim(walrow__manifest *manifest, const walrow__identity *identity,
                                   const char *format, const char *partition,
                                   walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__manifest_save(walrow__manifest *manifest, walrow_error *err) WALROW_MUST_CHECK;
void walrow__manifest_release(walrow__manifest *manifest);
/* Of the server it was last written from; to change it is not to save it. */
uint32_t walrow__manifest_timeline(const walrow__manifest *manifest);
walrow_code walrow__manifest_set_timeline(walrow__manifest *manifest, uint32_t timeline,
                                          walrow_error *err) WALROW_MUST_CHECK;

/* table: as walrow__name_table makes it. */
bool walrow__manifest_snapshot(const walrow__manifest *manifest, const char *table,
                               walrow__snapshot_record *out);
walrow_code walrow__manifest_set_snapshot(walrow__manifest *manifest, const char *table,
                                          const walrow__snapshot_record *record,
                                          walrow_error *err) WALROW_MUST_CHECK;

/* The latest consistent point of all snapshots; 0: there are none. */
uint64_t walrow__manifest_last_point(const walrow__manifest *manifest);
/* Is there a record of the table's snapshot whose rows carry the LSN? manifest: a walrow__manifest. */
bool walrow__manifest_counts(void *manifest, const char *schema_name, const char *table_name, uint64_t lsn);

/* Numbers and LSNs of the object; 0 where there is none. */
uint64_t walrow__manifest_u64(const json_t *object, const char *key);
uint64_t walrow__manifest_lsn(const json_t *object, const char *key);
json_t *walrow__manifest_lsn_json(uint64_t lsn);

#endif
