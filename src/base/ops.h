/*
 * base/ops.h
 *	  Kinds of changes, by the letter `_op` has for them, and the words that options and sinks name them with.
 */
#ifndef WALROW_BASE_OPS_H
#define WALROW_BASE_OPS_H

#include "base/texts.h"

typedef struct walrow__ops {
    bool has[256]; /* 'M': logical messages */
} walrow__ops;

void walrow__ops_add_all(walrow__ops *ops);
/** Add those of a list like "insert,update". Returns where its first unknown word begins; NULL: all are known. */
const char *walrow__ops_add(walrow__ops *ops, const char *words);
/** The same of several lists. */
const char *walrow__ops_add_lists(walrow__ops *ops, const walrow__texts *lists);

#define WALROW__OPS_HINT "events are insert, update, delete, truncate, read and message"

#endif
