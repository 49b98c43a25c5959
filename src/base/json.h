/*
 * base/json.h
 *	  Writing JSON text (RFC 8259) into a strbuf. UTF-8 passes through unescaped.
 */
#ifndef WALROW_BASE_JSON_H
#define WALROW_BASE_JSON_H

#include "base/strbuf.h"

/* What goes between the quotes. */
void walrow__json_add_escaped(walrow__strbuf *buf, const char *text, size_t size);
/* A string with its quotes; size bytes, or a NUL-terminated text, or null for NULL. */
void walrow__json_add_string(walrow__strbuf *buf, const char *text, size_t size);
void walrow__json_add_text(walrow__strbuf *buf, const char *text);
/* "key": */
void walrow__json_add_key(walrow__strbuf *buf, const char *key);
/* Bytes in base64 (RFC 4648, padded), with quotes. */
void walrow__json_add_base64(walrow__strbuf *buf, const void *bytes, size_t size);

#endif
