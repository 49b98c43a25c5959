#include "stream/session.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/log.h"
#include "stream/heartbeat.h"
#include "stream/tables.h"
#include "stream/transport.h"

#include <poll.h>
#include <time.h>

enum {
    MESSAGES_PER_TURN = 512, /* between two looks at clock, queue and wishes */
    STATUS_EVERY_MS = 10000, /* when there is nothing new to say: well under wal_sender_timeout */
    DISCOVER_EVERY_MS = 5000,
    POLL_MS = 1000,
    FLOW_GAP_US = 500, /* messages that come so close, so many times in a row, are a flow */
    FLOW_TURNS = 16,
    GATHER_US = 200,
    GATHER_BYTES = 32 << 10
};

/* ---- what is confirmed ---- */

static uint64_t
max_lsn(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Nothing received waits for an acknowledgement, so how far the server has read is as good as durable. */
static bool
nothing_pending(const walrow__receiver *r, uint64_t acked_lsn)
{
    return acked_lsn >= r->emitted_lsn && !r->collector.in_transaction &&
           walrow__collector_empty(&r->collector);
}

static uint64_t
confirmable_lsn(const walrow__receiver *r)
{
    uint64_t acked_lsn = atomic_load(&r->acked_lsn);
    if (!nothing_pending(r, acked_lsn))
        return acked_lsn;
    return max_lsn(acked_lsn, max_lsn(r->collector.end_lsn, r->keepalive_lsn));
}

static walrow_code
send_status(walrow__receiver *r, bool wants_reply, walrow_error *err)
{
    uint64_t flush_lsn = confirmable_lsn(r);
    uint64_t received_lsn = max_lsn(flush_lsn, atomic_load(&r->figures.received_lsn));
    if (r->up->state != NULL) {
        walrow__state_reach(r->up->state, atomic_load(&r->acked_lsn));
        WALROW_TRY(walrow__state_commit(r->up->state, NULL, flush_lsn, err));
    }
    r->status_at = walrow__now_ms();
    r->confirmed_lsn = flush_lsn;
    r->reply_wanted = false;
    WALROW__CRASH_POINT("before-acknowledgement");
    WALROW_TRY(r->source->ops->status(r->source, received_lsn, flush_lsn, wants_reply, err));
    WALROW__CRASH_POINT("after-acknowledgement");
    return WALROW_OK;
}

/* Half of the time-out passed in silence: is the server still there? */
static bool
wonders(const walrow__receiver *r, int64_t age, int64_t now)
{
    int64_t limit_ms = r->up->options->receive_timeout_s * 1000;
    return limit_ms != 0 && now - r->heard_at >= limit_ms / 2 && age >= limit_ms / 4;
}

static walrow_code
send_due_status(walrow__receiver *r, bool may_read, int64_t now, walrow_error *err)
{
    int64_t age = now - r->status_at;
    /* while nothing is read, the server's wish for a reply may be among what is not read */
    bool news = age >= walrow__live(&r->up->options->ack_interval_ms) &&
                (!may_read || confirmable_lsn(r) > r->confirmed_lsn);
    /* an idle server may stay silent: to know that --until is passed, ask */
    bool ask = (r->up->until_lsn != 0 && age >= 200) || wonders(r, age, now);
    if (r->reply_wanted || news || ask || age >= STATUS_EVERY_MS)
        return send_status(r, ask, err);
    return WALROW_OK;
}

/* A server that was asked answers, if it is there. */
static walrow_code
check_heard(const walrow__receiver *r, int64_t now, walrow_error *err)
{
    int64_t limit_ms = r->up->options->receive_timeout_s * 1000;
    if (limit_ms == 0 || now - r->heard_at < limit_ms)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_NET, "the server has said nothing for %lld s, though it was asked",
                 (long long)r->up->options->receive_timeout_s);
    if (err != NULL)
        err->retryable = true;
    return walrow__hint(err, "is the server stopped, or the network cut? --receive-timeout waits longer");
}

/* ---- what is handed on ---- */

static walrow_code
emit(walrow__receiver *r, walrow_error *err)
{
    r->opened_at = 0;
    if (walrow__collector_empty(&r->collector))
        return WALROW_OK;
    size_t bytes = r->collector.bytes;
    walrow_changes changes;
    WALROW_TRY(walrow__collector_cut(&r->collector, &changes, err));
    r->emitted_lsn = max_lsn(r->emitted_lsn, changes.end_lsn);
    /* of a transaction that goes on, rows are out there already */
    r->up->reached_lsn =
        max_lsn(r->up->reached_lsn, changes.partial ? r->collector.last.commit_lsn + 1 : changes.end_lsn);
    if (walrow__position_compare(r->collector.last, r->collector.delivered) > 0)
        r->collector.delivered = r->collector.last;
    return walrow__queue_put(&r->queue, &changes, bytes, err);
}

static bool
is_full(const walrow__receiver *r)
{
    if (r->up->options->batch == WALROW__BATCH_OF_TRANSACTION && walrow__collector_whole(&r->collector))
        return true;
    return r->collector.rows >= walrow__live(&r->up->options->batch_rows) ||
           (int64_t)r->collector.bytes >= walrow__batch_share(r->up->options, r->up->shares);
}

/* At the tip whoever waits gets what there is at once; far behind, larger batches are worth more. */
static bool
is_awaited_now(walrow__receiver *r)
{
    const walrow__source_ops *ops = r->source->ops;
    return r->up->hooks.eager && walrow__queue_is_awaited(&r->queue) &&
           (ops->is_behind == NULL || !ops->is_behind(r->source));
}

/* At a commit boundary: is it time? */
static bool
is_due(walrow__receiver *r, bool idle, int64_t now)
{
    if (!walrow__collector_whole(&r->collector))
        return false;
    if (r->opened_at == 0)
        r->opened_at = now;
    return (idle && is_awaited_now(r)) || now - r->opened_at >= walrow__live(&r->up->options->batch_delay_ms);
}

/* ---- what comes in ---- */

/* *full: a change set was handed on, and the queue may have no room for another. */
static walrow_code
take_data(walrow__receiver *r, const walrow__incoming *message, bool *full, walrow_error *err)
{
    atomic_fetch_add_explicit(&r->figures.bytes, message->size, memory_order_relaxed);
    WALROW_TRY(r->decoder->feed(r->decoder, message->bytes, message->size, message->lsn, err));
    *full = is_full(r) && !walrow__plan_has_met(&r->up->plan);
    return *full ? emit(r, err) : WALROW_OK;
}

static void
take_keepalive(walrow__receiver *r, const walrow__incoming *message)
{
    atomic_store(&r->figures.server_lsn, message->lsn);
    if (!r->collector.in_transaction)
        r->keepalive_lsn = max_lsn(r->keepalive_lsn, message->lsn);
    if (message->wants_reply) {
        r->reply_wanted = true;
        atomic_store(&r->sync_wanted, true);
    }
}

static bool
must_leave(const walrow__receiver *r)
{
    return r->decoder->stopped || r->decoder->needs_text || walrow__plan_has_met(&r->up->plan);
}

/* Read what there is, some at a time. *idle: the connection has nothing more now; *heard: it had something. */
static walrow_code
read_some(walrow__receiver *r, bool *idle, bool *heard, walrow_error *err)
{
    bool full = false;
    *idle = *heard = false;
    for (int i = 0; i < MESSAGES_PER_TURN && !full && !must_leave(r); i++) {
        walrow__incoming message;
        WALROW_TRY(r->source->ops->read(r->source, &message, err));
        *heard = *heard || message.kind != WALROW__INCOMING_NOTHING;
        switch (message.kind) {
        case WALROW__INCOMING_DATA:
            WALROW_TRY(take_data(r, &message, &full, err));
            break;
        case WALROW__INCOMING_KEEPALIVE:
            take_keepalive(r, &message);
            break;
        case WALROW__INCOMING_END:
            return walrow__fail(err, WALROW_ERR_NET, "the server ended the stream");
        case WALROW__INCOMING_NOTHING:
            *idle = true;
            i = MESSAGES_PER_TURN;
            break;
        }
    }
    uint64_t seen_lsn = max_lsn(r->collector.end_lsn, r->keepalive_lsn);
    atomic_store(&r->figures.received_lsn, seen_lsn);
    return WALROW_OK;
}

static bool
reached_until(const walrow__receiver *r)
{
    return r->up->until_lsn != 0 && !r->collector.in_transaction &&
           (r->decoder->stopped || max_lsn(r->keepalive_lsn, r->collector.end_lsn) >= r->up->until_lsn);
}

/*
 * Where small messages follow each other closely, one that is waited for costs the server a wake-up each, as much
 * as decoding it: let some gather in the socket, as long as its buffer does not fill.
 */
static void
let_gather(walrow__receiver *r)
{
    uint64_t bytes = atomic_load(&r->figures.bytes);
    uint64_t came = bytes - r->idle_at_bytes;
    bool closely = came > 0 && came < GATHER_BYTES && walrow__now_us() - r->idle_at_us < FLOW_GAP_US;
    r->flow = closely ? r->flow + 1 : 0;
    if (r->flow > FLOW_TURNS) {
        struct timespec gather = {.tv_nsec = GATHER_US * 1000L};
        nanosleep(&gather, NULL);
        r->flow = FLOW_TURNS;
    }
    r->idle_at_us = walrow__now_us();
    r->idle_at_bytes = bytes;
}

/* Until the socket has something, the caller took or wants something, or the clock asks for attention. */
static void
sleep_until_needed(walrow__receiver *r, bool may_read)
{
    int timeout = POLL_MS;
    if (r->up->until_lsn != 0)
        timeout = 100;
    int64_t batch_delay_ms = walrow__live(&r->up->options->batch_delay_ms);
    int64_t ack_interval_ms = walrow__live(&r->up->options->ack_interval_ms);
    if (!walrow__collector_empty(&r->collector) && batch_delay_ms < timeout)
        timeout = (int)batch_delay_ms;
    if (ack_interval_ms < timeout)
        timeout = (int)ack_interval_ms;
    if (r->up->options->receive_timeout_s == 1) /* asked for after half of it */
        timeout = timeout < 250 ? timeout : 250;
    struct pollfd fds[1 + WALROW__SOURCE_FDS] = {{.fd = r->queue.wake_fd, .events = POLLIN}};
    nfds_t n = 1 + (may_read ? r->source->ops->waits(r->source, fds + 1, &timeout) : 0);
    poll(fds, n, timeout < 10 ? 10 : timeout);
    walrow__queue_sleep_over(&r->queue);
}

static walrow_code
look_for_tables(walrow__receiver *r, int64_t now, bool *found, walrow_error *err)
{
    *found = false;
    if (now - r->discovery_at < DISCOVER_EVERY_MS || r->up->options->no_setup ||
        r->up->dialect->has_documents)
        return WALROW_OK;
    r->discovery_at = now;
    return walrow__tables_discover(r->up, found, err);
}

static void
take_message(void *arg, struct ArrowBuffer *out)
{
    walrow__source *source = arg;
    source->ops->take(source, out);
}

static walrow_code
open_session(walrow__receiver *r, walrow_error *err)
{
    WALROW_TRY(walrow__upstream_refresh(r->up, err));
    walrow__source_options options =
        walrow__dialect_options(r->up->dialect, r->up->options, r->up->server.version, r->up->binary);
    options.publications = (const char *const *)r->up->publications.items;
    WALROW_TRY(walrow__transport_open(r, &options, err));
    r->decoder->take = take_message;
    r->decoder->take_arg = r->source;
    r->decoder->binary = r->up->binary;
    r->decoder->needs_text = false;
    r->decoder->stopped = false;
    r->decoder->stop_lsn = r->up->until_lsn;
    r->discovery_at = r->heard_at = walrow__now_ms();
    r->keepalive_lsn = 0;
    r->connected_once = true;
    return send_status(r, false, err);
}

/* One turn: read, hand on, confirm. */
static walrow_code
take_turn(walrow__receiver *r, walrow__session_end *end, bool *ended, walrow_error *err)
{
    bool idle = true, heard = true, found = false;
    bool may_read = walrow__queue_has_room(&r->queue);
    if (may_read)
        WALROW_TRY(read_some(r, &idle, &heard, err));
    if (walrow__plan_has_met(&r->up->plan)) {
        *end = atomic_load(&r->stop) ? WALROW__SESSION_STOPPED : WALROW__SESSION_NEW_TABLES;
        *ended = true;
        return WALROW_OK;
    }
    int64_t now = walrow__now_ms();
    if (heard) /* a silence of our own is none */
        r->heard_at = now;
    WALROW_TRY(check_heard(r, now, err));
    bool until = reached_until(r);
    if (until || is_due(r, idle, now) || (atomic_load(&r->stop) && !r->collector.in_transaction))
        WALROW_TRY(emit(r, err));
    WALROW_TRY(send_due_status(r, may_read, now, err));
    *ended = true;
    if (until || atomic_load(&r->stop))
        *end = WALROW__SESSION_STOPPED;
    else if (r->decoder->needs_text)
        *end = WALROW__SESSION_NEEDS_TEXT;
    else
        *ended = false;
    if (*ended)
        return WALROW_OK;
    if (may_read)
        WALROW_TRY(walrow__transport_look(r, now, ended, err));
    *end = WALROW__SESSION_GOES_OVER;
    if (*ended)
        return WALROW_OK;
    WALROW_TRY(look_for_tables(r, now, &found, err));
    if (!found && idle && may_read)
        WALROW_TRY(walrow__receiver_beat(r, now, err));
    *end = WALROW__SESSION_NEW_TABLES;
    *ended = found;
    if (!found && idle && may_read)
        let_gather(r);
    if (!found && (idle || !may_read))
        sleep_until_needed(r, may_read);
    return WALROW_OK;
}

static void
close_source(walrow__receiver *r)
{
    if (r->source != NULL)
        r->source->ops->close(r->source);
    r->source = NULL;
}

walrow__session_end
walrow__session_run(walrow__receiver *r, walrow_error *err)
{
    walrow__session_end end = WALROW__SESSION_FAILED;
    bool ended = false;
    walrow_code code = open_session(r, err);
    while (code == WALROW_OK && !ended)
        code = take_turn(r, &end, &ended, err);
    if (code != WALROW_OK)
        end = walrow__transport_gives_way(r, err) ? WALROW__SESSION_GOES_OVER : WALROW__SESSION_FAILED;
    if (end == WALROW__SESSION_STOPPED)
        return end;
    close_source(r);
    walrow_error ignored;
    /* what is whole need not come again, and must not wait for what may never come; unless it has changes that
     * are to be read with their table */
    bool whole = !r->collector.in_transaction && !walrow__plan_has_met(&r->up->plan);
    if (whole && emit(r, &ignored) != WALROW_OK)
        return WALROW__SESSION_FAILED;
    /* what was not handed on comes again from the last whole transaction that was */
    walrow_code abandoned = walrow__collector_abandon(&r->collector, code == WALROW_OK ? err : &ignored);
    return abandoned == WALROW_OK ? end : WALROW__SESSION_FAILED;
}

/* Data is read away: it comes again, so what keepalives say from now on must not be confirmed. */
static walrow_code
linger_turn(walrow__receiver *r, bool *ended, walrow_error *err)
{
    walrow__incoming message;
    do {
        WALROW_TRY(r->source->ops->read(r->source, &message, err));
        if (message.wants_reply) {
            r->reply_wanted = true;
            atomic_store(&r->sync_wanted, true);
        }
    } while (message.kind == WALROW__INCOMING_DATA && !atomic_load(&r->closing));
    *ended = message.kind == WALROW__INCOMING_END;
    if (*ended)
        return WALROW_OK;
    WALROW_TRY(send_due_status(r, true, walrow__now_ms(), err));
    if (message.kind == WALROW__INCOMING_NOTHING)
        sleep_until_needed(r, true);
    return WALROW_OK;
}

void
walrow__session_linger(walrow__receiver *r)
{
    walrow_error ignored;
    bool ended = false;
    if (!walrow__collector_empty(&r->collector)) /* a keepalive may have been past what is forgotten now */
        r->keepalive_lsn = 0;
    /* a transaction under way is forgotten, and does not hold back what is confirmed */
    walrow_code code = walrow__collector_abandon(&r->collector, &ignored);
    r->source->ops->quit(r->source);
    while (code == WALROW_OK && !ended && !atomic_load(&r->closing))
        code = linger_turn(r, &ended, &ignored);
    if (code == WALROW_OK && !ended)
        (void)send_status(r, false, &ignored);
    close_source(r);
}
