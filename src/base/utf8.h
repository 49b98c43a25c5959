/*
 * base/utf8.h
 *	  Is it UTF-8? (RFC 3629: no surrogates, no overlong forms, nothing past U+10FFFF.)
 */
#ifndef WALROW_BASE_UTF8_H
#define WALROW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool walrow__utf8_valid(const void *bytes, size_t size);

#endif
