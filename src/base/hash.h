/*
 * base/hash.h
 *	  A 64-bit fingerprint that is the same on every machine and in every version: FNV-1a (Fowler, Noll, Vo)
 * over length-delimited parts, with MurmurHash3's final mix, because FNV's high bits are weak for short
 * input. It is written into files and onto the wire: never change it.
 */
#ifndef WALROW_BASE_HASH_H
#define WALROW_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WALROW__HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t
walrow__hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Four bytes, little-endian whatever the machine. */
static inline uint64_t
walrow__hash_u32(uint64_t hash, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 24)};
    return walrow__hash_bytes(hash, bytes, sizeof bytes);
}

/* Length first, so that ("ab", "c") and ("a", "bc") differ. */
static inline uint64_t
walrow__hash_text(uint64_t hash, const char *text)
{
    size_t size = strlen(text);
    return walrow__hash_bytes(walrow__hash_u32(hash, (uint32_t)size), text, size);
}

static inline uint64_t
walrow__hash_finish(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

#endif
