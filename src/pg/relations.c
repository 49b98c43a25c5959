#include "pg/relations.h"

#include "base/error.h"
#include "pg/error.h"
#include "pg/query.h"

#include <stdlib.h>
#include <string.h>

/*
 * In a transaction, because walrow's sessions have an empty search path; one round trip. Only the function is
 * called under the foreign path, no operator that a schema in it could replace.
 */
walrow_code
walrow__search_path(PGconn *conn, walrow__texts *path, walrow_error *err)
{
    static const char sql[] = "BEGIN READ ONLY; SET LOCAL search_path TO DEFAULT;"
                              "SELECT pg_catalog.unnest(pg_catalog.current_schemas(false)); COMMIT";
    static const char doing[] = "reading the search path";
    walrow_code code = WALROW_OK;
    if (!PQsendQuery(conn, sql))
        return walrow__pg_error(conn, NULL, WALROW_ERR_SERVER, doing, err);
    for (PGresult *result; (result = PQgetResult(conn)) != NULL; PQclear(result)) {
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && code == WALROW_OK)
            code = walrow__pg_error(conn, result, WALROW_ERR_SERVER, doing, err);
        for (int row = 0; row < PQntuples(result) && code == WALROW_OK; row++)
            if (!walrow__texts_add(path, PQgetvalue(result, row, 0)))
                code = walrow__fail_memory(err);
    }
    return code;
}

/* reltuples: -1 says unknown from 14 on; before, an unknown table has no pages either. */
static const char relations_sql[] =
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition, c.relreplident,"
    " COALESCE(i.inhparent, 0),"
    " CASE WHEN c.relpages = 0 AND c.reltuples <= 0 THEN -1 ELSE c.reltuples::int8 END"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY n.nspname, c.relname";

static int
compare_names(const void *a, const void *b)
{
    const walrow__relation *one = a, *other = b;
    int order = strcmp(one->schema, other->schema);
    return order != 0 ? order : strcmp(one->name, other->name);
}

static int
compare_oids(const void *a, const void *b)
{
    uint32_t one = (*(walrow__relation *const *)a)->oid, other = (*(walrow__relation *const *)b)->oid;
    return one < other ? -1 : one > other;
}

static void
read_relation(const PGresult *result, int row, walrow__relation *out)
{
    out->oid = walrow__pg_oid(result, row, 0);
    out->schema = PQgetvalue(result, row, 1);
    out->name = PQgetvalue(result, row, 2);
    out->relkind = PQgetvalue(result, row, 3)[0];
    out->persistence = PQgetvalue(result, row, 4)[0];
    out->is_partition = walrow__pg_bool(result, row, 5);
    out->identity = PQgetvalue(result, row, 6)[0];
    out->parent = walrow__pg_oid(result, row, 7);
    out->rows = walrow__pg_int(result, row, 8, -1);
}

/* In the search path, and no other of its name stands before it there. */
static bool
is_visible(const walrow__all_relations *relations, const walrow__relation *relation,
           const walrow__texts *path)
{
    for (size_t i = 0; i < path->count; i++) {
        if (strcmp(path->items[i], relation->schema) == 0)
            return true;
        walrow__relation other = {.schema = path->items[i], .name = relation->name};
        if (bsearch(&other, relations->items, relations->count, sizeof other, compare_names) != NULL)
            return false;
    }
    return false;
}

walrow_code
walrow__relations_load(PGconn *conn, const walrow__texts *search_path, walrow__all_relations *out,
                       walrow_error *err)
{
    *out = (walrow__all_relations){0};
    WALROW_TRY(walrow__pg_exec(conn, relations_sql, WALROW_ERR_SERVER, "listing tables", &out->result, err));
    out->count = (size_t)PQntuples(out->result);
    out->items = calloc(out->count + 1, sizeof *out->items);
    out->by_oid = calloc(out->count + 1, sizeof(walrow__relation *));
    if (out->items == NULL || out->by_oid == NULL) {
        walrow__relations_release(out);
        return walrow__fail_memory(err);
    }
    for (size_t i = 0; i < out->count; i++)
        read_relation(out->result, (int)i, &out->items[i]);
    qsort(out->items, out->count, sizeof *out->items, compare_names);
    for (size_t i = 0; i < out->count; i++) {
        out->by_oid[i] = &out->items[i];
        out->items[i].visible = is_visible(out, &out->items[i], search_path);
    }
    qsort(out->by_oid, out->count, sizeof *out->by_oid, compare_oids);
    return WALROW_OK;
}

void
walrow__relations_release(walrow__all_relations *relations)
{
    PQclear(relations->result);
    free(relations->items);
    free(relations->by_oid);
    *relations = (walrow__all_relations){0};
}

walrow__relation *
walrow__relation_by_oid(const walrow__all_relations *relations, uint32_t oid)
{
    walrow__relation wanted = {.oid = oid}, *key = &wanted;
    walrow__relation **found =
        bsearch(&key, relations->by_oid, relations->count, sizeof *relations->by_oid, compare_oids);
    return found == NULL ? NULL : *found;
}
