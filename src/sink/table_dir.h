/*
 * sink/table_dir.h
 *	  One directory of a table's files (with ?partition=day, of one day of it): what is in it, by the names,
 * and the files being written. Each such directory is a memory of positions for itself, for commit times are
 * not ordered by LSN.
 */
#ifndef WALROW_SINK_TABLE_DIR_H
#define WALROW_SINK_TABLE_DIR_H

#include "sink/dead_letters.h"
#include "sink/manifest.h"
#include "sink/part.h"

/* What the directories of a sink have in common. */
typedef struct walrow__lake {
    char *path;
    const walrow__table_format *format;
    void *shared; /* of the format's writers */
    walrow__dead_letters dead_letters;
    walrow__manifest manifest;
    int64_t rotate_rows, rotate_bytes; /* may change meanwhile: read through walrow__live */
} walrow__lake;

typedef struct walrow__table_dir {
    walrow__lake *lake;
    char *key; /* under the sink's directory: "SCHEMA.TABLE" or "SCHEMA.TABLE/_commit_date=2024-05-01" */
    char *path;
    walrow__position
        floor; /* rows at or below it are here already, staged or final, or in the table's snapshot */
    walrow__part changes; /* open file of changes */
    walrow__part chunk;   /* open file of a snapshot */
    uint64_t chunk_lsn;
    uint32_t n_chunks; /* files of the snapshot closed under their staged names */
    struct walrow__table_dir *next;
} walrow__table_dir;

walrow_code walrow__table_dir_new(walrow__lake *lake, const char *key, walrow__table_dir **out,
                                  walrow_error *err) WALROW_MUST_CHECK;
/* Closes nothing; staged files of this run are removed. */
void walrow__table_dir_free(walrow__table_dir *dir);
/* Is it a directory of the table: its key, or a partition below it? */
bool walrow__table_dir_of(const walrow__table_dir *dir, const char *table);

/**
 * Read the names, remove what is staged, or complete the renames of a snapshot that was recorded.
 * Errors: WALROW_ERR_STATE: files, but no manifest that says whose
 */
walrow_code walrow__table_dir_recover(walrow__table_dir *dir, walrow_error *err) WALROW_MUST_CHECK;
/** The last position of the final names; reads only. */
walrow_code walrow__table_dir_last(const walrow__table_dir *dir, walrow__position *out,
                                   walrow_error *err) WALROW_MUST_CHECK;

/** Rows [start, end) of a batch of changes. before_lsn: see walrow__part. */
walrow_code walrow__table_dir_append(walrow__table_dir *dir, const walrow_batch *batch, int64_t start,
                                     int64_t end, uint64_t before_lsn, walrow_error *err) WALROW_MUST_CHECK;
/** End the open file of changes: durable, then under its final name. */
walrow_code walrow__table_dir_finish(walrow__table_dir *dir, walrow_error *err) WALROW_MUST_CHECK;

/** Rows [start, end) of a snapshot. */
walrow_code walrow__table_dir_append_chunk(walrow__table_dir *dir, const walrow_batch *batch, int64_t start,
                                           int64_t end, walrow_error *err) WALROW_MUST_CHECK;
/** End the snapshot's open file; all of them are durable under their staged names. */
walrow_code walrow__table_dir_stage_chunks(walrow__table_dir *dir, walrow_error *err) WALROW_MUST_CHECK;
/** Give them their final names. */
walrow_code walrow__table_dir_publish_chunks(walrow__table_dir *dir, walrow_error *err) WALROW_MUST_CHECK;
/** Remove them: the snapshot begins anew. */
void walrow__table_dir_discard_chunks(walrow__table_dir *dir);

#endif
