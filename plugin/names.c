#include "names.h"

#include <ctype.h>

/* Where the item that begins here ends: at a comma outside of quotes, or at the text's end; NULL: in quotes. */
static const char *
item_end(const char *at)
{
    bool quoted = false;
    for (; *at != '\0' && (quoted || *at != ','); at++)
        if (*at == '"')
            quoted = !quoted;
    return quoted ? NULL : at;
}

bool
names_split(const char *text, List **items)
{
    *items = NIL;
    for (;;) {
        const char *end = item_end(text), *last = end;
        if (end == NULL)
            return false;
        while (isspace((unsigned char)*text))
            text++;
        while (last > text && isspace((unsigned char)last[-1]))
            last--;
        if (last <= text)
            return false;
        *items = lappend(*items, pnstrdup(text, (Size)(last - text)));
        if (*end == '\0')
            return true;
        text = end + 1;
    }
}

static const char *
read_quoted(const char *text, name_pattern *out)
{
    char *to = out->text = palloc(strlen(text) + 1);
    out->literal = true;
    for (const char *at = text + 1; *at != '\0'; at++) {
        if (*at == '"' && at[1] != '"') {
            *to = '\0';
            return at + 1;
        }
        at += *at == '"'; /* of two, one */
        *to++ = *at;
    }
    return NULL;
}

static const char *
read_bare(const char *text, name_pattern *out)
{
    Size size = strcspn(text, ".\"=");
    out->text = pnstrdup(text, size);
    out->literal = false;
    return text + size;
}

const char *
names_read(const char *text, name_pattern *names, int n)
{
    for (int i = 0; i < n; i++) {
        if (i > 0 && *text++ != '.')
            return NULL;
        text = *text == '"' ? read_quoted(text, &names[i]) : read_bare(text, &names[i]);
        if (text == NULL || names[i].text[0] == '\0')
            return NULL;
    }
    return text;
}

/* '*': any bytes; '?': one character, be it of several bytes in UTF-8 (those that follow the first are 10xxxxxx). */
static bool
glob(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;
    while (*name != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = name;
        } else if (*pattern == '?') {
            pattern++;
            name++;
            while (((unsigned char)*name & 0xC0) == 0x80)
                name++;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool
name_matches(const name_pattern *pattern, const char *name)
{
    return pattern->literal ? strcmp(pattern->text, name) == 0 : glob(pattern->text, name);
}
