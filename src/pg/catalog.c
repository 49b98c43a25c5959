#include "pg/catalog.h"

#include "base/error.h"
#include "pg/catalog_cache.h"
#include "pg/error.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const doing = "reading types from the catalogue";

/*
 * The types and all they are made of: element, base, fields, the fields' own. A row per type, and per field
 * of a composite. $1: the oids to begin with.
 */
static const char types_sql[] =
    "WITH RECURSIVE made_of(oid) AS ("
    " SELECT pg_catalog.unnest($1::pg_catalog.oid[])"
    " UNION"
    " SELECT part.oid FROM made_of m"
    "  JOIN pg_catalog.pg_type t ON t.oid = m.oid"
    "  CROSS JOIN LATERAL ("
    "   SELECT t.typelem AS oid UNION ALL SELECT t.typbasetype"
    "   UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a"
    "    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) part"
    "  WHERE part.oid <> 0)"
    " SELECT t.oid, t.typtype, n.nspname, t.typname, p.proname, t.typelem, t.typdelim, t.typbasetype,"
    "  t.typtypmod, a.attname, a.atttypid, a.atttypmod"
    " FROM made_of m"
    " JOIN pg_catalog.pg_type t ON t.oid = m.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
    " JOIN pg_catalog.pg_proc p ON p.oid = t.typoutput"
    " LEFT JOIN pg_catalog.pg_attribute a ON t.typtype = 'c' AND a.attrelid = t.typrelid"
    "  AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY t.oid, a.attnum";

static walrow__pg_type *
add_type_row(walrow__pg_catalog *catalog, const PGresult *result, int row)
{
    walrow__pg_type type = {
        .oid = walrow__pg_oid(result, row, 0),
        .kind = PQgetvalue(result, row, 1)[0],
        .schema = PQgetvalue(result, row, 2),
        .name = PQgetvalue(result, row, 3),
        .output = PQgetvalue(result, row, 4),
        .element = walrow__pg_oid(result, row, 5),
        .delimiter = PQgetvalue(result, row, 6)[0],
        .base = walrow__pg_oid(result, row, 7),
        .base_typmod = (int32_t)walrow__pg_int(result, row, 8, -1),
    };
    if (type.kind != 'd')
        type.base_typmod = -1;
    return walrow__catalog_add_type(catalog, &type);
}

/* Rows come ordered by type, then field; types known already are left as they are. */
static walrow_code
add_types(walrow__pg_catalog *catalog, const PGresult *result, walrow_error *err)
{
    walrow__pg_type *type = NULL;
    uint32_t oid = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        if (walrow__pg_oid(result, row, 0) != oid) {
            oid = walrow__pg_oid(result, row, 0);
            bool is_known = walrow__catalog_find_type(catalog, oid) != NULL;
            type = is_known ? NULL : add_type_row(catalog, result, row);
            if (type == NULL && !is_known)
                return walrow__fail_memory(err);
        }
        if (type != NULL && !PQgetisnull(result, row, 9) &&
            !walrow__catalog_add_field(type, PQgetvalue(result, row, 9), walrow__pg_oid(result, row, 10),
                                       (int32_t)walrow__pg_int(result, row, 11, -1)))
            return walrow__fail_memory(err);
    }
    return WALROW_OK;
}

static walrow_code
ask_types(walrow__pg_catalog *catalog, const char *oids, walrow_error *err)
{
    PGresult *result;
    WALROW_TRY(walrow__pg_query(catalog->conn, types_sql, 1, &oids, WALROW_ERR_SERVER, doing, &result, err));
    walrow_code code = add_types(catalog, result, err);
    PQclear(result);
    return code;
}

static walrow_code
fail_unknown(const walrow__pg_catalog *catalog, uint32_t oid, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_PROTOCOL, "type with oid %" PRIu32 " is not in the %s", oid,
                 catalog->conn == NULL ? "recorded catalogue" : "server's catalogue");
    return walrow__hint(err, catalog->conn == NULL ? "the recording is damaged or was cut"
                                                   : "was the type dropped since the change was made?");
}

static walrow_code
catalog_type(walrow__catalog *base, uint32_t oid, const walrow__pg_type **out, walrow_error *err)
{
    walrow__pg_catalog *catalog = (walrow__pg_catalog *)base;
    *out = walrow__catalog_find_type(catalog, oid);
    if (*out == NULL && catalog->conn != NULL) {
        char oids[16];
        snprintf(oids, sizeof oids, "{%" PRIu32 "}", oid);
        WALROW_TRY(ask_types(catalog, oids, err));
        *out = walrow__catalog_find_type(catalog, oid);
    }
    return *out != NULL ? WALROW_OK : fail_unknown(catalog, oid, err);
}

static walrow_code
ask_format(walrow__pg_catalog *catalog, uint32_t oid, int32_t typmod, walrow_error *err)
{
    char oid_text[16], typmod_text[16];
    const char *params[2] = {oid_text, typmod_text};
    snprintf(oid_text, sizeof oid_text, "%" PRIu32, oid);
    snprintf(typmod_text, sizeof typmod_text, "%" PRId32, typmod);

    PGresult *result;
    WALROW_TRY(walrow__pg_query(catalog->conn,
                                "SELECT pg_catalog.format_type($1::pg_catalog.oid, $2::pg_catalog.int4)", 2,
                                params, WALROW_ERR_SERVER, doing, &result, err));
    bool added = walrow__catalog_add_format(catalog, oid, typmod, PQgetvalue(result, 0, 0)) != NULL;
    PQclear(result);
    return added ? WALROW_OK : walrow__fail_memory(err);
}

static walrow_code
catalog_format(walrow__catalog *base, uint32_t oid, int32_t typmod, const char **out, walrow_error *err)
{
    walrow__pg_catalog *catalog = (walrow__pg_catalog *)base;
    walrow__format_entry *entry = walrow__catalog_find_format(catalog, oid, typmod);
    if (entry == NULL && catalog->conn != NULL) {
        WALROW_TRY(ask_format(catalog, oid, typmod, err));
        entry = walrow__catalog_find_format(catalog, oid, typmod);
    }
    if (entry == NULL)
        return fail_unknown(catalog, oid, err);
    *out = entry->text;
    return WALROW_OK;
}

static void
catalog_free(walrow__catalog *base)
{
    walrow__catalog_release((walrow__pg_catalog *)base);
}

walrow__pg_catalog *
walrow__catalog_create(PGconn *conn)
{
    walrow__pg_catalog *catalog = calloc(1, sizeof *catalog);
    if (catalog != NULL) {
        catalog->base =
            (walrow__catalog){.type = catalog_type, .format = catalog_format, .free = catalog_free};
        walrow__catalog_add_tables(&catalog->base);
        catalog->conn = conn;
    }
    return catalog;
}

walrow_code
walrow__catalog_new(PGconn *conn, walrow__catalog **out, walrow_error *err)
{
    walrow__pg_catalog *catalog = walrow__catalog_create(conn);
    if (catalog == NULL)
        return walrow__fail_memory(err);
    *out = &catalog->base;
    return WALROW_OK;
}

void
walrow__catalog_use(walrow__catalog *base, PGconn *conn)
{
    ((walrow__pg_catalog *)base)->conn = conn;
}

/* ---- preloading ---- */

static const char columns_sql[] =
    "SELECT DISTINCT a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod)"
    " FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped";

/* Remember the formats, and list the types, in oids. */
static bool
add_formats(walrow__pg_catalog *catalog, const PGresult *result, walrow__strbuf *oids)
{
    walrow__strbuf_add_char(oids, '{');
    for (int row = 0; row < PQntuples(result); row++) {
        uint32_t oid = walrow__pg_oid(result, row, 0);
        int32_t typmod = (int32_t)walrow__pg_int(result, row, 1, -1);
        walrow__strbuf_addf(oids, "%s%" PRIu32, row == 0 ? "" : ",", oid);
        if (walrow__catalog_find_format(catalog, oid, typmod) == NULL &&
            walrow__catalog_add_format(catalog, oid, typmod, PQgetvalue(result, row, 2)) == NULL)
            return false;
    }
    walrow__strbuf_add_char(oids, '}');
    return !oids->failed;
}

walrow_code
walrow__catalog_preload(walrow__catalog *base, const uint32_t *relids, size_t count, walrow_error *err)
{
    walrow__pg_catalog *catalog = (walrow__pg_catalog *)base;
    walrow__strbuf text;
    PGresult *result = NULL;
    walrow_code code;

    walrow__strbuf_init(&text);
    walrow__sql_oids(&text, relids, count);
    const char *param = walrow__strbuf_text(&text);
    if (text.failed)
        code = walrow__fail_memory(err);
    else
        code =
            walrow__pg_query(catalog->conn, columns_sql, 1, &param, WALROW_ERR_SERVER, doing, &result, err);
    if (code == WALROW_OK) {
        walrow__strbuf_clear(&text);
        code = add_formats(catalog, result, &text) ? ask_types(catalog, walrow__strbuf_text(&text), err)
                                                   : walrow__fail_memory(err);
        PQclear(result);
    }
    walrow__strbuf_release(&text);
    return code;
}
