#include "stream/memory.h"

#include "base/error.h"
#include "base/log.h"
#include "state/tables.h"

#include <inttypes.h>
#include <stdlib.h>

walrow_code
walrow__memory_open(walrow_stream *s, walrow_error *err)
{
    /* without a slot of its own, nothing is confirmed */
    if (walrow__state_is_off(s->options) || s->options->snapshot == WALROW__SNAPSHOT_ONLY)
        return WALROW_OK;
    char *path;
    WALROW_TRY(walrow__state_place(s->options, &path, err));
    walrow__identity identity = walrow__stream_identity(s->options, &s->server);
    walrow_code code = walrow__state_open(path, &identity, &s->receiver.state, err);
    free(path);
    return code;
}

/* ---- the slot ---- */

static walrow_code
slot_is_gone(const walrow_stream *s, uint64_t confirmed_lsn, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__fail(
        err, WALROW_ERR_SLOT,
        "replication slot \"%s\" does not exist any more, and was confirmed up to %s: what changed since "
        "then would be missing",
        s->options->slot, walrow_lsn_format(confirmed_lsn, lsn));
    return walrow__hint(err,
                        "to begin anew, forget it with walrow teardown --slot %s, and let the tables be read "
                        "again into another place (--to)",
                        s->options->slot);
}

static walrow_code
slot_is_ahead(const walrow__slot *slot, uint64_t confirmed_lsn, walrow_error *err)
{
    char theirs[WALROW_LSN_SIZE], ours[WALROW_LSN_SIZE];
    bool anew = slot->restart_lsn > confirmed_lsn;
    walrow__fail(err, WALROW_ERR_STATE,
                 "slot %s is confirmed up to %s, but walrow only up to %s: somebody else read it%s, and the "
                 "changes of "
                 "%" PRIu64 " bytes of WAL are missing",
                 slot->name, walrow_lsn_format(slot->confirmed_flush_lsn, theirs),
                 walrow_lsn_format(confirmed_lsn, ours), anew ? " or made it anew" : "",
                 slot->confirmed_flush_lsn - confirmed_lsn);
    return walrow__hint(
        err,
        "read the tables again: walrow teardown --slot %s, then stream into another place (--to); "
        "to go on without what is missing, begin with a new --state",
        slot->name);
}

static walrow_code
server_went_back(const walrow_stream *s, uint64_t confirmed_lsn, walrow_error *err)
{
    char theirs[WALROW_LSN_SIZE], ours[WALROW_LSN_SIZE];
    walrow__fail(
        err, WALROW_ERR_STATE,
        "the server has written WAL up to %s, but %s was delivered from it: it was restored from a backup or "
        "lost what it had written",
        walrow_lsn_format(s->server.flush_lsn, theirs), walrow_lsn_format(confirmed_lsn, ours));
    return walrow__hint(
        err,
        "what was delivered has changes the server does not know: read the tables again (walrow "
        "teardown --slot %s) into another place (--to)",
        s->options->slot);
}

walrow_code
walrow__memory_check_slot(walrow_stream *s, const walrow__slot *slot, walrow_error *err)
{
    walrow__state *state = s->receiver.state;
    if (state == NULL)
        return WALROW_OK;
    uint64_t confirmed_lsn = walrow__state_confirmed(state);
    if (confirmed_lsn == 0)
        return WALROW_OK;
    if (!slot->exists)
        return slot_is_gone(s, confirmed_lsn, err);
    if (s->server.flush_lsn != 0 && s->server.flush_lsn < confirmed_lsn)
        return server_went_back(s, confirmed_lsn, err);
    if (slot->confirmed_flush_lsn > confirmed_lsn)
        return slot_is_ahead(slot, confirmed_lsn, err);
    return WALROW_OK;
}

walrow_code
walrow__memory_adopt(walrow_stream *s, const walrow__slot *slot, walrow_error *err)
{
    walrow__state *state = s->receiver.state;
    if (state == NULL || !slot->exists)
        return WALROW_OK;
    return walrow__state_commit(state, NULL, slot->confirmed_flush_lsn, err);
}

/* ---- snapshots ---- */

/* Sinks without a memory of their own have what the state says, if it has known the slot from its beginning. */
static bool
state_knows_snapshots(const walrow_stream *s)
{
    return s->hooks.notes_snapshots && s->receiver.state != NULL &&
           walrow__state_made_slot(s->receiver.state);
}

bool
walrow__memory_knows_snapshots(const walrow_stream *s)
{
    return s->hooks.snapshot != NULL || state_knows_snapshots(s);
}

static walrow_code
ask_state(walrow_stream *s, const walrow__found *table, bool *done, uint64_t *point, walrow_error *err)
{
    *done = true;
    *point = 0;
    if (!state_knows_snapshots(s))
        return WALROW_OK;
    walrow__state_table read;
    WALROW_TRY(walrow__state_snapshot(s->receiver.state, table->schema, table->name, table->relid, done,
                                      &read, err));
    *point = *done ? read.point : 0;
    return WALROW_OK;
}

walrow_code
walrow__memory_snapshot(walrow_stream *s, const walrow__found *table, bool *done, bool *some, uint64_t *point,
                        walrow_error *err)
{
    bool noted = false;
    uint64_t noted_point = 0;
    *done = true;
    *point = 0;
    if (s->hooks.snapshot != NULL)
        WALROW_TRY(
            s->hooks.snapshot(s->hooks.arg, table->schema, table->name, table->relid, done, point, err));
    *some = *point != 0;
    if (s->hooks.all_remember)
        return WALROW_OK;
    WALROW_TRY(ask_state(s, table, &noted, &noted_point, err));
    *done = *done && noted;
    /* the stream drops only what all have; a sink with a memory drops what lies in its own snapshot */
    if (noted && (!*some || noted_point < *point))
        *point = noted_point;
    *some = *some || noted;
    return WALROW_OK;
}
