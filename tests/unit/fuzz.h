/*
 * fuzz.h
 *	  Bytes cut short and bent, the same ones in every run, a watch over what reading them allocates, and whether
 *	  what comes of it is sound.
 */
#ifndef WALROW_TEST_FUZZ_H
#define WALROW_TEST_FUZZ_H

#include "changes.h"

#include "source/collector.h"

/* ---- what is allocated ---- */

static size_t allocated, largest;

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
                                              void (*free_hook)(const volatile void *));

static void
count_malloc(const volatile void *bytes, size_t size)
{
    (void)bytes;
    allocated += size;
    if (size > largest)
        largest = size;
}

static void
count_free(const volatile void *bytes)
{
    (void)bytes;
}
#endif

/* Once, before anything is counted. */
UNUSED_FN static void
watch_allocations(void)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_install_malloc_and_free_hooks(count_malloc, count_free);
#endif
}

UNUSED_FN static void
begin_counting(void)
{
    allocated = largest = 0;
}

/*
 * The base: schemas with their metadata, first buffers for each column, and a numeric, whose 10 bytes may
 * stand for the 131,072 + 16,383 digits that PostgreSQL prints. To it each byte of input may cost some.
 */
UNUSED_FN static void
assert_in_proportion(size_t input_size)
{
    if (allocated > (1 << 20) + 512 * input_size || largest > (256 << 10) + 64 * input_size)
        fail_msg("%zu bytes of input: %zu allocated, the largest piece %zu", input_size, allocated, largest);
}

/* ---- what comes out ---- */

/* Whatever went in, what is in the collector is a change set of valid Arrow arrays. */
UNUSED_FN static void
check_changes(walrow__collector *collector)
{
    walrow_error err = {0};
    walrow_changes changes;
    ASSERT_OK(walrow__collector_cut(collector, &changes, &err), err);
    for (size_t i = 0; i < changes.n_batches; i++) {
        struct ArrowArrayView view;
        struct ArrowError error = {.message = ""};
        assert_int_equal(ArrowArrayViewInitFromSchema(&view, changes.batches[i].schema, NULL), 0);
        if (ArrowArrayViewSetArray(&view, &changes.batches[i].array, &error) != 0 ||
            ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, &error) != 0)
            fail_msg("%s", error.message);
        ArrowArrayViewReset(&view);
    }
    changes.release(&changes);
}

/* ---- chance ---- */

static uint64_t seed;

UNUSED_FN static uint32_t
chance(uint32_t below)
{
    seed ^= seed << 13; /* xorshift64 */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16) % below;
}

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

UNUSED_FN static void
set_uint(bytes *b, uint32_t value, size_t size)
{
    if (b->size < size)
        return;
    size_t at = chance((uint32_t)(b->size - size + 1));
    for (size_t i = 0; i < size; i++)
        b->data[at + i] = (uint8_t)(value >> ((size - 1 - i) * 8));
}

/* One small harm. The buffer has room for twice its size and 64 bytes. */
UNUSED_FN static void
bend(bytes *b)
{
    static const uint32_t edges[] = {0,          1,          2,          0x7F,       0xFF,       0x7FFF,
                                     0xFFFF,     0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0x10000000,
                                     0x00FFFFFF, 64,         1664,       1665};
    static const char letters[] = "nutbKONIUDTRBCMY{}\"\\,:-0";
    uint32_t edge = edges[chance(sizeof edges / sizeof *edges)];
    if (b->size == 0)
        return;
    size_t at = chance((uint32_t)b->size), n = 1 + chance(16);
    switch (chance(8)) {
    case 0:
        b->data[at] ^= (uint8_t)(1 << chance(8));
        break;
    case 1:
        b->data[at] = (uint8_t)chance(256);
        break;
    case 2:
        b->data[at] = (uint8_t)letters[chance(sizeof letters - 1)];
        break;
    case 3:
        set_uint(b, edge, 4);
        break;
    case 4:
        set_uint(b, edge, 2);
        break;
    case 5: /* leave bytes out */
        n = n > b->size - at ? b->size - at : n;
        memmove(b->data + at, b->data + at + n, b->size - at - n);
        b->size -= n;
        break;
    case 6: /* repeat bytes */
        n = n > b->size - at ? b->size - at : n;
        memmove(b->data + at + n, b->data + at, b->size - at);
        b->size += n;
        break;
    default:
        b->size = at;
    }
}

/* A bent copy, of exactly its size in memory. */
UNUSED_FN static bytes
bent(const void *data, size_t size)
{
    bytes b = {.data = malloc(2 * size + 64), .size = size};
    memcpy(b.data, data, size);
    for (uint32_t n = 1 + chance(3); n > 0; n--)
        bend(&b);
    bytes exact = {.data = malloc(b.size + !b.size), .size = b.size};
    memcpy(exact.data, b.data, b.size);
    free(b.data);
    return exact;
}

UNUSED_FN static bytes
prefix(const void *data, size_t size)
{
    bytes b = {.data = malloc(size + !size), .size = size};
    memcpy(b.data, data, size);
    return b;
}

#endif
