#include "source/copy.h"

#include "base/error.h"
#include "source/tuple.h"

#include <string.h>

void
walrow__copy_init(walrow__copy *copy, walrow__collector *collector, walrow__feed *feed, bool binary)
{
    *copy = (walrow__copy){.collector = collector, .feed = feed, .binary = binary};
    walrow__strbuf_init(&copy->scratch);
}

void
walrow__copy_release(walrow__copy *copy)
{
    walrow__strbuf_release(&copy->scratch);
}

static walrow_code
malformed(const walrow__copy *copy, const char *what, walrow_error *err)
{
    const walrow__table *table = copy->feed->builder.table;
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "snapshot of %s.%s: %s", table->schema_name, table->name,
                        what);
}

bool
walrow__copy_read_header(walrow__cursor *cursor)
{
    static const char signature[11] = "PGCOPY\n\377\r\n"; /* its NUL belongs to it */
    const uint8_t *bytes = walrow__read_bytes(cursor, sizeof signature);
    walrow__read_u32(cursor); /* flags */
    walrow__read_bytes(cursor, walrow__read_u32(cursor));
    return !cursor->failed && memcmp(bytes, signature, sizeof signature) == 0;
}

static walrow_code
append_field(walrow__copy *copy, int column, const walrow__field *field, walrow_error *err)
{
    return walrow__field_append(copy->collector, copy->feed, column, field, 'R', false, err);
}

static walrow_code
read_binary_row(walrow__copy *copy, walrow__cursor *cursor, int n_fields, walrow_error *err)
{
    const uint8_t *start = cursor->at;
    walrow__batch_builder *builder;
    if (n_fields != copy->feed->builder.table->n_columns)
        return malformed(copy, "a row with another number of columns", err);
    WALROW_TRY(walrow__collector_begin_row(copy->collector, copy->feed, 'R', &builder, err));
    for (int i = 0; i < n_fields; i++) {
        walrow__field field = {.kind = 'b', .size = walrow__read_u32(cursor)};
        if (field.size == UINT32_MAX)
            field = (walrow__field){.kind = 'n'};
        else
            field.bytes = walrow__read_bytes(cursor, field.size);
        if (cursor->failed)
            return malformed(copy, "a row that ends too soon", err);
        WALROW_TRY(append_field(copy, i, &field, err));
    }
    return walrow__collector_end_row(copy->collector, copy->feed, false, (size_t)(cursor->at - start), err);
}

static walrow_code
feed_binary(walrow__copy *copy, walrow__cursor *cursor, walrow_error *err)
{
    if (!copy->header_read && !walrow__copy_read_header(cursor))
        return malformed(copy, "not a binary COPY", err);
    copy->header_read = true;
    while (walrow__cursor_left(cursor) > 0) {
        if (copy->ended)
            return malformed(copy, "bytes after the trailer", err);
        uint16_t n_fields = walrow__read_u16(cursor);
        if (cursor->failed)
            return malformed(copy, "a row that ends too soon", err);
        if (n_fields == UINT16_MAX)
            copy->ended = true;
        else
            WALROW_TRY(read_binary_row(copy, cursor, n_fields, err));
    }
    return WALROW_OK;
}

/* COPY's backslash escapes, one character after the backslash. */
static char
unescape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

/* A value up to the next tab, without its escapes: in place where it has none. */
static walrow__field
text_field(walrow__copy *copy, const uint8_t *start, const uint8_t *end)
{
    size_t size = (size_t)(end - start);
    if (size == 2 && start[0] == '\\' && start[1] == 'N')
        return (walrow__field){.kind = 'n'};
    if (memchr(start, '\\', size) == NULL)
        return (walrow__field){.kind = 't', .bytes = start, .size = (uint32_t)size};
    walrow__strbuf_clear(&copy->scratch);
    walrow__strbuf_reserve(&copy->scratch, size);
    for (const uint8_t *at = start; at < end; at++) {
        char c = (char)*at;
        if (c == '\\' && at + 1 < end)
            c = unescape((char)*++at);
        walrow__strbuf_add_char(&copy->scratch, c);
    }
    return (walrow__field){.kind = 't',
                           .bytes = (const uint8_t *)walrow__strbuf_text(&copy->scratch),
                           .size = (uint32_t)copy->scratch.size};
}

static walrow_code
read_text_row(walrow__copy *copy, const uint8_t *start, const uint8_t *end, walrow_error *err)
{
    int n_columns = copy->feed->builder.table->n_columns;
    const uint8_t *at = start;
    walrow__batch_builder *builder;
    WALROW_TRY(walrow__collector_begin_row(copy->collector, copy->feed, 'R', &builder, err));
    for (int i = 0; i < n_columns; i++) {
        const uint8_t *tab = memchr(at, '\t', (size_t)(end - at));
        if ((tab == NULL) != (i == n_columns - 1))
            return malformed(copy, "a row with another number of columns", err);
        const uint8_t *stop = tab == NULL ? end : tab;
        walrow__field field = text_field(copy, at, stop);
        if (copy->scratch.failed)
            return walrow__fail_memory(err);
        WALROW_TRY(append_field(copy, i, &field, err));
        at = stop + 1;
    }
    return walrow__collector_end_row(copy->collector, copy->feed, false, (size_t)(end - start), err);
}

static walrow_code
feed_text(walrow__copy *copy, const uint8_t *bytes, size_t size, walrow_error *err)
{
    const uint8_t *at = bytes, *end = bytes + size;
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return malformed(copy, "a row that ends too soon", err);
        WALROW_TRY(read_text_row(copy, at, newline, err));
        at = newline + 1;
    }
    return WALROW_OK;
}

walrow_code
walrow__copy_feed(walrow__copy *copy, const uint8_t *bytes, size_t size, walrow_error *err)
{
    if (!copy->binary)
        return feed_text(copy, bytes, size, err);
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    return feed_binary(copy, &cursor, err);
}
