#include "sink/query/windows.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <inttypes.h>
#include <time.h>

enum { SEGMENTS = 8 }; /* by the clock: of what --retain holds, an eighth is forgotten at a time */

/* ---- results ---- */

static walrow_code
give(walrow__query_sink *self, const walrow__window *window, size_t n_batches, walrow_error *err)
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
run_queries(walrow__query_sink *self, const walrow__window *window, walrow_error *err)
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

uint64_t
walrow__windows_settled_lsn(const walrow__query_sink *self)
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
is_whole(const walrow__query_sink *self)
{
    return self->panes.open + 1 - self->panes.n_slides >= self->first_pane;
}

static walrow_code
close_window(walrow__query_sink *self, walrow_error *err)
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
    return walrow__promises_add(&self->promises, walrow__windows_settled_lsn(self), err);
}

walrow_code
walrow__windows_close_before(walrow__query_sink *self, int64_t pane, walrow_error *err)
{
    while (self->panes.n_kept > 0 && self->panes.open < pane && !self->ended)
        WALROW_TRY(close_window(self, err));
    if (!self->panes.started || self->panes.open < pane)
        self->panes.open = pane;
    self->panes.started = true;
    return WALROW_OK;
}

walrow_code
walrow__windows_close_by_clock(walrow__query_sink *self, walrow_error *err)
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

walrow_code
walrow__windows_check_fit(const walrow__query_sink *self, walrow_error *err)
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

walrow_code
walrow__windows_enter(walrow__query_sink *self, int64_t commit_time, walrow_error *err)
{
    walrow__panes *panes = &self->panes;
    if (!walrow__panes_enter(panes, self->end_lsn, commit_time))
        return WALROW_OK;
    return walrow__kept_begin(&self->queries.kept, panes->kept[panes->n_kept - 1].segment, err);
}

/* ---- by the clock ---- */

static walrow_code
forget_oldest(walrow__query_sink *self, walrow_error *err)
{
    if (!self->forgot)
        walrow__log(WALROW_LOG_WARN,
                    "--every: more changes came than --retain holds; from now on the oldest are forgotten");
    self->forgot = true;
    walrow__panes_drop(&self->panes);
    return walrow__kept_forget(&self->queries.kept, walrow__panes_first_segment(&self->panes), err);
}

walrow_code
walrow__windows_bound_memory(walrow__query_sink *self, walrow_error *err)
{
    walrow__kept *kept = &self->queries.kept;
    if (walrow__kept_segment_bytes(kept) >= self->settings.retain_bytes / SEGMENTS) {
        self->panes.open++;
        WALROW_TRY(walrow__windows_enter(self, self->last.commit_time, err));
    }
    while (self->panes.n_kept > 1 && (walrow__kept_bytes(kept) > self->settings.retain_bytes ||
                                      self->panes.n_kept > 2 * SEGMENTS)) /* some lost a table's rows */
        WALROW_TRY(forget_oldest(self, err));
    return WALROW_OK;
}

walrow_code
walrow__windows_run_by_clock(walrow__query_sink *self, bool now, walrow_error *err)
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
