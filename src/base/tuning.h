/*
 * base/tuning.h
 *	  A number that nobody has to set: tests make it small, so that little data meets every case.
 */
#ifndef WALROW_BASE_TUNING_H
#define WALROW_BASE_TUNING_H

#include <stdint.h>
#include <stdlib.h>

/* The environment's, if it has one above zero. */
static inline uint64_t
walrow__tuning(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    uint64_t value = text == NULL ? 0 : strtoull(text, NULL, 10);
    return value == 0 ? usual : value;
}

#endif
