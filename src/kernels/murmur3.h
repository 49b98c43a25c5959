/*
 * kernels/murmur3.h
 *	  MurmurHash3 by Austin Appleby, in the public domain: the variants x86_32 and x64_128, of the latter the
 *	  first 64 bits or all. Inline, because a value of known size costs a few instructions then.
 *
 * Bytes are read as words of a little-endian machine.
 */
#ifndef WALROW_KERNELS_MURMUR3_H
#define WALROW_KERNELS_MURMUR3_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t
walrow__load_u32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t
walrow__load_u64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* size < 8 bytes, the first one lowest. */
static inline uint64_t
walrow__load_tail(const uint8_t *at, size_t size)
{
    if (size >= 4) /* two words, which may overlap */
        return walrow__load_u32(at) | (uint64_t)walrow__load_u32(at + size - 4) << 8 * (size - 4);
    if (size == 0)
        return 0;
    return at[0] | (uint64_t)at[size / 2] << 8 * (size / 2) | (uint64_t)at[size - 1] << 8 * (size - 1);
}

static inline uint32_t
walrow__rotate_32(uint32_t word, int by)
{
    return word << by | word >> (32 - by);
}

static inline uint64_t
walrow__rotate_64(uint64_t word, int by)
{
    return word << by | word >> (64 - by);
}

/* ---- x86_32 ---- */

static inline uint32_t
walrow__murmur3_scramble_32(uint32_t word)
{
    return walrow__rotate_32(word * UINT32_C(0xcc9e2d51), 15) * UINT32_C(0x1b873593);
}

static inline uint32_t
walrow__murmur3_32(const void *bytes, size_t size, uint32_t seed)
{
    const uint8_t *at = bytes;
    uint32_t hash = seed;
    for (size_t left = size; left >= 4; left -= 4, at += 4)
        hash = walrow__rotate_32(hash ^ walrow__murmur3_scramble_32(walrow__load_u32(at)), 13) * 5 +
               UINT32_C(0xe6546b64);
    if (size % 4 != 0)
        hash ^= walrow__murmur3_scramble_32((uint32_t)walrow__load_tail(at, size % 4));
    hash ^= (uint32_t)size;
    hash = (hash ^ hash >> 16) * UINT32_C(0x85ebca6b);
    hash = (hash ^ hash >> 13) * UINT32_C(0xc2b2ae35);
    return hash ^ hash >> 16;
}

/* ---- x64_128 ---- */

typedef struct walrow__murmur3_state {
    uint64_t low, high;
} walrow__murmur3_state;

static inline uint64_t
walrow__murmur3_scramble_low(uint64_t word)
{
    return walrow__rotate_64(word * UINT64_C(0x87c37b91114253d5), 31) * UINT64_C(0x4cf5ad432745937f);
}

static inline uint64_t
walrow__murmur3_scramble_high(uint64_t word)
{
    return walrow__rotate_64(word * UINT64_C(0x4cf5ad432745937f), 33) * UINT64_C(0x87c37b91114253d5);
}

static inline uint64_t
walrow__murmur3_mix_64(uint64_t word)
{
    word = (word ^ word >> 33) * UINT64_C(0xff51afd7ed558ccd);
    word = (word ^ word >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return word ^ word >> 33;
}

static inline walrow__murmur3_state
walrow__murmur3_block(walrow__murmur3_state hash, const uint8_t *at)
{
    hash.low ^= walrow__murmur3_scramble_low(walrow__load_u64(at));
    hash.low = (walrow__rotate_64(hash.low, 27) + hash.high) * 5 + 0x52dce729;
    hash.high ^= walrow__murmur3_scramble_high(walrow__load_u64(at + 8));
    hash.high = (walrow__rotate_64(hash.high, 31) + hash.low) * 5 + 0x38495ab5;
    return hash;
}

/* The published function takes a seed of 32 bits and begins with it in both halves, as this one does. */
static inline walrow__murmur3_state
walrow__murmur3_128(const void *bytes, size_t size, uint64_t seed)
{
    const uint8_t *at = bytes;
    walrow__murmur3_state hash = {.low = seed, .high = seed};
    size_t left = size;
    for (; left >= 16; left -= 16, at += 16)
        hash = walrow__murmur3_block(hash, at);
    if (left > 8)
        hash.high ^= walrow__murmur3_scramble_high(walrow__load_tail(at + 8, left - 8));
    if (left >= 8)
        hash.low ^= walrow__murmur3_scramble_low(walrow__load_u64(at));
    else if (left > 0)
        hash.low ^= walrow__murmur3_scramble_low(walrow__load_tail(at, left));
    hash.low ^= size;
    hash.high ^= size;
    hash.low += hash.high;
    hash.high += hash.low;
    hash.low = walrow__murmur3_mix_64(hash.low);
    hash.high = walrow__murmur3_mix_64(hash.high);
    hash.low += hash.high;
    hash.high += hash.low;
    return hash;
}

#endif
