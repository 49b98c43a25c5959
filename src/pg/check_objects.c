/*
 * pg/check_objects.c
 *	  Publication, slot, and the connection they are for.
 */
#include "pg/check.h"

#include "base/error.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the connection ---- */

static walrow_code
check_connection(walrow__check *check, const char *id, walrow_error *err)
{
    PGconn *conn = NULL;
    walrow_error why = {0};
    const walrow__facts *facts = &check->facts;
    if (!facts->role_may_replicate || facts->used_wal_senders >= facts->max_wal_senders)
        return WALROW_OK; /* refused for a reason that is a finding already */
    if (walrow__pg_connect(check->options, true, &conn, &why) == WALROW_OK) {
        PQfinish(conn);
        return WALROW_OK;
    }
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_ERROR,
        .code = why.code,
        .object = facts->server.user,
        .current = "refused",
        .required = "a replication connection to the database",
        .fix = why.hint,
    };
    return walrow__check_add(check, id, &finding, err, "%s", why.message);
}

/* ---- the publication ---- */

/* What set-up would do to the publications, as SQL; "" if it would refuse. */
static void
setup_sql(const walrow__check *check, walrow__strbuf *out)
{
    walrow_options options = *check->options; /* borrows all of it */
    walrow_actions actions = {0};
    walrow__texts refused = {0};
    walrow_error ignored;
    options.no_setup = false;
    if (walrow__publication_ensure(check->conn, &options, &check->tables, true, &actions, &refused,
                                   &ignored) == WALROW_OK)
        for (size_t i = 0; i < actions.count; i++)
            if (actions.items[i].sql[0] != '\0')
                walrow__strbuf_addf(out, "%s%s;", out->size == 0 ? "" : " ", actions.items[i].sql);
    walrow_actions_release(&actions);
    walrow__texts_release(&refused);
}

static walrow_code
add_missing_publication(walrow__check *check, const char *id, walrow_error *err)
{
    const char *name = check->options->publication;
    walrow__strbuf fix;
    walrow__strbuf_init(&fix);
    setup_sql(check, &fix);
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_INFO,
        .code = WALROW_ERR_PUBLICATION,
        .object = name,
        .current = "missing",
        .fix = walrow__strbuf_text(&fix),
    };
    walrow_code code;
    if (check->slot.exists) {
        finding.severity = WALROW_SEVERITY_ERROR;
        finding.required = "a publication older than the slot";
        finding.fix = "walrow teardown";
        code = walrow__check_add(
            check, id, &finding, err,
            "publication \"%s\" does not exist, but slot \"%s\" does, and could not see one made "
            "now; name the one it was used with, or begin anew",
            name, check->options->slot);
    } else if (check->options->no_setup) {
        finding.severity = WALROW_SEVERITY_ERROR;
        code = walrow__check_add(check, id, &finding, err,
                                 "publication \"%s\" does not exist, and --no-setup", name);
    } else
        code = walrow__check_add(check, id, &finding, err,
                                 "publication \"%s\" does not exist yet: set-up creates it", name);
    walrow__strbuf_release(&fix);
    return code;
}

static bool
is_unpublished(const walrow__check *check, const walrow__found *table)
{
    return table->streamable && !walrow__publication_covers(&check->publication, table) &&
           !walrow__publication_covers(&check->inserts, table);
}

/* "a.b, a.c and 3 more": what neither publication covers, or of it what others own; how many. */
static size_t
list_unpublished(const walrow__check *check, bool of_others, char *out, size_t size)
{
    size_t n = 0, used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < check->tables.count; i++) {
        const walrow__found *table = &check->tables.items[i];
        if (!is_unpublished(check, table) || (of_others && table->is_owner))
            continue;
        if (n++ < 5 && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s.%s", n == 1 ? "" : ", ", table->schema,
                                     table->name);
    }
    if (n > 5 && used < size)
        snprintf(out + used, size - used, " and %zu more", n - 5);
    return n;
}

static walrow_code
add_uncovered(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__publication *publication = &check->publication;
    char names[512];
    if (list_unpublished(check, false, names, sizeof names) == 0)
        return WALROW_OK;
    walrow__strbuf fix;
    walrow__strbuf_init(&fix);
    if (publication->made_by_walrow)
        setup_sql(check, &fix);
    else {
        walrow__strbuf_add_text(&fix, "ALTER PUBLICATION ");
        walrow__sql_identifier(&fix, check->conn, publication->name);
        const char *between = " ADD TABLE ";
        for (size_t i = 0; i < check->tables.count; i++) {
            const walrow__found *table = &check->tables.items[i];
            if (!table->streamable || walrow__publication_covers(publication, table))
                continue;
            walrow__strbuf_add_text(&fix, between);
            walrow__sql_table(&fix, check->conn, table->schema, table->name);
            between = ", ";
        }
        walrow__strbuf_add_char(&fix, ';');
    }
    bool may_add = publication->made_by_walrow && !check->options->no_setup;
    walrow__finding finding = {
        .severity = may_add ? WALROW_SEVERITY_INFO : WALROW_SEVERITY_ERROR,
        .code = WALROW_ERR_PUBLICATION,
        .object = publication->name,
        .current = names,
        .required = "every matched table",
        .fix = walrow__strbuf_text(&fix),
    };
    walrow_code code = walrow__check_add(check, id, &finding, err, "publication \"%s\" does not publish %s%s",
                                         publication->name, names, may_add ? " yet: set-up adds them" : "");
    walrow__strbuf_release(&fix);
    return code;
}

static walrow_code
add_operations(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__publication *publication = &check->publication;
    char current[64];
    bool has_truncate = publication->truncates || check->facts.server.version < 110000;
    if (publication->inserts && publication->updates && publication->deletes && has_truncate)
        return WALROW_OK;
    snprintf(current, sizeof current, "%s%s%s%s", publication->inserts ? "insert " : "",
             publication->updates ? "update " : "", publication->deletes ? "delete " : "",
             publication->truncates ? "truncate " : "");
    walrow__strbuf fix;
    walrow__strbuf_init(&fix);
    walrow__strbuf_add_text(&fix, "ALTER PUBLICATION ");
    walrow__sql_identifier(&fix, check->conn, publication->name);
    walrow__strbuf_add_text(&fix, " SET (publish = 'insert, update, delete, truncate');");
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_WARNING,
        .code = WALROW_ERR_PUBLICATION,
        .object = publication->name,
        .current = current,
        .required = "insert update delete truncate",
        .fix = walrow__strbuf_text(&fix),
    };
    walrow_code code = walrow__check_add(check, id, &finding, err, "publication \"%s\" publishes only: %s",
                                         publication->name, current);
    walrow__strbuf_release(&fix);
    return code;
}

static walrow_code
add_roots_and_filters(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__publication *publication = &check->publication;
    for (size_t i = 0; i < check->tables.count; i++) {
        const walrow__found *table = &check->tables.items[i];
        const walrow__published_table *entry = walrow__publication_entry(publication, table->relid);
        walrow__finding finding = {
            .severity = WALROW_SEVERITY_ERROR, .code = WALROW_ERR_PUBLICATION, .object = publication->name};
        if (!table->streamable || !walrow__publication_covers(publication, table))
            continue;
        if (walrow__publication_as_root(publication, table)) {
            finding.current = "under its root's name";
            finding.required = "under its own name, or ask for the root";
            WALROW_TRY(walrow__check_add(check, id, &finding, err,
                                         "publication \"%s\" publishes %s.%s under the name of its root",
                                         publication->name, table->schema, table->name));
        } else if (table->relkind == 'p' && !publication->via_root) {
            char fix[200];
            snprintf(fix, sizeof fix, "ALTER PUBLICATION \"%s\" SET (publish_via_partition_root = true);",
                     publication->name);
            finding.current = "publish_via_partition_root = false";
            finding.required = "publish_via_partition_root = true";
            finding.fix = fix;
            WALROW_TRY(walrow__check_add(
                check, id, &finding, err,
                "publication \"%s\" publishes the partitions of %s.%s under their own names",
                publication->name, table->schema, table->name));
        } else if (entry != NULL && (entry->filters_rows || entry->limits_columns)) {
            finding.severity = WALROW_SEVERITY_WARNING;
            finding.current = entry->filters_rows ? "row filter" : "column list";
            WALROW_TRY(walrow__check_add(
                check, id, &finding, err, "publication \"%s\" publishes only some %s of %s.%s",
                publication->name, entry->filters_rows ? "rows" : "columns", table->schema, table->name));
        }
    }
    return WALROW_OK;
}

static walrow_code
add_age(walrow__check *check, const char *id, walrow_error *err)
{
    walrow__texts names = {0};
    walrow_error why = {0};
    walrow_code code = walrow__publication_names(check->conn, check->options, &names, err);
    if (code == WALROW_OK && check->slot.exists &&
        walrow__publication_check_age(check->conn, check->options, &names, &why) == WALROW_ERR_PUBLICATION) {
        walrow__finding finding = {
            .severity = WALROW_SEVERITY_ERROR,
            .code = WALROW_ERR_PUBLICATION,
            .object = check->publication.name,
            .current = "younger than the slot",
            .required = "older than the slot",
            .fix = why.hint,
        };
        code = walrow__check_add(check, id, &finding, err, "%s", why.message);
    }
    walrow__texts_release(&names);
    return code;
}

static walrow_code
check_publication(walrow__check *check, const char *id, walrow_error *err)
{
    if (!walrow__slot_has_publications(&check->slot, check->options))
        return WALROW_OK;
    if (!check->publication.exists)
        return add_missing_publication(check, id, err);
    WALROW_TRY(add_uncovered(check, id, err));
    WALROW_TRY(add_operations(check, id, err));
    WALROW_TRY(add_roots_and_filters(check, id, err));
    return add_age(check, id, err);
}

/* ---- may the role make it? ---- */

/* Only owners may publish their tables, so it is they who run the SQL. */
static walrow_code
add_owners(walrow__check *check, const char *id, walrow_error *err)
{
    char names[512], owners[256] = "";
    size_t used = 0, n = list_unpublished(check, true, names, sizeof names);
    if (n == 0)
        return WALROW_OK;
    for (size_t i = 0; i < check->tables.count && used < sizeof owners; i++) {
        const walrow__found *table = &check->tables.items[i];
        if (is_unpublished(check, table) && !table->is_owner && strstr(owners, table->owner) == NULL)
            used += (size_t)snprintf(owners + used, sizeof owners - used, "%s%s", used == 0 ? "" : ", ",
                                     table->owner);
    }
    walrow__strbuf fix;
    walrow__strbuf_init(&fix);
    setup_sql(check, &fix);
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_ERROR,
        .code = WALROW_ERR_SERVER,
        .object = names,
        .current = owners,
        .required = check->facts.server.user,
        .fix = walrow__strbuf_text(&fix),
    };
    walrow_code code = walrow__check_add(check, id, &finding, err,
                                         "role \"%s\" does not own %s, and only owners may publish: let the "
                                         "owner run this SQL, or \"walrow setup "
                                         "--grant-to %s\"",
                                         check->facts.server.user, names, check->facts.server.user);
    walrow__strbuf_release(&fix);
    return code;
}

static walrow_code
check_may_publish(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__publication *publication = &check->publication;
    bool publishes = walrow__slot_has_publications(&check->slot, check->options);
    bool will_change =
        publishes && !check->options->no_setup && (!publication->exists || publication->made_by_walrow);
    if (!will_change || check->facts.is_superuser || (check->slot.exists && !publication->exists))
        return WALROW_OK;
    if (!publication->exists && !check->facts.may_create) {
        walrow__strbuf fix;
        walrow__strbuf_init(&fix);
        walrow__strbuf_add_text(&fix, "GRANT CREATE ON DATABASE ");
        walrow__sql_identifier(&fix, check->conn, check->facts.server.database);
        walrow__strbuf_add_text(&fix, " TO ");
        walrow__sql_identifier(&fix, check->conn, check->facts.server.user);
        walrow__strbuf_add_char(&fix, ';');
        walrow__finding finding = {
            .severity = WALROW_SEVERITY_ERROR,
            .code = WALROW_ERR_SERVER,
            .object = check->facts.server.database,
            .current = "no CREATE",
            .required = "CREATE",
            .fix = walrow__strbuf_text(&fix),
        };
        walrow_code code = walrow__check_add(check, id, &finding, err,
                                             "role \"%s\" may not create a publication in database \"%s\"",
                                             check->facts.server.user, check->facts.server.database);
        walrow__strbuf_release(&fix);
        WALROW_TRY(code);
    }
    return add_owners(check, id, err);
}

/* ---- the slot ---- */

static walrow_code
check_slot(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__slot *slot = &check->slot;
    walrow__finding finding = {.code = WALROW_ERR_SLOT, .object = slot->name};
    if (!slot->exists) {
        bool is_error = check->options->no_setup;
        char fix[200];
        snprintf(fix, sizeof fix, "SELECT pg_create_logical_replication_slot('%s', '%s');", slot->name,
                 check->plugin.name);
        finding.severity = is_error ? WALROW_SEVERITY_ERROR : WALROW_SEVERITY_INFO;
        finding.current = "missing";
        finding.fix = fix;
        return walrow__check_add(check, id, &finding, err, "slot \"%s\" does not exist%s", slot->name,
                                 is_error ? ", and --no-setup" : " yet: set-up creates it");
    }
    walrow_error why = {0};
    if (walrow__slot_fits(slot, check->options, check->facts.server.database, &why) != WALROW_OK) {
        char fix[120], current[256], required[160];
        if (walrow__slot_wants_no_plugin(slot, check->options))
            snprintf(fix, sizeof fix, "leave out --plugin");
        else
            snprintf(fix, sizeof fix, "SELECT pg_drop_replication_slot('%s');", slot->name);
        finding.severity = WALROW_SEVERITY_ERROR;
        snprintf(current, sizeof current, "plugin %s, database %s%s%s%s", slot->plugin, slot->database,
                 slot->two_phase ? ", two_phase" : "",
                 slot->invalidation_reason[0] == '\0' ? "" : ", invalidated: ", slot->invalidation_reason);
        snprintf(required, sizeof required, "plugin %s, database %s",
                 check->options->plugin == WALROW__PLUGIN_AUTO ? "wal2arrow or pgoutput"
                                                               : walrow__plugin_name(check->options->plugin),
                 check->facts.server.database);
        finding.current = current;
        finding.required = required;
        finding.fix = fix;
        return walrow__check_add(check, id, &finding, err, "%s; %s", why.message, why.hint);
    }
    if (!slot->active)
        return WALROW_OK;
    char current[120];
    snprintf(current, sizeof current, "active, pid %d%s%s", slot->pid,
             slot->application[0] == '\0' ? "" : ", ", slot->application);
    finding.severity = WALROW_SEVERITY_WARNING;
    finding.current = current;
    finding.required = "inactive";
    return walrow__check_add(check, id, &finding, err,
                             "slot \"%s\" is in use by pid %d%s%s: another stream has to wait until it ends",
                             slot->name, slot->pid, slot->application[0] == '\0' ? "" : ", ",
                             slot->application);
}

static walrow_code
check_retention(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__slot *slot = &check->slot;
    int64_t limit_mb = check->facts.max_slot_wal_keep_mb;
    char current[96], required[64];
    walrow__finding finding = {.code = WALROW_ERR_SLOT, .object = slot->name, .current = current};
    if (limit_mb < 0) {
        snprintf(current, sizeof current, "max_slot_wal_keep_size = -1 (no limit)");
        finding.severity = WALROW_SEVERITY_INFO;
        finding.fix = "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; SELECT pg_reload_conf();";
        return walrow__check_add(
            check, id, &finding, err,
            "WAL is kept without limit while nothing streams: a stream that stays away fills the "
            "server's disk");
    }
    if (!slot->exists || slot->retained_bytes < 0 || slot->retained_bytes / (1024 * 1024) < limit_mb / 2)
        return WALROW_OK;
    snprintf(current, sizeof current, "%" PRId64 " MB kept, wal_status %s",
             slot->retained_bytes / (1024 * 1024), slot->wal_status);
    snprintf(required, sizeof required, "well under %" PRId64 " MB", limit_mb);
    finding.severity = WALROW_SEVERITY_WARNING;
    finding.required = required;
    finding.fix = "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; SELECT pg_reload_conf();";
    return walrow__check_add(
        check, id, &finding, err,
        "slot \"%s\" is behind by more than half of max_slot_wal_keep_size: at the limit the server "
        "invalidates it",
        slot->name);
}

static walrow_code
check_transactions(walrow__check *check, const char *id, walrow_error *err)
{
    PGresult *result;
    if (check->slot.exists)
        return WALROW_OK;
    WALROW_TRY(walrow__pg_exec(check->conn,
                               "SELECT 'pid ' || a.pid, date_part('epoch', now() - a.xact_start)::int8,"
                               " left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200),"
                               " 'SELECT pg_terminate_backend(' || a.pid || '); -- or wait'"
                               " FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL"
                               " AND now() - a.xact_start > '5 s' AND a.pid <> pg_backend_pid()"
                               " UNION ALL SELECT 'prepared transaction ' || quote_literal(p.gid),"
                               " date_part('epoch', now() - p.prepared)::int8, '',"
                               " 'COMMIT PREPARED ' || quote_literal(p.gid) || ';'"
                               " FROM pg_prepared_xacts p ORDER BY 2 DESC LIMIT 10",
                               WALROW_ERR_SERVER, "looking for long transactions", &result, err));
    walrow_code code = WALROW_OK;
    for (int row = 0; row < PQntuples(result) && code == WALROW_OK; row++) {
        walrow__finding finding = {
            .severity = WALROW_SEVERITY_WARNING,
            .code = WALROW_ERR_SERVER,
            .object = PQgetvalue(result, row, 0),
            .current = PQgetvalue(result, row, 2),
            .fix = PQgetvalue(result, row, 3),
        };
        code = walrow__check_add(check, id, &finding, err, "creating the slot waits for %s, running for %s s",
                                 PQgetvalue(result, row, 0), PQgetvalue(result, row, 1));
    }
    PQclear(result);
    return code;
}

const walrow__check_row walrow__object_checks[] = {
    {"replication-connection", check_connection},
    {"publication", check_publication},
    {"publication-privileges", check_may_publish},
    {"slot", check_slot},
    {"wal-retention", check_retention},
    {"running-transactions", check_transactions},
    {NULL, NULL},
};
