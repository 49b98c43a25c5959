#include "sink/query/query.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/tuning.h"
#include "kernels/rows.h"
#include "sink/dead_letters.h"
#include "sink/query/windows.h"
#include "sink/sinks.h"

#include <stdlib.h>
#include <string.h>

/* ---- changes ---- */

enum { CHUNK_ROWS = 16 }; /* by the clock: what may be kept past --retain for a moment */

/* With windows all at once, else in pieces so small that the oldest can be forgotten in between. */
static walrow_code
take_range(walrow__query_sink *self, const walrow_batch *batch, int64_t start, int64_t end, walrow_error *err)
{
    if (self->settings.every_ms == 0)
        return walrow__queries_take(&self->queries, batch, start, end - start, err);
    for (int64_t n; start < end; start += n) {
        n = end - start < CHUNK_ROWS ? end - start : CHUNK_ROWS;
        WALROW_TRY(walrow__queries_take(&self->queries, batch, start, n, err));
        WALROW_TRY(walrow__windows_bound_memory(self, err));
    }
    return WALROW_OK;
}

/* Those of a change set's rows that are committed in [from, to). */
static walrow_code
take_rows(walrow__query_sink *self, const walrow_changes *changes, uint64_t from, uint64_t to,
          walrow_error *err)
{
    for (size_t i = 0; i < changes->n_batches; i++) {
        const walrow_batch *batch = &changes->batches[i];
        int64_t start = walrow__rows_first_from(&batch->array, from);
        int64_t end = walrow__rows_first_from(&batch->array, to);
        WALROW_TRY(take_range(self, batch, start, end, err));
    }
    return self->settings.every_ms == 0 ? walrow__windows_check_fit(self, err) : WALROW_OK;
}

/*
 * Where windows begin that are to be given. If the position to go on from is not the end of a record, which is a
 * multiple of eight (PostgreSQL's MAXALIGN), but a byte less, then those before the first whole one were given: of them
 * the beginning is not read again.
 */
static void
find_first_pane(walrow__query_sink *self, int64_t pane)
{
    if (!self->panes.started && self->base.resume_lsn % 8 != 0)
        self->first_pane = pane;
}

/*
 * A window that the clock had closed is closed at the same place when its changes come again: what came for it
 * afterwards is in the next one.
 */
static int64_t
not_before(const walrow__query_sink *self, uint64_t commit_lsn)
{
    uint64_t past = self->given_lsn - self->last.commit_lsn;
    bool passes = self->last.commit_lsn != 0 && self->last.commit_lsn <= self->given_lsn &&
                  commit_lsn > self->given_lsn && past < WALROW__MAX_SLIDES;
    return passes ? self->last.pane + (int64_t)past + 1 : INT64_MIN;
}

/* The pane it is in is open, and those before are closed. */
static walrow_code
enter(walrow__query_sink *self, const walrow_transaction *transaction, walrow_error *err)
{
    int64_t pane = walrow__panes_of(&self->panes, transaction->commit_time);
    if (self->settings.every_ms == 0) {
        int64_t least = not_before(self, transaction->commit_lsn);
        find_first_pane(self, pane);
        WALROW_TRY(walrow__windows_close_before(self, pane > least ? pane : least, err));
    }
    WALROW_TRY(walrow__windows_enter(self, transaction->commit_time, err));
    self->last = (walrow__last_transaction){.commit_lsn = transaction->commit_lsn,
                                            .xid = transaction->xid,
                                            .commit_time = transaction->commit_time,
                                            .pane = self->panes.open};
    if (transaction->end_lsn != 0)
        self->end_lsn = transaction->end_lsn;
    return WALROW_OK;
}

static bool
begins_pane(const walrow__query_sink *self, const walrow_transaction *transaction)
{
    return self->panes.n_kept == 0 ||
           walrow__panes_of(&self->panes, transaction->commit_time) > self->panes.open ||
           not_before(self, transaction->commit_lsn) > self->panes.open;
}

/* From where an earlier run was. */
static void
go_on(walrow__query_sink *self)
{
    if (self->end_lsn < self->base.resume_lsn)
        self->end_lsn = self->base.resume_lsn;
    walrow__promises_raise(&self->promises, self->base.resume_lsn);
}

/* Rows are taken a pane at a time, which is many transactions. */
static walrow_code
take_changes(walrow__query_sink *self, const walrow_changes *changes, walrow_error *err)
{
    uint64_t from = self->base.resume_lsn;
    for (size_t i = 0; i < changes->n_transactions && !self->ended; i++) {
        const walrow_transaction *transaction = &changes->transactions[i];
        if (transaction->commit_lsn < self->base.resume_lsn)
            continue;
        if (begins_pane(self, transaction)) {
            WALROW_TRY(take_rows(self, changes, from, transaction->commit_lsn, err));
            from = transaction->commit_lsn;
        }
        WALROW_TRY(enter(self, transaction, err));
    }
    if (self->ended)
        return WALROW_END;
    WALROW_TRY(take_rows(self, changes, from, UINT64_MAX, err));
    self->partial = changes->partial;
    if (changes->end_lsn > self->end_lsn)
        self->end_lsn = changes->end_lsn;
    return WALROW_OK;
}

/* Queries say more when they are wrong than the caller may want to hear, so the error is always there. */
static walrow_code
note(walrow__query_sink *self, walrow_code code, const walrow_error *why, walrow_error *err)
{
    if (code == WALROW_OK || code == WALROW_END)
        return code;
    self->failure = *why;
    return walrow__sink_fail_again(&self->failure, err);
}

static walrow_code
query_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    walrow__query_sink *self = (walrow__query_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    if (self->ended)
        return WALROW_END;
    if (changes->snapshot) /* of a table that is read for another reader of the buffer */
        return WALROW_OK;
    walrow_error why = {0};
    go_on(self);
    walrow__dead_letters_warn(sink->uri, changes);
    self->came_at = walrow__now_ms();
    walrow_code code = take_changes(self, changes, &why);
    if (code == WALROW_OK && self->settings.every_ms != 0)
        code = walrow__windows_run_by_clock(self, false, &why);
    return note(self, code, &why, err);
}

static walrow_code
sync_all(walrow__query_sink *self, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    uint64_t inner_lsn;
    if (self->settings.every_ms != 0)
        WALROW_TRY(walrow__windows_run_by_clock(self, finish_files || self->base.ends, err));
    else if (self->base.ends)
        WALROW_TRY(walrow__windows_close_before(self, INT64_MAX, err));
    else
        WALROW_TRY(walrow__windows_close_by_clock(self, err));
    WALROW_TRY(walrow__sink_sync(self->inner, finish_files, &inner_lsn, err));
    if (walrow__promises_settle(&self->promises, inner_lsn))
        walrow__promises_raise(&self->promises, walrow__windows_settled_lsn(self));
    *durable_lsn = self->promises.kept_lsn;
    return WALROW_OK;
}

static walrow_code
query_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    walrow__query_sink *self = (walrow__query_sink *)sink;
    walrow_error why = {0};
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    go_on(self);
    return note(self, sync_all(self, finish_files, durable_lsn, &why), &why, err);
}

/* ---- the rest of a sink ---- */

static walrow_code
query_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    walrow__query_sink *self = (walrow__query_sink *)sink;
    walrow__position position;
    WALROW_TRY(walrow__sink_open(self->inner, identity, err));
    WALROW_TRY(walrow__sink_position(self->inner, &position, err));
    self->given_lsn = position.commit_lsn;
    self->base.timeline = self->inner->timeline;
    self->base.reached_lsn = self->inner->reached_lsn;
    return WALROW_OK;
}

static walrow_code
query_finish(walrow__sink *sink, walrow_error *err)
{
    return walrow__sink_finish(((walrow__query_sink *)sink)->inner, err);
}

static void
query_free(walrow__sink *sink)
{
    walrow__query_sink *self = (walrow__query_sink *)sink;
    walrow__queries_release(&self->queries);
    walrow__query_settings_release(&self->settings);
    walrow__promises_release(&self->promises);
    walrow__sink_free(self->inner);
    free(self->results);
    free(sink->uri);
    free(self);
}

static walrow_code
query_follow(walrow__sink *sink, uint32_t timeline, walrow_error *err)
{
    return walrow__sink_follow(((walrow__query_sink *)sink)->inner, timeline, err);
}

static walrow_code
query_position(walrow__sink *sink, walrow__position *out, walrow_error *err)
{
    return walrow__sink_position(((walrow__query_sink *)sink)->inner, out, err);
}

static int
query_due_ms(walrow__sink *sink)
{
    return walrow__sink_due_ms(((walrow__query_sink *)sink)->inner);
}

static const walrow__sink_ops query_ops = {
    .open = query_open,
    .write = query_write,
    .sync = query_sync,
    .finish = query_finish,
    .free = query_free,
    .follow = query_follow,
    .position = query_position,
    .due_ms = query_due_ms,
};

static walrow_code
init(walrow__query_sink *self, const walrow__sink *inner, walrow_error *err)
{
    self->base.ops = &query_ops;
    self->base.keeps_position = inner->keeps_position;
    self->first_pane = INT64_MIN;
    self->grace_ms = (int64_t)walrow__tuning("WALROW_WINDOW_GRACE_MS", 2000);
    self->ran_at = walrow__now_ms();
    self->base.uri = strdup(inner->uri);
    walrow__panes_init(&self->panes, &self->settings);
    self->results = calloc(self->settings.n_queries, sizeof *self->results);
    if (self->base.uri == NULL || self->results == NULL)
        return walrow__fail_memory(err);
    return walrow__queries_init(&self->queries, &self->settings, err);
}

walrow_code
walrow__query_wrap(const walrow_options *options, walrow__sink **sink, walrow_error *err)
{
    walrow_error why = {0};
    walrow__query_settings settings;
    WALROW_TRY(walrow__query_settings_init(&settings, options, err));
    if (settings.n_queries == 0)
        return WALROW_OK;
    walrow__query_sink *self = calloc(1, sizeof *self);
    if (self == NULL) {
        walrow__query_settings_release(&settings);
        return walrow__fail_memory(err);
    }
    self->settings = settings;
    walrow_code code = init(self, *sink, &why);
    if (code != WALROW_OK) {
        query_free(&self->base);
        return walrow__sink_fail_again(&why, err);
    }
    self->inner = *sink;
    *sink = &self->base;
    return WALROW_OK;
}
