/*
 * pg/check_tables.c
 *	  The matched tables.
 */
#include "pg/check.h"

#include "base/error.h"
#include "pg/query.h"

#include <stdio.h>
#include <string.h>

/* "schema.table" for a person; SQL gets it quoted. */
typedef struct table_name {
    char text[160];
} table_name;

static table_name
name_of(const char *schema, const char *table)
{
    table_name name;
    snprintf(name.text, sizeof name.text, "%s.%s", schema, table);
    return name;
}

static walrow_code
check_patterns(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__discovery *tables = &check->tables;
    bool allowed = check->options->allow_empty;
    for (size_t i = 0; i < tables->unmatched.count; i++) {
        const char *nearest = tables->nearest.items[i];
        char fix[480] = "";
        if (*nearest != '\0')
            snprintf(fix, sizeof fix, "did you mean %s?", nearest);
        walrow__finding finding = {
            .severity = allowed ? WALROW_SEVERITY_INFO : WALROW_SEVERITY_ERROR,
            .code = WALROW_ERR_USAGE,
            .object = tables->unmatched.items[i],
            .current = "no table",
            .required = allowed ? "" : "a table, or --allow-empty",
            .fix = fix,
        };
        WALROW_TRY(walrow__check_add(check, id, &finding, err, "no table matches \"%s\"",
                                     tables->unmatched.items[i]));
    }
    walrow_error why = {0};
    if (tables->unmatched.count > 0 || walrow__discovery_require(tables, check->options, &why) == WALROW_OK)
        return WALROW_OK;
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_ERROR, .code = why.code, .current = "no table", .fix = why.hint};
    return walrow__check_add(check, id, &finding, err, "%s", why.message);
}

/* Was it asked for by its very name? */
static bool
is_named(const walrow__discovery *tables, const walrow__found *table)
{
    for (size_t i = 0; i < walrow__patterns_count(tables->patterns); i++)
        if (!walrow__patterns_excludes(tables->patterns, i) &&
            walrow__patterns_is_exact(tables->patterns, i) &&
            walrow__patterns_match_one_visible(tables->patterns, i, table->schema, table->name, true))
            return true;
    return false;
}

/* A view is no surprise among "all tables", so it is only said where a pattern asked; partitions come with
 * their root. */
static walrow_code
check_streamable(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__discovery *tables = &check->tables;
    bool asked = walrow__patterns_count(tables->patterns) > 0;
    for (size_t i = 0; i < tables->count && asked; i++) {
        const walrow__found *table = &tables->items[i];
        bool named = is_named(tables, table);
        if (table->streamable || (table->is_partition && table->relkind != 'f' && table->persistence == 'p'))
            continue;
        table_name name = name_of(table->schema, table->name);
        walrow__finding finding = {
            .severity = named ? WALROW_SEVERITY_WARNING : WALROW_SEVERITY_INFO,
            .code = WALROW_ERR_USAGE,
            .object = name.text,
            .current = walrow__found_kind_text(table),
            .required = "table",
        };
        WALROW_TRY(
            walrow__check_add(check, id, &finding, err, "%s is not streamed: %s", name.text, table->reason));
    }
    return WALROW_OK;
}

static walrow_code
check_select(walrow__check *check, const char *id, walrow_error *err)
{
    PGconn *conn = check->conn;
    bool needed = walrow__options_snapshot(check->options) != WALROW__SNAPSHOT_NEVER;
    for (size_t i = 0; i < check->tables.count && needed; i++) {
        const walrow__found *table = &check->tables.items[i];
        if (!table->streamable || table->can_select)
            continue;
        walrow__strbuf fix;
        walrow__strbuf_init(&fix);
        walrow__strbuf_add_text(&fix, "GRANT USAGE ON SCHEMA ");
        walrow__sql_identifier(&fix, conn, table->schema);
        walrow__strbuf_add_text(&fix, " TO ");
        walrow__sql_identifier(&fix, conn, check->facts.server.user);
        walrow__strbuf_add_text(&fix, "; GRANT SELECT ON ");
        walrow__sql_table(&fix, conn, table->schema, table->name);
        walrow__strbuf_add_text(&fix, " TO ");
        walrow__sql_identifier(&fix, conn, check->facts.server.user);
        walrow__strbuf_add_char(&fix, ';');
        table_name name = name_of(table->schema, table->name);
        walrow__finding finding = {
            .severity = WALROW_SEVERITY_ERROR,
            .code = WALROW_ERR_SERVER,
            .object = name.text,
            .current = "no SELECT",
            .required = "SELECT",
            .fix = walrow__strbuf_text(&fix),
        };
        walrow_code code = walrow__check_add(check, id, &finding, err,
                                             "role \"%s\" may not read %s, so there is no snapshot of it",
                                             check->facts.server.user, name.text);
        walrow__strbuf_release(&fix);
        WALROW_TRY(code);
    }
    return WALROW_OK;
}

/* ---- replica identity ---- */

static walrow_code
add_identity(walrow__check *check, const char *id, const walrow__found *table, const char *schema,
             const char *name, bool chosen, walrow_error *err)
{
    walrow__strbuf fix;
    walrow__strbuf_init(&fix);
    walrow__strbuf_add_text(&fix, "ALTER TABLE ");
    walrow__sql_table(&fix, check->conn, schema, name);
    walrow__strbuf_add_text(&fix, " REPLICA IDENTITY FULL;");
    table_name full = name_of(schema, name);
    walrow__finding finding = {
        .severity = chosen ? WALROW_SEVERITY_INFO : WALROW_SEVERITY_ERROR,
        .code = WALROW_ERR_IDENTITY,
        .object = full.text,
        .current = table->identity == 'n' ? "nothing" : "no key",
        .required = "a primary key or REPLICA IDENTITY FULL",
        .fix = walrow__strbuf_text(&fix),
    };
    walrow_code code;
    if (chosen)
        code = walrow__check_add(check, id, &finding, err,
                                 "%s has no replica identity; set-up takes care of it, as asked", full.text);
    else
        code = walrow__check_add(
            check, id, &finding, err,
            "%s has no replica identity: once its updates are published, UPDATE and DELETE on it "
            "fail; or publish only inserts: --insert-only '%s.%s'",
            full.text, table->schema, table->name);
    walrow__strbuf_release(&fix);
    return code;
}

static walrow_code
check_identity(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow_options *options = check->options;
    walrow_patterns *insert_only;
    WALROW_TRY(walrow__patterns_parse_list(
        &options->insert_only, walrow__patterns_search_path(check->tables.patterns), &insert_only, err));
    walrow_code code = WALROW_OK;
    for (size_t i = 0; i < check->tables.count && code == WALROW_OK; i++) {
        const walrow__found *table = &check->tables.items[i];
        if (!table->streamable || walrow__found_has_identity(table) ||
            walrow__publication_sends_inserts_only(&check->publication, &check->inserts, table))
            continue;
        bool chosen =
            !options->no_setup && (options->replica_identity == WALROW__IDENTITY_FULL ||
                                   (options->insert_only.count > 0 &&
                                    walrow_patterns_match(insert_only, table->schema, table->name)));
        if (table->n_leaves == 0)
            code = add_identity(check, id, table, table->schema, table->name, chosen, err);
        for (size_t j = 0; j < table->n_leaves && code == WALROW_OK; j++)
            if (!table->leaves[j].has_identity)
                code = add_identity(check, id, table, table->leaves[j].schema, table->leaves[j].name, chosen,
                                    err);
    }
    walrow_patterns_free(insert_only);
    return code;
}

static walrow_code
check_row_security(walrow__check *check, const char *id, walrow_error *err)
{
    bool needed = walrow__options_snapshot(check->options) != WALROW__SNAPSHOT_NEVER;
    for (size_t i = 0; i < check->tables.count && needed; i++) {
        const walrow__found *table = &check->tables.items[i];
        if (!table->streamable || !table->row_security)
            continue;
        table_name name = name_of(table->schema, table->name);
        walrow__strbuf fix;
        walrow__strbuf_init(&fix);
        walrow__strbuf_add_text(&fix, "ALTER ROLE ");
        walrow__sql_identifier(&fix, check->conn, check->facts.server.user);
        walrow__strbuf_add_text(&fix, " BYPASSRLS;");
        walrow__finding finding = {
            .severity = WALROW_SEVERITY_WARNING,
            .code = WALROW_ERR_SERVER,
            .object = name.text,
            .current = "row security applies",
            .required = "BYPASSRLS",
            .fix = walrow__strbuf_text(&fix),
        };
        walrow_code code =
            walrow__check_add(check, id, &finding, err,
                              "row security hides rows of %s from the snapshot, while the stream has "
                              "them all",
                              name.text);
        walrow__strbuf_release(&fix);
        WALROW_TRY(code);
    }
    return WALROW_OK;
}

const walrow__check_row walrow__table_checks[] = {
    {"table-patterns", check_patterns},   {"table-not-streamable", check_streamable},
    {"select-privilege", check_select},   {"replica-identity", check_identity},
    {"row-security", check_row_security}, {NULL, NULL},
};
