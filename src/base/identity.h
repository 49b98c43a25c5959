/*
 * base/identity.h
 *	  What stored positions belong to: an LSN of one server, database and slot means nothing to another.
 */
#ifndef WALROW_BASE_IDENTITY_H
#define WALROW_BASE_IDENTITY_H

#include <stdint.h>

struct walrow__timelines;

typedef struct walrow__identity {
    uint64_t system_identifier;
    uint32_t timeline;
    const char *database;
    const char *slot;
    const struct walrow__timelines *timelines; /* how the server came to its timeline; NULL: a recording */
} walrow__identity;

#endif
