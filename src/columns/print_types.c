#include "columns/print_types.h"

#include "base/cursor.h"
#include "columns/float.h"

#include <inttypes.h>

/* ---- numbers ---- */

/* charsend: the byte; charout prints one past ASCII as three octal digits (since 16), and a zero as nothing.
 */
static bool
print_char(walrow__cursor *in, walrow__strbuf *out)
{
    uint8_t c = walrow__read_u8(in);
    if (c >= 0x80)
        walrow__strbuf_addf(out, "\\%03o", c);
    else if (c != 0)
        walrow__strbuf_add_char(out, (char)c);
    return true;
}

static bool
print_u32(walrow__cursor *in, walrow__strbuf *out)
{
    walrow__strbuf_addf(out, "%" PRIu32, walrow__read_u32(in));
    return true;
}

static bool
print_u64(walrow__cursor *in, walrow__strbuf *out)
{
    walrow__strbuf_addf(out, "%" PRIu64, walrow__read_u64(in));
    return true;
}

/* tidsend: block, offset in it */
static bool
print_tid(walrow__cursor *in, walrow__strbuf *out)
{
    uint32_t block = walrow__read_u32(in);
    walrow__strbuf_addf(out, "(%" PRIu32 ",%d)", block, walrow__read_u16(in));
    return true;
}

/* cash_out with lc_monetary C: dollars, groups of three, two digits of cents */
static bool
print_money(walrow__cursor *in, walrow__strbuf *out)
{
    int64_t cents = (int64_t)walrow__read_u64(in);
    uint64_t positive = cents < 0 ? -(uint64_t)cents : (uint64_t)cents, rest = positive / 100;
    uint64_t group = UINT64_C(1000000000000000); /* 2^63 cents have 17 digits before the point */
    walrow__strbuf_add_text(out, cents < 0 ? "-$" : "$");
    while (group > 1 && rest < group)
        group /= 1000;
    walrow__strbuf_addf(out, "%d", (int)(rest / group));
    for (; group > 1; group /= 1000)
        walrow__strbuf_addf(out, ",%03d", (int)(rest % group / (group / 1000)));
    walrow__strbuf_addf(out, ".%02d", (int)(positive % 100));
    return true;
}

/* ---- strings ---- */

/* bit_send, varbit_send: number of bits, bits from the highest on */
static bool
print_bits(walrow__cursor *in, walrow__strbuf *out)
{
    uint32_t n = walrow__read_u32(in);
    const uint8_t *bits = walrow__read_bytes(in, ((size_t)n + 7) / 8);
    if (bits == NULL)
        return n == 0 && !in->failed;
    if (!walrow__strbuf_reserve(out, n))
        return true;
    for (uint32_t i = 0; i < n; i++)
        out->data[out->size++] = (char)('0' + (bits[i / 8] >> (7 - i % 8) & 1));
    out->data[out->size] = '\0';
    return true;
}

static bool
print_mac(walrow__cursor *in, walrow__strbuf *out)
{
    for (bool first = true; walrow__cursor_left(in) > 0; first = false)
        walrow__strbuf_addf(out, first ? "%02x" : ":%02x", walrow__read_u8(in));
    return true;
}

/* tsvectorout: quotes and backslashes doubled */
static void
print_lexeme(const char *lexeme, walrow__strbuf *out)
{
    walrow__strbuf_add_char(out, '\'');
    for (; *lexeme != '\0'; lexeme++) {
        if (*lexeme == '\'' || *lexeme == '\\')
            walrow__strbuf_add_char(out, *lexeme);
        walrow__strbuf_add_char(out, *lexeme);
    }
    walrow__strbuf_add_char(out, '\'');
}

/* tsvectorsend: how many lexemes; of each the text, how many positions, and those: a weight in the two high
 * bits */
static bool
print_tsvector(walrow__cursor *in, walrow__strbuf *out)
{
    static const char *const weights[] = {"", "C", "B", "A"};
    uint32_t n = walrow__read_u32(in);
    for (uint32_t i = 0; i < n && !in->failed; i++) {
        if (i > 0)
            walrow__strbuf_add_char(out, ' ');
        print_lexeme(walrow__read_string(in), out);
        int positions = walrow__read_u16(in);
        for (int p = 0; p < positions && !in->failed; p++) {
            uint16_t position = walrow__read_u16(in);
            walrow__strbuf_addf(out, "%c%d%s", p == 0 ? ':' : ',', position & 0x3FFF,
                                weights[position >> 14]);
        }
    }
    return true;
}

/* ---- geometry ---- */

static void
print_coordinate(walrow__cursor *in, walrow__strbuf *out)
{
    uint64_t bits = walrow__read_u64(in);
    double value;
    memcpy(&value, &bits, sizeof value);
    walrow__print_double(value, out);
}

/* Literal text, and a coordinate for each %. */
static bool
print_coordinates(walrow__cursor *in, const char *pattern, walrow__strbuf *out)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '%')
            print_coordinate(in, out);
        else
            walrow__strbuf_add_char(out, *pattern);
    }
    return true;
}

static bool
print_point(walrow__cursor *in, walrow__strbuf *out)
{
    return print_coordinates(in, "(%,%)", out);
}

static bool
print_lseg(walrow__cursor *in, walrow__strbuf *out)
{
    return print_coordinates(in, "[(%,%),(%,%)]", out);
}

static bool
print_box(walrow__cursor *in, walrow__strbuf *out)
{
    return print_coordinates(in, "(%,%),(%,%)", out);
}

static bool
print_line(walrow__cursor *in, walrow__strbuf *out)
{
    return print_coordinates(in, "{%,%,%}", out);
}

static bool
print_circle(walrow__cursor *in, walrow__strbuf *out)
{
    return print_coordinates(in, "<(%,%),%>", out);
}

static bool
print_points(walrow__cursor *in, bool closed, walrow__strbuf *out)
{
    uint32_t n = walrow__read_u32(in);
    if (n > walrow__cursor_left(in) / 16)
        return false;
    walrow__strbuf_add_char(out, closed ? '(' : '[');
    for (uint32_t i = 0; i < n; i++)
        print_coordinates(in, i == 0 ? "(%,%)" : ",(%,%)", out);
    walrow__strbuf_add_char(out, closed ? ')' : ']');
    return true;
}

static bool
print_path(walrow__cursor *in, walrow__strbuf *out)
{
    bool closed = walrow__read_u8(in) != 0;
    return print_points(in, closed, out);
}

static bool
print_polygon(walrow__cursor *in, walrow__strbuf *out)
{
    return print_points(in, true, out);
}

/* ---- which is which ---- */

/* oids as in src/include/catalog/pg_type.dat; size: of the binary form, 0 where it varies */
static const struct {
    uint32_t oid;
    uint32_t size;
    bool (*print)(walrow__cursor *in, walrow__strbuf *out);
} printers[] = {
    {18, 1, print_char},       {27, 6, print_tid},    {28, 4, print_u32},      {29, 4, print_u32},
    {600, 16, print_point},    {601, 32, print_lseg}, {602, 0, print_path},    {603, 32, print_box},
    {604, 0, print_polygon},   {628, 24, print_line}, {718, 24, print_circle}, {774, 8, print_mac},
    {790, 8, print_money},     {829, 6, print_mac},   {1560, 0, print_bits},   {1562, 0, print_bits},
    {3614, 0, print_tsvector}, {5069, 8, print_u64},
};

/* ranges and multiranges of PostgreSQL's own, and their bounds' types */
static const struct {
    uint32_t range, multirange, bound;
} ranges[] = {
    {3904, 4451, 23},   /* int4 */
    {3906, 4532, 1700}, /* numeric */
    {3908, 4533, 1114}, /* timestamp */
    {3910, 4534, 1184}, /* timestamptz */
    {3912, 4535, 1082}, /* date */
    {3926, 4536, 20},   /* int8 */
};

enum { INET_OID = 869, CIDR_OID = 650 };

static bool
print_whole(size_t i, const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (printers[i].size != 0 && printers[i].size != size)
        return false;
    walrow__cursor in = walrow__cursor_over(bytes, size);
    return printers[i].print(&in, out) && !in.failed && walrow__cursor_left(&in) == 0;
}

bool
walrow__print_type(uint32_t oid, const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    if (oid == INET_OID || oid == CIDR_OID)
        return walrow__print_network(bytes, size, out);
    for (size_t i = 0; i < sizeof printers / sizeof *printers; i++)
        if (printers[i].oid == oid)
            return print_whole(i, bytes, size, out);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (ranges[i].range == oid)
            return walrow__print_range(ranges[i].bound, bytes, size, out);
        if (ranges[i].multirange == oid)
            return walrow__print_multirange(ranges[i].bound, bytes, size, out);
    }
    return false;
}
