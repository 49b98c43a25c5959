#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static const uint8_t *
skip_ascii(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        if (word & UINT64_C(0x8080808080808080))
            break;
        at += 8;
    }
    while (at < end && *at < 0x80)
        at++;
    return at;
}

static bool
is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Length of the multi-byte character at `at`, 0 if it is not one. */
static int
character_size(const uint8_t *at, const uint8_t *end)
{
    ptrdiff_t left = end - at;
    if (at[0] >= 0xC2 && at[0] <= 0xDF)
        return left >= 2 && is_continuation(at[1]) ? 2 : 0;
    if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]))
            return 0;
        bool overlong = at[0] == 0xE0 && at[1] < 0xA0;
        bool surrogate = at[0] == 0xED && at[1] >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        if (left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3]))
            return 0;
        bool overlong = at[0] == 0xF0 && at[1] < 0x90;
        bool too_large = at[0] == 0xF4 && at[1] >= 0x90;
        return overlong || too_large ? 0 : 4;
    }
    return 0;
}

bool
walrow__utf8_valid(const void *bytes, size_t size)
{
    const uint8_t *at = bytes, *end = at + size;
    while ((at = skip_ascii(at, end)) < end) {
        int n = character_size(at, end);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}
