/*
 * columns/datetime.h
 *	  PostgreSQL's dates, times and intervals as text (DateStyle ISO, IntervalStyle postgres, TimeZone UTC):
 *	  read into Arrow's units, printed from either's. The integers' limits are the infinities.
 */
#ifndef WALROW_COLUMNS_DATETIME_H
#define WALROW_COLUMNS_DATETIME_H

#include "columns/column.h"

/* Arrow's month_day_nano interval, as it lies in the buffer. */
typedef struct walrow__month_day_nano {
    int32_t months;
    int32_t days;
    int64_t ns;
} walrow__month_day_nano;

/* WALROW__APPENDED and *out, or WALROW__UNREPRESENTABLE or WALROW__MALFORMED and *reason. */
walrow__appended walrow__parse_date(const uint8_t *bytes, size_t size, int32_t *days_since_1970,
                                    const char **reason);
walrow__appended walrow__parse_time(const uint8_t *bytes, size_t size, int64_t *us, const char **reason);
walrow__appended walrow__parse_timestamp(const uint8_t *bytes, size_t size, bool with_tz,
                                         int64_t *us_since_1970, const char **reason);
walrow__appended walrow__parse_interval(const uint8_t *bytes, size_t size, walrow__month_day_nano *out,
                                        const char **reason);

/* From days and microseconds since 1970-01-01, as Arrow has them; any integer is printed. */
void walrow__print_date(int32_t days, walrow__strbuf *out);
void walrow__print_timestamp(int64_t us, bool with_tz, walrow__strbuf *out);
/* 2024-05-01T12:00:00.000000Z */
void walrow__print_iso8601(int64_t us, walrow__strbuf *out);

/* From what the send functions write: days and microseconds since 2000-01-01, zones in seconds west of
 * Greenwich. */
void walrow__print_pg_date(int32_t days, walrow__strbuf *out);
void walrow__print_pg_time(int64_t us, walrow__strbuf *out);
void walrow__print_pg_timetz(int64_t us, int32_t zone, walrow__strbuf *out);
void walrow__print_pg_timestamp(int64_t us, bool with_tz, walrow__strbuf *out);
void walrow__print_pg_interval(int64_t us, int32_t days, int32_t months, walrow__strbuf *out);

#endif
