/*
 * columns/print_types.h
 *	  PostgreSQL's types that become utf8 although their binary form is not text: what their output functions
 *	  print. Without them one inet column would make the server send every column of every table as text.
 */
#ifndef WALROW_COLUMNS_PRINT_TYPES_H
#define WALROW_COLUMNS_PRINT_TYPES_H

#include "base/strbuf.h"

/** Print a value of a type by its oid. false: malformed, or a type that is not here. */
bool walrow__print_type(uint32_t oid, const uint8_t *bytes, size_t size, walrow__strbuf *out);

/* network_send: family, bits, is it a cidr, size, address (network.c). */
bool walrow__print_network(const uint8_t *bytes, size_t size, walrow__strbuf *out);
/* range_send and multirange_send, with bounds of a type by its oid (rangetypes.c, multirangetypes.c). */
bool walrow__print_range(uint32_t bound_oid, const uint8_t *bytes, size_t size, walrow__strbuf *out);
bool walrow__print_multirange(uint32_t bound_oid, const uint8_t *bytes, size_t size, walrow__strbuf *out);

/* out from start on between quotes, each quote and backslash after one of its own: a backslash, or itself. */
void walrow__quote(walrow__strbuf *out, size_t start, bool doubled);
/* The same where array_out and record_out would, for an element or a field printed from start on. */
void walrow__quote_element(walrow__strbuf *out, size_t start, char delimiter);
void walrow__quote_field(walrow__strbuf *out, size_t start);

#endif
