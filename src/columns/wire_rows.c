#include "columns/wire_rows.h"

#include "base/utf8.h"
#include "columns/append.h"
#include "columns/wire_frame.h"

static bool
wrong(walrow__wire_reader *reader, const char *reason)
{
    reader->reason = reason;
    return false;
}

/* ---- buffers ---- */

static bool
read_buffer(walrow__wire_reader *reader, int64_t size, const uint8_t **out)
{
    *out = walrow__read_bytes(&reader->buffers, walrow__wire_padded((size_t)size));
    return *out != NULL || wrong(reader, "a buffer passes the end of its batch");
}

/* Bits past the end must be zero: they would end up between those of two batches. */
static bool
read_bits(walrow__wire_reader *reader, int64_t n, const uint8_t **out)
{
    if (!read_buffer(reader, (n + 7) / 8, out))
        return false;
    if (n % 8 != 0 && (*out)[n / 8] >> n % 8 != 0)
        return wrong(reader, "bits past a bitmap's end");
    return true;
}

static bool
read_validity(walrow__wire_reader *reader, walrow__wire_node *node)
{
    if (!read_bits(reader, node->length, &node->validity))
        return false;
    if (node->length - ArrowBitCountSet(node->validity, 0, node->length) != node->null_count)
        return wrong(reader, "a number of nulls that its bitmap does not have");
    return true;
}

static bool
read_offsets(walrow__wire_reader *reader, walrow__wire_node *node)
{
    if (!read_buffer(reader, (node->length + 1) * 4, &node->offsets))
        return false;
    int32_t previous = 0, falls = 0;
    for (int64_t i = 0; i <= node->length; i++) {
        int32_t offset;
        memcpy(&offset, node->offsets + 4 * i, sizeof offset);
        falls |= offset < previous;
        previous = offset;
    }
    if (walrow__wire_offset(node, 0) != 0 || falls)
        return wrong(reader, "offsets that do not ascend from 0");
    node->content = previous;
    return true;
}

static bool
is_ascii(const uint8_t *bytes, int64_t size)
{
    uint8_t seen = 0;
    for (int64_t i = 0; i < size; i++)
        seen |= bytes[i];
    return seen < 0x80;
}

/* The whole is UTF-8 and no value begins inside a character: then every value is. */
static bool
check_text(walrow__wire_reader *reader, const walrow__wire_node *node)
{
    if (is_ascii(node->data, node->content))
        return true;
    if (!walrow__utf8_valid(node->data, (size_t)node->content))
        return wrong(reader, "text that is not UTF-8");
    for (int64_t i = 0; i < node->length; i++) {
        int64_t at = walrow__wire_offset(node, i);
        if (at < node->content && (node->data[at] & 0xC0) == 0x80)
            return wrong(reader, "text that is not UTF-8");
    }
    return true;
}

static bool
read_variable(walrow__wire_reader *reader, walrow__kind kind, walrow__wire_node *node)
{
    if (!read_offsets(reader, node))
        return false;
    if (kind >= WALROW__LIST)
        return true;
    if (!read_buffer(reader, node->content, &node->data))
        return false;
    return kind == WALROW__BINARY || check_text(reader, node);
}

/* ---- nodes ---- */

static bool
read_buffers(walrow__wire_reader *reader, walrow__kind kind, walrow__wire_node *node)
{
    if (node->null_count > 0 && !read_validity(reader, node))
        return false;
    if (kind == WALROW__BOOL)
        return read_bits(reader, node->length, &node->data);
    if (walrow__has_offsets(kind))
        return read_variable(reader, kind, node);
    return kind == WALROW__STRUCT ||
           read_buffer(reader, node->length * walrow__slot_width(kind), &node->data);
}

bool
walrow__wire_read_node(walrow__wire_reader *reader, walrow__kind kind, int64_t length, walrow__wire_node *out)
{
    uint32_t nulls = walrow__read_le_u32(&reader->nulls);
    if (reader->nulls.failed)
        return wrong(reader, "fewer nodes than its schema has");
    *out = (walrow__wire_node){.length = length, .null_count = nulls};
    out->elided = length == 0 || (nulls == WALROW__WIRE_ALL_NULL && reader->lists == 0);
    if (out->elided)
        out->null_count = length;
    else if (nulls > length)
        return wrong(reader, "more nulls than slots");
    return out->elided || read_buffers(reader, kind, out);
}

bool
walrow__wire_read_entries(walrow__wire_reader *reader, int64_t length, walrow__wire_node *out)
{
    if (!walrow__wire_read_node(reader, WALROW__STRUCT, length, out))
        return false;
    return out->null_count == 0 || wrong(reader, "entries of a map that are null");
}

/* ---- a batch ---- */

static bool
read_fixed(walrow__wire_reader *reader, walrow__kind kind, int64_t n, walrow__wire_node *out)
{
    if (!walrow__wire_read_node(reader, kind, n, out))
        return false;
    return out->null_count == 0 || wrong(reader, "a row without position, transaction or time");
}

static bool
check_ops(walrow__wire_reader *reader, const walrow__wire_node *ops)
{
    bool good = ops->content == ops->length;
    for (int64_t i = 0; i < ops->length; i++) /* they ascend: from 0 to n in n steps is by one */
        good = good && walrow__wire_offset(ops, i) == i && memchr("IUDT", ops->data[i], 4) != NULL;
    return good || wrong(reader, "an unknown operation");
}

static bool
check_positions(walrow__wire_rows *rows)
{
    bool ascending = true;
    for (int64_t i = 1; i < rows->n; i++)
        ascending &=
            walrow__position_compare(walrow__wire_position(rows, i - 1), walrow__wire_position(rows, i)) < 0;
    return ascending || wrong(&rows->rest, "rows out of order");
}

static bool
open_rows(walrow__wire_rows *rows, walrow__wire_bytes body)
{
    walrow__wire_reader *r = &rows->rest;
    walrow__cursor cursor = walrow__cursor_over(body.bytes, body.size);
    size_t counts = (size_t)walrow__read_le_u32(&cursor) * 4;
    size_t padding = walrow__wire_padded(4 + counts) - 4 - counts;
    const uint8_t *nulls = walrow__read_bytes(&cursor, counts);
    walrow__read_bytes(&cursor, padding);
    if (cursor.failed)
        return wrong(r, "its nodes pass its end");
    r->nulls = walrow__cursor_over(nulls, counts);
    r->buffers = cursor;
    return read_fixed(r, WALROW__UTF8, rows->n, &rows->ops) && check_ops(r, &rows->ops) &&
           read_fixed(r, WALROW__INT64, rows->n, &rows->commit_lsns) &&
           read_fixed(r, WALROW__UINT32, rows->n, &rows->seqs) && check_positions(rows) &&
           read_fixed(r, WALROW__UINT32, rows->n, &rows->xids) &&
           read_fixed(r, WALROW__TIMESTAMPTZ, rows->n, &rows->commit_times);
}

bool
walrow__wire_open_rows(const walrow__wire_batch *batch, walrow__wire_rows *out, const char **reason)
{
    *out = (walrow__wire_rows){.n = batch->rows};
    bool good = open_rows(out, batch->body);
    *reason = out->rest.reason;
    return good;
}
