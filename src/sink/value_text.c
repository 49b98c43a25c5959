#include "sink/value_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY (86400 * US_PER_SECOND)

/* ---- numbers ---- */

static void
add_padded(walrow__strbuf *buf, uint64_t value, int width)
{
    char digits[24];
    int at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while ((int)sizeof digits - at < width)
        digits[--at] = '0';
    walrow__strbuf_add(buf, digits + at, sizeof digits - (size_t)at);
}

/* Divide little-endian limbs by 10^9 in place; the remainder. */
static uint32_t
divide_billion(uint32_t *limbs, int n)
{
    uint64_t rest = 0;
    for (int i = n - 1; i >= 0; i--) {
        uint64_t value = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(value / 1000000000);
        rest = value % 1000000000;
    }
    return (uint32_t)rest;
}

static bool
is_zero(const uint32_t *limbs, int n)
{
    for (int i = 0; i < n; i++)
        if (limbs[i] != 0)
            return false;
    return true;
}

/* The magnitude's digits at the end of out[80]; returns where they start: at least one digit. */
static int
magnitude_digits(uint32_t *limbs, int n, char out[80])
{
    int at = 80;
    do {
        uint32_t group = divide_billion(limbs, n);
        for (int i = 0; i < 9; i++, group /= 10)
            out[--at] = (char)('0' + group % 10);
    } while (!is_zero(limbs, n) && at >= 9);
    while (at < 79 && out[at] == '0')
        at++;
    return at;
}

void
walrow__print_decimal(walrow__strbuf *buf, const uint8_t *bytes, int n_bits, int scale)
{
    uint32_t limbs[8];
    int n = n_bits / 32;
    memcpy(limbs, bytes, (size_t)n_bits / 8);
    if (limbs[n - 1] >> 31) { /* negative: take the magnitude */
        walrow__strbuf_add_char(buf, '-');
        uint64_t carry = 1;
        for (int i = 0; i < n; i++) {
            carry += (uint32_t)~limbs[i];
            limbs[i] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    char digits[80];
    int start = magnitude_digits(limbs, n, digits);
    int size = 80 - start;
    bool zero = digits[start] == '0';
    if (scale <= 0) {
        walrow__strbuf_add(buf, digits + start, (size_t)size);
        for (int i = scale; i < 0 && !zero; i++)
            walrow__strbuf_add_char(buf, '0');
        return;
    }
    if (size <= scale) {
        walrow__strbuf_add(buf, "0.", 2);
        for (int i = size; i < scale; i++)
            walrow__strbuf_add_char(buf, '0');
        walrow__strbuf_add(buf, digits + start, (size_t)size);
        return;
    }
    walrow__strbuf_add(buf, digits + start, (size_t)(size - scale));
    walrow__strbuf_add_char(buf, '.');
    walrow__strbuf_add(buf, digits + 80 - scale, (size_t)scale);
}

void
walrow__print_float64(walrow__strbuf *buf, double value)
{
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    walrow__strbuf_add_text(buf, text);
}

void
walrow__print_float32(walrow__strbuf *buf, float value)
{
    char text[40];
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    walrow__strbuf_add_text(buf, text);
}

/* ---- bytes ---- */

void
walrow__print_hex(walrow__strbuf *buf, const uint8_t *bytes, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    if (!walrow__strbuf_reserve(buf, 2 * size))
        return;
    for (size_t i = 0; i < size; i++) {
        buf->data[buf->size++] = hex[bytes[i] >> 4];
        buf->data[buf->size++] = hex[bytes[i] & 15];
    }
    buf->data[buf->size] = '\0';
}

void
walrow__print_uuid(walrow__strbuf *buf, const uint8_t bytes[16])
{
    static const int groups[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < 5; i++) {
        if (i > 0)
            walrow__strbuf_add_char(buf, '-');
        walrow__print_hex(buf, bytes, (size_t)groups[i]);
        bytes += groups[i];
    }
}

/* ---- time ---- */

static int64_t
floor_divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

typedef struct date {
    int64_t year; /* astronomical: 0 is 1 BC */
    int month, day;
} date;

/* Days since 1970-01-01 to the proleptic Gregorian calendar, by eras of 400 years that begin on 1 March. */
static date
date_of(int64_t days)
{
    days += 719468; /* 0000-03-01 to 1970-01-01 */
    int64_t era = floor_divide(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month_from_march = (int)((5 * day_of_year + 2) / 153);
    int day = (int)(day_of_year - (153 * month_from_march + 2) / 5) + 1;
    int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (date){.year = era * 400 + year_of_era + (month <= 2), .month = month, .day = day};
}

static void
add_date(walrow__strbuf *buf, const date *date)
{
    add_padded(buf, (uint64_t)(date->year > 0 ? date->year : 1 - date->year), 4);
    walrow__strbuf_add_char(buf, '-');
    add_padded(buf, (uint64_t)date->month, 2);
    walrow__strbuf_add_char(buf, '-');
    add_padded(buf, (uint64_t)date->day, 2);
}

/* hh:mm:ss, of any number of hours */
static void
add_clock(walrow__strbuf *buf, uint64_t us)
{
    uint64_t seconds = us / US_PER_SECOND;
    add_padded(buf, seconds / 3600, 2);
    walrow__strbuf_add_char(buf, ':');
    add_padded(buf, seconds / 60 % 60, 2);
    walrow__strbuf_add_char(buf, ':');
    add_padded(buf, seconds % 60, 2);
}

/* As PostgreSQL does: no zeros at the end. */
static void
add_fraction(walrow__strbuf *buf, uint64_t us)
{
    uint64_t fraction = us % US_PER_SECOND;
    if (fraction == 0)
        return;
    int width = 6;
    for (; fraction % 10 == 0; fraction /= 10)
        width--;
    walrow__strbuf_add_char(buf, '.');
    add_padded(buf, fraction, width);
}

static void
add_era(walrow__strbuf *buf, const date *date)
{
    if (date->year <= 0)
        walrow__strbuf_add(buf, " BC", 3);
}

void
walrow__print_date32(walrow__strbuf *buf, int32_t days)
{
    if (days == INT32_MIN || days == INT32_MAX) {
        walrow__strbuf_add_text(buf, days < 0 ? "-infinity" : "infinity");
        return;
    }
    date date = date_of(days);
    add_date(buf, &date);
    add_era(buf, &date);
}

void
walrow__print_time64(walrow__strbuf *buf, int64_t us)
{
    add_clock(buf, (uint64_t)us);
    add_fraction(buf, (uint64_t)us);
}

void
walrow__print_timestamp(walrow__strbuf *buf, int64_t us, bool with_zone)
{
    if (us == INT64_MIN || us == INT64_MAX) {
        walrow__strbuf_add_text(buf, us < 0 ? "-infinity" : "infinity");
        return;
    }
    int64_t days = floor_divide(us, US_PER_DAY);
    date date = date_of(days);
    add_date(buf, &date);
    walrow__strbuf_add_char(buf, ' ');
    walrow__print_time64(buf, us - days * US_PER_DAY);
    if (with_zone)
        walrow__strbuf_add(buf, "+00", 3);
    add_era(buf, &date);
}

void
walrow__print_iso8601(walrow__strbuf *buf, int64_t us)
{
    int64_t days = floor_divide(us, US_PER_DAY);
    uint64_t rest = (uint64_t)(us - days * US_PER_DAY);
    date date = date_of(days);
    add_date(buf, &date);
    walrow__strbuf_add_char(buf, 'T');
    add_clock(buf, rest);
    walrow__strbuf_add_char(buf, '.');
    add_padded(buf, rest % US_PER_SECOND, 6);
    walrow__strbuf_add_char(buf, 'Z');
}

/* ---- interval: EncodeInterval's INTSTYLE_POSTGRES ---- */

typedef struct interval_style {
    bool any;      /* something was printed */
    bool negative; /* the last part was: a positive one that follows needs its sign */
} interval_style;

static void
add_unit(walrow__strbuf *buf, interval_style *style, int64_t value, const char *unit)
{
    if (value == 0)
        return;
    walrow__strbuf_addf(buf, "%s%s%" PRId64 " %s%s", style->any ? " " : "",
                        style->negative && value > 0 ? "+" : "", value, unit, value == 1 ? "" : "s");
    style->negative = value < 0;
    style->any = true;
}

void
walrow__print_interval(walrow__strbuf *buf, int32_t months, int32_t days, int64_t ns)
{
    interval_style style = {false, false};
    int64_t us = ns / 1000;
    add_unit(buf, &style, months / 12, "year");
    add_unit(buf, &style, months % 12, "mon");
    add_unit(buf, &style, days, "day");
    if (style.any && us == 0)
        return;
    if (style.any)
        walrow__strbuf_add_char(buf, ' ');
    if (us < 0)
        walrow__strbuf_add_char(buf, '-');
    else if (style.negative)
        walrow__strbuf_add_char(buf, '+');
    uint64_t magnitude = us < 0 ? -(uint64_t)us : (uint64_t)us;
    add_clock(buf, magnitude);
    add_fraction(buf, magnitude);
}
