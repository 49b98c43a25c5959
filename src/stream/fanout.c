#include "stream/fanout.h"

#include "base/error.h"
#include "base/log.h"
#include "state/sinks.h"
#include "state/tables.h"
#include "stream/lane.h"

#include <stdlib.h>
#include <string.h>

struct walrow__fanout {
    walrow__state *state;     /* borrowed */
    walrow__outlets *outlets; /* borrowed */
    walrow__buffer *buffer;
    walrow__lane *lanes; /* one for each sink */
    uint64_t *written;   /* each lane's cursor as the state has it */
    size_t n_lanes;
};

/* ---- sinks that are left out ---- */

static bool
is_named(const walrow__outlets *outlets, const char *uri)
{
    for (size_t i = 0; i < outlets->count; i++)
        if (walrow__same_sink(outlets->sinks[i]->uri, uri))
            return true;
    return false;
}

static walrow_code
left_out(const char *uri, const char *slot, walrow_error *err)
{
    walrow__fail(
        err, WALROW_ERR_STATE,
        "sink %s had changes of this slot and is not named: those that come now would be missing there", uri);
    return walrow__hint(err, "name it, too (--to %s), or forget it: walrow sinks remove %s --slot %s", uri,
                        uri, slot);
}

walrow_code
walrow__fanout_check_named(walrow__state *state, const walrow__outlets *outlets, const char *slot,
                           walrow_error *err)
{
    walrow__known_sinks known;
    WALROW_TRY(walrow__state_sinks(state, &known, err));
    walrow_code code = WALROW_OK;
    for (size_t i = 0; code == WALROW_OK && i < known.count; i++)
        if (known.items[i].buffered && !is_named(outlets, known.items[i].uri))
            code = left_out(known.items[i].uri, slot, err);
    walrow__known_sinks_release(&known);
    return code;
}

/* ---- cursors ---- */

static bool
lanes_moved(walrow__fanout *fanout)
{
    for (size_t i = 0; i < fanout->n_lanes; i++)
        if (walrow__lane_cursor(&fanout->lanes[i]) != fanout->written[i])
            return true;
    return false;
}

static walrow_code
put_lanes(walrow__fanout *fanout, walrow__store_write *write, walrow_error *err)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < fanout->n_lanes; i++) {
        walrow__lane *lane = &fanout->lanes[i];
        uint64_t durable_lsn = walrow__lane_durable_lsn(lane), cursor = walrow__lane_cursor(lane);
        if (cursor < least)
            least = cursor;
        fanout->written[i] = cursor;
        WALROW_TRY(walrow__state_put_cursor(write, lane->sink->uri, cursor, err));
        if (durable_lsn != 0 && durable_lsn != UINT64_MAX)
            WALROW_TRY(walrow__state_put_sink(write, lane->sink->uri, durable_lsn, err));
    }
    walrow__buffer_trim(fanout->buffer, write, least);
    return WALROW_OK;
}

static walrow_code
write_lanes(walrow__fanout *fanout, bool anyway, walrow_error *err)
{
    if (!lanes_moved(fanout) && !anyway)
        return WALROW_OK;
    walrow__store_write *write = walrow__store_begin();
    walrow_code code = put_lanes(fanout, write, err);
    if (code == WALROW_OK)
        return walrow__state_commit(fanout->state, write, 0, err);
    walrow__store_abandon(write);
    return code;
}

/* ---- open ---- */

/* The buffer was trimmed while the sink was not named. */
static walrow_code
missed(const walrow__sink *sink, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_STATE,
                 "sink %s was left out for a while, and what came then went only to the others", sink->uri);
    return walrow__hint(err, "name another place for it, where the tables are read again");
}

static walrow_code
init_lane(walrow__fanout *fanout, size_t i, const walrow_options *options, walrow_error *err)
{
    walrow__sink *sink = fanout->outlets->sinks[i];
    uint64_t cursor, next = walrow__buffer_next(fanout->buffer);
    bool known;
    WALROW_TRY(walrow__state_cursor(fanout->state, sink->uri, &known, &cursor, err));
    if (!known && walrow__buffer_first(fanout->buffer) < next)
        walrow__log(WALROW_LOG_INFO, "sink %s is new: it begins after what is in the buffer", sink->uri);
    if (known && cursor < walrow__buffer_first(fanout->buffer))
        return missed(sink, err);
    if (!known || cursor > next)
        cursor = next;
    fanout->written[i] = known ? cursor : UINT64_MAX;
    return walrow__lane_init(&fanout->lanes[i], fanout->buffer, sink, cursor, options, err);
}

walrow_code
walrow__fanout_open(walrow__state *state, walrow__outlets *outlets, const walrow_options *options,
                    walrow__fanout **out, walrow_error *err)
{
    walrow__fanout *fanout = calloc(1, sizeof *fanout);
    if (fanout == NULL)
        return walrow__fail_memory(err);
    fanout->state = state;
    fanout->outlets = outlets;
    fanout->lanes = calloc(outlets->count, sizeof *fanout->lanes);
    fanout->written = calloc(outlets->count, sizeof *fanout->written);
    walrow_code code = fanout->lanes == NULL || fanout->written == NULL
                           ? walrow__fail_memory(err)
                           : walrow__buffer_open(state, options->buffer_bytes, &fanout->buffer, err);
    for (size_t i = 0; code == WALROW_OK && i < outlets->count; i++) {
        code = init_lane(fanout, i, options, err);
        fanout->n_lanes += code == WALROW_OK;
    }
    if (code == WALROW_OK) /* a sink is known before anything is put that it would otherwise miss */
        code = write_lanes(fanout, false, err);
    if (code == WALROW_OK)
        *out = fanout;
    else
        walrow__fanout_free(fanout);
    return code;
}

walrow__buffer *
walrow__fanout_buffer(walrow__fanout *fanout)
{
    return fanout->buffer;
}

walrow_code
walrow__fanout_start(walrow__fanout *fanout, walrow_error *err)
{
    for (size_t i = 0; i < fanout->n_lanes; i++)
        WALROW_TRY(walrow__lane_start(&fanout->lanes[i], err));
    return WALROW_OK;
}

/* ---- snapshots ---- */

/* Has this sink the table, or will it have it from the buffer? */
static walrow_code
lane_has_table(walrow__lane *lane, const walrow__state_table *read, bool known, uint32_t relid, bool *done,
               uint64_t *point, walrow_error *err)
{
    *done = known;
    *point = known ? read->point : 0;
    bool waits = known && read->entry != 0 && read->entry >= walrow__lane_cursor(lane);
    if (waits || !lane->sink->keeps_position)
        return WALROW_OK;
    return walrow__sink_snapshot(lane->sink, read->schema, read->name, relid, done, point, err);
}

walrow_code
walrow__fanout_snapshot(walrow__fanout *fanout, const char *schema, const char *table, uint32_t relid,
                        bool *done, uint64_t *point, walrow_error *err)
{
    walrow__state_table read;
    bool known;
    WALROW_TRY(walrow__state_snapshot(fanout->state, schema, table, relid, &known, &read, err));
    /* a slot that was there before the state: sinks without a memory count as having it */
    bool old_slot = !walrow__state_made_slot(fanout->state);
    *done = true;
    *point = 0;
    for (size_t i = 0; i < fanout->n_lanes; i++) {
        bool lane_done;
        uint64_t lane_point;
        WALROW_TRY(lane_has_table(&fanout->lanes[i], &read, known, relid, &lane_done, &lane_point, err));
        if (!fanout->lanes[i].sink->keeps_position && old_slot)
            lane_done = true;
        *done = *done && lane_done;
        if (lane_done && (*point == 0 || lane_point < *point))
            *point = lane_point;
    }
    return WALROW_OK;
}

/* ---- commit ---- */

/* How the lanes are: an error of one before the end of another. */
static walrow_code
lanes_outcome(walrow__fanout *fanout, walrow_error *err)
{
    walrow_code outcome = WALROW_OK;
    for (size_t i = 0; i < fanout->n_lanes; i++) {
        walrow_code code = walrow__lane_outcome(&fanout->lanes[i], err);
        if (code != WALROW_OK && code != WALROW_END)
            return code;
        if (code == WALROW_END)
            outcome = code;
    }
    return outcome;
}

walrow_code
walrow__fanout_commit(walrow__fanout *fanout, bool put, walrow_error *err)
{
    WALROW_TRY(write_lanes(fanout, put, err));
    return lanes_outcome(fanout, err);
}

walrow_code
walrow__fanout_finish(walrow__fanout *fanout, bool drain, walrow_error *err)
{
    walrow__buffer_end(fanout->buffer);
    for (size_t i = 0; i < fanout->n_lanes; i++)
        walrow__lane_end(&fanout->lanes[i], drain ? WALROW__LANE_DRAIN : WALROW__LANE_FINISH);
    for (size_t i = 0; i < fanout->n_lanes; i++)
        walrow__lane_join(&fanout->lanes[i]);
    walrow_code code = walrow__fanout_commit(fanout, true, err);
    return code == WALROW_END ? WALROW_OK : code;
}

void
walrow__fanout_free(walrow__fanout *fanout)
{
    if (fanout == NULL)
        return;
    if (fanout->buffer != NULL)
        walrow__buffer_end(fanout->buffer);
    for (size_t i = 0; i < fanout->n_lanes; i++)
        walrow__lane_end(&fanout->lanes[i], WALROW__LANE_DROP);
    for (size_t i = 0; i < fanout->n_lanes; i++)
        walrow__lane_release(&fanout->lanes[i]);
    walrow__buffer_free(fanout->buffer);
    free(fanout->lanes);
    free(fanout->written);
    free(fanout);
}
