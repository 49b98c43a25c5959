#include "pg/slot.h"

#include "base/error.h"
#include "pg/error.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- looking ---- */

/* pg_replication_slots' columns came one by one: wal_status 13, two_phase 14, conflicting 16,
 * invalidation_reason 17. */
static void
slot_sql(int version, walrow__strbuf *sql)
{
    walrow__strbuf_add_text(
        sql, "SELECT s.plugin, COALESCE(s.database, ''), s.temporary, s.active, COALESCE(s.active_pid, 0),"
             " COALESCE(a.application_name, ''), s.restart_lsn, s.confirmed_flush_lsn,"
             " w.lsn - s.confirmed_flush_lsn, w.lsn - s.restart_lsn");
    walrow__strbuf_add_text(sql, version >= 130000
                                     ? ", COALESCE(s.wal_status, 'lost'), COALESCE(s.safe_wal_size, -1)"
                                     : ", '', -1");
    walrow__strbuf_add_text(sql, version >= 140000 ? ", s.two_phase" : ", false");
    if (version >= 170000)
        walrow__strbuf_add_text(sql, ", COALESCE(s.invalidation_reason, '')");
    else if (version >= 160000)
        walrow__strbuf_add_text(
            sql, ", CASE WHEN s.conflicting AND pg_is_in_recovery() THEN 'conflict with recovery'"
                 " WHEN s.wal_status = 'lost' THEN 'wal_removed' ELSE '' END");
    else
        walrow__strbuf_add_text(sql, version >= 130000
                                         ? ", CASE s.wal_status WHEN 'lost' THEN 'wal_removed' ELSE '' END"
                                         : ", ''");
    walrow__strbuf_add_text(sql, " FROM pg_catalog.pg_replication_slots s"
                                 " LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid,"
                                 " (SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
                                 "  THEN pg_catalog.pg_last_wal_replay_lsn()"
                                 "  ELSE pg_catalog.pg_current_wal_flush_lsn() END AS lsn) w"
                                 " WHERE s.slot_name = $1");
}

static void
copy_cell(char *to, size_t size, const PGresult *result, int column)
{
    snprintf(to, size, "%s", PQgetvalue(result, 0, column));
}

static void
read_slot(const PGresult *result, walrow__slot *out)
{
    out->exists = true;
    copy_cell(out->plugin, sizeof out->plugin, result, 0);
    copy_cell(out->database, sizeof out->database, result, 1);
    out->temporary = walrow__pg_bool(result, 0, 2);
    out->active = walrow__pg_bool(result, 0, 3);
    out->pid = (int)walrow__pg_int(result, 0, 4, 0);
    copy_cell(out->application, sizeof out->application, result, 5);
    out->restart_lsn = walrow__pg_lsn(result, 0, 6);
    out->confirmed_flush_lsn = walrow__pg_lsn(result, 0, 7);
    out->lag_bytes = walrow__pg_int(result, 0, 8, 0);
    if (out->lag_bytes <
        0) /* a client may confirm what the server has written but not flushed when we looked */
        out->lag_bytes = 0;
    out->retained_bytes = walrow__pg_int(result, 0, 9, -1);
    copy_cell(out->wal_status, sizeof out->wal_status, result, 10);
    out->safe_wal_bytes = walrow__pg_int(result, 0, 11, -1);
    out->two_phase = walrow__pg_bool(result, 0, 12);
    copy_cell(out->invalidation_reason, sizeof out->invalidation_reason, result, 13);
}

walrow_code
walrow__slot_get(PGconn *conn, const char *name, walrow__slot *out, walrow_error *err)
{
    walrow__strbuf sql;
    PGresult *result = NULL;
    *out = (walrow__slot){.retained_bytes = -1, .safe_wal_bytes = -1};
    snprintf(out->name, sizeof out->name, "%s", name);

    walrow__strbuf_init(&sql);
    slot_sql(PQserverVersion(conn), &sql);
    walrow_code code = sql.failed ? walrow__fail_memory(err)
                                  : walrow__pg_query(conn, sql.data, 1, &name, WALROW_ERR_SERVER,
                                                     "reading pg_replication_slots", &result, err);
    walrow__strbuf_release(&sql);
    WALROW_TRY(code);
    if (PQntuples(result) > 0)
        read_slot(result, out);
    PQclear(result);
    return WALROW_OK;
}

static const char other_slot_hint[] = "choose another name with --slot, or drop it if nobody needs it: "
                                      "SELECT pg_drop_replication_slot('%s');";

/* Those that walrow has a decoder for. */
static bool
is_read(const char *plugin)
{
    return walrow__plugin_number(plugin) != WALROW__PLUGIN_AUTO;
}

bool
walrow__slot_has_publications(const walrow__slot *slot, const walrow_options *options)
{
    int plugin = slot->exists ? (int)walrow__plugin_number(slot->plugin) : options->plugin;
    return plugin != WALROW__PLUGIN_WAL2JSON;
}

bool
walrow__slot_wants_no_plugin(const walrow__slot *slot, const walrow_options *options)
{
    return options->plugin != WALROW__PLUGIN_AUTO && is_read(slot->plugin) &&
           strcmp(slot->plugin, walrow__plugin_name(options->plugin)) != 0;
}

/* The slot's own plugin decides; one that is asked for must be the same. */
static walrow_code
plugin_fits(const walrow__slot *slot, const walrow_options *options, walrow_error *err)
{
    if (walrow__slot_wants_no_plugin(slot, options)) {
        walrow__fail(err, WALROW_ERR_SLOT, "replication slot \"%s\" was made for the plugin %s, not %s",
                     slot->name, slot->plugin, walrow__plugin_name(options->plugin));
        return walrow__hint(err, "leave out --plugin, then %s is used; or choose another name with --slot",
                            slot->plugin);
    }
    if (is_read(slot->plugin))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SLOT,
                 "replication slot \"%s\" was made for the plugin %s, which walrow does not read", slot->name,
                 slot->plugin);
    return walrow__hint(err, other_slot_hint, slot->name);
}

walrow_code
walrow__slot_fits(const walrow__slot *slot, const walrow_options *options, const char *database,
                  walrow_error *err)
{
    if (!slot->exists) {
        walrow__fail(err, WALROW_ERR_SLOT, "replication slot \"%s\" does not exist", slot->name);
        return walrow__hint(err, "\"walrow setup\" creates it; so does \"walrow stream\" without --no-setup");
    }
    if (slot->database[0] == '\0')
        walrow__fail(err, WALROW_ERR_SLOT, "replication slot \"%s\" is a physical one", slot->name);
    else if (strcmp(slot->database, database) != 0)
        walrow__fail(err, WALROW_ERR_SLOT, "replication slot \"%s\" belongs to database \"%s\", not \"%s\"",
                     slot->name, slot->database, database);
    else if (plugin_fits(slot, options, err) != WALROW_OK)
        return WALROW_ERR_SLOT;
    else if (slot->two_phase)
        walrow__fail(err, WALROW_ERR_SLOT,
                     "replication slot \"%s\" has two_phase set, which walrow does not read", slot->name);
    else if (slot->invalidation_reason[0] != '\0') {
        walrow__fail(err, WALROW_ERR_SLOT, "the server invalidated replication slot \"%s\": %s", slot->name,
                     slot->invalidation_reason);
        return walrow__hint(err, "changes are lost to it for good; \"walrow teardown\" drops it, and a new "
                                 "\"walrow stream\" begins with a new snapshot");
    } else
        return WALROW_OK;
    return walrow__hint(err, other_slot_hint, slot->name);
}
