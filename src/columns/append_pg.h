/*
 * columns/append_pg.h
 *	  Dates and times as PostgreSQL has them, counted from 2000-01-01, into the column: what the wire's binary
 *	  form (binary.c) and the server's own values (the plugin) have in common.
 */
#ifndef WALROW_COLUMNS_APPEND_PG_H
#define WALROW_COLUMNS_APPEND_PG_H

#include "columns/append.h"
#include "columns/datetime.h"

enum { WALROW__DAYS_TO_2000 = 10957 /* from 1970-01-01 to 2000-01-01 */ };
#define WALROW__US_TO_2000 INT64_C(946684800000000)
#define WALROW__US_PER_DAY INT64_C(86400000000)

/* Days; the integer's minimum and maximum are the infinities. */
static inline walrow__appended
walrow__append_pg_date(walrow__column *column, int32_t days, const char **reason)
{
    if (days != INT32_MIN && days != INT32_MAX &&
        (__builtin_add_overflow(days, WALROW__DAYS_TO_2000, &days) || days == INT32_MAX))
        return walrow__unrepresentable(reason, "a date past the range of date32");
    return walrow__append_word(column, (uint32_t)days, 4);
}

/* Microseconds, infinities as above. */
static inline walrow__appended
walrow__append_pg_timestamp(walrow__column *column, int64_t us, const char **reason)
{
    if (us != INT64_MIN && us != INT64_MAX &&
        (__builtin_add_overflow(us, WALROW__US_TO_2000, &us) || us == INT64_MAX))
        return walrow__unrepresentable(reason, "a time past the range of timestamp[us]");
    return walrow__append_word(column, (uint64_t)us, 8);
}

/* Microseconds since midnight. */
static inline walrow__appended
walrow__append_pg_time(walrow__column *column, int64_t us, const char **reason)
{
    if (us < 0 || us > WALROW__US_PER_DAY)
        return walrow__malformed(reason, "a time outside the day");
    if (us == WALROW__US_PER_DAY)
        return walrow__unrepresentable(reason, "time64 ends before 24:00:00");
    return walrow__append_word(column, (uint64_t)us, 8);
}

/* All at their minimum or maximum are the infinities of 17 and later. */
static inline walrow__appended
walrow__append_pg_interval(walrow__column *column, int64_t us, int32_t days, int32_t months,
                           const char **reason)
{
    walrow__month_day_nano interval = {.months = months, .days = days};
    if ((us == INT64_MIN && days == INT32_MIN && months == INT32_MIN) ||
        (us == INT64_MAX && days == INT32_MAX && months == INT32_MAX))
        return walrow__unrepresentable(reason, "an Arrow interval has no infinity");
    if (__builtin_mul_overflow(us, INT64_C(1000), &interval.ns))
        return walrow__unrepresentable(reason, "an interval past the range of nanoseconds");
    return walrow__append_fixed(column, &interval, sizeof interval);
}

#endif
