#include "base/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* strtoll without its leading blanks and sign. */
static bool
read_digits(const char *text, int64_t *out, char **end)
{
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoll(text, end, 10);
    return errno == 0;
}

bool
walrow__parse_int(const char *text, int64_t *out)
{
    char *end;
    bool negative = *text == '-';
    if (!read_digits(text + negative, out, &end) || *end != '\0')
        return false;
    if (negative)
        *out = -*out;
    return true;
}

bool
walrow__parse_size(const char *text, int64_t *out)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0},    {"B", 0},  {"k", 10},  {"kB", 10}, {"M", 20},
                 {"MB", 20}, {"G", 30}, {"GB", 30}, {"T", 40},  {"TB", 40}};
    char *end;
    if (!read_digits(text, out, &end))
        return false;
    end += strspn(end, " ");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(end, units[i].name) != 0)
            continue;
        if (*out > INT64_MAX >> units[i].shift)
            return false;
        *out <<= units[i].shift;
        return true;
    }
    return false;
}

bool
walrow__parse_duration(const char *text, int64_t *out_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    if (!read_digits(text, out_ms, &end))
        return false;
    end += strspn(end, " ");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(end, units[i].name) == 0)
            return !__builtin_mul_overflow(*out_ms, units[i].ms, out_ms);
    return false;
}

bool
walrow__parse_bool(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool is_on;
    } words[] = {{"true", true}, {"t", true},  {"false", false}, {"f", false},   {"yes", true}, {"y", true},
                 {"no", false},  {"n", false}, {"on", true},     {"off", false}, {"1", true},   {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i].word, text) == 0) {
            *out = words[i].is_on;
            return true;
        }
    return false;
}

static char *
read_quoted(const char **at)
{
    char *name = malloc(strlen(*at));
    size_t size = 0;
    if (name == NULL)
        return NULL;
    for (const char *c = *at + 1; *c != '\0'; c++) {
        if (*c != '"')
            name[size++] = *c;
        else if (c[1] == '"')
            name[size++] = *++c;
        else {
            name[size] = '\0';
            *at = c + 1;
            return name;
        }
    }
    free(name); /* no closing quote */
    return NULL;
}

const char *
walrow__parse_names(const char *text, char **names, int n)
{
    memset(names, 0, (size_t)n * sizeof *names);
    for (int i = 0; i < n; i++) {
        if (i > 0 && *text++ != '.')
            return NULL;
        if (*text == '"')
            names[i] = read_quoted(&text);
        else {
            size_t size = strcspn(text, ".\"=");
            names[i] = strndup(text, size);
            text += size;
        }
        if (names[i] == NULL || names[i][0] == '\0')
            return NULL;
    }
    return text;
}
