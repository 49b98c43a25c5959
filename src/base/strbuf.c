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
walrow__strbuf_grow(walrow__strbuf *buf, size_t more)
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

char *
walrow__digits_before(char *end, uint64_t number)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    for (; number >= 100; number /= 100)
        end = memcpy(end - 2, pairs + 2 * (number % 100), 2);
    if (number >= 10)
        return memcpy(end - 2, pairs + 2 * number, 2);
    *--end = (char)('0' + number);
    return end;
}

/* Most numbers are small. */
static int
count_digits(uint64_t number)
{
    for (int n = 1;; n += 4, number /= 10000)
        if (number < 10000)
            return n + (number >= 10) + (number >= 100) + (number >= 1000);
}

void
walrow__strbuf_add_digits(walrow__strbuf *buf, uint64_t number, int width)
{
    int n = count_digits(number), size = n < width ? width : n;
    if (!walrow__strbuf_reserve(buf, (size_t)size))
        return;
    char *begin = buf->data + buf->size, *end = begin + size;
    char *at = walrow__digits_before(end, number);
    while (at > begin)
        *--at = '0';
    *end = '\0';
    buf->size += (size_t)size;
}

void
walrow__strbuf_add_integer(walrow__strbuf *buf, int64_t number)
{
    if (number < 0)
        walrow__strbuf_add_char(buf, '-');
    walrow__strbuf_add_digits(buf, number < 0 ? -(uint64_t)number : (uint64_t)number, 1);
}

/* Into the room there is; what does not fit is printed again. */
void
walrow__strbuf_addf(walrow__strbuf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t room = walrow__strbuf_reserve(buf, 0) ? buf->capacity - buf->size : 0;
    int size = room == 0 ? 0 : vsnprintf(buf->data + buf->size, room, fmt, args);
    bool fits = size >= 0 && (size_t)size < room;
    if (size < 0)
        buf->failed = true;
    else if (!fits && walrow__strbuf_reserve(buf, (size_t)size))
        fits = vsnprintf(buf->data + buf->size, (size_t)size + 1, fmt, again) == size;
    if (fits)
        buf->size += (size_t)size;
    else if (room > 0)
        buf->data[buf->size] = '\0';
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
