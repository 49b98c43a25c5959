#include "postgres.h"

#include "encoding.h"

#include "mb/pg_wchar.h"

bool
encoding_converts(void)
{
    /* pg_server_to_any would refuse what in an SQL_ASCII database is not UTF-8 */
    return GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
}

const char *
encoding_to_utf8(const char *text, size_t *size)
{
    if (!encoding_converts())
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
