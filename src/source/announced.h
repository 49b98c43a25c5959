/*
 * source/announced.h
 *	  The tables a stream has announced, by relid: each with its schema epoch and its feed into the collector.
 */
#ifndef WALROW_SOURCE_ANNOUNCED_H
#define WALROW_SOURCE_ANNOUNCED_H

#include "source/decoder.h"

typedef struct walrow__announced_table {
    uint32_t relid;
    int n_columns;
    char identity;
    walrow__feed *feed; /* NULL: not captured, its changes do not count */
    bool wanted;        /* wal2arrow, which reads a message twice: will there be a feed? */
} walrow__announced_table;

typedef struct walrow__announced {
    walrow__announced_table **slots; /* open addressing, a power of two */
    size_t capacity, count;
    walrow__announced_table *latest; /* most changes are of the table of the change before */
} walrow__announced;

void walrow__announced_release(walrow__announced *relations);
/** The relation, or NULL if it was never announced. */
walrow__announced_table *walrow__announced_find(walrow__announced *relations, uint32_t relid);
/** The same, made if there is none; NULL: out of memory. */
walrow__announced_table *walrow__announced_find_or_add(walrow__announced *relations, uint32_t relid);
/** Is the table one to capture? */
bool walrow__announced_wants(const walrow__decoder *decoder, const char *schema, const char *name);
/** Take an announcement of a table that is ready; otherwise as below. */
walrow_code walrow__announced_take(walrow__announced *relations, walrow__decoder *decoder,
                                   walrow__table *table, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Take an announcement. A table that is as it was keeps its epoch; a changed one has its batch finished and
 * opens a new epoch.
 */
walrow_code walrow__announced_announce(walrow__announced *relations, walrow__decoder *decoder,
                                       const walrow__relation_message *message,
                                       walrow_error *err) WALROW_MUST_CHECK;

#endif
