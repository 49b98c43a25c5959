#include "pg/slot_lock.h"

#include "base/error.h"
#include "base/hash.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Advisory locks are the database's, and so is a logical slot. */
static uint64_t
lock_key(const char *slot)
{
    return walrow__hash_finish(walrow__hash_text(walrow__hash_text(WALROW__HASH_START, "walrow"), slot));
}

walrow_code
walrow__slot_taken(const char *slot, const char *by, int pid, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SLOT,
                 "replication slot \"%s\" is being read by %s, process %d of the server", slot, by, pid);
    if (err != NULL) {
        err->retryable = true;
        snprintf(err->sqlstate, sizeof err->sqlstate, "55006");
    }
    return walrow__hint(err, "stop it, or choose another name with --slot");
}

walrow_code
walrow__slot_locked_by(PGconn *conn, const char *slot, int timeout_ms, int *pid, walrow_error *err)
{
    char sql[400];
    PGresult *result;
    uint64_t key = lock_key(slot);
    snprintf(sql, sizeof sql,
             "SELECT l.pid FROM pg_catalog.pg_locks l, pg_catalog.pg_database d"
             " WHERE d.datname = pg_catalog.current_database() AND l.database = d.oid AND l.granted"
             " AND l.locktype = 'advisory' AND l.classid = %" PRIu32 " AND l.objid = %" PRIu32
             " AND l.objsubid = 1",
             (uint32_t)(key >> 32), (uint32_t)key);
    WALROW_TRY(walrow__pg_exec_within(conn, sql, timeout_ms, WALROW_ERR_SERVER, "looking for the slot's lock",
                                      &result, err));
    *pid = PQntuples(result) > 0 ? (int)walrow__pg_int(result, 0, 0, 0) : 0;
    PQclear(result);
    return WALROW_OK;
}

walrow_code
walrow__slot_lock(PGconn *conn, const char *slot, int timeout_ms, walrow_error *err)
{
    char sql[100];
    int pid;
    PGresult *result;
    snprintf(sql, sizeof sql, "SELECT pg_catalog.pg_try_advisory_lock(%" PRId64 ")", (int64_t)lock_key(slot));
    WALROW_TRY(
        walrow__pg_exec_within(conn, sql, timeout_ms, WALROW_ERR_SERVER, "locking the slot", &result, err));
    bool locked = walrow__pg_bool(result, 0, 0);
    PQclear(result);
    if (locked)
        return WALROW_OK;
    WALROW_TRY(walrow__slot_locked_by(conn, slot, timeout_ms, &pid, err));
    return walrow__slot_taken(slot, "another walrow", pid, err);
}
