/*
 * encoding.h
 *	  Text of the database as UTF-8: what Arrow holds and what clients with client_encoding UTF8 see.
 */
#ifndef WAL2ARROW_ENCODING_H
#define WAL2ARROW_ENCODING_H

#include "postgres.h"

/* Whether the database's text has to be converted. Of an SQL_ASCII database nobody knows what it is. */
extern bool encoding_converts(void);

/*
 * The text itself or, converted, a palloc'ed one (*size changes with it). ereports where a character has no
 * equivalent. It need not be UTF-8: in an SQL_ASCII database, or where "char" before 15 made a text of any byte.
 */
extern const char *encoding_to_utf8(const char *text, size_t *size);

/* The same of a name that ends with a zero; palloc'ed. */
extern char *encoding_name(const char *name);

#endif
