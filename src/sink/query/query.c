#include "sink/query/query.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/tuning.h"
#include "kernels/rows.h"
#include "sink/dead_letters.h"
#include "sink/query/panes.h"
#include "sink/query/promises.h"
#include "sink/query/queries.h"
#include "sink/sinks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEGMENTS = 8 }; /* by the clock: of what --retain holds, an eighth is forgotten at a time */

/* The last transaction that came. */
typedef struct last_transaction {
    uint64_t commit_lsn;
    uint32_t xid;
    int64_t commit_time;
    int64_t pane;
} last_transaction;

typedef struct query_sink {
    walrow__sink base;
    walrow__sink *inner;
    walrow__query_settings settings;
    walrow__queries queries;
    walrow_batch *results; /* room for one of each query */
    walrow__panes panes;
    walrow__promises promises;
    last_transaction last;
    uint64_t end_lsn; /* of the last whole transaction */
    bool partial;     /* a transaction goes on in the next change set */
    bool ended;       /* the inner sink cannot go on, and says that is fine */
    bool forgot;      /* by the clock: more came than --retain holds, and that was said */
    int64_t came_at;  /* when something came last, and was last looked at; milliseconds */
    int64_t ran_at;
    int64_t first_pane; /* windows that begin before it were given by an earlier run */
    uint64_t
        given_lsn; /* of results: by the clock the last, else that which the inner sink had when it was opened */
    int64_t grace_ms;
    walrow_error failure;
} query_sink;

/* ---- results ---- */

static walrow_code
give(query_sink *self, const walrow__window *window, size_t n_batches, walrow_error *err)
{
    walrow_transaction transaction = {.xid = window->xid,
                                      .commit_lsn = window->commit_lsn,
                                      .end_lsn = window->commit_lsn + 1,
                                      .commit_time = window->commit_time};
    walrow_changes changes = {.end_lsn = transaction.end_lsn,
                              .batches = self->results,
                              .n_batches = n_batches,
                              .transactions = &transaction,
                              .n_transactions = 1};
    walrow_code code = walrow__sink_write(self->inner, &changes, err);
    self->promises.written_lsn = changes.end_lsn;
    self->ended = code == WALROW_END;
    return self->ended ? WALROW_OK : code;
}

/* Run the queries over what is kept, and give what they say. */
static walrow_code
run_queries(query_sink *self, const walrow__window *window, walrow_error *err)
{
    size_t n_batches;
    walrow_code code = walrow__queries_run(&self->queries, window, self->results, &n_batches, err);
    if (code == WALROW_OK && n_batches > 0)
        code = give(self, window, n_batches, err);
    for (size_t i = 0; i < n_batches; i++)
        if (self->results[i].array.release != NULL)
            ArrowArrayRelease(&self->results[i].array);
    return code;
}

/* ---- windows ---- */

/* What is committed up to there is in results already given, and in no window to come. */
static uint64_t
settled_lsn(const query_sink *self)
{
    const walrow__panes *panes = &self->panes;
    if (self->settings.every_ms != 0)
        return self->last.commit_lsn <= self->given_lsn ? self->end_lsn : 0;
    if (panes->n_kept == 0)
        return self->end_lsn;
    const walrow__pane *oldest = &panes->kept[0];
    if (oldest->number == panes->open)
        return oldest->before_lsn;
    if (oldest->number == panes->open + 1 - panes->n_slides)
        return oldest->before_lsn - (oldest->before_lsn > 0); /* see find_first_pane */
    return 0;                                                 /* as before */
}

/* Not what an earlier run has given, of which only the end was read again. */
static bool
is_whole(const query_sink *self)
{
    return self->panes.open + 1 - self->panes.n_slides >= self->first_pane;
}

static walrow_code
close_window(query_sink *self, walrow_error *err)
{
    walrow__window window = {.start_us = walrow__panes_start_us(&self->panes),
                             .end_us = walrow__panes_end_us(&self->panes),
                             .commit_lsn =
                                 self->last.commit_lsn + (uint64_t)(self->panes.open - self->last.pane),
                             .xid = self->last.xid,
                             .commit_time = self->last.commit_time};
    if (is_whole(self))
        WALROW_TRY(run_queries(self, &window, err));
    walrow__panes_close(&self->panes);
    uint64_t first = walrow__panes_first_segment(&self->panes);
    WALROW_TRY(walrow__kept_forget(&self->queries.kept, first, err));
    return walrow__promises_add(&self->promises, settled_lsn(self), err);
}

/* All windows that end before a pane, or with nothing in them. */
static walrow_code
close_before(query_sink *self, int64_t pane, walrow_error *err)
{
    while (self->panes.n_kept > 0 && self->panes.open < pane && !self->ended)
        WALROW_TRY(close_window(self, err));
    if (!self->panes.started || self->panes.open < pane)
        self->panes.open = pane;
    self->panes.started = true;
    return WALROW_OK;
}

/* When nothing comes, the clock says that nothing will. */
static walrow_code
close_by_clock(query_sink *self, walrow_error *err)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - self->grace_ms * 1000;
    bool quiet = walrow__now_ms() - self->came_at >= self->grace_ms;
    while (quiet && !self->partial && !self->ended && self->panes.n_kept > 0 &&
           walrow__panes_end_us(&self->panes) <= now_us)
        WALROW_TRY(close_window(self, err));
    return WALROW_OK;
}

static walrow_code
check_window_fits(const query_sink *self, walrow_error *err)
{
    if (walrow__kept_bytes(&self->queries.kept) <= self->settings.retain_bytes)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SINK,
                 "the changes of one window have more than --retain allows, which is %" PRId64 " bytes",
                 self->settings.retain_bytes);
    return walrow__hint(
        err, "raise --retain, make --window shorter, or leave out tables and columns that no query "
             "needs; nothing is lost");
}

/* ---- by the clock ---- */

static walrow_code
forget_oldest(query_sink *self, walrow_error *err)
{
    if (!self->forgot)
        walrow__log(WALROW_LOG_WARN,
                    "--every: more changes came than --retain holds; from now on the oldest are forgotten");
    self->forgot = true;
    walrow__panes_drop(&self->panes);
    return walrow__kept_forget(&self->queries.kept, walrow__panes_first_segment(&self->panes), err);
}

/* Segments are panes here, which end by size. */
static walrow_code
bound_memory(query_sink *self, walrow_error *err)
{
    walrow__panes *panes = &self->panes;
    walrow__kept *kept = &self->queries.kept;
    if (walrow__kept_segment_bytes(kept) >= self->settings.retain_bytes / SEGMENTS)
        panes->open++;
    while (panes->n_kept > 0 && walrow__kept_bytes(kept) > self->settings.retain_bytes)
        WALROW_TRY(forget_oldest(self, err));
    return WALROW_OK;
}

static walrow_code
run_by_clock(query_sink *self, bool now, walrow_error *err)
{
    int64_t now_ms = walrow__now_ms();
    bool due = now || now_ms - self->ran_at >= self->settings.every_ms;
    if (!due || self->partial || self->panes.n_kept == 0 || self->last.commit_lsn <= self->given_lsn)
        return WALROW_OK;
    walrow__window window = {.start_us = self->panes.kept[0].since,
                             .end_us = self->last.commit_time,
                             .commit_lsn = self->last.commit_lsn,
                             .xid = self->last.xid,
                             .commit_time = self->last.commit_time};
    self->ran_at = now_ms;
    WALROW_TRY(run_queries(self, &window, err));
    self->given_lsn = self->last.commit_lsn;
    return walrow__promises_add(&self->promises, self->end_lsn, err);
}

/* ---- changes ---- */

/* Those of a change set's rows that are committed in [from, to). */
static walrow_code
take_rows(query_sink *self, const walrow_changes *changes, uint64_t from, uint64_t to, walrow_error *err)
{
    for (size_t i = 0; i < changes->n_batches; i++) {
        const walrow_batch *batch = &changes->batches[i];
        int64_t start = walrow__rows_first_from(&batch->array, from);
        int64_t end = walrow__rows_first_from(&batch->array, to);
        WALROW_TRY(walrow__queries_take(&self->queries, batch, start, end - start, err));
    }
    return self->settings.every_ms == 0 ? check_window_fits(self, err) : bound_memory(self, err);
}

/*
 * Where windows begin that are to be given. If the position to go on from is not the end of a record, which is a
 * multiple of eight (PostgreSQL's MAXALIGN), but a byte less, then those before the first whole one were given: of them
 * the beginning is not read again.
 */
static void
find_first_pane(query_sink *self, int64_t pane)
{
    if (!self->panes.started && self->base.resume_lsn % 8 != 0)
        self->first_pane = pane;
}

/*
 * A window that the clock had closed is closed at the same place when its changes come again: what came for it
 * afterwards is in the next one.
 */
static int64_t
not_before(const query_sink *self, uint64_t commit_lsn)
{
    uint64_t past = self->given_lsn - self->last.commit_lsn;
    bool passes = self->last.commit_lsn != 0 && self->last.commit_lsn <= self->given_lsn &&
                  commit_lsn > self->given_lsn && past < WALROW__MAX_SLIDES;
    return passes ? self->last.pane + (int64_t)past + 1 : INT64_MIN;
}

/* The pane it is in is open, and those before are closed. */
static walrow_code
enter(query_sink *self, const walrow_transaction *transaction, walrow_error *err)
{
    int64_t pane = walrow__panes_of(&self->panes, transaction->commit_time);
    if (self->settings.every_ms == 0) {
        int64_t least = not_before(self, transaction->commit_lsn);
        find_first_pane(self, pane);
        WALROW_TRY(close_before(self, pane > least ? pane : least, err));
    }
    if (walrow__panes_enter(&self->panes, self->end_lsn, transaction->commit_time))
        WALROW_TRY(
            walrow__kept_begin(&self->queries.kept, self->panes.kept[self->panes.n_kept - 1].segment, err));
    self->last = (last_transaction){.commit_lsn = transaction->commit_lsn,
                                    .xid = transaction->xid,
                                    .commit_time = transaction->commit_time,
                                    .pane = self->panes.open};
    if (transaction->end_lsn != 0)
        self->end_lsn = transaction->end_lsn;
    return WALROW_OK;
}

static bool
begins_pane(const query_sink *self, const walrow_transaction *transaction)
{
    if (self->settings.every_ms != 0)
        return self->panes.n_kept == 0 || self->panes.kept[self->panes.n_kept - 1].number != self->panes.open;
    return self->panes.n_kept == 0 ||
           walrow__panes_of(&self->panes, transaction->commit_time) > self->panes.open ||
           not_before(self, transaction->commit_lsn) > self->panes.open;
}

/* From where an earlier run was. */
static void
go_on(query_sink *self)
{
    if (self->end_lsn < self->base.resume_lsn)
        self->end_lsn = self->base.resume_lsn;
    walrow__promises_raise(&self->promises, self->base.resume_lsn);
}

/* Rows are taken a pane at a time, which is many transactions. */
static walrow_code
take_changes(query_sink *self, const walrow_changes *changes, walrow_error *err)
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
note(query_sink *self, walrow_code code, const walrow_error *why, walrow_error *err)
{
    if (code == WALROW_OK || code == WALROW_END)
        return code;
    self->failure = *why;
    return walrow__sink_fail_again(&self->failure, err);
}

static walrow_code
query_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    query_sink *self = (query_sink *)sink;
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
        code = run_by_clock(self, false, &why);
    return note(self, code, &why, err);
}

static walrow_code
sync_all(query_sink *self, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    uint64_t inner_lsn;
    if (self->settings.every_ms != 0)
        WALROW_TRY(run_by_clock(self, finish_files || self->base.ends, err));
    else if (self->base.ends)
        WALROW_TRY(close_before(self, INT64_MAX, err));
    else
        WALROW_TRY(close_by_clock(self, err));
    WALROW_TRY(walrow__sink_sync(self->inner, finish_files, &inner_lsn, err));
    if (walrow__promises_settle(&self->promises, inner_lsn))
        walrow__promises_raise(&self->promises, settled_lsn(self));
    *durable_lsn = self->promises.kept_lsn;
    return WALROW_OK;
}

static walrow_code
query_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    query_sink *self = (query_sink *)sink;
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
    query_sink *self = (query_sink *)sink;
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
    return walrow__sink_finish(((query_sink *)sink)->inner, err);
}

static void
query_free(walrow__sink *sink)
{
    query_sink *self = (query_sink *)sink;
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
    return walrow__sink_follow(((query_sink *)sink)->inner, timeline, err);
}

static walrow_code
query_position(walrow__sink *sink, walrow__position *out, walrow_error *err)
{
    return walrow__sink_position(((query_sink *)sink)->inner, out, err);
}

static int
query_due_ms(walrow__sink *sink)
{
    return walrow__sink_due_ms(((query_sink *)sink)->inner);
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
init(query_sink *self, const walrow__sink *inner, walrow_error *err)
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
    query_sink *self = calloc(1, sizeof *self);
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
