/*
 * pg/catalog_tables.c
 *	  What today's catalogue says of a table, for sources whose plugin does not say it.
 */
#include "base/error.h"
#include "pg/catalog.h"
#include "pg/catalog_cache.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const doing = "reading tables from the catalogue";

/* Asked before the catalogue is: what was committed before it is then seen. */
static const char lsn_sql[] = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
                              " THEN pg_catalog.pg_last_wal_replay_lsn()"
                              " ELSE pg_catalog.pg_current_wal_insert_lsn() END";

/* A partition (c) is published as its root (r). The index that identifies rows is relcache.c's choice. */
static const char table_sql[] =
    "SELECT r.oid, rn.nspname, r.relname, r.relreplident, r.oid <> c.oid,"
    " a.attname, ra.atttypid, ra.atttypmod,"
    " CASE r.relreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE EXISTS ("
    "  SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = r.oid AND x.indisvalid AND x.indislive"
    "   AND x.indisunique AND x.indimmediate AND x.indpred IS NULL"
    "   AND CASE r.relreplident WHEN 'd' THEN x.indisprimary ELSE x.indisreplident END"
    "   AND ra.attnum = ANY ((x.indkey::pg_catalog.int2[])[0:x.indnkeyatts - 1])) END,"
    " a.attgenerated <> '', a.attlen = -1 AND a.attstorage <> 'p', ra.attnum,"
    " c.relkind IN ('r', 'p'), c.relreplident"
    " FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_class r ON r.oid = COALESCE(pg_catalog.pg_partition_root(c.oid), c.oid)"
    " JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " LEFT JOIN pg_catalog.pg_attribute ra ON ra.attrelid = r.oid AND ra.attname = a.attname"
    " WHERE n.nspname = $1 AND c.relname = $2"
    " ORDER BY a.attnum";

void
walrow__pg_table_release(walrow__pg_table *table)
{
    for (int i = 0; i < table->n_columns; i++)
        free(table->columns[i].name);
    free(table->columns);
    free(table->schema);
    free(table->name);
    memset(table, 0, sizeof *table);
}

static bool
read_columns(const PGresult *result, walrow__pg_table *out)
{
    int n = PQntuples(result);
    int *numbers = calloc((size_t)n + 1, sizeof *numbers);
    out->columns = calloc((size_t)n + 1, sizeof *out->columns);
    bool ok = numbers != NULL && out->columns != NULL;
    for (int row = 0; ok && row < n && !PQgetisnull(result, row, 5); row++) {
        numbers[row] = (int)walrow__pg_int(result, row, 11, 0);
        out->columns[out->n_columns++] = (walrow__pg_attribute){
            .name = walrow__pg_dup(result, row, 5),
            .oid = walrow__pg_oid(result, row, 6),
            .typmod = (int32_t)walrow__pg_int(result, row, 7, -1),
            .is_key = walrow__pg_bool(result, row, 8),
            .is_generated = walrow__pg_bool(result, row, 9),
            .may_be_toasted = walrow__pg_bool(result, row, 10),
        };
        ok = out->columns[row].name != NULL;
    }
    /* numbers are those of the root's columns: how many published ones stand before it? */
    for (int i = 0; ok && i < out->n_columns; i++)
        for (int k = 0; k < out->n_columns; k++)
            out->columns[i].published_at += !out->columns[k].is_generated && numbers[k] < numbers[i];
    free(numbers);
    return ok;
}

static bool
read_table(const PGresult *result, walrow__pg_table *out)
{
    if (PQntuples(result) == 0)
        return true;
    out->relid = walrow__pg_oid(result, 0, 0);
    out->schema = walrow__pg_dup(result, 0, 1);
    out->name = walrow__pg_dup(result, 0, 2);
    out->identity = PQgetvalue(result, 0, 3)[0];
    out->is_partition = walrow__pg_bool(result, 0, 4);
    out->own_identity = PQgetvalue(result, 0, 13)[0];
    out->is_table = walrow__pg_bool(result, 0, 12);
    return out->schema != NULL && out->name != NULL && read_columns(result, out);
}

static walrow_code
fail_offline(walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "wal2json needs a server whose catalogue can be asked");
}

static walrow_code
catalog_table(walrow__catalog *base, const char *schema, const char *name, walrow__pg_table *out,
              walrow_error *err)
{
    PGconn *conn = ((walrow__pg_catalog *)base)->conn;
    const char *params[2] = {schema, name};
    PGresult *result;
    *out = (walrow__pg_table){0};
    if (conn == NULL)
        return fail_offline(err);
    WALROW_TRY(walrow__pg_exec(conn, lsn_sql, WALROW_ERR_SERVER, doing, &result, err));
    out->as_of_lsn = walrow__pg_lsn(result, 0, 0);
    PQclear(result);
    WALROW_TRY(walrow__pg_query(conn, table_sql, 2, params, WALROW_ERR_SERVER, doing, &result, err));
    bool ok = read_table(result, out);
    PQclear(result);
    if (ok)
        return WALROW_OK;
    walrow__pg_table_release(out);
    return walrow__fail_memory(err);
}

/* The server's own parser knows every type's modifiers; the statement is described, never run. */
static walrow_code
catalog_parse_type(walrow__catalog *base, const char *text, uint32_t *oid, int32_t *typmod, walrow_error *err)
{
    PGconn *conn = ((walrow__pg_catalog *)base)->conn;
    walrow__strbuf sql;
    *oid = 0;
    *typmod = -1;
    if (conn == NULL)
        return fail_offline(err);
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql, "SELECT CAST(NULL AS %s)", text);
    if (sql.failed)
        return walrow__fail_memory(err);
    PGresult *prepared = PQprepare(conn, "", walrow__strbuf_text(&sql), 0, NULL);
    walrow__strbuf_release(&sql);
    if (PQresultStatus(prepared) == PGRES_COMMAND_OK) {
        PGresult *described = PQdescribePrepared(conn, "");
        if (PQresultStatus(described) == PGRES_COMMAND_OK && PQnfields(described) == 1) {
            *oid = PQftype(described, 0);
            *typmod = PQfmod(described, 0);
        }
        PQclear(described);
    }
    PQclear(prepared);
    if (PQstatus(conn) == CONNECTION_OK)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_NET, "%s: the connection was lost", doing);
    if (err != NULL)
        err->retryable = true;
    return WALROW_ERR_NET;
}

static walrow_code
catalog_origin(walrow__catalog *base, uint32_t number, char **out, walrow_error *err)
{
    PGconn *conn = ((walrow__pg_catalog *)base)->conn;
    char text[16];
    const char *param = text;
    PGresult *result;
    *out = NULL;
    if (conn == NULL)
        return fail_offline(err);
    snprintf(text, sizeof text, "%" PRIu32, number);
    WALROW_TRY(walrow__pg_query(
        conn, "SELECT roname FROM pg_catalog.pg_replication_origin WHERE roident = $1::pg_catalog.oid", 1,
        &param, WALROW_ERR_SERVER, "reading replication origins", &result, err));
    bool exists = PQntuples(result) > 0;
    if (exists)
        *out = walrow__pg_dup(result, 0, 0);
    PQclear(result);
    return exists && *out == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

void
walrow__catalog_add_tables(walrow__catalog *catalog)
{
    catalog->table = catalog_table;
    catalog->parse_type = catalog_parse_type;
    catalog->origin = catalog_origin;
}
