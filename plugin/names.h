/*
 * names.h
 *	  Lists of names in options: separated by commas, dotted, each bare or in double quotes as in SQL. Bare names
 *	  keep their case; '*' and '?' in them match.
 */
#ifndef WAL2ARROW_NAMES_H
#define WAL2ARROW_NAMES_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef struct name_pattern {
    char *text;
    bool literal; /* was quoted: '*' and '?' are themselves */
} name_pattern;

/* The items, of char *, without blanks around them; NIL and false: an empty item or an open quote. */
extern bool names_split(const char *text, List **items);
/* The n dotted names an item begins with; where they end, or NULL if there are not n. */
extern const char *names_read(const char *text, name_pattern *names, int n);
extern bool name_matches(const name_pattern *pattern, const char *name);

#endif
