#include "base/json.h"

#include <string.h>

/* How a byte is escaped: 0 not at all, 'u' as \u00XX, else as a backslash and this letter. */
static const char escapes[256] = {
    [0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u', [0x05] = 'u',  [0x06] = 'u',
    [0x07] = 'u', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [0x0b] = 'u', ['\f'] = 'f',  ['\r'] = 'r',
    [0x0e] = 'u', [0x0f] = 'u', [0x10] = 'u', [0x11] = 'u', [0x12] = 'u', [0x13] = 'u',  [0x14] = 'u',
    [0x15] = 'u', [0x16] = 'u', [0x17] = 'u', [0x18] = 'u', [0x19] = 'u', [0x1a] = 'u',  [0x1b] = 'u',
    [0x1c] = 'u', [0x1d] = 'u', [0x1e] = 'u', [0x1f] = 'u', ['"'] = '"',  ['\\'] = '\\',
};

static void
add_escape(walrow__strbuf *buf, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    char escape = escapes[byte];
    if (escape != 'u')
        walrow__strbuf_add(buf, (char[]){'\\', escape}, 2);
    else
        walrow__strbuf_add(buf, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether one of eight bytes is. A borrow may make the bytes above it look so, too. */
static inline bool
has_escapes(uint64_t word)
{
    uint64_t quotes = word ^ EACH_BYTE('"'), backslashes = word ^ EACH_BYTE('\\');
    return (((word - EACH_BYTE(' ')) & ~word) | ((quotes - EACH_BYTE(1)) & ~quotes) |
            ((backslashes - EACH_BYTE(1)) & ~backslashes)) &
           EACH_BYTE(0x80);
}

/* Where the first byte is that is escaped. */
static inline const uint8_t *
end_of_run(const uint8_t *at, const uint8_t *end)
{
    uint64_t word;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, sizeof word);
        if (has_escapes(word))
            break;
    }
    while (at < end && escapes[*at] == 0)
        at++;
    return at;
}

void
walrow__json_add_escaped(walrow__strbuf *buf, const char *text, size_t size)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    while (at < end) {
        const uint8_t *run = at;
        at = end_of_run(at, end);
        walrow__strbuf_add(buf, run, (size_t)(at - run));
        if (at < end)
            add_escape(buf, *at++);
    }
}

void
walrow__json_add_string(walrow__strbuf *buf, const char *text, size_t size)
{
    walrow__strbuf_add_char(buf, '"');
    walrow__json_add_escaped(buf, text, size);
    walrow__strbuf_add_char(buf, '"');
}

void
walrow__json_add_text(walrow__strbuf *buf, const char *text)
{
    if (text == NULL)
        walrow__strbuf_add(buf, "null", 4);
    else
        walrow__json_add_string(buf, text, strlen(text));
}

void
walrow__json_add_key(walrow__strbuf *buf, const char *key)
{
    walrow__json_add_string(buf, key, strlen(key));
    walrow__strbuf_add_char(buf, ':');
}

void
walrow__json_add_base64(walrow__strbuf *buf, const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes;
    walrow__strbuf_add_char(buf, '"');
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)at[i] << 16 | (uint32_t)(left > 1 ? at[i + 1] : 0) << 8 |
                         (uint32_t)(left > 2 ? at[i + 2] : 0);
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=', left > 2 ? digits[group & 63] : '='};
        walrow__strbuf_add(buf, four, 4);
    }
    walrow__strbuf_add_char(buf, '"');
}
