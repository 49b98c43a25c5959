/*
 * sink/event/value_text.h
 *	  Arrow values as text, for events: what PostgreSQL prints for them. columns/ has the rest of them.
 */
#ifndef WALROW_SINK_VALUE_TEXT_H
#define WALROW_SINK_VALUE_TEXT_H

#include "base/strbuf.h"

void walrow__print_uuid(walrow__strbuf *buf, const uint8_t bytes[16]);
/* Little-endian two's complement of 128 or 256 bits; all digits of the scale. */
void walrow__print_decimal(walrow__strbuf *buf, const uint8_t *bytes, int n_bits, int scale);
void walrow__print_hex(walrow__strbuf *buf, const uint8_t *bytes, size_t size);

#endif
