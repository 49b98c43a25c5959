/*
 * walsender_messages.c
 *	  The scripted walsender's messages as bytes (PostgreSQL documentation, "Message Formats").
 */
#include "walsender_inside.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CELLS = 32 };

void
buffer_add(buffer *b, const void *bytes, size_t size)
{
    uint8_t *grown = realloc(b->bytes, b->size + size + 1);
    walsender_must(grown != NULL, "realloc");
    b->bytes = grown;
    if (size > 0)
        memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

void
buffer_add_uint(buffer *b, uint64_t value, int size)
{
    while (size-- > 0)
        buffer_add(b, &(uint8_t){(uint8_t)(value >> (size * 8))}, 1);
}

void
buffer_add_text(buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text) + 1);
}

size_t
buffer_begin_message(buffer *b, char type)
{
    buffer_add(b, &type, 1);
    buffer_add_uint(b, 0, 4);
    return b->size - 4;
}

void
buffer_end_message(buffer *b, size_t at)
{
    size_t size = b->size;
    uint64_t length = size - at;
    for (int i = 3; i >= 0; i--, length >>= 8)
        b->bytes[at + (size_t)i] = (uint8_t)length;
}

static void
add_field(buffer *b, char code, const char *text)
{
    if (text == NULL)
        return;
    buffer_add(b, &code, 1);
    buffer_add_text(b, text);
}

void
buffer_add_error(buffer *b, const walsender_error *error)
{
    size_t at = buffer_begin_message(b, 'E');
    const char *severity = error->fatal ? "FATAL" : "ERROR";
    add_field(b, 'S', severity);
    add_field(b, 'V', severity);
    add_field(b, 'C', error->sqlstate);
    add_field(b, 'M', error->message);
    add_field(b, 'D', error->detail);
    add_field(b, 'H', error->hint);
    add_field(b, 'F', error->file);
    add_field(b, 'L', error->file == NULL ? NULL : "1");
    add_field(b, 'R', error->function);
    buffer_add_uint(b, 0, 1);
    buffer_end_message(b, at);
}

void
buffer_add_ready(buffer *b)
{
    size_t at = buffer_begin_message(b, 'Z');
    buffer_add(b, "I", 1);
    buffer_end_message(b, at);
}

/* The cells of one line of an answer; returns where the next begins. */
static const char *
split_row(const char *row, const char **cells, int *sizes, int *n)
{
    for (*n = 0; *row != '\0' && *row != '\n' && *n < MAX_CELLS; (*n)++) {
        size_t size = strcspn(row, "|");
        cells[*n] = row;
        sizes[*n] = size == 1 && *row == '~' ? -1 : (int)size;
        row += size + (row[size] == '|');
    }
    return *row == '\n' ? row + 1 : row;
}

static void
add_columns(buffer *b, int n)
{
    size_t at = buffer_begin_message(b, 'T');
    buffer_add_uint(b, (uint64_t)n, 2);
    for (int i = 0; i < n; i++) {
        buffer_add_text(b, "column");
        buffer_add_uint(b, 0, 6);          /* of no table */
        buffer_add_uint(b, 25, 4);         /* text */
        buffer_add_uint(b, UINT64_MAX, 2); /* of any length */
        buffer_add_uint(b, UINT64_MAX, 4); /* no typmod */
        buffer_add_uint(b, 0, 2);          /* as text */
    }
    buffer_end_message(b, at);
}

static void
add_row(buffer *b, const char **cells, const int *sizes, int n)
{
    size_t at = buffer_begin_message(b, 'D');
    buffer_add_uint(b, (uint64_t)n, 2);
    for (int i = 0; i < n; i++) {
        buffer_add_uint(b, (uint64_t)(int64_t)sizes[i], 4);
        if (sizes[i] > 0)
            buffer_add(b, cells[i], (size_t)sizes[i]);
    }
    buffer_end_message(b, at);
}

void
buffer_add_rows(buffer *b, const char *rows)
{
    const char *cells[MAX_CELLS];
    int sizes[MAX_CELLS], n;
    split_row(rows, cells, sizes, &n);
    add_columns(b, n == 0 ? 1 : n);
    while (*rows != '\0') {
        rows = split_row(rows, cells, sizes, &n);
        add_row(b, cells, sizes, n);
    }
    size_t at = buffer_begin_message(b, 'C');
    buffer_add_text(b, "SELECT");
    buffer_end_message(b, at);
}
