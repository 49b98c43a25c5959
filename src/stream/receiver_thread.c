#include "stream/receiver_thread.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "stream/session.h"
#include "stream/snapshots.h"
#include "stream/tables.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* ---- coming again ---- */

/* Sleep, but wake at once when asked to stop. */
static void
sleep_ms(walrow__receiver *r, int ms)
{
    for (int64_t until = walrow__now_ms() + ms; !atomic_load(&r->stop) && walrow__now_ms() < until;)
        walrow__queue_wait(&r->queue, (int)(until - walrow__now_ms()));
}

/* After a failure: wait a little if coming again makes sense. false: it does not, or we are to stop. */
static bool
wait_to_come_again(walrow__receiver *r, walrow_error *err)
{
    if ((!r->connected_once && !r->up->hooks.patient) || atomic_load(&r->stop))
        return false;
    int ms = walrow__retry_after(&r->retry, err);
    if (ms < 0)
        return false;
    atomic_fetch_add(&r->figures.reconnects, 1);
    r->up->sql_is_stale = true;
    sleep_ms(r, ms);
    return !atomic_load(&r->stop);
}

/* ---- the thread ---- */

static walrow_code
read_snapshots(walrow__receiver *r, walrow_error *err)
{
    for (;;) {
        walrow_code code = walrow__upstream_refresh(r->up, err);
        if (code == WALROW_OK)
            code = walrow__tables_plan_met(r->up, err);
        if (code == WALROW_OK)
            code = walrow__receiver_snapshot(r, err);
        if (code == WALROW_OK)
            walrow__retry_reset(&r->retry);
        if (code == WALROW_OK)
            walrow__signal_set(&r->begun, true);
        if (code == WALROW_OK || !wait_to_come_again(r, err))
            return code;
    }
}

static walrow__session_end
stream_until_ended(walrow__receiver *r, walrow_error *err)
{
    for (;;) {
        uint64_t bytes_before = atomic_load(&r->figures.bytes);
        int64_t started = walrow__now_ms();
        walrow__session_end end = walrow__session_run(r, err);
        if (end == WALROW__SESSION_GOES_OVER)
            continue;
        if (end != WALROW__SESSION_FAILED)
            return end;
        if (atomic_load(&r->figures.bytes) > bytes_before || walrow__now_ms() - started > 10000)
            walrow__retry_reset(&r->retry);
        if (!wait_to_come_again(r, err))
            return end;
    }
}

/* Binary values turned out to be unreadable: everything not handed on comes again, in text. */
static walrow_code
change_to_text(walrow__receiver *r, walrow_error *err)
{
    if (r->up->options->encoding == WALROW__ENCODING_BINARY) {
        walrow__fail(err, WALROW_ERR_USAGE, "a captured column's type has no binary form that can be read");
        return walrow__hint(err, "leave out --encoding binary");
    }
    walrow__log(WALROW_LOG_INFO, "asking for values in text from now on");
    r->up->binary = false;
    return WALROW_OK;
}

static walrow_code
receive(walrow__receiver *r, walrow_error *err)
{
    WALROW_TRY(read_snapshots(r, err));
    if (walrow__options_snapshot(r->up->options) == WALROW__SNAPSHOT_ONLY)
        return WALROW_OK;
    for (;;) {
        walrow__session_end end = stream_until_ended(r, err);
        switch (end) {
        case WALROW__SESSION_STOPPED:
            return WALROW_OK;
        case WALROW__SESSION_NEEDS_TEXT:
            WALROW_TRY(change_to_text(r, err));
            break;
        case WALROW__SESSION_NEW_TABLES:
            WALROW_TRY(read_snapshots(r, err));
            break;
        case WALROW__SESSION_GOES_OVER: /* stream_until_ended has */
        case WALROW__SESSION_FAILED:
            return atomic_load(&r->stop) ? WALROW_OK : err->code;
        }
    }
}

static void *
receiver_main(void *arg)
{
    walrow__receiver *r = arg;
    walrow_error err;
    walrow__error_clear(&err);
    walrow_code code = receive(r, &err);
    if (code == WALROW_OK || (code == WALROW_INTERRUPTED && atomic_load(&r->stop)))
        walrow__fail(&err, WALROW_END, "the stream has ended");
    walrow__queue_end(&r->queue, &err);
    walrow__signal_set(&r->begun, true);
    if (r->source != NULL)
        walrow__session_linger(r);
    return NULL;
}

/* ---- from the caller's thread ---- */

walrow_code
walrow__receiver_start(walrow__receiver *r, walrow_error *err)
{
    walrow__upstream *up = r->up;
    r->retry.options = up->options;
    walrow__reading_init(&r->reading);
    WALROW_TRY(walrow__signal_init(&r->begun, err));
    WALROW_TRY(walrow__queue_init(&r->queue, (size_t)walrow__batch_share(up->options, up->shares), err));
    WALROW_TRY(walrow__collector_init(&r->collector, up->options->strict, err));
    WALROW_TRY(up->dialect->new_decoder(&r->collector, up->catalog, walrow__plan_capture(&up->plan),
                                        &r->decoder, err));
    int failed = pthread_create(&r->thread, NULL, receiver_main, r);
    if (failed != 0)
        return walrow__fail_errno(err, WALROW_ERR_UNEXPECTED, failed, "cannot start the receiving thread");
    return WALROW_OK;
}

void
walrow__receiver_await(walrow__receiver *r)
{
    struct pollfd fd = {.fd = r->begun.fd, .events = POLLIN};
    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        continue;
}

void
walrow__receiver_stop(walrow__receiver *r)
{
    atomic_store(&r->stop, true);
    atomic_store(&r->closing, true);
    if (r->thread != 0) {
        walrow__queue_wake(&r->queue);
        pthread_join(r->thread, NULL);
    }
    if (r->decoder != NULL)
        r->decoder->free(r->decoder);
    walrow__collector_release(&r->collector);
    if (r->queue.max_bytes != 0) {
        walrow__queue_release(&r->queue);
        walrow__signal_release(&r->begun);
        walrow__reading_release(&r->reading);
    }
}
