#include "stream/stream.h"

#include "base/clock.h"
#include "base/error.h"
#include "state/buffer.h"
#include "stream/prepare.h"
#include "stream/receiver_thread.h"
#include "stream/router.h"

#include <stdlib.h>

/* --start, else where all was durable, which the slot may not have been told. */
static uint64_t
start_lsn(const walrow__upstream *up)
{
    if (up->options->start_lsn != 0 || up->state == NULL || !up->slot_exists)
        return up->options->start_lsn;
    return walrow__state_confirmed(up->state);
}

static walrow_code
open_stream(walrow_stream *s, walrow_error *err)
{
    WALROW_TRY(walrow__upstream_prepare(&s->upstream, err));
    s->receiver.up = &s->upstream;
    s->receiver.start_lsn = start_lsn(&s->upstream);
    atomic_store(&s->receiver.timeline, s->upstream.server.timeline);
    return walrow__receiver_start(&s->receiver, err);
}

walrow_code
walrow__stream_open(const walrow_options *options, const walrow__stream_hooks *hooks, walrow_stream **out,
                    walrow_error *err)
{
    walrow_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return walrow__fail_memory(err);
    s->upstream = (walrow__upstream){.options = options, .hooks = *hooks, .keeps_state = true};
    walrow_code code = open_stream(s, err);
    if (code != WALROW_OK)
        walrow_close(s);
    else
        *out = s;
    return code;
}

/* What is in it was confirmed, and is for the sinks of walrow_run. */
static walrow_code
require_empty_buffer(void *arg, const walrow__identity *identity, walrow__upstream *up, walrow_error *err)
{
    (void)arg, (void)identity;
    return up->state == NULL ? WALROW_OK : walrow__buffer_require_empty(up->state, err);
}

walrow_code
walrow_open(const walrow_options *options, walrow_stream **out, walrow_error *err)
{
    if (options->sql.count > 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "\"sql\" has results for sinks, and here the caller is the sink");
        return walrow__hint(err, "give \"to\" and use walrow_run, or query the batches yourself");
    }
    walrow__stream_hooks hooks = {.eager = true, .opened = require_empty_buffer};
    WALROW_TRY(walrow__stream_open(options, &hooks, out, err));
    walrow__receiver_await(&(*out)->receiver);
    return WALROW_OK;
}

static walrow_code
fail_again(const walrow_stream *stream, walrow_error *err)
{
    if (err != NULL)
        *err = stream->failed;
    return stream->failed.code;
}

/* nothing: it is not to be handed on */
static walrow_code
filter(walrow_stream *stream, walrow_changes *changes, bool *nothing, walrow_error *err)
{
    *nothing = false;
    if (stream->upstream.sieve == NULL)
        return WALROW_OK;
    walrow_code code = walrow__sieve_changes(stream->upstream.sieve, changes, nothing, &stream->failed);
    if (code != WALROW_OK || *nothing)
        changes->release(changes);
    return code == WALROW_OK ? WALROW_OK : fail_again(stream, err);
}

static int
time_left(int timeout_ms, int64_t until_ms)
{
    int64_t left_ms = until_ms - walrow__now_ms();
    return timeout_ms < 0 ? timeout_ms : left_ms < 0 ? 0 : (int)left_ms;
}

walrow_code
walrow__stream_take(walrow_stream *stream, walrow_changes *out, size_t *bytes, int timeout_ms,
                    walrow_error *err)
{
    int64_t until_ms = walrow__now_ms() + timeout_ms;
    walrow_changes changes;
    bool nothing = true;
    if (stream->failed.code != WALROW_OK)
        return fail_again(stream, err);
    while (nothing) {
        WALROW_TRY(walrow__queue_take(&stream->receiver.queue, &changes, bytes,
                                      time_left(timeout_ms, until_ms), err));
        WALROW_TRY(filter(stream, &changes, &nothing, err));
    }
    *out = changes;
    return WALROW_OK;
}

walrow_code
walrow_next(walrow_stream *stream, walrow_changes *out, int timeout_ms, walrow_error *err)
{
    if (stream->router != NULL)
        return walrow__fail(err, WALROW_ERR_USAGE, "the stream's changes go to its readers");
    return walrow__stream_take(stream, out, NULL, timeout_ms, err);
}

int
walrow_stream_fd(walrow_stream *stream)
{
    return stream->router != NULL ? -1 : walrow__queue_fd(&stream->receiver.queue);
}

walrow_code
walrow_ack(walrow_stream *stream, uint64_t end_lsn, walrow_error *err)
{
    if (stream->router != NULL)
        return walrow__fail(err, WALROW_ERR_USAGE, "the stream's readers acknowledge what they took");
    uint64_t before = atomic_load(&stream->receiver.acked_lsn);
    if (end_lsn < before)
        return walrow__fail(err, WALROW_ERR_USAGE, "an acknowledgement cannot be taken back");
    atomic_store(&stream->receiver.acked_lsn, end_lsn);
    return WALROW_OK;
}

void
walrow__stream_stop(walrow_stream *stream)
{
    atomic_store(&stream->receiver.stop, true);
    walrow__queue_wake(&stream->receiver.queue);
}

void
walrow_close(walrow_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->router != NULL)
        walrow__router_stop(stream->router);
    walrow__receiver_stop(&stream->receiver);
    walrow__upstream_release(&stream->upstream);
    free(stream);
}
