/*
 * source/wal2arrow_ordinals.h
 *	  The plugin counts `_seq` over all tables it publishes, walrow over those that match: which ordinals of a
 *	  message are of tables nobody wants, and what the others become.
 */
#ifndef WALROW_SOURCE_WAL2ARROW_ORDINALS_H
#define WALROW_SOURCE_WAL2ARROW_ORDINALS_H

#include "columns/wire_rows.h"

typedef struct walrow__ordinals {
    walrow__position *dropped; /* of this message; ascending once they are sorted */
    size_t n, capacity;
    uint32_t n_before; /* dropped in earlier messages of the transaction; 0: it begins in this one */
} walrow__ordinals;

void walrow__ordinals_release(walrow__ordinals *ordinals);

/** All rows of a batch are dropped. false: out of memory. */
bool walrow__ordinals_drop(walrow__ordinals *ordinals, const walrow__wire_rows *rows) WALROW_MUST_CHECK;
void walrow__ordinals_sort(walrow__ordinals *ordinals);
/** The ordinal among those of tables that are wanted. */
uint32_t walrow__ordinals_renumber(const walrow__ordinals *ordinals, walrow__position position);
/** The message ends; the transaction that committed, or will, at that LSN may go on in the next one. */
void walrow__ordinals_carry(walrow__ordinals *ordinals, uint64_t commit_lsn);

/** Do any become others? */
static inline bool
walrow__ordinals_differ(const walrow__ordinals *ordinals)
{
    return ordinals->n > 0 || ordinals->n_before > 0;
}

#endif
