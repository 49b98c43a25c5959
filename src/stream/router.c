#include "stream/router.h"

#include "base/clock.h"
#include "stream/handout.h"
#include "stream/memory.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- the thread ---- */

static void
end(walrow__router *router, const walrow_error *why)
{
    pthread_mutex_lock(&router->lock);
    if (!router->ended)
        router->end = *why;
    router->ended = true;
    for (struct walrow_reader *reader = router->readers; reader != NULL; reader = reader->next)
        walrow__reader_announce(reader);
    walrow__signal_set(&router->appeared_signal, true);
    pthread_cond_broadcast(&router->appeared);
    pthread_mutex_unlock(&router->lock);
}

/* After a failure, too, until the stream has ended: nothing is to wait in the queue then. */
static void *
router_main(void *arg)
{
    walrow__router *router = arg;
    walrow_code code = WALROW_OK;
    walrow_error err;
    walrow__error_clear(&err);
    while (code == WALROW_OK) {
        walrow_changes changes;
        size_t bytes;
        code = walrow__stream_take(router->stream, &changes, &bytes, -1, &err);
        if (code != WALROW_OK)
            break;
        code = walrow__hand_out(router, &changes, bytes, &err);
        changes.release(&changes);
    }
    end(router, &err);
    return NULL;
}

/* ---- life ---- */

void
walrow__router_unref(walrow__router *router)
{
    if (__atomic_sub_fetch(&router->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    while (router->first_handed != NULL) {
        walrow__handed *handed = router->first_handed;
        router->first_handed = handed->next;
        free(handed);
    }
    free(router->spill_directory);
    walrow__signal_release(&router->appeared_signal);
    pthread_cond_destroy(&router->appeared);
    pthread_cond_destroy(&router->room);
    pthread_mutex_destroy(&router->lock);
    free(router);
}

static walrow_code
prepare_spilling(walrow__router *router, const walrow__upstream *up, walrow_error *err)
{
    if (up->options->buffer != WALROW__BUFFER_ON)
        return WALROW_OK;
    WALROW_TRY(walrow__memory_require_for_buffer(up->state, err));
    router->max_spilled = up->options->buffer_bytes;
    return walrow__state_place(up->options, &router->spill_directory, err);
}

static walrow_code
new_router(walrow_stream *stream, walrow__router **out, walrow_error *err)
{
    walrow__router *router = calloc(1, sizeof *router);
    if (router == NULL)
        return walrow__fail_memory(err);
    walrow_code code = prepare_spilling(router, &stream->upstream, err);
    if (code == WALROW_OK)
        code = walrow__signal_init(&router->appeared_signal, err);
    if (code != WALROW_OK) {
        free(router->spill_directory);
        free(router);
        return code;
    }
    pthread_mutex_init(&router->lock, NULL);
    walrow__cond_init(&router->room);
    walrow__cond_init(&router->appeared);
    router->references = 1;
    router->stream = stream;
    *out = router;
    return WALROW_OK;
}

walrow_code
walrow__router_of(walrow_stream *stream, walrow__router **out, walrow_error *err)
{
    if (stream->router == NULL)
        WALROW_TRY(new_router(stream, &stream->router, err));
    *out = stream->router;
    return WALROW_OK;
}

walrow_code
walrow__router_start(walrow__router *router, walrow_error *err)
{
    int failed = 0;
    pthread_mutex_lock(&router->lock);
    if (!router->started && !router->closing) {
        failed = pthread_create(&router->thread, NULL, router_main, router);
        router->started = failed == 0;
    }
    pthread_mutex_unlock(&router->lock);
    if (failed != 0)
        return walrow__fail_errno(err, WALROW_ERR_UNEXPECTED, failed, "cannot start the routing thread");
    return WALROW_OK;
}

void
walrow__router_stop(walrow__router *router)
{
    walrow_error closed = {.code = WALROW_OK};
    walrow__fail(&closed, WALROW_END, "the stream was closed");
    pthread_mutex_lock(&router->lock);
    router->closing = true;
    bool started = router->started;
    pthread_cond_signal(&router->room);
    pthread_mutex_unlock(&router->lock);
    if (started) {
        walrow__stream_stop(router->stream);
        pthread_join(router->thread, NULL);
    }
    end(router, &closed);
    pthread_mutex_lock(&router->lock);
    router->stream = NULL;
    struct walrow_reader *orphans = router->new_readers, *readers = router->readers;
    router->new_readers = router->readers = NULL;
    pthread_mutex_unlock(&router->lock);
    while (orphans != NULL) {
        struct walrow_reader *reader = orphans;
        orphans = reader->next_new;
        walrow_reader_close(reader);
    }
    while (readers != NULL) {
        struct walrow_reader *reader = readers;
        readers = reader->next;
        walrow__reader_unref(reader);
    }
    walrow__router_unref(router);
}
