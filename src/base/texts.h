/*
 * base/texts.h
 *	  A list of malloc'ed strings; after the last one stands a NULL (an empty list has no items at all).
 */
#ifndef WALROW_BASE_TEXTS_H
#define WALROW_BASE_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct walrow__texts {
    char **items;
    size_t count;
} walrow__texts;

bool walrow__texts_add(walrow__texts *texts, const char *text); /* a copy; false: out of memory */
bool walrow__texts_has(const walrow__texts *texts, const char *text);
void walrow__texts_release(walrow__texts *texts);

#endif
