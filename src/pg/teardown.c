#include "pg/teardown.h"

#include "base/error.h"
#include "pg/actions.h"
#include "pg/connection.h"
#include "pg/publication.h"
#include "pg/query.h"
#include "pg/slot.h"

#include <string.h>

static walrow_code
add_action(walrow_actions *actions, const char *action, const char *object, walrow__strbuf *sql,
           walrow_error *err)
{
    walrow_code code =
        sql->failed ? walrow__fail_memory(err) : walrow__actions_add(actions, action, object, sql->data, err);
    walrow__strbuf_release(sql);
    return code;
}

static walrow_code
plan_slot(PGconn *conn, const walrow_options *options, walrow_actions *out, walrow_error *err)
{
    walrow__slot slot;
    walrow__pg_server server;
    WALROW_TRY(walrow__slot_get(conn, options->slot, &slot, err));
    WALROW_TRY(walrow__pg_identify(conn, false, &server, err));
    if (!slot.exists)
        return walrow__actions_add(out, "drop slot", options->slot, "", err);
    if (strcmp(slot.database, server.database) != 0) {
        if (slot.database[0] == '\0')
            return walrow__fail(err, WALROW_ERR_SLOT,
                                "replication slot \"%s\" is a physical one, not walrow's", slot.name);
        walrow__fail(err, WALROW_ERR_SLOT, "replication slot \"%s\" belongs to database \"%s\", not \"%s\"",
                     slot.name, slot.database, server.database);
        return walrow__hint(err, "connect to that database");
    }
    if (slot.active) {
        walrow__fail(err, WALROW_ERR_SLOT, "replication slot \"%s\" is in use by pid %d%s%s", slot.name,
                     slot.pid, slot.application[0] == '\0' ? "" : ", ", slot.application);
        return walrow__hint(
            err, "stop that stream first; if its client is gone: SELECT pg_terminate_backend(%d);", slot.pid);
    }
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT pg_drop_replication_slot(");
    walrow__sql_literal(&sql, conn, slot.name);
    walrow__strbuf_add_char(&sql, ')');
    return add_action(out, "drop slot", slot.name, &sql, err);
}

static walrow_code
plan_publication(PGconn *conn, const char *name, bool say_if_missing, walrow_actions *out, walrow_error *err)
{
    walrow__publication publication;
    WALROW_TRY(walrow__publication_get(conn, name, &publication, err));
    bool exists = publication.exists, ours = publication.made_by_walrow;
    walrow__publication_release(&publication);
    if (!exists)
        return say_if_missing ? walrow__actions_add(out, "drop publication", name, "", err) : WALROW_OK;
    if (!ours)
        return walrow__actions_add(out, "keep publication", name, "", err);
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "DROP PUBLICATION ");
    walrow__sql_identifier(&sql, conn, name);
    return add_action(out, "drop publication", name, &sql, err);
}

walrow_code
walrow__teardown_server(const walrow_options *options, bool dry_run, walrow_actions *out, walrow_error *err)
{
    char inserts[64];
    PGconn *conn;
    *out = (walrow_actions){0};
    WALROW_TRY(walrow__pg_connect(options, false, &conn, err));
    walrow_code code = plan_slot(conn, options, out, err);
    if (code == WALROW_OK)
        code = plan_publication(conn, options->publication, true, out, err);
    if (code == WALROW_OK && walrow__publication_inserts_name(options, inserts))
        code = plan_publication(conn, inserts, false, out, err);
    if (code == WALROW_OK && !dry_run)
        code = walrow__actions_run(conn, out, 0, WALROW_ERR_SLOT, err);
    PQfinish(conn);
    if (code != WALROW_OK)
        walrow_actions_release(out);
    return code;
}
