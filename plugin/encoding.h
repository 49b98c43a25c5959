/*
 * encoding.h
 *	  Text of the database as UTF-8: what Arrow holds and what clients with client_encoding UTF8 see.
 */
#ifndef WAL2ARROW_ENCODING_H
#define WAL2ARROW_ENCODING_H

#include "postgres.h"

/* Whether text is valid UTF-8 as it is, because the server made sure of it. */
extern bool encoding_is_utf8(void);

/*
 * The text itself or, from another encoding, converted and palloc'ed (*size changes with it). In an SQL_ASCII
 * database nothing is known of an encoding: the bytes as they are. ereports where a character has no equivalent.
 */
extern const char *encoding_to_utf8(const char *text, size_t *size);

/* The same of a name that ends with a zero; palloc'ed. */
extern char *encoding_name(const char *name);

#endif
