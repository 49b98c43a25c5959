/*
 * kernels/key.h
 *	  The columns by which a batch is partitioned, found in its schema.
 */
#ifndef WALROW_KERNELS_KEY_H
#define WALROW_KERNELS_KEY_H

#include "columns/table.h"

typedef struct walrow__row_key {
    bool of_changes; /* a change batch: it has operations, and old rows */
    int *columns;    /* among the batch's */
    size_t n_columns;
    char *
        stranger; /* the first of them that is not of the replica identity: old rows do not have it; NULL: all are */
    char *table; /* "schema.table", for messages */
} walrow__row_key;

/**
 * @param names  n of them; none: the key of the schema's metadata, walrow.key
 * Errors: WALROW_ERR_USAGE: no such column, or no key
 */
walrow_code walrow__row_key_find(const struct ArrowSchema *schema, const char *const *names, size_t n,
                                 walrow__row_key *out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__row_key_release(walrow__row_key *key);

/** A value of the schema's metadata; data is NULL if it is not there. Borrowed. */
struct ArrowStringView walrow__metadata(const struct ArrowSchema *schema, const char *name);

#endif
