/*
 * base/cursor.h
 *	  A read cursor over bytes that knows its bounds. PostgreSQL sends integers in network byte order
 *	  (PostgreSQL documentation, "Message Data Types").
 *
 * A read past the end gives zero (or NULL) and sets failed for good, so that a decoder may read a group of
 *	  fields and ask once.
 */
#ifndef WALROW_BASE_CURSOR_H
#define WALROW_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct walrow__cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
} walrow__cursor;

static inline walrow__cursor
walrow__cursor_over(const void *bytes, size_t size)
{
    return (walrow__cursor){.at = bytes, .end = (const uint8_t *)bytes + size, .failed = false};
}

static inline size_t
walrow__cursor_left(const walrow__cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* size bytes, borrowed; NULL and failed if there are fewer. */
static inline const uint8_t *
walrow__read_bytes(walrow__cursor *cursor, size_t size)
{
    if (size > walrow__cursor_left(cursor)) {
        cursor->failed = true;
        cursor->at = cursor->end;
        return NULL;
    }
    const uint8_t *bytes = cursor->at;
    cursor->at += size;
    return bytes;
}

static inline uint16_t
walrow__load_u16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap16(value);
}

static inline uint32_t
walrow__load_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap32(value);
}

static inline uint64_t
walrow__load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

static inline uint8_t
walrow__read_u8(walrow__cursor *cursor)
{
    const uint8_t *bytes = walrow__read_bytes(cursor, 1);
    return bytes == NULL ? 0 : *bytes;
}

static inline uint16_t
walrow__read_u16(walrow__cursor *cursor)
{
    const uint8_t *bytes = walrow__read_bytes(cursor, 2);
    return bytes == NULL ? 0 : walrow__load_u16(bytes);
}

static inline uint32_t
walrow__read_u32(walrow__cursor *cursor)
{
    const uint8_t *bytes = walrow__read_bytes(cursor, 4);
    return bytes == NULL ? 0 : walrow__load_u32(bytes);
}

static inline uint64_t
walrow__read_u64(walrow__cursor *cursor)
{
    const uint8_t *bytes = walrow__read_bytes(cursor, 8);
    return bytes == NULL ? 0 : walrow__load_u64(bytes);
}

/* Little-endian, as Arrow and walrow's own protocol have it. */
static inline uint32_t
walrow__read_le_u32(walrow__cursor *cursor)
{
    uint32_t value = 0;
    const uint8_t *bytes = walrow__read_bytes(cursor, sizeof value);
    if (bytes != NULL)
        memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint64_t
walrow__read_le_u64(walrow__cursor *cursor)
{
    uint64_t value = 0;
    const uint8_t *bytes = walrow__read_bytes(cursor, sizeof value);
    if (bytes != NULL)
        memcpy(&value, bytes, sizeof value);
    return value;
}

/* A NUL-terminated string, borrowed; "" and failed if no NUL is left. */
static inline const char *
walrow__read_string(walrow__cursor *cursor)
{
    const uint8_t *nul = memchr(cursor->at, 0, walrow__cursor_left(cursor));
    if (nul == NULL) {
        cursor->failed = true;
        cursor->at = cursor->end;
        return "";
    }
    const char *text = (const char *)cursor->at;
    cursor->at = nul + 1;
    return text;
}

#endif
