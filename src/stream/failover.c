#include "stream/failover.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/timelines.h"
#include "stream/memory.h"

#include <inttypes.h>

static walrow_code
check_cluster(const walrow__receiver *r, const walrow__pg_server *server, walrow_error *err)
{
    bool known = r->up->server.system_identifier != 0 && server->system_identifier != 0;
    if (known && server->system_identifier != r->up->server.system_identifier) {
        walrow__fail(err, WALROW_ERR_SERVER,
                     "another server answers: its system identifier is %" PRIu64 ", not %" PRIu64,
                     server->system_identifier, r->up->server.system_identifier);
        return walrow__hint(err, "the hosts of the URL must be one cluster; a new cluster needs a new slot "
                                 "and a new place for --to");
    }
    /* it may be promoted any moment, and its WAL is not all replayed before */
    if (server->in_recovery && !r->up->server.in_recovery) {
        walrow__fail(err, WALROW_ERR_NET,
                     "the server that answers is a standby, and the stream had a primary");
        return walrow__hint(
            err, "target_session_attrs=read-write in the URL asks for the primary among its hosts");
    }
    return WALROW_OK;
}

/* Of the same timeline it can only be further. */
static walrow_code
check_not_behind(const walrow__receiver *r, const walrow__pg_server *server, walrow_error *err)
{
    char ours[WALROW_LSN_SIZE], theirs[WALROW_LSN_SIZE];
    if (server->flush_lsn >= r->emitted_lsn)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SERVER, "the server's WAL ends at %s, before what was received, up to %s",
                 walrow_lsn_format(server->flush_lsn, theirs), walrow_lsn_format(r->emitted_lsn, ours));
    return walrow__hint(err,
                        "it was restored from a backup, or is a standby that had not received all of it: "
                        "begin anew, with a new slot and a new place for --to");
}

/* The slot is looked at on the SQL connection, which a fail-over may have left at the old server. */
static walrow_code
check_slot(walrow__receiver *r, uint32_t timeline, uint64_t branch_lsn, walrow_error *err)
{
    walrow__pg_server by_sql;
    walrow__slot slot;
    if (!r->up->slot_exists)
        return WALROW_OK;
    WALROW_TRY(walrow__upstream_connect(r->up, err));
    WALROW_TRY(walrow__pg_identify(r->up->sql, false, &by_sql, err));
    if (by_sql.timeline != timeline)
        return walrow__timelines_torn(err);
    WALROW_TRY(walrow__slot_get(r->up->sql, r->up->options->slot, &slot, err));
    return walrow__memory_check_new_slot(r->up, &slot, r->up->reached_lsn, branch_lsn, err);
}

/*
 * Where nothing came, the old server may have been further: what it said of that does not count any more. What was
 * handed on does, and is not past the branch.
 */
static walrow_code
follow(walrow__receiver *r, uint32_t timeline, uint64_t branch_lsn, walrow_error *err)
{
    WALROW_TRY(walrow__memory_follow(r->up->state, atomic_load(&r->timeline), timeline, branch_lsn, err));
    if (r->start_lsn > branch_lsn)
        r->start_lsn = branch_lsn;
    atomic_store(&r->figures.received_lsn, r->emitted_lsn);
    atomic_store(&r->timeline, timeline); /* the sinks follow before they write what comes */
    return WALROW_OK;
}

static walrow_code
fail_over(walrow__receiver *r, PGconn *conn, const walrow__pg_server *server, walrow_error *err)
{
    walrow__timelines timelines;
    uint64_t branch_lsn;
    WALROW_TRY(walrow__pg_timelines(conn, server->timeline, &timelines, err));
    walrow__identity now = {
        .timeline = server->timeline, .slot = r->up->options->slot, .timelines = &timelines};
    walrow_code code = walrow__timelines_follow(&now, atomic_load(&r->timeline), r->up->reached_lsn,
                                                "this run", &branch_lsn, err);
    walrow__timelines_release(&timelines);
    atomic_store(&r->outran, code == WALROW_ERR_STATE);
    WALROW_TRY(code);
    WALROW_TRY(check_slot(r, server->timeline, branch_lsn, err));
    return follow(r, server->timeline, branch_lsn, err);
}

/* Only a walsender tells a history. */
static walrow_code
fail_over_by_sql(walrow__receiver *r, const walrow__pg_server *server, walrow_error *err)
{
    PGconn *walsender;
    WALROW_TRY(walrow__receiver_connect(r, true, &walsender, err));
    PQfinish(walsender);
    return atomic_load(&r->timeline) == server->timeline ? WALROW_OK : walrow__timelines_torn(err);
}

walrow_code
walrow__receiver_check_server(walrow__receiver *r, PGconn *conn, bool replication, walrow_error *err)
{
    walrow__pg_server server;
    WALROW_TRY(walrow__pg_identify(conn, replication, &server, err));
    WALROW_TRY(check_cluster(r, &server, err));
    uint32_t timeline = atomic_load(&r->timeline);
    if (timeline == 0 || server.timeline == 0 || server.timeline == timeline)
        return check_not_behind(r, &server, err);
    return replication ? fail_over(r, conn, &server, err) : fail_over_by_sql(r, &server, err);
}

walrow_code
walrow__receiver_connect(walrow__receiver *r, bool replication, PGconn **out, walrow_error *err)
{
    PGconn *conn = NULL;
    WALROW_TRY(walrow__pg_connect(r->up->options, replication, &conn, err));
    walrow_code code = walrow__receiver_check_server(r, conn, replication, err);
    if (code != WALROW_OK) {
        PQfinish(conn);
        return code;
    }
    *out = conn;
    return WALROW_OK;
}
