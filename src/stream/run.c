/*
 * stream/run.c
 *	  walrow_run: a stream into sinks. Writes what comes, syncs by the clock, acknowledges what every sink
 *	  has.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "stream/diary.h"
#include "stream/fanout.h"
#include "stream/memory.h"
#include "stream/outlets.h"
#include "stream/retry.h"
#include "stream/stream.h"
#include "stream/tally.h"

#include <string.h>
#include <time.h>

enum { TURN_MS = 100, PROGRESS_EVERY_MS = 200 };

typedef struct run {
    const walrow_options *options;
    const walrow_run_callbacks *callbacks;
    walrow_report *report;
    walrow__outlets outlets;
    walrow_stream *stream;
    walrow__diary diary;
    walrow__fanout *fanout; /* NULL: the sinks are written by this thread */
    uint64_t acked_lsn;
    uint64_t kept_lsn; /* in the buffer, durable with the next commit */
    int64_t synced_at, progress_at, first_change_at, last_change_at;
    uint64_t system_identifier; /* of the server the sinks were opened for; 0: not yet */
    bool were_open;             /* the sinks, those that were made anew since as well */
    const walrow__texts *to;    /* what --to said when the sinks were last adjusted to it */
    walrow__retry retry;        /* of starting over, until something is durable again */
    bool given_up;              /* whatever failed is not tried again */
    bool stop_asked;
    bool ended; /* a sink cannot go on, and says that is fine */
} run;

/* A buffer that was used goes on to be: what is in it is for the sinks. */
static walrow_code
wants_buffer(const run *r, walrow__state *state, bool *wanted, walrow_error *err)
{
    uint64_t used = 0;
    *wanted = r->options->buffer == WALROW__BUFFER_ON;
    if (*wanted)
        WALROW_TRY(walrow__memory_require_for_buffer(state, err));
    if (state == NULL || r->options->buffer != WALROW__BUFFER_AUTO)
        return WALROW_OK;
    WALROW_TRY(walrow__state_log_next(state, &used, err));
    /* queries keep changes for as long as a window lasts, which the server should not have to */
    *wanted = used > 0 || r->outlets.count > 1 || r->options->sql.count > 0;
    return WALROW_OK;
}

/* Opening the stream may take several tries: the sinks are opened in the first, the buffer goes with each. */
static walrow_code
open_sinks(void *arg, const walrow__identity *identity, walrow__upstream *up, walrow_error *err)
{
    run *r = arg;
    walrow__state *state = up->state;
    bool buffered;
    if (r->system_identifier != 0 && r->system_identifier != identity->system_identifier)
        return walrow__fail(err, WALROW_ERR_SERVER, "another server answers now than the one before");
    if (r->system_identifier == 0)
        WALROW_TRY(walrow__outlets_open(&r->outlets, identity, r->were_open, err));
    r->system_identifier = identity->system_identifier;
    r->were_open = true;
    WALROW_TRY(walrow__outlets_check(&r->outlets, identity, &up->reached_lsn, err));
    WALROW_TRY(wants_buffer(r, state, &buffered, err));
    if (state == NULL)
        return WALROW_OK;
    WALROW_TRY(walrow__outlets_resume(&r->outlets, state, err));
    if (!buffered)
        WALROW_TRY(walrow__buffer_require_empty(state, err));
    WALROW_TRY(walrow__fanout_check_named(state, &r->outlets, r->options->slot, err));
    up->shares = buffered ? WALROW__FANOUT_SHARES : 1;
    return buffered ? walrow__fanout_open(state, &r->outlets, r->options, &r->fanout, err) : WALROW_OK;
}

static walrow_code
ask_sinks(void *arg, const char *schema, const char *table, uint32_t relid, bool *done, uint64_t *point,
          walrow_error *err)
{
    run *r = arg;
    if (r->fanout != NULL)
        return walrow__fanout_snapshot(r->fanout, schema, table, relid, done, point, err);
    return walrow__outlets_snapshot(&r->outlets, schema, table, relid, done, point, err);
}

static void
show_progress(run *r, int64_t now)
{
    if (r->callbacks == NULL || r->callbacks->progress == NULL || now - r->progress_at < PROGRESS_EVERY_MS)
        return;
    r->progress_at = now;
    walrow__receiver *receiver = &r->stream->receiver;
    walrow_progress progress = {
        .phase = "streaming",
        .bytes = receiver->figures.bytes,
        .received_lsn = receiver->figures.received_lsn,
        .server_lsn = receiver->figures.server_lsn,
        .acked_lsn = r->acked_lsn,
        .report = r->report,
    };
    char table[256];
    if (walrow__reading_now(&receiver->reading, table, sizeof table, &progress.rows, &progress.rows_total)) {
        progress.phase = "snapshot";
        progress.table = table;
    }
    r->callbacks->progress(r->callbacks->arg, &progress);
}

static walrow_code
acknowledge(run *r, uint64_t durable_lsn, walrow_error *err)
{
    if (durable_lsn == UINT64_MAX || durable_lsn <= r->acked_lsn)
        return WALROW_OK;
    r->acked_lsn = durable_lsn;
    walrow__retry_reset(&r->retry);
    return walrow_ack(r->stream, durable_lsn, err);
}

static walrow_code
sync_sinks(run *r, bool finish_files, walrow_error *err)
{
    uint64_t durable_lsn;
    r->synced_at = walrow__now_ms();
    if (r->fanout != NULL) {
        walrow_code code = walrow__fanout_commit(r->fanout, r->kept_lsn > r->acked_lsn, err);
        r->ended = r->ended || code == WALROW_END;
        return code == WALROW_OK || code == WALROW_END ? acknowledge(r, r->kept_lsn, err) : code;
    }
    WALROW_TRY(walrow__outlets_sync(&r->outlets, finish_files, &durable_lsn, err));
    WALROW_TRY(walrow__diary_write(&r->diary, &r->outlets, durable_lsn, err));
    return acknowledge(r, durable_lsn, err);
}

/* To the sinks, or into the buffer. */
static walrow_code
hand_over(run *r, walrow_changes *changes, walrow_error *err)
{
    if (r->fanout == NULL) {
        WALROW_TRY(walrow__outlets_write(&r->outlets, changes, err));
        return walrow__diary_note(&r->diary, changes, err);
    }
    WALROW_TRY(walrow__diary_keep(&r->diary, walrow__fanout_buffer(r->fanout), changes, err));
    if (!changes->partial && changes->end_lsn > r->kept_lsn)
        r->kept_lsn = changes->end_lsn;
    return WALROW_OK;
}

static walrow_code
deliver(run *r, walrow_changes *changes, walrow_error *err)
{
    if (r->first_change_at == 0)
        r->first_change_at = walrow__now_ms();
    walrow_code code = hand_over(r, changes, err);
    if (code == WALROW_OK)
        walrow__tally_changes(r->report, changes);
    r->last_change_at = walrow__now_ms();
    changes->release(changes);
    if (code == WALROW_END) {
        r->ended = true;
        return WALROW_OK;
    }
    return code;
}

/* --to may say something else by now. */
static void
adjust_sinks(run *r)
{
    const walrow__texts *to = walrow__options_to(r->options);
    if (to != r->to)
        walrow__outlets_adopt(&r->outlets, r->to, to);
    r->to = to;
}

/* 0 go on, 1 asked to stop, 2 now */
static int
ask_stop(run *r)
{
    int stop = r->callbacks == NULL || r->callbacks->stop == NULL ? 0 : r->callbacks->stop(r->callbacks->arg);
    if (stop == 1 && !r->stop_asked) {
        r->stop_asked = true;
        walrow__stream_stop(r->stream);
    }
    return stop;
}

/* Past the buffer's bound the stream waits, and the server's WAL with it. */
static walrow_code
next_changes(run *r, walrow_changes *out, walrow_error *err)
{
    if (r->fanout == NULL || walrow__buffer_has_room(walrow__fanout_buffer(r->fanout)))
        return walrow_next(r->stream, out, TURN_MS, err);
    struct timespec turn = {.tv_nsec = TURN_MS * 1000000L};
    nanosleep(&turn, NULL);
    return WALROW_TIMEOUT;
}

static walrow_code
stream_to_sinks(run *r, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    while (!r->ended) {
        if (ask_stop(r) == 2)
            return walrow__fail(err, WALROW_INTERRUPTED, "stopped at once, as asked");
        adjust_sinks(r);
        walrow_changes changes;
        code = next_changes(r, &changes, err);
        if (code == WALROW_OK)
            WALROW_TRY(deliver(r, &changes, err));
        else if (code != WALROW_TIMEOUT)
            return code == WALROW_END ? WALROW_OK : code;
        int64_t now = walrow__now_ms();
        bool wanted = atomic_exchange(&r->stream->receiver.sync_wanted, false);
        if (wanted || now - r->synced_at >= walrow__live(&r->options->ack_interval_ms))
            WALROW_TRY(sync_sinks(r, wanted, err));
        show_progress(r, now);
    }
    return WALROW_OK;
}

/* Asked to stop, sinks behind the buffer need not catch up: what is in it waits for the next run. */
static walrow_code
finish(run *r, bool well, walrow_error *err)
{
    if (r->fanout != NULL) {
        WALROW_TRY(walrow__fanout_finish(r->fanout, well && !r->stop_asked, err));
        return acknowledge(r, r->kept_lsn, err);
    }
    WALROW_TRY(sync_sinks(r, true, err));
    return walrow__outlets_finish(&r->outlets, err);
}

/* Some may be open, when another could not be. */
static walrow_code
renew_sinks(run *r, walrow_error *err)
{
    walrow__outlets_free(&r->outlets);
    return walrow__outlets_new(r->options, &r->outlets, err);
}

/* As often as it takes: the server may not be up yet. WALROW_END: asked to stop before it worked. */
static walrow_code
open_stream(run *r, walrow_error *err)
{
    walrow__stream_hooks hooks = {
        .arg = r, .eager = walrow__outlets_eager(&r->outlets), .patient = true, .opened = open_sinks};
    walrow__retry retry = {.options = r->options};
    size_t remembering = walrow__outlets_remembering(&r->outlets);
    hooks.notes_snapshots = true;
    hooks.all_remember = remembering == r->outlets.count;
    if (remembering > 0)
        hooks.snapshot = ask_sinks;
    for (;;) {
        walrow_code code = walrow__stream_open(r->options, &hooks, &r->stream, err);
        int ms = code == WALROW_OK ? -1 : walrow__retry_after(&retry, err);
        if (ms < 0) {
            r->given_up = code != WALROW_OK;
            return code;
        }
        walrow__fanout_free(r->fanout); /* its state went with the stream */
        r->fanout = NULL;
        if (r->system_identifier == 0)
            WALROW_TRY(renew_sinks(r, err));
        r->report->reconnects++;
        int stop = walrow__retry_sleep(ms, r->callbacks);
        if (stop == 2)
            return walrow__fail(err, WALROW_INTERRUPTED, "stopped at once, as asked");
        if (stop != 0)
            return walrow__fail(err, WALROW_END, "stopped before the stream began");
    }
}

/* What was handed on and is in no sink for good, never came: the sinks say, when they are opened again. */
static bool
has_outrun(const run *r)
{
    return r->stream != NULL && atomic_load(&r->stream->receiver.outran) &&
           walrow__outlets_remembering(&r->outlets) == r->outlets.count;
}

/* After an error a sink is only good for free; one that has its trouble with the network is made anew. */
static bool
may_start_over(const run *r, walrow_code code, const walrow_error *err)
{
    if (r->given_up)
        return false;
    return code == WALROW_ERR_STATE ? has_outrun(r)
                                    : code == WALROW_ERR_SINK && err->retryable && !r->stop_asked;
}

static walrow_code
run_stream(run *r, walrow_error *err)
{
    walrow_code opened = open_stream(r, err);
    if (opened != WALROW_OK)
        return opened == WALROW_END ? WALROW_OK : opened;
    WALROW_TRY(walrow__diary_open(&r->diary, r->stream->upstream.state, err));
    r->synced_at = walrow__now_ms();
    walrow__outlets_watch(&r->outlets, &r->stream->receiver.timeline);
    if (r->fanout != NULL)
        WALROW_TRY(walrow__fanout_start(r->fanout, err));
    walrow_code code = stream_to_sinks(r, err);
    if (code == WALROW_INTERRUPTED || code == WALROW_ERR_SINK || has_outrun(r))
        return code;
    /* whatever ended it, what was delivered is made durable and confirmed, unless a sink is what failed */
    walrow_error ignored;
    walrow_code finished = finish(r, code == WALROW_OK, code == WALROW_OK ? err : &ignored);
    return code == WALROW_OK ? finished : code;
}

/* Without a finish: what is not durable is forgotten. */
static void
let_go(run *r)
{
    if (r->stream != NULL) {
        r->report->bytes += r->stream->receiver.figures.bytes;
        r->report->reconnects += r->stream->receiver.figures.reconnects;
    }
    walrow__diary_release(&r->diary);
    walrow__fanout_free(r->fanout);
    walrow_close(r->stream);
    walrow__outlets_free(&r->outlets);
    r->fanout = NULL;
    r->stream = NULL;
}

static walrow_code
start_over(run *r, walrow_error *err)
{
    bool sink_failed = err->code == WALROW_ERR_SINK;
    let_go(r);
    r->system_identifier = r->acked_lsn = r->kept_lsn = 0;
    err->retryable = true;
    int ms = walrow__retry_after(&r->retry, err);
    r->given_up = ms < 0;
    if (r->given_up)
        return err->code;
    r->report->reconnects++;
    int stop = walrow__retry_sleep(ms, r->callbacks);
    if (stop == 2)
        return walrow__fail(err, WALROW_INTERRUPTED, "stopped at once, as asked");
    r->given_up = stop != 0;
    if (r->given_up)
        return sink_failed ? err->code : WALROW_OK;
    WALROW_TRY(walrow__outlets_new(r->options, &r->outlets, err));
    return run_stream(r, err);
}

static void
complete_report(run *r)
{
    walrow_report *report = r->report;
    report->acked_lsn = r->acked_lsn;
    report->seconds = (double)(r->last_change_at - r->first_change_at) / 1000;
    report->peak_rss_bytes = walrow__peak_rss();
}

walrow_code
walrow_run(const walrow_options *options, const walrow_run_callbacks *callbacks, walrow_report *report,
           walrow_error *err)
{
    run r = {.options = options,
             .callbacks = callbacks,
             .report = report,
             .to = walrow__options_to(options),
             .retry = {.options = options}};
    memset(report, 0, sizeof *report);
    WALROW_TRY(walrow__outlets_new(options, &r.outlets, err));
    walrow_code code = run_stream(&r, err);
    while (may_start_over(&r, code, err))
        code = start_over(&r, err);
    let_go(&r);
    complete_report(&r);
    return code;
}
