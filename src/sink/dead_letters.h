/*
 * sink/dead_letters.h
 *	  The file of values their columns could not hold: a JSON line each, durable before their rows are.
 *
 * A row that was not finished before a crash comes again, and its dead letters with it: those that are in the
 * file already are known by a hash of position, table, column and tuple, and not written twice.
 */
#ifndef WALROW_SINK_DEAD_LETTERS_H
#define WALROW_SINK_DEAD_LETTERS_H

#include "base/strbuf.h"

#include <walrow.h>

typedef struct walrow__dead_letters {
    char *path;
    int fd;                 /* -1 until there is one to write */
    walrow__strbuf pending; /* not written yet */
    bool unsynced;
    uint64_t size; /* of the file, pending ones included */
    uint64_t *known;
    size_t n_known;
} walrow__dead_letters;

/* Does a snapshot of the table with rows at this LSN count? */
typedef bool (*walrow__snapshot_counts_fn)(void *arg, const char *schema_name, const char *table_name,
                                           uint64_t lsn);

/**
 * Read what the file has; a half line at its end and the lines of snapshots that do not count are taken out.
 * @param max_size  bytes that are good; what follows was not synced. UINT64_MAX: all
 */
walrow_code walrow__dead_letters_open(walrow__dead_letters *letters, const char *path, uint64_t max_size,
                                      walrow__snapshot_counts_fn counts, void *arg,
                                      walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__dead_letters_add(walrow__dead_letters *letters, const walrow_dead_letter *letter,
                                     walrow_error *err) WALROW_MUST_CHECK;
/* All of a change set. */
walrow_code walrow__dead_letters_add_all(walrow__dead_letters *letters, const walrow_changes *changes,
                                         walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__dead_letters_sync(walrow__dead_letters *letters, walrow_error *err) WALROW_MUST_CHECK;
void walrow__dead_letters_release(walrow__dead_letters *letters);

/* One as a line of JSON, with its end. */
void walrow__dead_letter_print(walrow__strbuf *buf, const walrow_dead_letter *letter);

/* For a sink that has nowhere to keep them: count them, and say so once per change set. */
void walrow__dead_letters_warn(const char *uri, const walrow_changes *changes);

#endif
