/*
 * columns/datetime.c
 *	  What PostgreSQL's EncodeDateOnly, EncodeTimeOnly, EncodeDateTime and EncodeInterval print (its
 *	  src/backend/utils/adt/datetime.c), read and printed.
 */
#include "columns/datetime.h"

#include "columns/append.h"

#include <inttypes.h>

enum { DAYS_TO_2000 = 10957 /* from 1970-01-01 to 2000-01-01 */ };
#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR (60 * US_PER_MINUTE)
#define US_PER_DAY (24 * US_PER_HOUR)

/* ---- the calendar: proleptic Gregorian, year 0 is 1 BC ---- */

/* Years counted from March, in eras of 400 years = 146097 days; 719468 days from 0000-03-01 to 1970-01-01. */
static int64_t
days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void
date_of(int64_t days_since_1970, int64_t *year, int *month, int *day)
{
    int64_t days = days_since_1970 + 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

static int
days_in_month(int64_t year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* ---- pieces of text ---- */

typedef struct text {
    const uint8_t *at;
    const uint8_t *end;
} text;

static text
text_over(const uint8_t *bytes, size_t size)
{
    return (text){bytes, size == 0 ? bytes : bytes + size};
}

static bool
at_end(const text *t)
{
    return t->at == t->end;
}

static bool
skip_char(text *t, char c)
{
    if (t->at == t->end || *t->at != (uint8_t)c)
        return false;
    t->at++;
    return true;
}

static bool
skip_word(text *t, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(t->end - t->at) < size || memcmp(t->at, word, size) != 0)
        return false;
    t->at += size;
    return true;
}

/* A number of min to max digits (max <= 18). */
static bool
read_digits(text *t, int min, int max, int64_t *out)
{
    int n = 0;
    int64_t value = 0;
    while (n < max && t->at < t->end && *t->at >= '0' && *t->at <= '9') {
        value = value * 10 + (*t->at++ - '0');
        n++;
    }
    *out = value;
    return n >= min;
}

static bool
read_two(text *t, int limit, int *out)
{
    int64_t value;
    if (!read_digits(t, 2, 2, &value) || value > limit)
        return false;
    *out = (int)value;
    return true;
}

/* ".5" to six digits, or nothing */
static bool
read_fraction(text *t, int64_t *us)
{
    *us = 0;
    if (!skip_char(t, '.'))
        return true;
    const uint8_t *first = t->at;
    if (!read_digits(t, 1, 6, us))
        return false;
    for (long n = t->at - first; n < 6; n++)
        *us *= 10;
    return true;
}

/* "04:05:06.789"; the hour has two digits, in an interval up to ten */
static bool
read_clock(text *t, int hour_digits, int64_t *hours, int64_t *rest_us)
{
    int minutes, seconds;
    int64_t fraction;
    if (!read_digits(t, 2, hour_digits, hours) || !skip_char(t, ':') || !read_two(t, 59, &minutes) ||
        !skip_char(t, ':') || !read_two(t, 59, &seconds) || !read_fraction(t, &fraction))
        return false;
    *rest_us = minutes * US_PER_MINUTE + seconds * US_PER_SECOND + fraction;
    return true;
}

typedef struct date {
    int64_t year; /* as written; BC comes at the very end of the text */
    int month, day;
} date;

/* Years have at least four digits; a date's go to 5874897, a timestamp's to 294276. */
static bool
read_date(text *t, date *out)
{
    return read_digits(t, 4, 7, &out->year) && skip_char(t, '-') && read_two(t, 12, &out->month) &&
           skip_char(t, '-') && read_two(t, 31, &out->day);
}

/* " BC" or nothing, and the end; days since 1970 of the whole */
static bool
finish_date(text *t, date *date, int64_t *days)
{
    if (date->year == 0 || date->month == 0 || date->day == 0)
        return false;
    if (skip_word(t, " BC"))
        date->year = 1 - date->year;
    if (!at_end(t) || date->day > days_in_month(date->year, date->month))
        return false;
    *days = days_of(date->year, date->month, date->day);
    return true;
}

/* 1 or -1: the text is that infinity */
static int
infinity_of(const text *t)
{
    text rest = *t;
    int sign = skip_char(&rest, '-') ? -1 : 1;
    return skip_word(&rest, "infinity") && at_end(&rest) ? sign : 0;
}

/* ---- reading ---- */

walrow__appended
walrow__parse_date(const uint8_t *bytes, size_t size, int32_t *days_since_1970, const char **reason)
{
    text t = text_over(bytes, size);
    date date;
    int64_t days;
    int infinity = infinity_of(&t);
    if (infinity != 0) {
        *days_since_1970 = infinity > 0 ? INT32_MAX : INT32_MIN;
        return WALROW__APPENDED;
    }
    if (!read_date(&t, &date) || !finish_date(&t, &date, &days))
        return walrow__malformed(reason, "not a date");
    if (days <= INT32_MIN || days >= INT32_MAX)
        return walrow__unrepresentable(reason, "a date past the range of date32");
    *days_since_1970 = (int32_t)days;
    return WALROW__APPENDED;
}

walrow__appended
walrow__parse_time(const uint8_t *bytes, size_t size, int64_t *us, const char **reason)
{
    text t = text_over(bytes, size);
    int64_t hours, rest;
    if (!read_clock(&t, 2, &hours, &rest) || !at_end(&t))
        return walrow__malformed(reason, "not a time");
    *us = hours * US_PER_HOUR + rest;
    if (*us > US_PER_DAY)
        return walrow__malformed(reason, "a time outside the day");
    if (*us == US_PER_DAY)
        return walrow__unrepresentable(reason, "time64 ends before 24:00:00");
    return WALROW__APPENDED;
}

/* "+00", "-03:30", "+00:19:32": east of Greenwich */
static bool
read_zone(text *t, int64_t *east_us)
{
    int64_t sign = skip_char(t, '-') ? -1 : 1;
    int hours, minutes = 0, seconds = 0;
    if (sign > 0 && !skip_char(t, '+'))
        return false;
    if (!read_two(t, 15, &hours))
        return false;
    if (skip_char(t, ':')) {
        if (!read_two(t, 59, &minutes))
            return false;
        if (skip_char(t, ':') && !read_two(t, 59, &seconds))
            return false;
    }
    *east_us = sign * (hours * US_PER_HOUR + minutes * US_PER_MINUTE + seconds * US_PER_SECOND);
    return true;
}

walrow__appended
walrow__parse_timestamp(const uint8_t *bytes, size_t size, bool with_tz, int64_t *us_since_1970,
                        const char **reason)
{
    text t = text_over(bytes, size);
    date date;
    int64_t hours, rest, east = 0, days, us;
    int infinity = infinity_of(&t);
    if (infinity != 0) {
        *us_since_1970 = infinity > 0 ? INT64_MAX : INT64_MIN;
        return WALROW__APPENDED;
    }
    if (!read_date(&t, &date) || !skip_char(&t, ' ') || !read_clock(&t, 2, &hours, &rest) || hours > 23 ||
        (with_tz && !read_zone(&t, &east)) || !finish_date(&t, &date, &days))
        return walrow__malformed(reason, "not a timestamp");
    if (__builtin_mul_overflow(days, US_PER_DAY, &us) ||
        __builtin_add_overflow(us, hours * US_PER_HOUR + rest - east, &us) || us == INT64_MAX ||
        us == INT64_MIN)
        return walrow__unrepresentable(reason, "a time past the range of timestamp[us]");
    *us_since_1970 = us;
    return WALROW__APPENDED;
}

/* The sign, the hours and the rest of an interval's time in microseconds; false: more than PostgreSQL has. */
static bool
interval_us(bool negative, int64_t hours, int64_t rest, int64_t *us)
{
    int64_t sign = negative ? -1 : 1;
    return !__builtin_mul_overflow(sign * hours, US_PER_HOUR, us) &&
           !__builtin_add_overflow(*us, sign * rest, us);
}

/* "-3 days" without the number */
static bool
skip_unit(text *t, const char *unit)
{
    if (!skip_char(t, ' ') || !skip_word(t, unit))
        return false;
    skip_char(t, 's');
    return at_end(t) || *t->at == ' ';
}

/* Years, months and days, each at most once and in this order, and then the time: what is there. */
static bool
read_interval(text *t, int64_t parts[3], int64_t *us)
{
    static const char *const units[] = {"year", "mon", "day"};
    int next = 0;
    do {
        bool negative = skip_char(t, '-');
        if (!negative)
            skip_char(t, '+');
        text number = *t;
        int64_t value;
        if (!read_digits(t, 1, 10, &value))
            return false;
        if (t->at < t->end && *t->at == ':') {
            int64_t rest;
            *t = number;
            return read_clock(t, 10, &value, &rest) && at_end(t) && interval_us(negative, value, rest, us);
        }
        text unit = *t;
        while (next < 3 && !skip_unit(t, units[next])) {
            *t = unit;
            next++;
        }
        if (next == 3)
            return false;
        parts[next++] = negative ? -value : value;
    } while (skip_char(t, ' '));
    return at_end(t);
}

static bool
fits_32(int64_t value)
{
    return value >= INT32_MIN && value <= INT32_MAX;
}

walrow__appended
walrow__parse_interval(const uint8_t *bytes, size_t size, walrow__month_day_nano *out, const char **reason)
{
    text t = text_over(bytes, size);
    int64_t parts[3] = {0}, us = 0;
    if (infinity_of(&t) != 0)
        return walrow__unrepresentable(reason, "an Arrow interval has no infinity");
    if (!read_interval(&t, parts, &us))
        return walrow__malformed(reason, "not an interval");
    int64_t months = parts[0] * 12 + parts[1];
    if (!fits_32(months) || !fits_32(parts[2]))
        return walrow__malformed(reason, "not an interval");
    out->months = (int32_t)months;
    out->days = (int32_t)parts[2];
    if (__builtin_mul_overflow(us, INT64_C(1000), &out->ns))
        return walrow__unrepresentable(reason, "an interval past the range of nanoseconds");
    return WALROW__APPENDED;
}

/* ---- printing ---- */

/* "-05" */
static void
add_two(char separator, int number, walrow__strbuf *out)
{
    walrow__strbuf_add(out, (char[]){separator, (char)('0' + number / 10), (char)('0' + number % 10)}, 3);
}

/* ".5" for half a second, nothing for none */
static void
print_fraction(int64_t us, walrow__strbuf *out)
{
    if (us == 0)
        return;
    walrow__strbuf_add_char(out, '.');
    walrow__strbuf_add_digits(out, (uint64_t)us, 6);
    while (!out->failed && out->data[out->size - 1] == '0')
        out->data[--out->size] = '\0';
}

static void
print_seconds(int64_t us, walrow__strbuf *out)
{
    uint64_t seconds = (uint64_t)(us / US_PER_SECOND);
    walrow__strbuf_add_digits(out, seconds / 3600, 2);
    add_two(':', (int)(seconds / 60 % 60), out);
    add_two(':', (int)(seconds % 60), out);
}

static void
print_clock(int64_t us, walrow__strbuf *out)
{
    print_seconds(us, out);
    print_fraction(us % US_PER_SECOND, out);
}

/* Without the " BC", which comes last. */
static void
print_day(int64_t days_since_1970, bool *before_christ, walrow__strbuf *out)
{
    int64_t year;
    int month, day;
    date_of(days_since_1970, &year, &month, &day);
    *before_christ = year <= 0;
    walrow__strbuf_add_digits(out, (uint64_t)(year > 0 ? year : 1 - year), 4);
    add_two('-', month, out);
    add_two('-', day, out);
}

/* first_day: the days' zero, in days since 1970 */
static void
print_date(int32_t days, int64_t first_day, walrow__strbuf *out)
{
    bool before_christ;
    if (days == INT32_MIN || days == INT32_MAX) {
        walrow__strbuf_add_text(out, days > 0 ? "infinity" : "-infinity");
        return;
    }
    print_day(first_day + days, &before_christ, out);
    if (before_christ)
        walrow__strbuf_add_text(out, " BC");
}

void
walrow__print_date(int32_t days, walrow__strbuf *out)
{
    print_date(days, 0, out);
}

void
walrow__print_pg_date(int32_t days, walrow__strbuf *out)
{
    print_date(days, DAYS_TO_2000, out);
}

void
walrow__print_pg_time(int64_t us, walrow__strbuf *out)
{
    print_clock(us, out);
}

void
walrow__print_pg_timetz(int64_t us, int32_t zone, walrow__strbuf *out)
{
    int64_t seconds = zone < 0 ? -(int64_t)zone : zone;
    print_clock(us, out);
    walrow__strbuf_addf(out, "%c%02d", zone <= 0 ? '+' : '-', (int)(seconds / 3600));
    if (seconds % 3600 != 0)
        walrow__strbuf_addf(out, ":%02d", (int)(seconds / 60 % 60));
    if (seconds % 60 != 0)
        walrow__strbuf_addf(out, ":%02d", (int)(seconds % 60));
}

/* And the microseconds since its midnight. */
static int64_t
day_of(int64_t us, int64_t *time)
{
    int64_t days = us / US_PER_DAY;
    *time = us % US_PER_DAY;
    if (*time >= 0)
        return days;
    *time += US_PER_DAY;
    return days - 1;
}

static void
print_timestamp(int64_t us, int64_t first_day, bool with_tz, walrow__strbuf *out)
{
    bool before_christ;
    if (us == INT64_MIN || us == INT64_MAX) {
        walrow__strbuf_add_text(out, us > 0 ? "infinity" : "-infinity");
        return;
    }
    int64_t time;
    print_day(first_day + day_of(us, &time), &before_christ, out);
    walrow__strbuf_add_char(out, ' ');
    print_clock(time, out);
    walrow__strbuf_add_text(out, with_tz ? "+00" : "");
    walrow__strbuf_add_text(out, before_christ ? " BC" : "");
}

void
walrow__print_timestamp(int64_t us, bool with_tz, walrow__strbuf *out)
{
    print_timestamp(us, 0, with_tz, out);
}

void
walrow__print_pg_timestamp(int64_t us, bool with_tz, walrow__strbuf *out)
{
    print_timestamp(us, DAYS_TO_2000, with_tz, out);
}

void
walrow__print_iso8601(int64_t us, walrow__strbuf *out)
{
    bool before_christ;
    int64_t time;
    print_day(day_of(us, &time), &before_christ, out);
    walrow__strbuf_add_char(out, 'T');
    print_seconds(time, out);
    walrow__strbuf_add_char(out, '.');
    walrow__strbuf_add_digits(out, (uint64_t)(time % US_PER_SECOND), 6);
    walrow__strbuf_add_char(out, 'Z');
}

typedef struct interval_state {
    bool empty;
    bool after_negative; /* the part just printed was negative: the next says + */
} interval_state;

/* AddPostgresIntPart */
static void
print_part(int value, const char *unit, interval_state *state, walrow__strbuf *out)
{
    if (value == 0)
        return;
    walrow__strbuf_addf(out, "%s%s%d %s%s", state->empty ? "" : " ",
                        state->after_negative && value > 0 ? "+" : "", value, unit, value != 1 ? "s" : "");
    state->after_negative = value < 0;
    state->empty = false;
}

void
walrow__print_pg_interval(int64_t us, int32_t days, int32_t months, walrow__strbuf *out)
{
    interval_state state = {.empty = true};
    if ((us == INT64_MIN && days == INT32_MIN && months == INT32_MIN) ||
        (us == INT64_MAX && days == INT32_MAX && months == INT32_MAX)) {
        walrow__strbuf_add_text(out, us > 0 ? "infinity" : "-infinity");
        return;
    }
    print_part(months / 12, "year", &state, out);
    print_part(months % 12, "mon", &state, out);
    print_part(days, "day", &state, out);
    if (us == 0 && !state.empty)
        return;
    uint64_t positive = us < 0 ? -(uint64_t)us : (uint64_t)us;
    walrow__strbuf_addf(out, "%s%s%02" PRIu64 ":%02d:%02d", state.empty ? "" : " ",
                        us < 0                 ? "-"
                        : state.after_negative ? "+"
                                               : "",
                        positive / US_PER_HOUR, (int)(positive / US_PER_MINUTE % 60),
                        (int)(positive / US_PER_SECOND % 60));
    print_fraction((int64_t)(positive % US_PER_SECOND), out);
}
