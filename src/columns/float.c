/*
 * columns/float.c
 *	  Locale independence costs little: digits are taken apart here, and strtod only ever sees an integer and
 *	  an exponent ("1234e-3"), which every locale reads alike.
 */
#include "columns/float.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DIGITS = 19,   /* that fit a uint64_t */
    MAX_EXPONENT = 999 /* no float prints with more */
};

/* digits * 10^exponent */
typedef struct decimal {
    bool negative;
    uint64_t digits;
    int exponent;
} decimal;

/* ---- reading ---- */

/* Digits, with the fraction's moving the exponent. false: none, or more than any float prints with. */
static bool
read_digits(const uint8_t **at, const uint8_t *end, bool fraction, decimal *out)
{
    const uint8_t *first = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        if (out->digits > UINT64_MAX / 10 - 1)
            return false;
        out->digits = out->digits * 10 + (uint64_t)(**at - '0');
        out->exponent -= fraction;
    }
    return *at > first;
}

static bool
read_exponent(const uint8_t **at, const uint8_t *end, int *out)
{
    int sign = 1, value = 0;
    const uint8_t *p = *at;
    if (p < end && (*p == '-' || *p == '+'))
        sign = *p++ == '-' ? -1 : 1;
    const uint8_t *first = p;
    while (p < end && *p >= '0' && *p <= '9' && value <= MAX_EXPONENT)
        value = value * 10 + (*p++ - '0');
    *at = p;
    *out += sign * value;
    return p > first && value <= MAX_EXPONENT;
}

static bool
read_decimal(const uint8_t *at, const uint8_t *end, decimal *out)
{
    *out = (decimal){0};
    if (at < end && *at == '-') {
        out->negative = true;
        at++;
    }
    if (end - at > 400 || !read_digits(&at, end, false, out))
        return false;
    if (at < end && *at == '.') {
        at++;
        if (!read_digits(&at, end, true, out))
            return false;
    }
    if (at < end && *at == 'e') {
        at++;
        if (!read_exponent(&at, end, &out->exponent))
            return false;
    }
    return at == end;
}

static bool
read_special(const uint8_t *bytes, size_t size, double *out)
{
    static const struct {
        const char *text;
        double value;
    } specials[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (size == strlen(specials[i].text) && memcmp(bytes, specials[i].text, size) == 0) {
            *out = specials[i].value;
            return true;
        }
    return false;
}

/* For strtod and strtof; buffer of 32 bytes. */
static const char *
decimal_text(const decimal *value, char *buffer)
{
    snprintf(buffer, 32, "%llue%d", (unsigned long long)value->digits, value->exponent);
    return buffer;
}

/* Powers of ten that are exact: one rounding multiplies or divides by them (Clinger, 1990). */
static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static double
double_of(const decimal *value)
{
    char buffer[32];
    if (value->digits <= UINT64_C(1) << 53 && value->exponent >= -22 && value->exponent <= 22)
        return value->exponent < 0 ? (double)value->digits / exact_powers[-value->exponent]
                                   : (double)value->digits * exact_powers[value->exponent];
    return strtod(decimal_text(value, buffer), NULL);
}

static float
float_of(const decimal *value)
{
    char buffer[32];
    if (value->digits <= UINT64_C(1) << 24 && value->exponent >= -10 && value->exponent <= 10)
        return value->exponent < 0 ? (float)value->digits / (float)exact_powers[-value->exponent]
                                   : (float)value->digits * (float)exact_powers[value->exponent];
    return strtof(decimal_text(value, buffer), NULL);
}

bool
walrow__parse_double(const uint8_t *bytes, size_t size, double *out)
{
    decimal value;
    if (size == 0)
        return false;
    if (!read_decimal(bytes, bytes + size, &value))
        return read_special(bytes, size, out);
    *out = double_of(&value);
    if (value.negative)
        *out = -*out;
    return !isinf(*out);
}

bool
walrow__parse_float(const uint8_t *bytes, size_t size, float *out)
{
    decimal value;
    double special;
    if (size == 0)
        return false;
    if (!read_decimal(bytes, bytes + size, &value)) {
        if (!read_special(bytes, size, &special))
            return false;
        *out = (float)special;
        return true;
    }
    *out = float_of(&value);
    if (value.negative)
        *out = -*out;
    return !isinf(*out);
}

/* ---- printing ---- */

/*
 * PostgreSQL takes the shortest decimal strictly inside the interval that rounds to the value (its d2s.c,
 * without STRICTLY_SHORTEST); one exactly half way to a neighbour does not count, though most readers would
 * round it right. Half way between neighbours of p bits is a number of p + 1 significant bits.
 */
static bool
is_half_way(const decimal *value, int precision)
{
    uint64_t odd = value->digits;
    for (int i = value->exponent; i < 0; i++) {
        if (odd % 5 != 0)
            return false;
        odd /= 5;
    }
    while (odd != 0 && odd % 2 == 0)
        odd /= 2;
    for (int i = value->exponent; i > 0; i--)
        if (__builtin_mul_overflow(odd, UINT64_C(5), &odd))
            return false;
    return odd >> precision == 1;
}

static bool
reads_back(const decimal *candidate, double value, bool single)
{
    char buffer[32];
    const char *text = decimal_text(candidate, buffer);
    double back = single ? (double)strtof(text, NULL) : strtod(text, NULL);
    return back == value && !is_half_way(candidate, single ? FLT_MANT_DIG : DBL_MANT_DIG);
}

/* value, positive, rounded to n digits */
static decimal
round_to(double value, int n)
{
    char buffer[64];
    decimal rounded = {0};
    snprintf(buffer, sizeof buffer, "%.*e", n - 1, value);
    const char *p = buffer;
    for (; *p != 'e'; p++) /* whatever the locale's decimal point is */
        if (*p >= '0' && *p <= '9')
            rounded.digits = rounded.digits * 10 + (uint64_t)(*p - '0');
    rounded.exponent = atoi(p + 1) - (n - 1);
    return rounded;
}

/* Below a power of two the interval is half as wide: the nearest may miss it where the next above does not.
 */
static decimal
shortest(double value, bool single)
{
    int max = single ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
    decimal found = {0};
    for (int n = 1; n <= max; n++) {
        found = round_to(value, n);
        if (reads_back(&found, value, single))
            break;
        decimal above = {.digits = found.digits + 1, .exponent = found.exponent};
        if (reads_back(&above, value, single)) {
            found = above;
            break;
        }
    }
    while (found.digits % 10 == 0) {
        found.digits /= 10;
        found.exponent++;
    }
    return found;
}

static void
add_zeros(int n, walrow__strbuf *out)
{
    for (int i = 0; i < n; i++)
        walrow__strbuf_add_char(out, '0');
}

/* first: the exponent of the first digit */
static void
print_fixed(const char *digits, int n, int first, walrow__strbuf *out)
{
    if (first < 0) {
        walrow__strbuf_add_text(out, "0.");
        add_zeros(-first - 1, out);
        walrow__strbuf_add(out, digits, (size_t)n);
        return;
    }
    int whole = n < first + 1 ? n : first + 1;
    walrow__strbuf_add(out, digits, (size_t)whole);
    add_zeros(first + 1 - whole, out);
    if (n > whole) {
        walrow__strbuf_add_char(out, '.');
        walrow__strbuf_add(out, digits + whole, (size_t)(n - whole));
    }
}

static void
print_scientific(const char *digits, int n, int first, walrow__strbuf *out)
{
    walrow__strbuf_add_char(out, digits[0]);
    if (n > 1) {
        walrow__strbuf_add_char(out, '.');
        walrow__strbuf_add(out, digits + 1, (size_t)(n - 1));
    }
    walrow__strbuf_addf(out, "e%c%02d", first < 0 ? '-' : '+', abs(first));
}

/* float8out: plain between 1e-4 and 1e15, float4out: to 1e6 (DBL_DIG and FLT_DIG) */
static void
print(double value, bool single, walrow__strbuf *out)
{
    if (isnan(value)) {
        walrow__strbuf_add_text(out, "NaN");
        return;
    }
    if (signbit(value))
        walrow__strbuf_add_char(out, '-');
    if (isinf(value) || value == 0) {
        walrow__strbuf_add_text(out, value == 0 ? "0" : "Infinity");
        return;
    }
    char digits[32];
    decimal found = shortest(fabs(value), single);
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)found.digits);
    int first = found.exponent + n - 1;
    if (first >= -4 && first < (single ? FLT_DIG : DBL_DIG))
        print_fixed(digits, n, first, out);
    else
        print_scientific(digits, n, first, out);
}

void
walrow__print_float(float value, walrow__strbuf *out)
{
    print(value, true, out);
}

void
walrow__print_double(double value, walrow__strbuf *out)
{
    print(value, false, out);
}
