#include "stream/tables.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/actions.h"
#include "pg/publication.h"
#include "stream/memory.h"

#include <stdio.h>
#include <string.h>

walrow_code
walrow__tables_plan(walrow__upstream *up, const walrow__found *info, bool in_snapshot, walrow_error *err)
{
    walrow__planned_table *table;
    WALROW_TRY(walrow__plan_add(&up->plan, info->schema, info->name, &table, err));
    bool done = false;
    if (walrow__memory_knows_snapshots(up))
        WALROW_TRY(walrow__memory_snapshot(up, info, &done, &table->has_readers, &table->from_lsn, err));
    table->needs_snapshot = in_snapshot && !done;
    table->rows = info->rows;
    return WALROW_OK;
}

/* ---- new tables while the stream runs ---- */

/* Known already, or to be left alone: its updates cannot be published, and the application must go on. */
static bool
is_new(const walrow__upstream *up, const walrow__found *table, const walrow__texts *refused)
{
    char name[160];
    if (!table->streamable || walrow__plan_find(&up->plan, table->schema, table->name) != NULL)
        return false;
    snprintf(name, sizeof name, "%s.%s", table->schema, table->name);
    if (!walrow__texts_has(refused, name))
        return true;
    walrow__log(
        WALROW_LOG_WARN,
        "table %s appeared and is not captured: it has no replica identity; with a primary key or REPLICA "
        "IDENTITY FULL it will be",
        name);
    return false;
}

static walrow_code
plan_new_tables(walrow__upstream *up, const walrow__discovery *tables, bool *found, walrow_error *err)
{
    /* a wide publication, or none, has sent the table's changes since it was made: there is nothing to read */
    bool wide = up->options->publish == WALROW__PUBLISH_WIDE || !up->dialect->has_publications;
    bool in_snapshot = !wide && walrow__options_snapshot(up->options) != WALROW__SNAPSHOT_NEVER;
    walrow_actions actions = {0};
    walrow__texts refused = {0};
    walrow_error why = {0};
    walrow_code code =
        walrow__publication_ensure(up->sql, up->options, tables, false, &actions, &refused, &why);
    if (code != WALROW_OK && PQstatus(up->sql) == CONNECTION_OK) {
        /* somebody else's new table must not end the stream of the others */
        walrow__log(WALROW_LOG_WARN, "new tables are not captured: %s; %s", why.message, why.hint);
        code = WALROW_OK;
        goto done;
    }
    if (code != WALROW_OK && err != NULL)
        *err = why;
    for (size_t i = 0; code == WALROW_OK && i < tables->count; i++) {
        const walrow__found *info = &tables->items[i];
        if (!is_new(up, info, &refused))
            continue;
        walrow__log(WALROW_LOG_INFO, "table %s.%s appeared and is captured from now on", info->schema,
                    info->name);
        code = walrow__tables_plan(up, info, in_snapshot, err);
        *found = *found || !wide;
    }
done:
    walrow_actions_release(&actions);
    walrow__texts_release(&refused);
    return code;
}

static walrow_code
discover(walrow__upstream *up, bool *found, walrow_error *err)
{
    char token[sizeof up->tables_token];
    walrow__discovery tables;
    WALROW_TRY(walrow__discover_token(up->sql, token, err));
    if (strcmp(token, up->tables_token) == 0)
        return WALROW_OK;
    WALROW_TRY(walrow__discover(up->sql, up->options, false, &tables, err));
    walrow_code code = plan_new_tables(up, &tables, found, err);
    if (code == WALROW_OK)
        memcpy(up->tables_token, token, sizeof token);
    walrow__discovery_release(&tables);
    return code;
}

walrow_code
walrow__tables_discover(walrow__upstream *up, bool *found, walrow_error *err)
{
    *found = false;
    walrow_code code = discover(up, found, err);
    if (code == WALROW_OK || PQstatus(up->sql) == CONNECTION_OK)
        return code;
    return walrow__upstream_connect(up, err); /* the stream itself may be well */
}

walrow_code
walrow__tables_plan_met(walrow__upstream *up, walrow_error *err)
{
    bool found = false;
    if (!walrow__plan_has_met(&up->plan))
        return WALROW_OK;
    WALROW_TRY(discover(up, &found, err));
    return walrow__plan_settle_met(&up->plan, err);
}
