/*
 * sink/event/letters.h
 *	  A change set's dead letters, to be found by their place: wal2json prints values that no Arrow type holds.
 */
#ifndef WALROW_SINK_EVENT_LETTERS_H
#define WALROW_SINK_EVENT_LETTERS_H

#include <walrow.h>

typedef struct walrow__event_letters {
    const walrow_dead_letter **items; /* in the order of positions; borrowed from the change set */
    size_t count;
} walrow__event_letters;

/** Put them in order. A snapshot's rows have no position of their own: none of those is found. */
walrow_code walrow__event_letters_find(walrow__event_letters *letters, const walrow_changes *changes,
                                       walrow_error *err) WALROW_MUST_CHECK;
void walrow__event_letters_release(walrow__event_letters *letters);
/* The one of a column, of the new row or the old; NULL: the value is null. A position is of one table. */
const walrow_dead_letter *walrow__event_letters_at(const walrow__event_letters *letters, uint64_t lsn,
                                                   uint32_t seq, const char *column, bool old);

#endif
