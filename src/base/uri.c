#include "base/uri.h"

#include "base/strbuf.h"

#include <string.h>

/* "//user:password@host...": what is before the colon, and from the last "@" of the authority on. */
static const char *
add_authority(walrow__strbuf *shown, const char *at)
{
    size_t size = strcspn(at, "/?");
    const char *end = memrchr(at, '@', size);
    const char *colon = end == NULL ? NULL : memchr(at, ':', (size_t)(end - at));
    if (colon == NULL)
        return at;
    walrow__strbuf_add(shown, at, (size_t)(colon - at));
    return colon == at ? end + 1 : end;
}

static bool
ends_in(const char *name, size_t size, const char *end)
{
    size_t n = strlen(end);
    return size >= n && memcmp(name + size - n, end, n) == 0;
}

static void
add_param(walrow__strbuf *shown, const char *param, size_t size)
{
    const char *equals = memchr(param, '=', size);
    size_t name = equals == NULL ? size : (size_t)(equals - param);
    bool secret = equals != NULL && (ends_in(param, name, "password") || ends_in(param, name, "secret") ||
                                     ends_in(param, name, "key.pem"));
    walrow__strbuf_add(shown, param, secret ? name : size);
    if (secret)
        walrow__strbuf_add_text(shown, "=***");
}

char *
walrow__uri_shown(const char *uri)
{
    walrow__strbuf shown;
    walrow__strbuf_init(&shown);
    const char *colon = strchr(uri, ':'), *at = uri;
    if (colon != NULL && strncmp(colon, "://", 3) == 0) {
        walrow__strbuf_add(&shown, uri, (size_t)(colon + 3 - uri));
        at = add_authority(&shown, colon + 3);
    }
    size_t path = strcspn(at, "?");
    walrow__strbuf_add(&shown, at, path);
    for (at += path; *at != '\0';) {
        walrow__strbuf_add_char(&shown, *at++); /* "?" or "&" */
        size_t size = strcspn(at, "&");
        add_param(&shown, at, size);
        at += size;
    }
    char *text = walrow__strbuf_take(&shown);
    walrow__strbuf_release(&shown);
    return text;
}
