/*
 * columns/wire_frame.h
 *	  How bytes of a frame are put down: what the files that write wal2arrow's messages share. Internal to
 *	  columns/.
 */
#ifndef WALROW_COLUMNS_WIRE_FRAME_H
#define WALROW_COLUMNS_WIRE_FRAME_H

#include "columns/wire.h"

#include <string.h>

#define WALROW__WIRE_ALL_NULL UINT32_C(0xFFFFFFFF)

/* Everything on the wire begins at a multiple of 8. */
static inline size_t
walrow__wire_padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static inline uint8_t *
walrow__put_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *
walrow__put_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static inline uint8_t *
walrow__put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

/* A frame's head, and room for its payload, which the caller fills: size bytes from what comes back. NULL: out
 * of memory. */
uint8_t *walrow__wire_open_frame(walrow__wire_out *out, uint8_t type, size_t size) WALROW_MUST_CHECK;

/* Of a frame R: oid, rows, epoch; the body follows. */
enum { WALROW__WIRE_BATCH_HEAD = 16 };
uint8_t *walrow__wire_put_batch_head(uint8_t *at, const walrow__table *table, int64_t rows);

#endif
