#include "stream/memory.h"

#include "base/error.h"
#include "base/log.h"
#include "state/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the timeline ---- */

static walrow_code
check_timeline(const walrow__upstream *up, uint64_t *branch_lsn, walrow_error *err)
{
    char what[128];
    const walrow__state *state = up->state;
    walrow__identity identity = walrow__upstream_identity(up);
    snprintf(what, sizeof what, "the state of slot \"%s\"", up->options->slot);
    return walrow__timelines_follow(&identity, walrow__state_timeline(state), walrow__state_reached(state),
                                    what, branch_lsn, err);
}

walrow_code
walrow__memory_follow(walrow__state *state, uint32_t then, uint32_t now, uint64_t branch_lsn,
                      walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__log(WALROW_LOG_INFO,
                "the server is on timeline %" PRIu32 " now, which branched off timeline %" PRIu32
                " at %s, after all that was delivered: the stream goes on",
                now, then, walrow_lsn_format(branch_lsn, lsn));
    return state == NULL ? WALROW_OK : walrow__state_follow(state, now, branch_lsn, err);
}

walrow_code
walrow__memory_open(walrow__upstream *up, walrow_error *err)
{
    /* without a slot of its own, nothing is confirmed */
    if (walrow__state_is_off(up->options) || walrow__options_snapshot(up->options) == WALROW__SNAPSHOT_ONLY)
        return WALROW_OK;
    char *path;
    uint64_t branch_lsn;
    WALROW_TRY(walrow__state_place(up->options, &path, err));
    walrow__identity identity = walrow__upstream_identity(up);
    walrow_code code = walrow__state_open(path, &identity, &up->state, err);
    free(path);
    if (code != WALROW_OK)
        return code;
    up->reached_lsn = walrow__state_reached(up->state);
    return check_timeline(up, &branch_lsn, err);
}

walrow_code
walrow__memory_require_for_buffer(const walrow__state *state, walrow_error *err)
{
    if (state != NULL)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "the buffer is part of the state, and --state off keeps none");
    return walrow__hint(err, "leave out --state off, or --buffer on");
}

/* ---- the slot ---- */

static walrow_code
slot_is_gone(const walrow__upstream *up, uint64_t confirmed_lsn, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__fail(
        err, WALROW_ERR_SLOT,
        "replication slot \"%s\" does not exist any more, and was confirmed up to %s: what changed since "
        "then would be missing",
        up->options->slot, walrow_lsn_format(confirmed_lsn, lsn));
    return walrow__hint(err,
                        "to begin anew, forget it with walrow teardown --slot %s, and let the tables be read "
                        "again into another place (--to)",
                        up->options->slot);
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
server_went_back(const walrow__upstream *up, uint64_t confirmed_lsn, walrow_error *err)
{
    char theirs[WALROW_LSN_SIZE], ours[WALROW_LSN_SIZE];
    walrow__fail(
        err, WALROW_ERR_STATE,
        "the server has written WAL up to %s, but %s was delivered from it: it was restored from a backup or "
        "lost what it had written",
        walrow_lsn_format(up->server.flush_lsn, theirs), walrow_lsn_format(confirmed_lsn, ours));
    return walrow__hint(
        err,
        "what was delivered has changes the server does not know: read the tables again (walrow "
        "teardown --slot %s) into another place (--to)",
        up->options->slot);
}

/* A copy of the old server's slot, which was confirmed further than the new server had replayed; or a new one. */
static walrow_code
slot_is_past(const walrow__slot *slot, uint64_t branch_lsn, walrow_error *err)
{
    char theirs[WALROW_LSN_SIZE], left[WALROW_LSN_SIZE];
    walrow__fail(
        err, WALROW_ERR_STATE,
        "slot %s is confirmed up to %s, past %s, where the server's timeline branched off: what changed "
        "in between on the new one would be missing",
        slot->name, walrow_lsn_format(slot->confirmed_flush_lsn, theirs),
        walrow_lsn_format(branch_lsn, left));
    return walrow__hint(
        err,
        "it was made anew, or copied from a server that was ahead: read the tables again: walrow "
        "teardown --slot %s, then stream into another place (--to)",
        slot->name);
}

walrow_code
walrow__memory_check_new_slot(const walrow__upstream *up, const walrow__slot *slot, uint64_t confirmed_lsn,
                              uint64_t branch_lsn, walrow_error *err)
{
    if (!slot->exists)
        return slot_is_gone(up, confirmed_lsn, err);
    return slot->confirmed_flush_lsn > branch_lsn ? slot_is_past(slot, branch_lsn, err) : WALROW_OK;
}

static walrow_code
compare_slot(const walrow__upstream *up, const walrow__slot *slot, uint64_t branch_lsn, walrow_error *err)
{
    uint64_t confirmed_lsn = walrow__state_confirmed(up->state);
    if (confirmed_lsn > branch_lsn)
        confirmed_lsn = branch_lsn;
    if (confirmed_lsn == 0)
        return WALROW_OK;
    WALROW_TRY(walrow__memory_check_new_slot(up, slot, confirmed_lsn, branch_lsn, err));
    if (up->server.flush_lsn != 0 && up->server.flush_lsn < confirmed_lsn)
        return server_went_back(up, confirmed_lsn, err);
    if (slot->confirmed_flush_lsn > confirmed_lsn)
        return slot_is_ahead(slot, confirmed_lsn, err);
    return WALROW_OK;
}

walrow_code
walrow__memory_check_slot(walrow__upstream *up, const walrow__slot *slot, walrow_error *err)
{
    walrow__state *state = up->state;
    uint64_t branch_lsn;
    if (state == NULL)
        return WALROW_OK;
    WALROW_TRY(check_timeline(up, &branch_lsn, err));
    WALROW_TRY(compare_slot(up, slot, branch_lsn, err));
    uint32_t then = walrow__state_timeline(state), now = up->server.timeline;
    return then == now ? WALROW_OK : walrow__memory_follow(state, then, now, branch_lsn, err);
}

walrow_code
walrow__memory_adopt(walrow__upstream *up, const walrow__slot *slot, walrow_error *err)
{
    walrow__state *state = up->state;
    if (state == NULL || !slot->exists)
        return WALROW_OK;
    /* seen for the first time: whoever read it before may have delivered all of it */
    if (walrow__state_confirmed(state) == 0)
        walrow__state_reach(state, slot->confirmed_flush_lsn);
    return walrow__state_commit(state, NULL, slot->confirmed_flush_lsn, err);
}

/* ---- snapshots ---- */

/* Sinks without a memory of their own have what the state says, if it has known the slot from its beginning. */
static bool
state_knows_snapshots(const walrow__upstream *up)
{
    return up->hooks.notes_snapshots && up->state != NULL && walrow__state_made_slot(up->state);
}

bool
walrow__memory_knows_snapshots(const walrow__upstream *up)
{
    return up->hooks.snapshot != NULL || state_knows_snapshots(up);
}

static walrow_code
ask_state(walrow__upstream *up, const walrow__found *table, bool *done, uint64_t *point, walrow_error *err)
{
    *done = true;
    *point = 0;
    if (!state_knows_snapshots(up))
        return WALROW_OK;
    walrow__state_table read;
    WALROW_TRY(walrow__state_snapshot(up->state, table->schema, table->name, table->relid, done, &read, err));
    *point = *done ? read.point : 0;
    return WALROW_OK;
}

walrow_code
walrow__memory_snapshot(walrow__upstream *up, const walrow__found *table, bool *done, bool *some,
                        uint64_t *point, walrow_error *err)
{
    bool noted = false;
    uint64_t noted_point = 0;
    *done = true;
    *point = 0;
    if (up->hooks.snapshot != NULL)
        WALROW_TRY(
            up->hooks.snapshot(up->hooks.arg, table->schema, table->name, table->relid, done, point, err));
    *some = *point != 0;
    if (up->hooks.all_remember)
        return WALROW_OK;
    WALROW_TRY(ask_state(up, table, &noted, &noted_point, err));
    *done = *done && noted;
    /* the stream drops only what all have; a sink with a memory drops what lies in its own snapshot */
    if (noted && (!*some || noted_point < *point))
        *point = noted_point;
    *some = *some || noted;
    return WALROW_OK;
}
