#include <string.h>
#include <walrow.h>

static char *
put_half(char *at, uint32_t half)
{
    int shift = 28;
    while (shift > 0 && half >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *at++ = "0123456789ABCDEF"[half >> shift & 15];
    return at;
}

const char *
walrow_lsn_format(uint64_t lsn, char *buffer)
{
    char *at = put_half(buffer, (uint32_t)(lsn >> 32));
    *at++ = '/';
    *put_half(at, (uint32_t)lsn) = '\0';
    return buffer;
}

/* One half of an LSN: 1 to 8 hexadecimal digits; returns how many characters it took, 0 if none or too many.
 */
static size_t
read_half(const char *text, uint32_t *out)
{
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    if (n < 1 || n > 8)
        return 0;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        uint32_t digit = (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        *out = *out << 4 | digit;
    }
    return n;
}

bool
walrow_lsn_parse(const char *text, uint64_t *out)
{
    uint32_t high, low;
    size_t n = read_half(text, &high);
    if (n == 0 || text[n] != '/')
        return false;
    text += n + 1;
    n = read_half(text, &low);
    if (n == 0 || text[n] != '\0')
        return false;
    *out = (uint64_t)high << 32 | low;
    return true;
}
