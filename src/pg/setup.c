/*
 * pg/setup.c
 *	  walrow_setup: publication, grants, slot, in this order; each only if it is missing.
 */
#include "base/error.h"
#include "pg/actions.h"
#include "pg/check.h"
#include "pg/connection.h"
#include "pg/plugin.h"
#include "pg/plugin_options.h"
#include "pg/publication.h"
#include "pg/query.h"
#include "pg/slot.h"

#include <stdio.h>
#include <string.h>

typedef struct setup {
    PGconn *conn;
    const walrow_options *options;
    walrow__pg_server server;
    walrow__discovery tables;
    walrow__plugin_choice plugin;
    walrow_actions *actions;
} setup;

/* ---- grants ---- */

static walrow_code
add_grant(setup *setup, const char *what, const char *schema, const char *table, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql, "GRANT %s ", what);
    if (table != NULL)
        walrow__sql_table(&sql, setup->conn, schema, table);
    else
        walrow__sql_identifier(&sql, setup->conn, schema);
    walrow__strbuf_add_text(&sql, " TO ");
    walrow__sql_identifier(&sql, setup->conn, setup->options->grant_to);
    char object[160];
    snprintf(object, sizeof object, "%s%s%s", schema, table == NULL ? "" : ".", table == NULL ? "" : table);
    walrow_code code = sql.failed ? walrow__fail_memory(err)
                                  : walrow__actions_add(setup->actions, "grant", object, sql.data, err);
    walrow__strbuf_release(&sql);
    return code;
}

/* What the role lacks for one table: $1 role, $2 relid. */
static walrow_code
grant_table(setup *setup, const walrow__found *table, const char **last_schema, walrow_error *err)
{
    char relid[16];
    const char *params[2] = {setup->options->grant_to, relid};
    PGresult *result;
    snprintf(relid, sizeof relid, "%u", table->relid);
    WALROW_TRY(
        walrow__pg_query(setup->conn,
                         "SELECT has_schema_privilege($1, c.relnamespace, 'USAGE'),"
                         " has_table_privilege($1, c.oid, 'SELECT') FROM pg_class c WHERE c.oid = $2::oid",
                         2, params, WALROW_ERR_SERVER, "reading privileges", &result, err));
    bool exists = PQntuples(result) > 0;
    bool may_use = exists && walrow__pg_bool(result, 0, 0),
         may_select = exists && walrow__pg_bool(result, 0, 1);
    PQclear(result);
    bool is_new_schema = *last_schema == NULL || strcmp(*last_schema, table->schema) != 0;
    if (exists && !may_use && is_new_schema)
        WALROW_TRY(add_grant(setup, "USAGE ON SCHEMA", table->schema, NULL, err));
    *last_schema = table->schema; /* tables are ordered by schema */
    if (exists && !may_select)
        return add_grant(setup, "SELECT ON", table->schema, table->name, err);
    return WALROW_OK;
}

static walrow_code
grant_replication(setup *setup, walrow_error *err)
{
    const char *role = setup->options->grant_to;
    PGresult *result;
    WALROW_TRY(walrow__pg_query(setup->conn,
                                "SELECT r.rolsuper OR r.rolreplication, d.oid IS NOT NULL,"
                                " COALESCE(pg_has_role($1, d.oid, 'MEMBER'), false)"
                                " FROM pg_roles r LEFT JOIN pg_roles d ON d.rolname = 'rds_replication'"
                                " WHERE r.rolname = $1",
                                1, &role, WALROW_ERR_SERVER, "looking for the role", &result, err));
    bool exists = PQntuples(result) > 0;
    bool may = exists && (walrow__pg_bool(result, 0, 0) || walrow__pg_bool(result, 0, 2));
    bool is_rds = exists && walrow__pg_bool(result, 0, 1);
    PQclear(result);
    if (!exists) {
        walrow__fail(err, WALROW_ERR_USAGE, "--grant-to: role \"%s\" does not exist", role);
        return walrow__hint(err, "CREATE ROLE \"%s\" LOGIN PASSWORD '...'; first", role);
    }
    if (may)
        return WALROW_OK;
    if (is_rds)
        return add_grant(setup, "", "rds_replication", NULL, err);
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "ALTER ROLE ");
    walrow__sql_identifier(&sql, setup->conn, role);
    walrow__strbuf_add_text(&sql, " REPLICATION");
    walrow_code code = sql.failed ? walrow__fail_memory(err)
                                  : walrow__actions_add(setup->actions, "grant", role, sql.data, err);
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
add_grants(setup *setup, walrow_error *err)
{
    size_t first = setup->actions->count;
    const char *last_schema = NULL;
    if (setup->options->grant_to == NULL)
        return WALROW_OK;
    WALROW_TRY(grant_replication(setup, err));
    for (size_t i = 0; i < setup->tables.count; i++)
        if (setup->tables.items[i].streamable)
            WALROW_TRY(grant_table(setup, &setup->tables.items[i], &last_schema, err));
    if (setup->actions->count == first)
        return walrow__actions_add(setup->actions, "grant", setup->options->grant_to, "", err);
    return WALROW_OK;
}

/* ---- the slot ---- */

static walrow_code
add_slot(setup *setup, const walrow__slot *slot, bool dry_run, walrow_error *err)
{
    const char *plugin = setup->plugin.name;
    if (slot->exists)
        return walrow__actions_add(setup->actions, "create slot", slot->name, "", err);
    if (setup->options->no_setup)
        return walrow__slot_fits(slot, setup->options, setup->server.database, err);

    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT pg_create_logical_replication_slot(");
    walrow__sql_literal(&sql, setup->conn, slot->name);
    walrow__strbuf_add_text(&sql, ", ");
    walrow__sql_literal(&sql, setup->conn, plugin);
    walrow__strbuf_add_char(&sql, ')');
    walrow_code code = sql.failed
                           ? walrow__fail_memory(err)
                           : walrow__actions_add(setup->actions, "create slot", slot->name, sql.data, err);
    walrow__strbuf_release(&sql);
    WALROW_TRY(code);
    if (dry_run)
        return WALROW_OK;
    WALROW_TRY(walrow__slot_create(setup->conn, setup->options, slot->name, plugin, false, NULL, err));
    setup->actions->items[setup->actions->count - 1].done = true;
    return WALROW_OK;
}

/* ---- all of it ---- */

/* Everything that can be refused is refused before anything is changed. */
static walrow_code
check_first(setup *setup, walrow__slot *slot, walrow_error *err)
{
    WALROW_TRY(walrow__pg_identify(setup->conn, false, &setup->server, err));
    WALROW_TRY(walrow__check_server(setup->conn, setup->options, err));
    WALROW_TRY(walrow__slot_get(setup->conn, setup->options->slot, slot, err));
    if (slot->exists)
        WALROW_TRY(walrow__slot_fits(slot, setup->options, setup->server.database, err));
    WALROW_TRY(walrow__plugin_choose(setup->conn, setup->options, slot, &setup->plugin, err));
    if (walrow__plugin_has_documents(setup->options))
        return WALROW_OK;
    WALROW_TRY(walrow__discover(setup->conn, setup->options, false, &setup->tables, err));
    return walrow__discovery_require(&setup->tables, setup->options, err);
}

static walrow_code
check_age(setup *setup, const walrow__slot *slot, walrow_error *err)
{
    walrow__texts names = {0};
    if (!slot->exists || !walrow__slot_has_publications(slot, setup->options))
        return WALROW_OK;
    walrow_code code = walrow__publication_names(setup->conn, setup->options, &names, err);
    if (code == WALROW_OK)
        code = walrow__publication_check_age(setup->conn, setup->options, &names, err);
    walrow__texts_release(&names);
    return code;
}

walrow_code
walrow_setup(const walrow_options *options, bool dry_run, walrow_actions *out, walrow_error *err)
{
    setup setup = {.options = options, .actions = out};
    walrow__slot slot = {0};
    *out = (walrow_actions){0};
    WALROW_TRY(walrow__plugin_readable(options, err));
    WALROW_TRY(walrow__pg_connect(options, false, &setup.conn, err));

    walrow_code code = check_first(&setup, &slot, err);
    if (code == WALROW_OK)
        code = check_age(&setup, &slot, err);
    /* only listed: everything is planned before anything is done */
    if (code == WALROW_OK && !walrow__plugin_has_documents(options))
        code = walrow__publication_ensure(setup.conn, options, &setup.tables, true, out, NULL, err);
    if (code == WALROW_OK)
        code = add_grants(&setup, err);
    if (code == WALROW_OK && !dry_run)
        code = walrow__actions_run(setup.conn, out, 0, WALROW_ERR_PUBLICATION, err);
    if (code == WALROW_OK)
        code = add_slot(&setup, &slot, dry_run, err);
    walrow__discovery_release(&setup.tables);
    PQfinish(setup.conn);
    if (code != WALROW_OK)
        walrow_actions_release(out);
    return code;
}
