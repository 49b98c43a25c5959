/*
 * pg/discover_details.c
 *	  The second look at what was found: two queries over all of it, by oid.
 */
#include "pg/discover.h"

#include "base/error.h"
#include "pg/query.h"

#include <stdlib.h>
#include <string.h>

/*
 * The index that identifies rows, as RelationGetIndexList in PostgreSQL's relcache.c chooses it. c: pg_class.
 */
#define IDENTITY_INDEX                                                                                       \
    "x.indrelid = c.oid AND x.indisvalid AND x.indislive AND x.indisunique AND x.indimmediate"               \
    " AND x.indpred IS NULL AND CASE c.relreplident WHEN 'd' THEN x.indisprimary ELSE x.indisreplident END"

static const char tables_sql[] =
    "SELECT c.oid,"
    " CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false"
    "  ELSE EXISTS (SELECT FROM pg_index x WHERE " IDENTITY_INDEX ") END,"
    " pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'),"
    " has_schema_privilege(c.relnamespace, 'USAGE') AND (has_table_privilege(c.oid, 'SELECT') OR COALESCE("
    "  (SELECT bool_and(has_column_privilege(c.oid, a.attnum, 'SELECT')) FROM pg_attribute a"
    "   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), false)),"
    " c.relrowsecurity AND row_security_active(c.oid),"
    " CASE WHEN $2::bool AND c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) END"
    " FROM pg_class c WHERE c.oid = ANY ($1::oid[]) ORDER BY c.oid";

/* Generated columns came with 12, INCLUDE columns of an index with 11. pgoutput does not send generated ones.
 */
static const char columns_sql[] =
    "SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),"
    " NOT a.attnotnull,"
    " CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false"
    "  ELSE EXISTS (SELECT FROM pg_index x WHERE " IDENTITY_INDEX
    "   AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])) END"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.oid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
    " ORDER BY a.attrelid, a.attnum";

/* sql without what old servers do not know; malloc'ed. */
static char *
for_version(const char *sql, int server_version)
{
    static const struct {
        const char *text;
        const char *before;
        int since;
    } changes[] = {{"x.indnkeyatts", "x.indnatts", 110000}, {" AND a.attgenerated = ''", "", 120000}};
    walrow__strbuf out;
    walrow__strbuf_init(&out);
    while (*sql != '\0') {
        const char *put = NULL;
        for (size_t i = 0; i < sizeof changes / sizeof changes[0] && put == NULL; i++)
            if (server_version < changes[i].since &&
                strncmp(sql, changes[i].text, strlen(changes[i].text)) == 0) {
                put = changes[i].before;
                sql += strlen(changes[i].text);
            }
        if (put != NULL)
            walrow__strbuf_add_text(&out, put);
        else
            walrow__strbuf_add_char(&out, *sql++);
    }
    return walrow__strbuf_take(&out);
}

/* First row whose column 0, by which rows are ordered, is oid; -1 if there is none. */
static int
find_row(const PGresult *result, uint32_t oid)
{
    int low = 0, high = PQntuples(result);
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (walrow__pg_oid(result, middle, 0) < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < PQntuples(result) && walrow__pg_oid(result, low, 0) == oid ? low : -1;
}

static void
add_bytes(walrow__found *table, const PGresult *result, int row)
{
    int64_t bytes = walrow__pg_int(result, row, 6, -1);
    if (bytes >= 0)
        table->bytes = (table->bytes < 0 ? 0 : table->bytes) + bytes;
}

/* A table dropped since the first look has no row, and keeps what it has: nothing. */
static bool
fill_table(walrow__found *table, const PGresult *result)
{
    for (size_t i = 0; i < table->n_leaves; i++) {
        int row = find_row(result, table->leaves[i].relid);
        table->leaves[i].has_identity = row < 0 || walrow__pg_bool(result, row, 1);
        if (row >= 0)
            add_bytes(table, result, row);
    }
    int row = find_row(result, table->relid);
    if (row >= 0) {
        table->has_identity = walrow__pg_bool(result, row, 1);
        table->owner = walrow__pg_dup(result, row, 2);
        table->is_owner = walrow__pg_bool(result, row, 3);
        table->can_select = walrow__pg_bool(result, row, 4);
        table->row_security = walrow__pg_bool(result, row, 5);
        add_bytes(table, result, row);
    } else
        table->owner = strdup("");
    return table->owner != NULL;
}

static bool
fill_columns(walrow__found *table, const PGresult *result)
{
    int first = find_row(result, table->relid), end = first;
    if (first < 0)
        return true;
    while (end < PQntuples(result) && walrow__pg_oid(result, end, 0) == table->relid)
        end++;
    table->columns = calloc((size_t)(end - first), sizeof *table->columns);
    if (table->columns == NULL)
        return false;
    for (int row = first; row < end; row++) {
        walrow__found_column *column = &table->columns[table->n_columns++];
        *column = (walrow__found_column){
            .name = walrow__pg_dup(result, row, 1),
            .oid = walrow__pg_oid(result, row, 2),
            .typmod = (int32_t)walrow__pg_int(result, row, 3, -1),
            .pg_type = walrow__pg_dup(result, row, 4),
            .nullable = walrow__pg_bool(result, row, 5),
            .is_key = walrow__pg_bool(result, row, 6),
        };
        if (column->name == NULL || column->pg_type == NULL)
            return false;
    }
    return true;
}

/* Matched tables and their leaves, as a parameter. */
static void
list_oids(const walrow__discovery *found, bool with_leaves, walrow__strbuf *out)
{
    walrow__strbuf_add_char(out, '{');
    for (size_t i = 0; i < found->count; i++) {
        walrow__strbuf_addf(out, "%s%u", i == 0 ? "" : ",", found->items[i].relid);
        for (size_t j = 0; with_leaves && j < found->items[i].n_leaves; j++)
            walrow__strbuf_addf(out, ",%u", found->items[i].leaves[j].relid);
    }
    walrow__strbuf_add_char(out, '}');
}

static walrow_code
ask(PGconn *conn, const char *sql, const char *oids, const char *flag, PGresult **out, walrow_error *err)
{
    const char *params[2] = {oids, flag};
    char *fitting = for_version(sql, PQserverVersion(conn));
    if (fitting == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__pg_query(conn, fitting, flag == NULL ? 1 : 2, params, WALROW_ERR_SERVER,
                                        "reading tables from the catalogue", out, err);
    free(fitting);
    return code;
}

walrow_code
walrow__discover_details(PGconn *conn, bool with_bytes, walrow__discovery *out, walrow_error *err)
{
    walrow__strbuf all, matched;
    PGresult *tables = NULL, *columns = NULL;
    if (out->count == 0)
        return WALROW_OK;
    walrow__strbuf_init(&all);
    walrow__strbuf_init(&matched);
    list_oids(out, true, &all);
    list_oids(out, false, &matched);

    walrow_code code = all.failed || matched.failed ? walrow__fail_memory(err) : WALROW_OK;
    if (code == WALROW_OK)
        code = ask(conn, tables_sql, all.data, with_bytes ? "true" : "false", &tables, err);
    if (code == WALROW_OK)
        code = ask(conn, columns_sql, matched.data, NULL, &columns, err);
    for (size_t i = 0; i < out->count && code == WALROW_OK; i++)
        if (!fill_table(&out->items[i], tables) || !fill_columns(&out->items[i], columns))
            code = walrow__fail_memory(err);
    PQclear(tables);
    PQclear(columns);
    walrow__strbuf_release(&all);
    walrow__strbuf_release(&matched);
    return code;
}
