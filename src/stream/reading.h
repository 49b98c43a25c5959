/*
 * stream/reading.h
 *	  Which table of a snapshot is being read, and how far that is: told by the thread that reads, asked by any;
 *	  noted in the state now and then, for `walrow status`.
 */
#ifndef WALROW_STREAM_READING_H
#define WALROW_STREAM_READING_H

#include "state/state.h"
#include "stream/plan.h"

#include <pthread.h>

typedef struct walrow__reading {
    walrow__state *state; /* borrowed; NULL: none is kept */
    const walrow__planned_table *planned;
    int64_t noted_at;

    pthread_mutex_t lock; /* of the rest */
    char table[192];      /* "schema.table"; "": none */
    int64_t rows, total;
} walrow__reading;

void walrow__reading_init(walrow__reading *reading);
void walrow__reading_release(walrow__reading *reading);

/** The plan's tables that need it are to be read, and no others. */
walrow_code walrow__reading_plan(walrow__reading *reading, walrow__state *state, const walrow__plan *plan,
                                 walrow_error *err) WALROW_MUST_CHECK;
/** A table begins; borrowed until the next one, or the end. */
void walrow__reading_begin(walrow__reading *reading, const walrow__planned_table *table);
/** So many more rows of it were read. */
walrow_code walrow__reading_add(walrow__reading *reading, int64_t rows, walrow_error *err) WALROW_MUST_CHECK;
void walrow__reading_end(walrow__reading *reading);

/** From any thread: is a table being read? Then table is "schema.table", *total 0 if not known. */
bool walrow__reading_now(walrow__reading *reading, char *table, size_t size, uint64_t *rows, uint64_t *total);

#endif
