#include "base/size.h"

#include <stddef.h>
#include <strings.h>

/* Returns where the digits end; NULL without a digit or past max. */
static const char *
read_digits(const char *text, uint64_t max, uint64_t *out)
{
    const char *at = text;
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (max - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *out = value;
    return at == text ? NULL : at;
}

bool
walrow__count_parse(const char *text, uint64_t max, uint64_t *out)
{
    const char *end = read_digits(text, max, out);
    return end != NULL && *end == '\0';
}

bool
walrow__size_parse(const char *text, uint64_t *out)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    uint64_t value;
    const char *unit = read_digits(text, UINT64_MAX, &value);
    if (unit == NULL)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(unit, units[i]) == 0 || (i == 0 && *unit == '\0')) {
            *out = value << 10 * i;
            return *out >> 10 * i == value;
        }
    return false;
}
