#include "sink/names.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables ---- */

static bool
is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static char *
encode(char *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (is_plain(*text))
            *to++ = *text;
        else
            to += sprintf(to, "%%%02X", (unsigned)(uint8_t)*text);
    }
    *to = '\0';
    return to;
}

/* Cut to leave room for "-" and 8 digits, never inside an escape. */
static void
cut(char *name)
{
    uint64_t hash = walrow__hash_finish(walrow__hash_text(WALROW__HASH_START, name));
    size_t size = WALROW__TABLE_NAME_MAX - 9;
    for (size_t back = 1; back <= 2; back++)
        if (name[size - back] == '%') {
            size -= back;
            break;
        }
    sprintf(name + size, "-%08" PRIx32, (uint32_t)hash);
}

char *
walrow__name_table(const char *schema_name, const char *table_name)
{
    char *name = malloc(3 * (strlen(schema_name) + strlen(table_name)) + 2);
    if (name == NULL)
        return NULL;
    char *end = encode(name, schema_name);
    *end++ = '.';
    end = encode(end, table_name);
    if (end - name > WALROW__TABLE_NAME_MAX)
        cut(name);
    return name;
}

/* ---- files ---- */

enum { LSN_DIGITS = 16, SEQ_DIGITS = 10 };

void
walrow__name_print(const walrow__name *name, const char *extension, char *buffer)
{
    size_t size = WALROW__FILE_NAME_SIZE;
    const char *dot =
        name->kind == WALROW__NAME_STAGED_CHANGES || name->kind == WALROW__NAME_STAGED_CHUNK ? "." : "";
    switch (name->kind) {
    case WALROW__NAME_CHANGES:
        snprintf(buffer, size, "%016" PRIx64 "_%010" PRIu32 "-%016" PRIx64 "_%010" PRIu32 "%s",
                 name->first.commit_lsn, name->first.seq, name->last.commit_lsn, name->last.seq, extension);
        break;
    case WALROW__NAME_STAGED_CHANGES:
        snprintf(buffer, size, "%s%016" PRIx64 "_%010" PRIu32 "%s", dot, name->first.commit_lsn,
                 name->first.seq, extension);
        break;
    default:
        snprintf(buffer, size, "%s%016" PRIx64 "_r-%08" PRIu32 "%s", dot, name->lsn, name->chunk, extension);
    }
}

/* n digits of the base; NULL if they are not all there. */
static const char *
read_number(const char *at, int n, int base, uint64_t *out)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : base;
        if (digit >= base)
            return NULL;
        value = value * (uint64_t)base + (uint64_t)digit;
    }
    *out = value;
    return at + n;
}

static const char *
read_position(const char *at, walrow__position *out)
{
    uint64_t seq;
    if ((at = read_number(at, LSN_DIGITS, 16, &out->commit_lsn)) == NULL || *at++ != '_' ||
        (at = read_number(at, SEQ_DIGITS, 10, &seq)) == NULL || seq > UINT32_MAX)
        return NULL;
    out->seq = (uint32_t)seq;
    return at;
}

static const char *
read_chunk(const char *at, walrow__name *out)
{
    uint64_t chunk;
    if ((at = read_number(at, LSN_DIGITS, 16, &out->lsn)) == NULL || strncmp(at, "_r-", 3) != 0 ||
        (at = read_number(at + 3, 8, 10, &chunk)) == NULL)
        return NULL;
    out->chunk = (uint32_t)chunk;
    return at;
}

walrow__name
walrow__name_parse(const char *text, const char *extension)
{
    walrow__name name = {.kind = WALROW__NAME_OTHER};
    bool staged = *text == '.';
    const char *end = read_chunk(text + staged, &name);
    walrow__name_kind kind = staged ? WALROW__NAME_STAGED_CHUNK : WALROW__NAME_CHUNK;
    if (end == NULL) {
        kind = staged ? WALROW__NAME_STAGED_CHANGES : WALROW__NAME_CHANGES;
        end = read_position(text + staged, &name.first);
        if (end != NULL && !staged)
            end = *end == '-' ? read_position(end + 1, &name.last) : NULL;
    }
    if (end != NULL && strcmp(end, extension) == 0)
        name.kind = kind;
    return name;
}
