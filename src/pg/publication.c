#include "pg/publication.h"

#include "base/error.h"
#include "pg/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const doing = "reading the publication";

/* pubtruncate came with 11, pubviaroot with 13, pubgencols with 18. */
static walrow_code
get_flags(PGconn *conn, walrow__publication *out, char *oid, size_t oid_size, walrow_error *err)
{
    int version = PQserverVersion(conn);
    const char *name = out->name;
    walrow__strbuf sql;
    PGresult *result = NULL;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT p.oid, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete,");
    walrow__strbuf_add_text(&sql, version >= 110000 ? " p.pubtruncate," : " false,");
    walrow__strbuf_add_text(&sql, version >= 130000 ? " p.pubviaroot," : " false,");
    walrow__strbuf_add_text(&sql, version >= 180000 ? " p.pubgencols <> 'n'," : " false,");
    walrow__strbuf_add_text(&sql,
                            " COALESCE(obj_description(p.oid, 'pg_publication'), '') LIKE 'made by walrow%'"
                            " FROM pg_publication p WHERE p.pubname = $1");
    walrow_code code =
        sql.failed ? walrow__fail_memory(err)
                   : walrow__pg_query(conn, sql.data, 1, &name, WALROW_ERR_SERVER, doing, &result, err);
    walrow__strbuf_release(&sql);
    WALROW_TRY(code);
    out->exists = PQntuples(result) > 0;
    if (out->exists) {
        snprintf(oid, oid_size, "%s", PQgetvalue(result, 0, 0));
        out->all_tables = walrow__pg_bool(result, 0, 1);
        out->inserts = walrow__pg_bool(result, 0, 2);
        out->updates = walrow__pg_bool(result, 0, 3);
        out->deletes = walrow__pg_bool(result, 0, 4);
        out->truncates = walrow__pg_bool(result, 0, 5);
        out->via_root = walrow__pg_bool(result, 0, 6);
        out->generated = walrow__pg_bool(result, 0, 7);
        out->made_by_walrow = walrow__pg_bool(result, 0, 8);
    }
    PQclear(result);
    return WALROW_OK;
}

static walrow_code
get_tables(PGconn *conn, walrow__publication *out, const char *oid, walrow_error *err)
{
    PGresult *result;
    const char *sql = PQserverVersion(conn) >= 150000
                          ? "SELECT prrelid, prqual IS NOT NULL, prattrs IS NOT NULL"
                            " FROM pg_publication_rel WHERE prpubid = $1::oid ORDER BY prrelid"
                          : "SELECT prrelid, false, false"
                            " FROM pg_publication_rel WHERE prpubid = $1::oid ORDER BY prrelid";
    WALROW_TRY(walrow__pg_query(conn, sql, 1, &oid, WALROW_ERR_SERVER, doing, &result, err));
    int n = PQntuples(result);
    out->tables = calloc((size_t)n + 1, sizeof *out->tables);
    for (int row = 0; row < n && out->tables != NULL; row++)
        out->tables[out->n_tables++] = (walrow__published_table){
            .relid = walrow__pg_oid(result, row, 0),
            .filters_rows = walrow__pg_bool(result, row, 1),
            .limits_columns = walrow__pg_bool(result, row, 2),
        };
    PQclear(result);
    return out->tables == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
get_schemas(PGconn *conn, walrow__publication *out, const char *oid, walrow_error *err)
{
    PGresult *result;
    if (PQserverVersion(conn) < 150000)
        return WALROW_OK;
    WALROW_TRY(walrow__pg_query(conn,
                                "SELECT n.nspname FROM pg_publication_namespace p"
                                " JOIN pg_namespace n ON n.oid = p.pnnspid WHERE p.pnpubid = $1::oid",
                                1, &oid, WALROW_ERR_SERVER, doing, &result, err));
    bool ok = true;
    for (int row = 0; row < PQntuples(result) && ok; row++)
        ok = walrow__texts_add(&out->schemas, PQgetvalue(result, row, 0));
    PQclear(result);
    return ok ? WALROW_OK : walrow__fail_memory(err);
}

walrow_code
walrow__publication_get(PGconn *conn, const char *name, walrow__publication *out, walrow_error *err)
{
    char oid[16] = "";
    *out = (walrow__publication){0};
    snprintf(out->name, sizeof out->name, "%s", name);
    walrow_code code = get_flags(conn, out, oid, sizeof oid, err);
    if (code == WALROW_OK && out->exists)
        code = get_tables(conn, out, oid, err);
    if (code == WALROW_OK && out->exists)
        code = get_schemas(conn, out, oid, err);
    if (code != WALROW_OK)
        walrow__publication_release(out);
    return code;
}

void
walrow__publication_release(walrow__publication *publication)
{
    free(publication->tables);
    walrow__texts_release(&publication->schemas);
    publication->tables = NULL;
    publication->n_tables = 0;
}

static int
compare_relids(const void *a, const void *b)
{
    uint32_t one = ((const walrow__published_table *)a)->relid;
    uint32_t other = ((const walrow__published_table *)b)->relid;
    return one < other ? -1 : one > other;
}

const walrow__published_table *
walrow__publication_entry(const walrow__publication *publication, uint32_t relid)
{
    walrow__published_table wanted = {.relid = relid};
    if (publication->n_tables == 0)
        return NULL;
    return bsearch(&wanted, publication->tables, publication->n_tables, sizeof wanted, compare_relids);
}

static bool
lists_ancestor(const walrow__publication *publication, const walrow__found *table)
{
    for (size_t i = 0; i < table->n_ancestors; i++)
        if (walrow__publication_entry(publication, table->ancestors[i]) != NULL)
            return true;
    return false;
}

bool
walrow__publication_covers(const walrow__publication *publication, const walrow__found *table)
{
    return publication->exists &&
           (publication->all_tables || walrow__texts_has(&publication->schemas, table->schema) ||
            walrow__publication_entry(publication, table->relid) != NULL ||
            lists_ancestor(publication, table));
}

bool
walrow__publication_sends_inserts_only(const walrow__publication *whole, const walrow__publication *inserts,
                                       const walrow__found *table)
{
    const walrow__publication *each[] = {whole, inserts};
    bool covered = false;
    for (int i = 0; i < 2; i++) {
        if (!walrow__publication_covers(each[i], table))
            continue;
        if (each[i]->updates || each[i]->deletes)
            return false;
        covered = true;
    }
    return covered;
}

bool
walrow__publication_as_root(const walrow__publication *publication, const walrow__found *table)
{
    return publication->exists && publication->via_root && table->is_partition &&
           (publication->all_tables || lists_ancestor(publication, table));
}

const char *
walrow__publication_special(const walrow__publication *publication)
{
    for (size_t i = 0; i < publication->n_tables; i++) {
        if (publication->tables[i].filters_rows)
            return "row filters";
        if (publication->tables[i].limits_columns)
            return "column lists";
    }
    return publication->generated ? "generated columns" : NULL;
}

bool
walrow__publication_inserts_name(const walrow_options *options, char *out)
{
    return snprintf(out, 64, "%s_inserts", options->publication) < 64;
}

walrow_code
walrow__publication_names(PGconn *conn, const walrow_options *options, walrow__texts *out, walrow_error *err)
{
    char inserts[64];
    bool has_second = walrow__publication_inserts_name(options, inserts);
    const char *params[2] = {options->publication, has_second ? inserts : NULL};
    PGresult *result;
    WALROW_TRY(walrow__pg_query(
        conn, "SELECT pubname FROM pg_publication WHERE pubname IN ($1, $2) ORDER BY pubname", 2, params,
        WALROW_ERR_SERVER, doing, &result, err));
    bool ok = true;
    for (int row = 0; row < PQntuples(result) && ok; row++)
        ok = walrow__texts_add(out, PQgetvalue(result, row, 0));
    PQclear(result);
    return ok ? WALROW_OK : walrow__fail_memory(err);
}
