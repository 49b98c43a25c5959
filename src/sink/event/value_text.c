#include "sink/event/value_text.h"

#include <string.h>

/* ---- numbers ---- */

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

/* Of a magnitude: 256 bits make up to 78, in groups of nine. */
enum { MAX_DIGITS = 81 };

/* The magnitude's digits at the end of out; returns where they start: at least one digit. */
static int
magnitude_digits(uint32_t *limbs, int n, char out[MAX_DIGITS])
{
    int at = MAX_DIGITS;
    if (is_zero(limbs + 2, n - 2)) /* as most are */
        return (int)(walrow__digits_before(out + at, (uint64_t)limbs[1] << 32 | limbs[0]) - out);
    do {
        uint32_t group = divide_billion(limbs, n);
        for (int i = 0; i < 9; i++, group /= 10)
            out[--at] = (char)('0' + group % 10);
    } while (!is_zero(limbs, n) && at >= 9);
    while (at < MAX_DIGITS - 1 && out[at] == '0')
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
    char digits[MAX_DIGITS];
    int start = magnitude_digits(limbs, n, digits);
    int size = MAX_DIGITS - start;
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
    walrow__strbuf_add(buf, digits + MAX_DIGITS - scale, (size_t)scale);
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
