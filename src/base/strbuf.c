#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
walrow__strbuf_init_with(walrow__strbuf *buf, struct ArrowBufferAllocator allocator)
{
    memset(buf, 0, sizeof *buf);
    buf->allocator = allocator;
}

void
walrow__strbuf_init(walrow__strbuf *buf)
{
    walrow__strbuf_init_with(buf, ArrowBufferAllocatorDefault());
}

void
walrow__strbuf_release(walrow__strbuf *buf)
{
    if (buf->data != NULL)
        buf->allocator.free(&buf->allocator, (uint8_t *)buf->data, (int64_t)buf->capacity);
    buf->data = NULL;
    buf->size = buf->capacity = 0;
}

void
walrow__strbuf_clear(walrow__strbuf *buf)
{
    buf->size = 0;
    buf->failed = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

bool
walrow__strbuf_reserve(walrow__strbuf *buf, size_t more)
{
    size_t needed = buf->size + more + 1;
    if (buf->failed || needed < more)
        return buf->failed = true, false;
    if (needed <= buf->capacity)
        return true;
    size_t capacity = buf->capacity < 32 ? 64 : buf->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    uint8_t *data = buf->allocator.reallocate(&buf->allocator, (uint8_t *)buf->data, (int64_t)buf->capacity,
                                              (int64_t)capacity);
    if (data == NULL)
        return buf->failed = true, false;
    buf->data = (char *)data;
    buf->capacity = capacity;
    return true;
}

void
walrow__strbuf_add(walrow__strbuf *buf, const void *bytes, size_t size)
{
    if (!walrow__strbuf_reserve(buf, size))
        return;
    if (size > 0)
        memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void
walrow__strbuf_add_char(walrow__strbuf *buf, char c)
{
    walrow__strbuf_add(buf, &c, 1);
}

void
walrow__strbuf_add_text(walrow__strbuf *buf, const char *text)
{
    walrow__strbuf_add(buf, text, strlen(text));
}

void
walrow__strbuf_addf(walrow__strbuf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    if (size < 0)
        buf->failed = true;
    else if (walrow__strbuf_reserve(buf, (size_t)size)) {
        vsnprintf(buf->data + buf->size, (size_t)size + 1, fmt, again);
        buf->size += (size_t)size;
    }
    va_end(again);
    va_end(args);
}

const char *
walrow__strbuf_text(const walrow__strbuf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

char *
walrow__strbuf_take(walrow__strbuf *buf)
{
    if (!walrow__strbuf_reserve(buf, 0))
        return NULL;
    buf->data[buf->size] = '\0';
    char *text = buf->data;
    buf->data = NULL;
    buf->size = buf->capacity = 0;
    return text;
}
