#include "stream/upstream.h"

#include "base/error.h"
#include "pg/catalog.h"
#include "pg/timelines.h"

walrow_code
walrow__upstream_connect(walrow__upstream *up, walrow_error *err)
{
    PQfinish(up->sql);
    up->sql = NULL;
    up->sql_is_stale = true;
    if (up->catalog != NULL)
        walrow__catalog_use(up->catalog, NULL);
    WALROW_TRY(walrow__pg_connect(up->options, false, &up->sql, err));
    up->sql_is_stale = false;
    if (up->catalog == NULL)
        return walrow__catalog_new(up->sql, &up->catalog, err);
    walrow__catalog_use(up->catalog, up->sql);
    return WALROW_OK;
}

walrow_code
walrow__upstream_refresh(walrow__upstream *up, walrow_error *err)
{
    return up->sql_is_stale ? walrow__upstream_connect(up, err) : WALROW_OK;
}

static walrow_code
identify_by_walsender(walrow__upstream *up, PGconn *conn, walrow_error *err)
{
    walrow__pg_server told;
    WALROW_TRY(walrow__pg_identify(conn, true, &told, err));
    if (up->server.timeline != 0 && told.timeline != up->server.timeline)
        return walrow__timelines_torn(err);
    up->server.system_identifier = told.system_identifier;
    up->server.timeline = told.timeline;
    return walrow__pg_timelines(conn, told.timeline, &up->timelines, err);
}

/* What SQL does not tell (every role) is told on a replication connection. */
walrow_code
walrow__upstream_identify(walrow__upstream *up, walrow_error *err)
{
    WALROW_TRY(walrow__pg_identify(up->sql, false, &up->server, err));
    if (up->server.system_identifier != 0 && up->server.timeline == 1)
        return WALROW_OK;
    PGconn *conn = NULL;
    WALROW_TRY(walrow__pg_connect(up->options, true, &conn, err));
    walrow_code code = identify_by_walsender(up, conn, err);
    PQfinish(conn);
    return code;
}

walrow__identity
walrow__upstream_identity(const walrow__upstream *up)
{
    return (walrow__identity){.system_identifier = up->server.system_identifier,
                              .timeline = up->server.timeline,
                              .database = up->server.database,
                              .slot = up->options->slot,
                              .timelines = &up->timelines};
}

void
walrow__upstream_release(walrow__upstream *up)
{
    walrow__timelines_release(&up->timelines);
    walrow__plan_release(&up->plan);
    walrow__sieve_free(up->sieve);
    walrow__texts_release(&up->publications);
    walrow_patterns_free(up->patterns);
    if (up->catalog != NULL)
        up->catalog->free(up->catalog);
    PQfinish(up->sql);
    walrow__state_close(up->state);
}
