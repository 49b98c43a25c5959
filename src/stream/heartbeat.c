#include "stream/heartbeat.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/query.h"
#include "source/collector.h"

static walrow_code
emit_message(const walrow__receiver *r, walrow_error *err)
{
    PGresult *result = NULL;
    WALROW_TRY(walrow__pg_exec_within(
        r->up->sql, "SELECT pg_catalog.pg_logical_emit_message(false, '" WALROW__HEARTBEAT "', 'heartbeat')",
        (int)r->up->options->connect_timeout_s * 1000, WALROW_ERR_SERVER, "writing a heartbeat", &result,
        err));
    PQclear(result);
    return WALROW_OK;
}

/* Has something come since the last look, or is it not yet time? */
static bool
is_quiet(walrow__receiver *r, int64_t now)
{
    uint64_t bytes = atomic_load(&r->figures.bytes);
    if (bytes != r->beat_bytes || r->quiet_since == 0) {
        r->beat_bytes = bytes;
        r->quiet_since = now;
    }
    return now - r->quiet_since >= r->up->options->heartbeat_s * 1000;
}

walrow_code
walrow__receiver_beat(walrow__receiver *r, int64_t now, walrow_error *err)
{
    if (r->up->options->heartbeat_s == 0 || r->no_heartbeat || !is_quiet(r, now))
        return WALROW_OK;
    walrow_error why = {0};
    r->quiet_since = now;
    walrow_code code = emit_message(r, &why);
    if (code == WALROW_OK)
        return WALROW_OK;
    if (code != WALROW_ERR_NET && PQstatus(r->up->sql) == CONNECTION_OK) {
        walrow__log(WALROW_LOG_WARN, "no more heartbeats: %s", why.message);
        r->no_heartbeat = true;
        return WALROW_OK;
    }
    return walrow__upstream_connect(r->up, err); /* the stream itself may be well */
}
