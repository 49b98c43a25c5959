/*
 * base/strbuf.h
 *	  A growing byte string, always NUL-terminated. Its memory comes from an ArrowBufferAllocator, so that it
 *	  can live in a server's memory context. Running out of memory is remembered in failed; ask once at the end.
 */
#ifndef WALROW_BASE_STRBUF_H
#define WALROW_BASE_STRBUF_H

#include <nanoarrow/nanoarrow.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct walrow__strbuf {
    char *data; /* never NULL after the first write; "" is not NULL-safe before it: use walrow__strbuf_text */
    size_t size;
    size_t capacity;
    bool failed;
    struct ArrowBufferAllocator allocator;
} walrow__strbuf;

void walrow__strbuf_init(walrow__strbuf *buf); /* malloc */
void walrow__strbuf_init_with(walrow__strbuf *buf, struct ArrowBufferAllocator allocator);
void walrow__strbuf_release(walrow__strbuf *buf);
void walrow__strbuf_clear(walrow__strbuf *buf); /* keeps the memory */
bool walrow__strbuf_grow(walrow__strbuf *buf, size_t more);
/* The number in decimal, up to 20 digits, so that they end there; where they begin. */
char *walrow__digits_before(char *end, uint64_t number);
/* In decimal, with zeros in front up to the width. */
void walrow__strbuf_add_digits(walrow__strbuf *buf, uint64_t number, int width);
void walrow__strbuf_add_integer(walrow__strbuf *buf, int64_t number);
void walrow__strbuf_addf(walrow__strbuf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *walrow__strbuf_text(const walrow__strbuf *buf);
/* The malloc'ed string, now the caller's (only for walrow__strbuf_init); NULL if failed. Leaves buf empty. */
char *walrow__strbuf_take(walrow__strbuf *buf);

/* Rows are printed by these: inline, for the usual case that there is room. */

static inline bool
walrow__strbuf_reserve(walrow__strbuf *buf, size_t more)
{
    return (buf->size < buf->capacity && more < buf->capacity - buf->size && !buf->failed) ||
           walrow__strbuf_grow(buf, more);
}

static inline void
walrow__strbuf_add(walrow__strbuf *buf, const void *bytes, size_t size)
{
    if (!walrow__strbuf_reserve(buf, size))
        return;
    if (size > 0)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

static inline void
walrow__strbuf_add_char(walrow__strbuf *buf, char c)
{
    walrow__strbuf_add(buf, &c, 1);
}

static inline void
walrow__strbuf_add_text(walrow__strbuf *buf, const char *text)
{
    walrow__strbuf_add(buf, text, strlen(text));
}

#endif
