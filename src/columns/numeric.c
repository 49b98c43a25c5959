#include "columns/numeric.h"

#include "base/cursor.h"
#include "columns/append.h"

enum {
    GROUP = 10000, /* a digit of numeric's */
    GROUP_DIGITS = 4,
    MAX_DIGITS = 76, /* of decimal256 */
    MAX_SCALE = 0x3FFF
};

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

/* Most numerics are a handful of groups, and a call or a frame costs as much as those. */
#define INLINED __attribute__((always_inline)) static inline
#define WITH_FRAME __attribute__((noinline)) static

static const char not_a_numeric[] = "not a numeric";
static const char too_many_digits[] = "more digits than the column's precision";

static const uint32_t powers_of_ten[] = {1,      10,      100,      1000,      10000,
                                         100000, 1000000, 10000000, 100000000, 1000000000};

/* An unsigned integer of 256 bits, least significant first: enough for 76 digits. */
typedef struct wide {
    uint64_t limbs[4];
} wide;

static void
wide_multiply_add(wide *value, uint32_t factor, uint32_t addend)
{
    u128 carry = addend;
    for (int i = 0; i < 4; i++) {
        carry += (u128)value->limbs[i] * factor;
        value->limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static void
wide_scale_up(wide *value, int digits)
{
    for (; digits > 9; digits -= 9)
        wide_multiply_add(value, powers_of_ten[9], 0);
    wide_multiply_add(value, powers_of_ten[digits], 0);
}

static void
wide_negate(wide *value)
{
    u128 carry = 1;
    for (int i = 0; i < 4; i++) {
        carry += ~value->limbs[i];
        value->limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

/* Arrow decimals are two's complement, least significant byte first: the lower half of a wide is a
 * decimal128. */
static walrow__appended
append_wide(walrow__column *column, wide value, bool negative)
{
    if (negative)
        wide_negate(&value);
    return walrow__append_fixed(column, value.limbs, column->type->kind == WALROW__DECIMAL128 ? 16 : 32);
}

static walrow__appended
malformed(const char **reason)
{
    *reason = not_a_numeric;
    return WALROW__MALFORMED;
}

/* ---- groups ---- */

static inline uint32_t
load_group(const uint8_t *bytes, bool swapped)
{
    uint16_t group;
    memcpy(&group, bytes, sizeof group);
    return swapped ? __builtin_bswap16(group) : group;
}

static uint32_t
group_at(const walrow__numeric *value, int i)
{
    return load_group(value->groups + 2 * i, value->swapped);
}

/* numeric_send: number of groups, weight, sign, scale, groups. false: not as many bytes. */
static inline bool
read_numeric(const uint8_t *bytes, size_t size, walrow__numeric *out)
{
    enum { HEAD_SIZE = 8 };
    if (size < HEAD_SIZE)
        return false;
    uint64_t head = walrow__load_u64(bytes);
    *out = (walrow__numeric){.n_groups = (int)(head >> 48),
                             .weight = (int16_t)(head >> 32),
                             .sign = (uint16_t)(head >> 16),
                             .scale = (uint16_t)head,
                             .groups = bytes + HEAD_SIZE,
                             .swapped = true};
    return size == HEAD_SIZE + 2 * (size_t)out->n_groups;
}

static bool
is_numeric(const walrow__numeric *value)
{
    for (int i = 0; i < value->n_groups; i++)
        if (group_at(value, i) >= GROUP)
            return false;
    switch (value->sign) {
    case WALROW__NUMERIC_POSITIVE:
    case WALROW__NUMERIC_NEGATIVE:
    case WALROW__NUMERIC_NAN:
    case WALROW__NUMERIC_PLUS_INFINITY:
    case WALROW__NUMERIC_MINUS_INFINITY:
        return value->scale <= MAX_SCALE;
    default:
        return false;
    }
}

/* Groups of zeros at either end change nothing. */
static void
strip_zeros(walrow__numeric *value)
{
    while (value->n_groups > 0 && group_at(value, 0) == 0) {
        value->groups += 2;
        value->n_groups--;
        value->weight--;
    }
    while (value->n_groups > 0 && group_at(value, value->n_groups - 1) == 0)
        value->n_groups--;
}

static int
digits_of(uint32_t group)
{
    return group >= 1000 ? 4 : group >= 100 ? 3 : group >= 10 ? 2 : 1;
}

/*
 * All groups but that the last one may end in zeros which the scale cuts off: value * 10^scale is
 * groups * 10^exponent, exponent > -4.
 */
static walrow__appended
append_groups(walrow__column *column, const walrow__numeric *value, int exponent)
{
    wide sum = {0};
    int last = value->n_groups - 1;
    for (int i = 0; i < last; i++)
        wide_multiply_add(&sum, GROUP, group_at(value, i));
    if (exponent < 0) {
        wide_multiply_add(&sum, powers_of_ten[GROUP_DIGITS + exponent],
                          group_at(value, last) / powers_of_ten[-exponent]);
    } else {
        wide_multiply_add(&sum, GROUP, group_at(value, last));
        wide_scale_up(&sum, exponent);
    }
    return append_wide(column, sum, value->sign == WALROW__NUMERIC_NEGATIVE);
}

static const uint64_t wide_powers_of_ten[] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

/* *sum * 10^exponent, if that is an integer; each divisor is a constant, because a division costs more than
 * the rest. */
INLINED bool
shift_digits(uint64_t *sum, int exponent)
{
    uint64_t before = *sum;
    switch (exponent) {
    case -3:
        return (*sum = before / 1000) * 1000 == before;
    case -2:
        return (*sum = before / 100) * 100 == before;
    case -1:
        return (*sum = before / 10) * 10 == before;
    case 0:
    case 1:
    case 2:
    case 3:
        *sum = before * wide_powers_of_ten[exponent];
        return true;
    default:
        return false;
    }
}

/*
 * What fits 64 bits, which is nearly everything. false: not that simple, or not to be had at all. swapped is
 * value->swapped, as a constant.
 */
INLINED bool
read_few_groups(const walrow__type *type, const walrow__numeric *value, bool swapped, int64_t *out)
{
    uint64_t sum = 0;
    int n = value->n_groups;
    if (n > 4 || (value->sign != WALROW__NUMERIC_POSITIVE && value->sign != WALROW__NUMERIC_NEGATIVE))
        return false;
    for (int i = 0; i < n; i++) {
        uint32_t group = load_group(value->groups + 2 * i, swapped);
        if (group >= GROUP)
            return false;
        sum = sum * GROUP + group;
    }
    if (n > 0 && !shift_digits(&sum, GROUP_DIGITS * (value->weight - n + 1) + type->scale))
        return false;
    if (sum > INT64_MAX || (type->precision < 19 && sum >= wide_powers_of_ten[type->precision]))
        return false;
    *out = value->sign == WALROW__NUMERIC_NEGATIVE ? -(int64_t)sum : (int64_t)sum;
    return true;
}

WITH_FRAME walrow__appended
append_any_groups(walrow__column *column, const walrow__numeric *any, const char **reason)
{
    walrow__numeric value = *any;
    if (!is_numeric(&value))
        return malformed(reason);
    if (value.sign == WALROW__NUMERIC_NAN)
        return walrow__unrepresentable(reason, "a decimal has no NaN");
    if (value.sign == WALROW__NUMERIC_PLUS_INFINITY || value.sign == WALROW__NUMERIC_MINUS_INFINITY)
        return walrow__unrepresentable(reason, "a decimal has no infinity");
    strip_zeros(&value);
    if (value.n_groups == 0)
        return append_wide(column, (wide){0}, false);

    int exponent = GROUP_DIGITS * (value.weight - value.n_groups + 1) + column->type->scale;
    int digits = digits_of(group_at(&value, 0)) + GROUP_DIGITS * (value.n_groups - 1) + exponent;
    if (digits > column->type->precision || digits > MAX_DIGITS)
        return walrow__unrepresentable(reason, too_many_digits);
    bool cuts_zeros = exponent > -GROUP_DIGITS &&
                      (exponent >= 0 || group_at(&value, value.n_groups - 1) % powers_of_ten[-exponent] == 0);
    if (!cuts_zeros)
        return walrow__unrepresentable(reason, "more digits after the point than the column's scale");
    return append_groups(column, &value, exponent);
}

INLINED walrow__appended
append_numeric(walrow__column *column, const walrow__numeric *value, bool swapped, const char **reason)
{
    int64_t few[2]; /* a decimal128, low half first */
    if (column->type->kind != WALROW__DECIMAL128 || !read_few_groups(column->type, value, swapped, &few[0]))
        return append_any_groups(column, value, reason);
    few[1] = few[0] < 0 ? -1 : 0;
    return walrow__append_fixed(column, few, sizeof few);
}

walrow__appended
walrow__decimal_append(walrow__column *column, const walrow__numeric *value, const char **reason)
{
    return append_numeric(column, value, false, reason);
}

walrow__appended
walrow__decimal_append_binary(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    walrow__numeric value;
    return read_numeric(bytes, size, &value) ? append_numeric(column, &value, true, reason)
                                             : malformed(reason);
}

/* A group's four digits, leading zeros included; a group there is not is zeros. */
static void
print_group(const walrow__numeric *value, int i, char *digits)
{
    uint32_t group = i >= 0 && i < value->n_groups ? group_at(value, i) : 0;
    for (int d = GROUP_DIGITS - 1; d >= 0; d--) {
        digits[d] = (char)('0' + group % 10);
        group /= 10;
    }
}

static void
print_integer_part(const walrow__numeric *value, walrow__strbuf *out)
{
    char digits[GROUP_DIGITS];
    bool started = false;
    for (int i = 0; i <= value->weight; i++) {
        print_group(value, i, digits);
        for (int d = 0; d < GROUP_DIGITS; d++) {
            started = started || digits[d] != '0';
            if (started)
                walrow__strbuf_add_char(out, digits[d]);
        }
    }
    if (!started)
        walrow__strbuf_add_char(out, '0');
}

static void
print_fraction(const walrow__numeric *value, walrow__strbuf *out)
{
    char digits[GROUP_DIGITS];
    for (int printed = 0; printed < value->scale; printed += GROUP_DIGITS) {
        print_group(value, value->weight + 1 + printed / GROUP_DIGITS, digits);
        int n = value->scale - printed < GROUP_DIGITS ? value->scale - printed : GROUP_DIGITS;
        walrow__strbuf_add(out, digits, (size_t)n);
    }
}

static bool
print_numeric(const walrow__numeric *value, walrow__strbuf *out)
{
    if (!is_numeric(value))
        return false;
    switch (value->sign) {
    case WALROW__NUMERIC_NAN:
        walrow__strbuf_add_text(out, "NaN");
        return true;
    case WALROW__NUMERIC_PLUS_INFINITY:
        walrow__strbuf_add_text(out, "Infinity");
        return true;
    case WALROW__NUMERIC_MINUS_INFINITY:
        walrow__strbuf_add_text(out, "-Infinity");
        return true;
    case WALROW__NUMERIC_NEGATIVE:
        walrow__strbuf_add_char(out, '-');
        break;
    default:
        break;
    }
    print_integer_part(value, out);
    if (value->scale > 0) {
        walrow__strbuf_add_char(out, '.');
        print_fraction(value, out);
    }
    return true;
}

bool
walrow__numeric_print(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    walrow__numeric value;
    return read_numeric(bytes, size, &value) && print_numeric(&value, out);
}

/* ---- text ---- */

static bool
is_text(const uint8_t *bytes, size_t size, const char *text)
{
    return size == strlen(text) && memcmp(bytes, text, size) == 0;
}

static size_t
count_digits(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - start);
}

/* [-]digits[.digits], split. */
typedef struct parts {
    bool negative;
    const uint8_t *whole, *fraction;
    size_t n_whole, n_fraction;
} parts;

static bool
split(const uint8_t *bytes, size_t size, parts *out)
{
    const uint8_t *at = bytes, *end = bytes + size;
    *out = (parts){0};
    if (at < end && *at == '-') {
        out->negative = true;
        at++;
    }
    while (end - at > 1 && at[0] == '0' && at[1] != '.')
        at++;
    out->whole = at;
    out->n_whole = count_digits(at, end);
    at += out->n_whole;
    if (at < end && *at == '.') {
        out->fraction = ++at;
        out->n_fraction = count_digits(at, end);
        at += out->n_fraction;
    }
    return at == end && out->n_whole + out->n_fraction > 0;
}

static void
add_digits(wide *sum, const uint8_t *digits, size_t n)
{
    while (n > 0) {
        size_t take = n < 9 ? n : 9;
        uint32_t chunk = 0;
        for (size_t i = 0; i < take; i++)
            chunk = chunk * 10 + (uint32_t)(digits[i] - '0');
        wide_multiply_add(sum, powers_of_ten[take], chunk);
        digits += take;
        n -= take;
    }
}

/* Drop n digits at the end, if they are zeros. */
static bool
drop_zeros(parts *p, size_t n)
{
    for (; n > 0 && p->n_fraction > 0; n--)
        if (p->fraction[--p->n_fraction] != '0')
            return false;
    for (; n > 0 && p->n_whole > 0; n--)
        if (p->whole[--p->n_whole] != '0')
            return false;
    return true;
}

walrow__appended
walrow__decimal_append_text(walrow__column *column, const uint8_t *bytes, size_t size, const char **reason)
{
    if (is_text(bytes, size, "NaN"))
        return walrow__unrepresentable(reason, "a decimal has no NaN");
    if (is_text(bytes, size, "Infinity") || is_text(bytes, size, "-Infinity"))
        return walrow__unrepresentable(reason, "a decimal has no infinity");
    parts p;
    if (!split(bytes, size, &p))
        return malformed(reason);
    int64_t exponent = column->type->scale - (int64_t)p.n_fraction;
    if (exponent < 0) {
        if (!drop_zeros(&p, (size_t)-exponent))
            return walrow__unrepresentable(reason, "more digits after the point than the column's scale");
        exponent = 0;
    }
    while (p.n_whole > 0 && p.whole[0] == '0') {
        p.whole++;
        p.n_whole--;
    }
    while (p.n_whole == 0 && p.n_fraction > 0 && p.fraction[0] == '0') {
        p.fraction++;
        p.n_fraction--;
    }
    wide sum = {0};
    if (p.n_whole + p.n_fraction == 0)
        return append_wide(column, sum, false);
    int64_t digits = (int64_t)(p.n_whole + p.n_fraction) + exponent;
    if (digits > column->type->precision || digits > MAX_DIGITS)
        return walrow__unrepresentable(reason, too_many_digits);
    add_digits(&sum, p.whole, p.n_whole);
    add_digits(&sum, p.fraction, p.n_fraction);
    wide_scale_up(&sum, (int)exponent);
    return append_wide(column, sum, p.negative);
}
