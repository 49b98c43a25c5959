#include "pg/check.h"

#include "base/error.h"
#include "pg/plugin_options.h"
#include "pg/query.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- findings ---- */

void
walrow_findings_release(walrow_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        walrow_finding *finding = &findings->items[i];
        free(finding->object);
        free(finding->message);
        free(finding->current);
        free(finding->required);
        free(finding->fix);
    }
    free(findings->items);
    findings->items = NULL;
    findings->count = 0;
}

static char *
copy_or_empty(const char *text)
{
    return strdup(text == NULL ? "" : text);
}

walrow_code
walrow__check_add(walrow__check *check, const char *id, const walrow__finding *finding, walrow_error *err,
                  const char *message, ...)
{
    walrow_findings *out = check->out;
    walrow_finding *items = realloc(out->items, (out->count + 1) * sizeof *items);
    if (items == NULL)
        return walrow__fail_memory(err);
    out->items = items;

    walrow_finding *added = &items[out->count++];
    *added = (walrow_finding){
        .id = id,
        .severity = finding->severity,
        .code = finding->code,
        .object = copy_or_empty(finding->object),
        .current = copy_or_empty(finding->current),
        .required = copy_or_empty(finding->required),
        .fix = copy_or_empty(finding->fix),
        .restart = finding->restart,
    };
    va_list args;
    va_start(args, message);
    if (vasprintf(&added->message, message, args) < 0)
        added->message = NULL;
    va_end(args);
    if (finding->severity == WALROW_SEVERITY_ERROR)
        out->ok = false;
    if (added->object == NULL || added->current == NULL || added->required == NULL || added->fix == NULL ||
        added->message == NULL)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

/* ---- facts ---- */

static const char facts_sql[] =
    "SELECT current_setting('wal_level'),"
    " current_setting('max_replication_slots'), (SELECT count(*) FROM pg_replication_slots),"
    " current_setting('max_wal_senders'), (SELECT count(*) FROM pg_stat_replication),"
    " (SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'),"
    " (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),"
    /* current_setting() fails where the role may not see it */
    " (SELECT setting FROM pg_settings WHERE name = 'output_plugin_libraries'),"
    " (SELECT context = 'postmaster' FROM pg_settings WHERE name = 'output_plugin_libraries'),"
    " r.rolsuper, r.rolsuper OR r.rolreplication OR COALESCE("
    "  (SELECT pg_has_role(d.oid, 'MEMBER') FROM pg_roles d WHERE d.rolname = 'rds_replication'), false),"
    " EXISTS (SELECT FROM pg_roles d WHERE d.rolname = 'rds_replication'),"
    " has_database_privilege(current_database(), 'CREATE')"
    " FROM pg_roles r WHERE r.rolname = current_user";

static walrow_code
read_facts(PGconn *conn, walrow__facts *out, walrow_error *err)
{
    PGresult *result;
    *out = (walrow__facts){0};
    WALROW_TRY(walrow__pg_identify(conn, false, &out->server, err));
    WALROW_TRY(
        walrow__pg_exec(conn, facts_sql, WALROW_ERR_SERVER, "reading the server's settings", &result, err));
    snprintf(out->wal_level, sizeof out->wal_level, "%s", PQgetvalue(result, 0, 0));
    out->max_replication_slots = walrow__pg_int(result, 0, 1, 0);
    out->used_slots = walrow__pg_int(result, 0, 2, 0);
    out->max_wal_senders = walrow__pg_int(result, 0, 3, 0);
    out->used_wal_senders = walrow__pg_int(result, 0, 4, 0);
    out->wal_sender_timeout_ms = walrow__pg_int(result, 0, 5, 60000);
    out->max_slot_wal_keep_mb = walrow__pg_int(result, 0, 6, -1);
    out->has_plugin_list = !PQgetisnull(result, 0, 7);
    snprintf(out->plugin_list, sizeof out->plugin_list, "%s", PQgetvalue(result, 0, 7));
    out->plugin_list_restart = walrow__pg_bool(result, 0, 8);
    out->is_superuser = walrow__pg_bool(result, 0, 9);
    out->role_may_replicate = walrow__pg_bool(result, 0, 10);
    out->is_rds = walrow__pg_bool(result, 0, 11);
    out->may_create = walrow__pg_bool(result, 0, 12);
    PQclear(result);
    return WALROW_OK;
}

/* ---- running the table ---- */

/* A check that fails is itself a finding: what could not be looked at is said. Only a lost connection ends it
 * all. */
static walrow_code
run_checks(walrow__check *check, const walrow__check_row *rows, walrow_error *err)
{
    for (; rows->id != NULL; rows++) {
        walrow_error why = {0};
        walrow_code code = rows->run(check, rows->id, &why);
        if (code == WALROW_OK)
            continue;
        if (code == WALROW_ERR_MEMORY || PQstatus(check->conn) != CONNECTION_OK) {
            if (err != NULL)
                *err = why;
            return code;
        }
        walrow__finding finding = {.severity = WALROW_SEVERITY_WARNING, .code = code};
        WALROW_TRY(
            walrow__check_add(check, rows->id, &finding, err, "could not be checked: %s", why.message));
    }
    return WALROW_OK;
}

/* Until the server was asked: that of the slot, or of the options. */
static const char *
expected_plugin(const walrow__check *check)
{
    if (check->slot.exists)
        return check->slot.plugin;
    return walrow__plugin_name(check->options->plugin == WALROW__PLUGIN_AUTO ? (int)WALROW__PLUGIN_PGOUTPUT
                                                                             : check->options->plugin);
}

static walrow_code
look(walrow__check *check, walrow_error *err)
{
    char inserts[64];
    WALROW_TRY(read_facts(check->conn, &check->facts, err));
    check->out->server_version = check->facts.server.version;
    if (!walrow__plugin_has_documents(check->options))
        WALROW_TRY(walrow__discover(check->conn, check->options, false, &check->tables, err));
    WALROW_TRY(walrow__publication_get(check->conn, check->options->publication, &check->publication, err));
    if (walrow__publication_inserts_name(check->options, inserts))
        WALROW_TRY(walrow__publication_get(check->conn, inserts, &check->inserts, err));
    WALROW_TRY(walrow__slot_get(check->conn, check->options->slot, &check->slot, err));
    check->plugin.name = expected_plugin(check);
    return WALROW_OK;
}

static void
release(walrow__check *check)
{
    walrow__discovery_release(&check->tables);
    walrow__publication_release(&check->publication);
    walrow__publication_release(&check->inserts);
}

walrow_code
walrow__check_all(const walrow_options *options, const walrow__check_row *more, walrow_findings *out,
                  walrow_error *err)
{
    *out = (walrow_findings){.ok = true};
    walrow__check check = {.options = options, .out = out};
    WALROW_TRY(walrow__plugin_readable(options, err));
    WALROW_TRY(walrow__pg_connect(options, false, &check.conn, err));
    walrow_code code = look(&check, err);
    if (code == WALROW_OK)
        code = run_checks(&check, walrow__server_checks, err);
    if (code == WALROW_OK && !walrow__plugin_has_documents(options))
        code = run_checks(&check, walrow__table_checks, err);
    if (code == WALROW_OK && !walrow__plugin_has_documents(options))
        code = run_checks(&check, more, err);
    if (code == WALROW_OK)
        code = run_checks(&check, walrow__plugin_checks, err);
    if (code == WALROW_OK)
        code = run_checks(&check, walrow__object_checks, err);
    release(&check);
    PQfinish(check.conn);
    if (code != WALROW_OK)
        walrow_findings_release(out);
    return code;
}

walrow_code
walrow__check_server(PGconn *conn, const walrow_options *options, walrow_error *err)
{
    walrow_findings findings = {.ok = true};
    walrow__check check = {.conn = conn, .options = options, .out = &findings};
    walrow_code code = read_facts(conn, &check.facts, err);
    if (code == WALROW_OK)
        code = walrow__slot_get(conn, options->slot, &check.slot, err);
    check.plugin.name = expected_plugin(&check);
    if (code == WALROW_OK)
        code = run_checks(&check, walrow__server_checks, err);
    for (size_t i = 0; i < findings.count && code == WALROW_OK; i++) {
        const walrow_finding *finding = &findings.items[i];
        if (finding->severity != WALROW_SEVERITY_ERROR)
            continue;
        code = walrow__fail(err, finding->code, "%s", finding->message);
        walrow__hint(err, "%s%s; \"walrow check\" lists all there is", finding->fix,
                     finding->restart ? " then restart the server" : "");
    }
    walrow_findings_release(&findings);
    return code;
}
