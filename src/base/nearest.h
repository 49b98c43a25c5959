/*
 * base/nearest.h
 *	  Which known name did they mean? Also compiled into the command, for its own words.
 */
#ifndef WALROW_BASE_NEAREST_H
#define WALROW_BASE_NEAREST_H

#include <stddef.h>

/** Edits (insert, delete, replace, swap of neighbours) between two names, letters' case aside; texts past 127
 * bytes are cut. */
int walrow__edit_distance(const char *a, const char *b);

/* Collects the n best of many names; borrowed pointers. */
typedef struct walrow__nearest {
    const char *word;
    const char *names[3];
    int distances[3];
    int count;
} walrow__nearest;

void walrow__nearest_init(walrow__nearest *nearest, const char *word);
/** Offer a name; it is kept if it is near enough for a slip of the fingers, and about as near as the best. */
void walrow__nearest_offer(walrow__nearest *nearest, const char *name);
/** "a, b or c", in buffer; "" if nothing was near. */
const char *walrow__nearest_text(const walrow__nearest *nearest, char *buffer, size_t size);

#endif
