/*
 * state/store.h
 *	  A durable map of keys to values, and a log of numbered entries, in a directory of their own: RocksDB,
 *	  through its C interface, with the choices walrow makes. A write, of both, is whole and synced, or not there.
 *
 * What a crash may leave (the torn end of a log) is recovered from; anything else that is not as it was
 *	  written is an error, and never an empty store. Threads: any, at the same time.
 */
#ifndef WALROW_STATE_STORE_H
#define WALROW_STATE_STORE_H

#include <stdbool.h>
#include <walrow.h>

typedef struct walrow__store walrow__store;
typedef struct walrow__store_write walrow__store_write;

typedef enum walrow__store_mode {
    WALROW__STORE_CREATE, /* a directory without one becomes one */
    WALROW__STORE_EXISTING,
    WALROW__STORE_READ_ONLY /* as it is now, whoever has it open */
} walrow__store_mode;

/** Errors: WALROW_ERR_STATE, with the way out. */
walrow_code walrow__store_open(const char *path, walrow__store_mode mode, walrow__store **out,
                               walrow_error *err) WALROW_MUST_CHECK;
void walrow__store_close(walrow__store *store); /* NULL is allowed */

/** The value, malloc'ed and NUL-terminated; NULL: there is none. size may be NULL. */
walrow_code walrow__store_get(walrow__store *store, const char *key, char **value, size_t *size,
                              walrow_error *err) WALROW_MUST_CHECK;

/* What is to be written at once; NULL: out of memory, which put and commit take as such. */
walrow__store_write *walrow__store_begin(void);
void walrow__store_put(walrow__store_write *write, const char *key, const void *value, size_t size);
void walrow__store_put_text(walrow__store_write *write, const char *key, const char *text);

void walrow__store_delete(walrow__store_write *write, const char *key);

/** Call each for every key that begins with prefix, in order; both texts are borrowed during the call. */
typedef walrow_code (*walrow__store_each_key_fn)(void *arg, const char *key, const char *value,
                                                 walrow_error *err);
walrow_code walrow__store_each_key(walrow__store *store, const char *prefix, walrow__store_each_key_fn each,
                                   void *arg, walrow_error *err) WALROW_MUST_CHECK;

/* The log: entries are large, at least a byte, written once, read a few times and trimmed from the front. */
void walrow__store_append(walrow__store *store, walrow__store_write *write, uint64_t number,
                          const char *bytes, size_t size);
/** Remove the entries from first on, up to end, which stays. */
void walrow__store_remove(walrow__store *store, walrow__store_write *write, uint64_t first, uint64_t end);
/** Call fn with the entry, borrowed during the call; bytes is NULL: there is none. */
typedef walrow_code (*walrow__store_read_fn)(void *arg, const char *bytes, size_t size, walrow_error *err);
walrow_code walrow__store_read_entry(walrow__store *store, uint64_t number, walrow__store_read_fn fn,
                                     void *arg, walrow_error *err) WALROW_MUST_CHECK;
/** Call each for every entry, in order, with its first byte and its size, for which entries need not be read. */
typedef void (*walrow__store_each_fn)(void *arg, uint64_t number, char first, size_t size);
walrow_code walrow__store_each_entry(walrow__store *store, walrow__store_each_fn each, void *arg,
                                     walrow_error *err) WALROW_MUST_CHECK;

/** Make it durable, as a whole; frees write whatever the outcome. */
walrow_code walrow__store_commit(walrow__store *store, walrow__store_write *write,
                                 walrow_error *err) WALROW_MUST_CHECK;

/** Write it as a whole, durable with the next commit and never without what was written before; frees write too. */
walrow_code walrow__store_write_out(walrow__store *store, walrow__store_write *write,
                                    walrow_error *err) WALROW_MUST_CHECK;

/** Let go of what is not to be written after all; NULL is allowed. */
void walrow__store_abandon(walrow__store_write *write);

#endif
