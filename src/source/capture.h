/*
 * source/capture.h
 *	  What of the server's changes is wanted: the port through which decoders ask about a table they meet.
 */
#ifndef WALROW_SOURCE_CAPTURE_H
#define WALROW_SOURCE_CAPTURE_H

#include <walrow.h>

typedef struct walrow__capture {
    void *arg;
    bool (*matches)(void *arg, const char *schema, const char *table);
    /* The Arrow type asked for a column instead of the type table's, or NULL. */
    const char *(*override)(void *arg, const char *schema, const char *table, const char *column);
    /* Changes of the table committed before this are in its snapshot: counted, not delivered. 0: none. */
    uint64_t (*from_lsn)(void *arg, const char *schema, const char *table);
} walrow__capture;

#endif
