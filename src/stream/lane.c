#include "stream/lane.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

enum { TURN_MS = 100 };

/* An entry that was written to the sink and may not be durable there. */
typedef struct walrow__taken {
    uint64_t end_lsn;
    bool whole; /* else durable with the next whole one */
    bool snapshot;
} taken;

walrow_code
walrow__lane_init(walrow__lane *lane, walrow__buffer *buffer, walrow__sink *sink, uint64_t cursor,
                  const walrow_options *options, walrow_error *err)
{
    *lane = (walrow__lane){
        .buffer = buffer, .sink = sink, .options = options, .cursor = cursor, .next = cursor, .capacity = 64};
    lane->taken = calloc(lane->capacity, sizeof *lane->taken);
    pthread_mutex_init(&lane->lock, NULL);
    return lane->taken == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

/* ---- what is durable ---- */

static taken *
taken_at(walrow__lane *lane, uint64_t number)
{
    return &lane->taken[number % lane->capacity];
}

static walrow_code
note_taken(walrow__lane *lane, const walrow_changes *changes, walrow_error *err)
{
    if (lane->next - lane->cursor == lane->capacity) {
        size_t capacity = 2 * lane->capacity;
        taken *more = calloc(capacity, sizeof *more);
        if (more == NULL)
            return walrow__fail_memory(err);
        for (uint64_t i = lane->cursor; i < lane->next; i++)
            more[i % capacity] = *taken_at(lane, i);
        free(lane->taken);
        lane->taken = more;
        lane->capacity = capacity;
    }
    *taken_at(lane, lane->next) =
        (taken){.end_lsn = changes->end_lsn,
                .whole = !changes->partial && (!changes->snapshot || changes->snapshot_end),
                .snapshot = changes->snapshot};
    lane->next++;
    return WALROW_OK;
}

/*
 * A table's rows are durable once its last chunk is synced, changes once the sink says so. A table that was met in
 * the middle of a transaction is read between two of its parts: those before are no more durable for that.
 */
static void
move_cursor(walrow__lane *lane, uint64_t durable_lsn)
{
    uint64_t cursor = lane->cursor;
    bool parts = false;
    for (uint64_t i = cursor; i < lane->next; i++) {
        const taken *entry = taken_at(lane, i);
        if (!entry->snapshot && entry->whole && entry->end_lsn > durable_lsn)
            break;
        if (!entry->snapshot)
            parts = !entry->whole;
        if (entry->whole && !parts)
            cursor = i + 1;
    }
    pthread_mutex_lock(&lane->lock);
    lane->cursor = cursor;
    lane->durable_lsn = durable_lsn;
    pthread_mutex_unlock(&lane->lock);
}

static walrow_code
sync_sink(walrow__lane *lane, bool finish, walrow_error *err)
{
    uint64_t durable_lsn;
    finish = finish || walrow__sink_due_ms(lane->sink) == 0;
    WALROW_TRY(walrow__sink_sync(lane->sink, finish, &durable_lsn, err));
    move_cursor(lane, durable_lsn);
    return WALROW_OK;
}

/* ---- the thread ---- */

static walrow__lane_goal
goal_of(walrow__lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    walrow__lane_goal goal = lane->goal;
    pthread_mutex_unlock(&lane->lock);
    return goal;
}

static walrow_code
take_one(walrow__lane *lane, walrow_error *err)
{
    walrow_changes changes;
    WALROW_TRY(walrow__buffer_take(lane->buffer, lane->next, TURN_MS, &changes, err));
    walrow_code code = walrow__sink_write(lane->sink, &changes, err);
    if (code == WALROW_OK)
        code = note_taken(lane, &changes, err);
    else if (code == WALROW_END)
        walrow__fail(err, WALROW_END, "the sink takes no more");
    changes.release(&changes);
    return code;
}

/* Until told otherwise. WALROW_END of the buffer is an OK end here. */
static walrow_code
take_all(walrow__lane *lane, walrow_error *err)
{
    int64_t synced_at = walrow__now_ms();
    for (;;) {
        walrow__lane_goal goal = goal_of(lane);
        if (goal == WALROW__LANE_FINISH || goal == WALROW__LANE_DROP)
            return WALROW_OK;
        walrow_error why = {0};
        walrow_code code = take_one(lane, &why);
        if (code == WALROW_END && why.code != WALROW_END)
            return WALROW_OK; /* the buffer's end */
        if (code != WALROW_OK && code != WALROW_TIMEOUT) {
            *err = why;
            return code;
        }
        int64_t now = walrow__now_ms();
        if (now - synced_at >= walrow__live(&lane->options->ack_interval_ms)) {
            WALROW_TRY(sync_sink(lane, false, err));
            synced_at = now;
        }
    }
}

static void *
lane_main(void *arg)
{
    walrow__lane *lane = arg;
    walrow_error err = {0};
    walrow_code code = take_all(lane, &err);
    bool keep = goal_of(lane) != WALROW__LANE_DROP && (code == WALROW_OK || code == WALROW_END);
    if (keep) {
        walrow_error *finish_err = &err, late = {0};
        if (code == WALROW_END)
            finish_err = &late;
        walrow_code finished = sync_sink(lane, true, finish_err);
        if (finished == WALROW_OK)
            finished = walrow__sink_finish(lane->sink, finish_err);
        if (finished != WALROW_OK) {
            code = finished;
            err = *finish_err;
        }
    }
    pthread_mutex_lock(&lane->lock);
    lane->outcome = err;
    lane->outcome.code = code;
    pthread_mutex_unlock(&lane->lock);
    return NULL;
}

/* ---- from the run's thread ---- */

walrow_code
walrow__lane_start(walrow__lane *lane, walrow_error *err)
{
    int failed = pthread_create(&lane->thread, NULL, lane_main, lane);
    if (failed != 0)
        return walrow__fail_errno(err, WALROW_ERR_UNEXPECTED, failed, "cannot start a thread for sink %s",
                                  lane->sink->uri);
    lane->started = true;
    return WALROW_OK;
}

void
walrow__lane_end(walrow__lane *lane, walrow__lane_goal goal)
{
    pthread_mutex_lock(&lane->lock);
    lane->goal = goal;
    pthread_mutex_unlock(&lane->lock);
}

void
walrow__lane_join(walrow__lane *lane)
{
    if (lane->started)
        pthread_join(lane->thread, NULL);
    lane->started = false;
}

void
walrow__lane_release(walrow__lane *lane)
{
    walrow__lane_join(lane);
    pthread_mutex_destroy(&lane->lock);
    free(lane->taken);
}

uint64_t
walrow__lane_cursor(walrow__lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    uint64_t cursor = lane->cursor;
    pthread_mutex_unlock(&lane->lock);
    return cursor;
}

uint64_t
walrow__lane_durable_lsn(walrow__lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    uint64_t durable_lsn = lane->durable_lsn;
    pthread_mutex_unlock(&lane->lock);
    return durable_lsn;
}

walrow_code
walrow__lane_outcome(walrow__lane *lane, walrow_error *err)
{
    pthread_mutex_lock(&lane->lock);
    walrow_error outcome = lane->outcome;
    pthread_mutex_unlock(&lane->lock);
    if (outcome.code != WALROW_OK && err != NULL)
        *err = outcome;
    return outcome.code;
}
