#include "pg/status.h"

#include "base/error.h"
#include "pg/connection.h"
#include "pg/query.h"
#include "pg/slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Seconds between the server writing and the client confirming, as the walsender measures it; who may not see
 * it, or whose slot nobody reads, does not know (< 0).
 */
static walrow_code
lag_seconds(PGconn *conn, const walrow__slot *slot, double *out, walrow_error *err)
{
    char pid[16];
    const char *param = pid;
    PGresult *result;
    *out = slot->lag_bytes == 0 ? 0 : -1;
    if (*out == 0 || !slot->active)
        return WALROW_OK;
    snprintf(pid, sizeof pid, "%d", slot->pid);
    WALROW_TRY(walrow__pg_query(
        conn, "SELECT date_part('epoch', flush_lag) FROM pg_stat_replication WHERE pid = $1::int4", 1, &param,
        WALROW_ERR_SERVER, "reading pg_stat_replication", &result, err));
    if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
        *out = strtod(PQgetvalue(result, 0, 0), NULL);
    PQclear(result);
    return WALROW_OK;
}

walrow_code
walrow__status_slot(PGconn *conn, const walrow_options *options, walrow_slot_status *out, walrow_error *err)
{
    walrow__slot slot;
    WALROW_TRY(walrow__slot_get(conn, options->slot, &slot, err));
    if (!slot.exists) {
        walrow__fail(err, WALROW_ERR_SLOT, "replication slot \"%s\" does not exist", options->slot);
        return walrow__hint(err, "\"walrow setup\" or \"walrow stream\" creates it; --slot names another");
    }
    WALROW_TRY(lag_seconds(conn, &slot, &out->lag_seconds, err));
    out->name = strdup(slot.name);
    out->plugin = strdup(slot.plugin);
    out->database = strdup(slot.database);
    out->wal_status = strdup(slot.wal_status);
    out->invalidation_reason = strdup(slot.invalidation_reason);
    out->active = slot.active;
    out->pid = slot.pid;
    out->confirmed_flush_lsn = slot.confirmed_flush_lsn;
    out->restart_lsn = slot.restart_lsn;
    out->lag_bytes = slot.lag_bytes;
    out->retained_bytes = slot.retained_bytes;
    if (out->name == NULL || out->plugin == NULL || out->database == NULL || out->wal_status == NULL ||
        out->invalidation_reason == NULL)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

void
walrow_status_release(walrow_status *status)
{
    free(status->slot.name);
    free(status->slot.plugin);
    free(status->slot.database);
    free(status->slot.wal_status);
    free(status->slot.invalidation_reason);
    for (size_t i = 0; i < status->n_sinks; i++)
        free(status->sinks[i].uri);
    for (size_t i = 0; i < status->n_snapshot; i++)
        free(status->snapshot[i].table);
    free(status->sinks);
    free(status->snapshot);
    free(status->counters);
    free(status->transport_reason);
    *status = (walrow_status){0};
}
