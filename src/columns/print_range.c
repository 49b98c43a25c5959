/*
 * columns/print_range.c
 *	  Ranges and multiranges as range_out and multirange_out print them.
 */
#include "base/cursor.h"
#include "columns/column.h"
#include "columns/print_types.h"

enum {
    EMPTY = 0x01,
    LOWER_INCLUSIVE = 0x02,
    UPPER_INCLUSIVE = 0x04,
    LOWER_INFINITE = 0x08,
    UPPER_INFINITE = 0x10
};

static bool
bound_needs_quotes(const walrow__strbuf *out, size_t start)
{
    for (size_t i = start; i < out->size; i++) {
        char c = out->data[i];
        if (strchr("\"\\()[],", c) != NULL || c == ' ' || (c >= '\t' && c <= '\r'))
            return true;
    }
    return out->size == start;
}

static bool
print_bound(const walrow__type *type, walrow__cursor *in, walrow__strbuf *out)
{
    size_t start = out->size;
    uint32_t size = walrow__read_u32(in);
    const uint8_t *bytes = walrow__read_bytes(in, size);
    if (in->failed || !walrow__print_binary(type, bytes, size, out))
        return false;
    if (!out->failed && bound_needs_quotes(out, start))
        walrow__quote(out, start, true);
    return true;
}

static bool
print_bounds(const walrow__type *type, int flags, walrow__cursor *in, walrow__strbuf *out)
{
    walrow__strbuf_add_char(out, flags & LOWER_INCLUSIVE ? '[' : '(');
    if ((flags & LOWER_INFINITE) == 0 && !print_bound(type, in, out))
        return false;
    walrow__strbuf_add_char(out, ',');
    if ((flags & UPPER_INFINITE) == 0 && !print_bound(type, in, out))
        return false;
    walrow__strbuf_add_char(out, flags & UPPER_INCLUSIVE ? ']' : ')');
    return true;
}

bool
walrow__print_range(uint32_t bound_oid, const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    walrow__cursor in = walrow__cursor_over(bytes, size);
    int flags = walrow__read_u8(&in);
    walrow__type type;
    if (in.failed || !walrow__type_builtin(bound_oid, &type))
        return false;
    if ((flags & EMPTY) != 0)
        walrow__strbuf_add_text(out, "empty");
    else if (!print_bounds(&type, flags, &in, out))
        return false;
    return walrow__cursor_left(&in) == 0;
}

bool
walrow__print_multirange(uint32_t bound_oid, const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    walrow__cursor in = walrow__cursor_over(bytes, size);
    uint32_t n = walrow__read_u32(&in);
    walrow__strbuf_add_char(out, '{');
    for (uint32_t i = 0; i < n && !in.failed; i++) {
        uint32_t range_size = walrow__read_u32(&in);
        const uint8_t *range = walrow__read_bytes(&in, range_size);
        if (i > 0)
            walrow__strbuf_add_char(out, ',');
        if (in.failed || !walrow__print_range(bound_oid, range, range_size, out))
            return false;
    }
    walrow__strbuf_add_char(out, '}');
    return !in.failed && walrow__cursor_left(&in) == 0;
}
