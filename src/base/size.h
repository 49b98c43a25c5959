/*
 * base/size.h
 *	  Sizes as PostgreSQL's settings write them: a whole number and a unit, powers of 1024 ("128MB").
 */
#ifndef WALROW_BASE_SIZE_H
#define WALROW_BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* Digits only; false on anything else or past max. */
bool walrow__count_parse(const char *text, uint64_t max, uint64_t *out);
/* Digits and B, kB, MB, GB or TB, in any case; no unit is bytes. */
bool walrow__size_parse(const char *text, uint64_t *out);

#endif
