/*
 * sink/value_text.h
 *	  Arrow values as the text PostgreSQL prints for them under walrow's session settings (DateStyle ISO,
 *	  IntervalStyle postgres, TimeZone UTC, extra_float_digits 3): for events.
 */
#ifndef WALROW_SINK_VALUE_TEXT_H
#define WALROW_SINK_VALUE_TEXT_H

#include "base/strbuf.h"

/* Days since 1970-01-01; the type's limits are the infinities. */
void walrow__print_date32(walrow__strbuf *buf, int32_t days);
/* Microseconds since midnight. */
void walrow__print_time64(walrow__strbuf *buf, int64_t us);
/* Microseconds since 1970-01-01; the type's limits are the infinities. with_zone: "+00" follows. */
void walrow__print_timestamp(walrow__strbuf *buf, int64_t us, bool with_zone);
/* 2024-05-01T12:00:00.000000Z */
void walrow__print_iso8601(walrow__strbuf *buf, int64_t us);
void walrow__print_interval(walrow__strbuf *buf, int32_t months, int32_t days, int64_t ns);
void walrow__print_uuid(walrow__strbuf *buf, const uint8_t bytes[16]);
/* Little-endian two's complement of 128 or 256 bits; all digits of the scale. */
void walrow__print_decimal(walrow__strbuf *buf, const uint8_t *bytes, int n_bits, int scale);
void walrow__print_hex(walrow__strbuf *buf, const uint8_t *bytes, size_t size);

#endif
