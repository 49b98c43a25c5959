/*
 * source/relations.h
 *	  The tables a stream has announced, by relid: each with its schema epoch and its feed into the collector.
 */
#ifndef WALROW_SOURCE_RELATIONS_H
#define WALROW_SOURCE_RELATIONS_H

#include "source/decoder.h"

typedef struct walrow__relation {
    uint32_t relid;
    int n_columns;
    char identity;
    walrow__feed *feed; /* NULL: not captured, its changes do not count */
} walrow__relation;

typedef struct walrow__relations {
    walrow__relation **slots; /* open addressing, a power of two */
    size_t capacity, count;
    walrow__relation *latest; /* most changes are of the table of the change before */
} walrow__relations;

void walrow__relations_release(walrow__relations *relations);
/** The relation, or NULL if it was never announced. */
walrow__relation *walrow__relations_find(walrow__relations *relations, uint32_t relid);
/**
 * Take an announcement. A table that is as it was keeps its epoch; a changed one has its batch finished and opens
 * a new epoch.
 */
walrow_code walrow__relations_announce(walrow__relations *relations, walrow__decoder *decoder,
                                       const walrow__relation_message *message, walrow_error *err) WALROW_MUST_CHECK;

#endif
