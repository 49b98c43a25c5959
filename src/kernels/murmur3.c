#include "kernels/murmur3.h"

#include <walrow.h>

uint32_t
walrow_murmur3_x86_32(const void *bytes, size_t size, uint32_t seed)
{
    return walrow__murmur3_32(bytes, size, seed);
}

void
walrow_murmur3_x64_128(const void *bytes, size_t size, uint64_t seed, uint64_t out[2])
{
    walrow__murmur3_state hash = walrow__murmur3_128(bytes, size, seed);
    out[0] = hash.low;
    out[1] = hash.high;
}
