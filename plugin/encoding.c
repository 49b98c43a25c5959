#include "postgres.h"

#include "encoding.h"

#include "mb/pg_wchar.h"

bool
encoding_is_utf8(void)
{
    return GetDatabaseEncoding() == PG_UTF8;
}

const char *
encoding_to_utf8(const char *text, size_t *size)
{
    /* pg_server_to_any would refuse what in an SQL_ASCII database is not UTF-8 */
    if (encoding_is_utf8() || GetDatabaseEncoding() == PG_SQL_ASCII)
        return text;
    const char *converted = pg_server_to_any(text, (int)*size, PG_UTF8);
    if (converted != text)
        *size = strlen(converted);
    return converted;
}

char *
encoding_name(const char *name)
{
    size_t size = strlen(name);
    const char *converted = encoding_to_utf8(name, &size);
    return pnstrdup(converted, size);
}
