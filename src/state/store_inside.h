/*
 * state/store_inside.h
 *	  What the store's own files know of each other: RocksDB's handles.
 */
#ifndef WALROW_STATE_STORE_INSIDE_H
#define WALROW_STATE_STORE_INSIDE_H

#include "state/look.h"
#include "state/store.h"

#include <rocksdb/c.h>

/* Column families: RocksDB keeps each in files of its own. */
typedef enum walrow__store_family {
    WALROW__STORE_MAP,
    WALROW__STORE_LOG,
    WALROW__STORE_FAMILIES
} walrow__store_family;

struct walrow__store {
    char *path;
    walrow__look *look; /* only to be read */
    rocksdb_t *db;
    rocksdb_column_family_handle_t *families[WALROW__STORE_FAMILIES];
    rocksdb_options_t *options, *log_options;
    rocksdb_readoptions_t *reading;
    rocksdb_writeoptions_t *writing, *committing;
    walrow_error failure; /* of the first commit that failed; nothing is written after it */
};

/* The type has no definition: it is RocksDB's write batch under a name of ours. */
static inline rocksdb_writebatch_t *
walrow__store_batch(walrow__store_write *write)
{
    return (rocksdb_writebatch_t *)write;
}

/** Call fn with the value, NULL if there is none. */
walrow_code walrow__store_read(walrow__store *store, walrow__store_family family, const char *key,
                               size_t key_size, walrow__store_read_fn fn, void *arg,
                               walrow_error *err) WALROW_MUST_CHECK;

rocksdb_iterator_t *walrow__store_iterate(walrow__store *store, walrow__store_family family);
bool walrow__store_has_prefix(rocksdb_iterator_t *at, const char *prefix);
/** Takes the iterator; what it could not read is an error. */
walrow_code walrow__store_end_iteration(walrow__store *store, rocksdb_iterator_t *at,
                                        walrow_error *err) WALROW_MUST_CHECK;

#endif
