#include "pg/discover.h"

#include "base/error.h"
#include "base/nearest.h"
#include "pg/query.h"
#include "pg/relations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_USER_OID 16384 /* PostgreSQL's FirstNormalObjectId: below, nothing can be published */

const char *
walrow__found_identity_text(const walrow__found *table)
{
    switch (table->identity) {
    case 'f':
        return "full";
    case 'n':
        return "nothing";
    case 'i':
        return "index";
    default:
        return "default";
    }
}

const char *
walrow__found_kind_text(const walrow__found *table)
{
    switch (table->relkind) {
    case 'p':
        return "partitioned table";
    case 'v':
        return "view";
    case 'm':
        return "materialized view";
    case 'f':
        return "foreign table";
    case 'S':
        return "sequence";
    default:
        break;
    }
    if (table->persistence == 't')
        return "temporary table";
    if (table->persistence == 'u')
        return "unlogged table";
    return table->is_partition ? "partition" : "table";
}

/* Why the table cannot be published, whatever else is; "" if it can. */
static const char *
why_not(const walrow__found *table, int server_version)
{
    switch (table->relkind) {
    case 'v':
        return "a view has no changes of its own; stream the tables it reads";
    case 'm':
        return "logical replication does not cover materialized views; stream the tables it reads";
    case 'f':
        return "the changes of a foreign table happen on another server";
    case 'S':
        return "logical replication does not cover sequences";
    default:
        break;
    }
    if (table->persistence == 't')
        return "changes of temporary tables are not in the WAL";
    if (table->persistence == 'u')
        return "changes of unlogged tables are not in the WAL; ALTER TABLE ... SET LOGGED changes that";
    if (table->relid < FIRST_USER_OID)
        return "system tables cannot be published";
    if (table->relkind == 'p' && server_version < 130000)
        return "before PostgreSQL 13 partitioned tables cannot be published, only their partitions";
    return "";
}

/* ---- which relations match ---- */

/* A sequence stands behind every serial column: only one that is called by its name is meant. */
static bool
may_mean(const walrow_patterns *patterns, size_t i, const walrow__relation *relation)
{
    return relation->relkind != 'S' || walrow__patterns_is_exact(patterns, i);
}

static bool
matches_one(const walrow_patterns *patterns, size_t i, const walrow__relation *relation)
{
    return may_mean(patterns, i, relation) &&
           walrow__patterns_match_one_visible(patterns, i, relation->schema, relation->name,
                                              relation->visible);
}

static bool
sequence_is_named(const walrow_patterns *patterns, const walrow__relation *relation)
{
    for (size_t i = 0; i < walrow__patterns_count(patterns); i++)
        if (!walrow__patterns_excludes(patterns, i) && matches_one(patterns, i, relation))
            return true;
    return false;
}

static void
mark_matches(const walrow_patterns *patterns, walrow__all_relations *relations)
{
    for (size_t i = 0; i < relations->count; i++) {
        walrow__relation *each = &relations->items[i];
        each->matches = walrow__patterns_match_visible(patterns, each->schema, each->name, each->visible) &&
                        (each->relkind != 'S' || sequence_is_named(patterns, each));
    }
}

static bool
matches_any(const walrow_patterns *patterns, size_t pattern, const walrow__all_relations *relations)
{
    for (size_t i = 0; i < relations->count; i++)
        if (matches_one(patterns, pattern, &relations->items[i]))
            return true;
    return false;
}

/* "a, b or c": the names nearest to a pattern that matches nothing. */
static bool
add_nearest(walrow__discovery *out, const char *pattern, const walrow__all_relations *relations)
{
    walrow__texts names = {0};
    walrow__nearest nearest;
    bool ok = true;
    walrow__nearest_init(&nearest, pattern);
    for (size_t i = 0; i < relations->count && ok; i++) {
        const walrow__relation *each = &relations->items[i];
        char name[160];
        if (each->relkind == 'S' || each->oid < FIRST_USER_OID)
            continue;
        bool qualified = strchr(pattern, '.') != NULL || !each->visible;
        snprintf(name, sizeof name, "%s%s%s", qualified ? each->schema : "", qualified ? "." : "",
                 each->name);
        ok = walrow__texts_add(&names, name);
    }
    for (size_t i = 0; i < names.count; i++)
        walrow__nearest_offer(&nearest, names.items[i]);
    char text[400];
    ok = ok && walrow__texts_add(&out->nearest, walrow__nearest_text(&nearest, text, sizeof text));
    walrow__texts_release(&names);
    return ok;
}

static walrow_code
find_unmatched(walrow__discovery *out, const walrow__all_relations *relations, walrow_error *err)
{
    for (size_t i = 0; i < walrow__patterns_count(out->patterns); i++) {
        const char *text = walrow__patterns_text(out->patterns, i);
        if (walrow__patterns_excludes(out->patterns, i) || matches_any(out->patterns, i, relations))
            continue;
        if (!walrow__texts_add(&out->unmatched, text) || !add_nearest(out, text, relations))
            return walrow__fail_memory(err);
    }
    return WALROW_OK;
}

/* ---- from relations to what is found ---- */

static bool
fill_ancestors(walrow__found *table, const walrow__relation *relation, const walrow__all_relations *relations)
{
    uint32_t parent = relation->parent;
    while (parent != 0) {
        uint32_t *grown = realloc(table->ancestors, (table->n_ancestors + 1) * sizeof *grown);
        if (grown == NULL)
            return false;
        table->ancestors = grown;
        grown[table->n_ancestors++] = parent;
        const walrow__relation *next = walrow__relation_by_oid(relations, parent);
        parent = next == NULL ? 0 : next->parent;
    }
    return true;
}

static bool
add_leaf(walrow__found *table, const walrow__relation *relation)
{
    walrow__found_leaf *grown = realloc(table->leaves, (table->n_leaves + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    table->leaves = grown;
    walrow__found_leaf *leaf = &grown[table->n_leaves++];
    *leaf = (walrow__found_leaf){
        .relid = relation->oid, .schema = strdup(relation->schema), .name = strdup(relation->name)};
    return leaf->schema != NULL && leaf->name != NULL;
}

static bool
descends_from(const walrow__relation *relation, uint32_t ancestor, const walrow__all_relations *relations)
{
    for (uint32_t parent = relation->parent; parent != 0;) {
        if (parent == ancestor)
            return true;
        const walrow__relation *next = walrow__relation_by_oid(relations, parent);
        parent = next == NULL ? 0 : next->parent;
    }
    return false;
}

/* The leaves of a partitioned table, and their rows. */
static bool
fill_leaves(walrow__found *table, const walrow__all_relations *relations)
{
    table->rows = -1;
    for (size_t i = 0; i < relations->count; i++) {
        const walrow__relation *each = &relations->items[i];
        if (each->relkind != 'r' || !descends_from(each, table->relid, relations))
            continue;
        if (!add_leaf(table, each))
            return false;
        if (each->rows >= 0)
            table->rows = (table->rows < 0 ? 0 : table->rows) + each->rows;
    }
    return true;
}

static walrow_code
set_reason(walrow__found *table, const char *reason, walrow_error *err)
{
    char *copy = strdup(reason);
    if (copy == NULL)
        return walrow__fail_memory(err);
    free(table->reason);
    table->reason = copy;
    table->streamable = *reason == '\0';
    return WALROW_OK;
}

static walrow_code
fill_found(walrow__found *table, const walrow__relation *relation, const walrow__all_relations *relations,
           int server_version, walrow_error *err)
{
    *table = (walrow__found){
        .relid = relation->oid,
        .schema = strdup(relation->schema),
        .name = strdup(relation->name),
        .relkind = relation->relkind,
        .persistence = relation->persistence,
        .is_partition = relation->is_partition,
        .identity = relation->identity,
        .rows = relation->rows,
        .bytes = -1,
    };
    if (table->schema == NULL || table->name == NULL || !fill_ancestors(table, relation, relations) ||
        (table->relkind == 'p' && !fill_leaves(table, relations)))
        return walrow__fail_memory(err);
    return set_reason(table, why_not(table, server_version), err);
}

/* A partition whose root is captured comes with it (topmost one first). */
static walrow_code
yield_to_root(walrow__found *table, const walrow__all_relations *relations, int server_version,
              walrow_error *err)
{
    for (size_t i = table->n_ancestors; i-- > 0 && server_version >= 130000;) {
        const walrow__relation *ancestor = walrow__relation_by_oid(relations, table->ancestors[i]);
        if (ancestor == NULL || !ancestor->matches || !table->streamable)
            continue;
        char reason[300];
        snprintf(reason, sizeof reason, "its changes come as those of its root, %s.%s", ancestor->schema,
                 ancestor->name);
        return set_reason(table, reason, err);
    }
    return WALROW_OK;
}

static walrow_code
collect(walrow__discovery *out, const walrow__all_relations *relations, int server_version, walrow_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < relations->count; i++)
        n += relations->items[i].matches;
    out->items = calloc(n + 1, sizeof *out->items);
    if (out->items == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < relations->count; i++) {
        if (!relations->items[i].matches)
            continue;
        walrow__found *table = &out->items[out->count++];
        WALROW_TRY(fill_found(table, &relations->items[i], relations, server_version, err));
        WALROW_TRY(yield_to_root(table, relations, server_version, err));
    }
    return WALROW_OK;
}

/* ---- the interface ---- */

walrow_code
walrow__discover(PGconn *conn, const walrow_options *options, bool with_bytes, walrow__discovery *out,
                 walrow_error *err)
{
    static const char *const empty_path[] = {NULL};
    walrow__texts path = {0};
    walrow__all_relations relations = {0};
    *out = (walrow__discovery){0};

    walrow_code code = walrow__search_path(conn, &path, err);
    if (code == WALROW_OK)
        code = walrow__patterns_parse_list(&options->tables,
                                           path.count == 0 ? empty_path : (const char *const *)path.items,
                                           &out->patterns, err);
    if (code == WALROW_OK)
        code = walrow__relations_load(conn, &path, &relations, err);
    if (code == WALROW_OK) {
        mark_matches(out->patterns, &relations);
        code = find_unmatched(out, &relations, err);
    }
    if (code == WALROW_OK)
        code = collect(out, &relations, PQserverVersion(conn), err);
    if (code == WALROW_OK)
        code = walrow__discover_details(conn, with_bytes, out, err);
    walrow__relations_release(&relations);
    walrow__texts_release(&path);
    if (code != WALROW_OK)
        walrow__discovery_release(out);
    return code;
}

static void
release_found(walrow__found *table)
{
    for (size_t i = 0; i < table->n_leaves; i++) {
        free(table->leaves[i].schema);
        free(table->leaves[i].name);
    }
    for (size_t i = 0; i < table->n_columns; i++) {
        free(table->columns[i].name);
        free(table->columns[i].pg_type);
    }
    free(table->leaves);
    free(table->columns);
    free(table->ancestors);
    free(table->schema);
    free(table->name);
    free(table->reason);
    free(table->owner);
}

void
walrow__discovery_release(walrow__discovery *discovery)
{
    for (size_t i = 0; i < discovery->count; i++)
        release_found(&discovery->items[i]);
    free(discovery->items);
    walrow_patterns_free(discovery->patterns);
    walrow__texts_release(&discovery->unmatched);
    walrow__texts_release(&discovery->nearest);
    *discovery = (walrow__discovery){0};
}

static walrow_code
fail_unmatched(const walrow__discovery *discovery, walrow_error *err)
{
    size_t n = discovery->unmatched.count;
    const char *nearest = discovery->nearest.items[0];
    if (n == 1)
        walrow__fail(err, WALROW_ERR_USAGE, "no table matches \"%s\"", discovery->unmatched.items[0]);
    else
        walrow__fail(err, WALROW_ERR_USAGE, "no table matches \"%s\", nor %zu other pattern%s (\"%s\"%s)",
                     discovery->unmatched.items[0], n - 1, n == 2 ? "" : "s", discovery->unmatched.items[1],
                     n == 2 ? "" : ", ...");
    if (*nearest != '\0')
        return walrow__hint(err, "did you mean %s? \"walrow tables\" lists what there is", nearest);
    return walrow__hint(
        err, "\"walrow tables\" lists what there is; --allow-empty waits for tables to be created");
}

walrow_code
walrow__discovery_require(const walrow__discovery *discovery, const walrow_options *options,
                          walrow_error *err)
{
    if (options->allow_empty)
        return WALROW_OK;
    if (discovery->unmatched.count > 0)
        return fail_unmatched(discovery, err);
    for (size_t i = 0; i < discovery->count; i++)
        if (discovery->items[i].streamable)
            return WALROW_OK;
    if (discovery->count == 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "the patterns leave no table to stream");
        return walrow__hint(
            err, "\"walrow tables\" lists what there is; --allow-empty waits for tables to be created");
    }
    const walrow__found *first = &discovery->items[0];
    walrow__fail(err, WALROW_ERR_USAGE, "nothing that matches can be streamed: %s.%s is a %s", first->schema,
                 first->name, walrow__found_kind_text(first));
    return walrow__hint(err, "%s", first->reason);
}

bool
walrow__found_has_identity(const walrow__found *table)
{
    for (size_t i = 0; i < table->n_leaves; i++)
        if (!table->leaves[i].has_identity)
            return false;
    return table->n_leaves > 0 || table->has_identity;
}

/* Every change of a row gives it another xmin. Temporary tables come and go, and are none of ours. */
static const char token_sql[] =
    "SELECT (SELECT count(*) || '/' || COALESCE(sum(xmin::text::int8), 0) FROM pg_class"
    "  WHERE relkind IN ('r', 'p') AND relpersistence = 'p')"
    " || ' ' || (SELECT count(*) || '/' || COALESCE(sum(xmin::text::int8), 0) FROM pg_index"
    "  WHERE indisprimary OR indisreplident)"
    " || ' ' || (SELECT COALESCE(sum(xmin::text::int8), 0) FROM pg_namespace WHERE nspname NOT LIKE "
    "'pg\\_t%')";

walrow_code
walrow__discover_token(PGconn *conn, char *token, walrow_error *err)
{
    PGresult *result;
    WALROW_TRY(walrow__pg_exec(conn, token_sql, WALROW_ERR_SERVER, "looking for new tables", &result, err));
    snprintf(token, 64, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return WALROW_OK;
}
