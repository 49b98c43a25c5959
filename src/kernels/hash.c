#include "kernels/hash.h"

#include "columns/append.h"
#include "kernels/murmur3.h"
#include "kernels/take.h"

#include <math.h>

enum { CHUNK = 256 };

/* Slots [start, start + n) of src's buffers, its offset counted in. */
typedef struct span {
    const walrow__type *type;
    const struct ArrowArray *src;
    int64_t start, n;
} span;

static inline __attribute__((always_inline)) uint64_t
step(walrow_hash hash, const void *bytes, size_t size, uint64_t so_far)
{
    return hash == WALROW_HASH_MURMUR3_X86_32 ? walrow__murmur3_32(bytes, size, (uint32_t)so_far)
                                              : walrow__murmur3_128(bytes, size, so_far).low;
}

uint64_t
walrow__hash_value(walrow_hash hash, const void *bytes, size_t size, uint64_t so_far)
{
    return step(hash, bytes, size, so_far);
}

static uint64_t
hash_null(walrow_hash hash, uint64_t so_far)
{
    return step(hash, "\xFF", 1, so_far);
}

static inline bool
is_null(const struct ArrowArray *src, int64_t slot)
{
    return walrow__may_have_nulls(src) && !ArrowBitGet(src->buffers[0], slot);
}

/* ---- eight bytes ---- */

static int64_t
double_word(double value)
{
    int64_t word = INT64_C(0x7FF8000000000000);
    value += 0.0; /* there is one zero */
    if (!isnan(value))
        memcpy(&word, &value, sizeof word);
    return word;
}

#define WIDEN(ctype, expression)                                                                             \
    do {                                                                                                     \
        const uint8_t *at = (const uint8_t *)src->buffers[1] + start * (int64_t)sizeof(ctype);               \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            ctype value;                                                                                     \
            memcpy(&value, at + i * (int64_t)sizeof value, sizeof value);                                    \
            words[i] = (expression);                                                                         \
        }                                                                                                    \
    } while (0)

/* A number's value is hashed, not its width, so that a key means the same in tables that refer to each other. */
static void
widen(walrow__kind kind, const struct ArrowArray *src, int64_t start, int64_t n, int64_t *words)
{
    switch (kind) {
    case WALROW__BOOL:
        for (int64_t i = 0; i < n; i++)
            words[i] = ArrowBitGet(src->buffers[1], start + i);
        break;
    case WALROW__INT16:
        WIDEN(int16_t, value);
        break;
    case WALROW__INT32:
    case WALROW__DATE32:
        WIDEN(int32_t, value);
        break;
    case WALROW__UINT32:
        WIDEN(uint32_t, value);
        break;
    case WALROW__FLOAT32:
        WIDEN(float, double_word(value));
        break;
    case WALROW__FLOAT64:
        WIDEN(double, double_word(value));
        break;
    default:
        WIDEN(int64_t, value);
    }
}

static inline __attribute__((always_inline)) void
step_words(walrow_hash hash, const int64_t *words, int64_t n, uint64_t *hashes)
{
    for (int64_t i = 0; i < n; i++)
        hashes[i] = step(hash, &words[i], sizeof words[i], hashes[i]);
}

static void
hash_words(walrow_hash hash, const int64_t *words, int64_t n, uint64_t *hashes)
{
    if (hash == WALROW_HASH_MURMUR3_X86_32)
        step_words(WALROW_HASH_MURMUR3_X86_32, words, n, hashes);
    else
        step_words(WALROW_HASH_MURMUR3_X64_128, words, n, hashes);
}

/* The values of a chunk without regard to nulls, whose hashes are made anew from those before. */
static void
hash_chunk(walrow_hash hash, const span *of, int64_t start, int64_t n, uint64_t *hashes)
{
    int64_t words[CHUNK];
    uint64_t before[CHUNK];
    bool nulls = walrow__may_have_nulls(of->src);
    if (nulls)
        memcpy(before, hashes, (size_t)n * sizeof *hashes);
    widen(of->type->kind, of->src, start, n, words);
    hash_words(hash, words, n, hashes);
    for (int64_t i = 0; nulls && i < n; i++)
        if (is_null(of->src, start + i))
            hashes[i] = hash_null(hash, before[i]);
}

static void
hash_fixed(walrow_hash hash, const span *of, uint64_t *hashes)
{
    for (int64_t done = 0; done < of->n; done += CHUNK) {
        int64_t n = of->n - done < CHUNK ? of->n - done : CHUNK;
        hash_chunk(hash, of, of->start + done, n, hashes + done);
    }
}

/* ---- more, or fewer ---- */

/* The unscaled number, least significant byte first, its sign carried on. */
static uint64_t
hash_decimal(walrow_hash hash, const uint8_t *number, size_t width, uint64_t so_far)
{
    uint8_t bytes[32];
    memset(bytes, number[width - 1] >> 7 ? 0xFF : 0, sizeof bytes);
    memcpy(bytes, number, width);
    return step(hash, bytes, sizeof bytes, so_far);
}

static void
hash_wide(walrow_hash hash, const span *of, uint64_t *hashes)
{
    size_t width = (size_t)walrow__slot_width(of->type->kind);
    const uint8_t *at = (const uint8_t *)of->src->buffers[1] + (size_t)of->start * width;
    bool is_decimal = of->type->kind == WALROW__DECIMAL128 || of->type->kind == WALROW__DECIMAL256;
    for (int64_t i = 0; i < of->n; i++, at += width)
        if (is_null(of->src, of->start + i))
            hashes[i] = hash_null(hash, hashes[i]);
        else
            hashes[i] =
                is_decimal ? hash_decimal(hash, at, width, hashes[i]) : step(hash, at, width, hashes[i]);
}

static void
hash_bytes(walrow_hash hash, const span *of, uint64_t *hashes)
{
    const int32_t *offsets = (const int32_t *)of->src->buffers[1] + of->start;
    const uint8_t *bytes = of->src->buffers[2];
    for (int64_t i = 0; i < of->n; i++)
        if (is_null(of->src, of->start + i))
            hashes[i] = hash_null(hash, hashes[i]);
        else
            hashes[i] = step(hash, bytes + offsets[i], (size_t)(offsets[i + 1] - offsets[i]), hashes[i]);
}

/* ---- nested: value by value, the hash of one being the seed of the next ---- */

static uint64_t
hash_fields(walrow_hash hash, const walrow__type *type, const struct ArrowArray *src, int64_t slot,
            uint64_t so_far)
{
    for (int i = 0; i < type->n_children; i++)
        walrow__hash_column(hash, &type->children[i], src->children[i], slot, 1, &so_far);
    return so_far;
}

static uint64_t
hash_elements(walrow_hash hash, const walrow__type *type, const struct ArrowArray *src, int64_t slot,
              uint64_t so_far)
{
    const int32_t *offsets = src->buffers[1];
    const struct ArrowArray *elements = src->children[0];
    int64_t length = offsets[slot + 1] - offsets[slot];
    so_far = step(hash, &length, sizeof length, so_far);
    for (int64_t at = offsets[slot]; at < offsets[slot + 1]; at++)
        if (type->kind == WALROW__MAP)
            so_far = hash_fields(hash, type, elements, elements->offset + at, so_far);
        else
            walrow__hash_column(hash, &type->children[0], elements, at, 1, &so_far);
    return so_far;
}

static void
hash_nested(walrow_hash hash, const span *of, uint64_t *hashes)
{
    for (int64_t i = 0; i < of->n; i++) {
        int64_t slot = of->start + i;
        if (is_null(of->src, slot))
            hashes[i] = hash_null(hash, hashes[i]);
        else if (of->type->kind == WALROW__STRUCT)
            hashes[i] = hash_fields(hash, of->type, of->src, slot, hashes[i]);
        else
            hashes[i] = hash_elements(hash, of->type, of->src, slot, hashes[i]);
    }
}

void
walrow__hash_column(walrow_hash hash, const walrow__type *type, const struct ArrowArray *src, int64_t start,
                    int64_t n, uint64_t *hashes)
{
    span of = {.type = type, .src = src, .start = src->offset + start, .n = n};
    if (type->kind >= WALROW__LIST)
        hash_nested(hash, &of, hashes);
    else if (walrow__has_offsets(type->kind))
        hash_bytes(hash, &of, hashes);
    else if (walrow__slot_width(type->kind) > 8)
        hash_wide(hash, &of, hashes);
    else
        hash_fixed(hash, &of, hashes);
}
