#include "stream/router.h"

#include "base/clock.h"
#include "sink/dead_letters.h"
#include "sink/event/rows.h"
#include "stream/merged.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

void
walrow__router_confirm(walrow__router *router)
{
    uint64_t end_lsn = 0;
    while (router->first_handed != NULL && router->first_handed->pending == 0) {
        walrow__handed *handed = router->first_handed;
        router->first_handed = handed->next;
        if (handed->end_lsn > end_lsn)
            end_lsn = handed->end_lsn;
        free(handed);
    }
    if (router->first_handed == NULL)
        router->last_handed = NULL;
    /* an earlier one's end is not before it: change sets come in order */
    if (router->stream != NULL && end_lsn > atomic_load(&router->stream->receiver.acked_lsn))
        atomic_store(&router->stream->receiver.acked_lsn, end_lsn);
}

/* ---- handing out ---- */

static walrow_code
add_shape(struct walrow_reader *reader, const walrow_batch *batch, walrow_error *err)
{
    walrow__shape *shape = calloc(1, sizeof *shape);
    if (shape == NULL || ArrowSchemaDeepCopy(batch->schema, &shape->schema) != NANOARROW_OK) {
        free(shape);
        return walrow__fail_memory(err);
    }
    shape->epoch = batch->epoch;
    shape->relid = batch->relid;
    shape->next = reader->shapes;
    reader->shapes = shape;
    return WALROW_OK;
}

static bool
has_shape(const struct walrow_reader *reader, const walrow_batch *batch)
{
    return reader->shapes != NULL && reader->shapes->epoch == batch->epoch &&
           reader->shapes->relid == batch->relid;
}

static void
announce(struct walrow_reader *reader)
{
    if (reader->into != NULL)
        reader = reader->into;
    walrow__reader_show(reader);
    pthread_cond_signal(&reader->arrived);
}

/* Takes the array. */
static walrow_code
hand_to(struct walrow_reader *reader, walrow__handed *handed, const walrow_batch *batch,
        struct ArrowArray *array, walrow__position last, size_t bytes, bool snapshot, walrow_error *err)
{
    if (!has_shape(reader, batch))
        WALROW_TRY(add_shape(reader, batch, err));
    walrow__item *item = calloc(1, sizeof *item);
    if (item == NULL)
        return walrow__fail_memory(err);
    *item = (walrow__item){
        .shape = reader->shapes, .last = last, .bytes = bytes, .of = handed, .snapshot = snapshot};
    ArrowArrayMove(array, &item->array);
    walrow__items_add(&reader->waiting, item);
    reader->bytes += (int64_t)bytes;
    handed->pending++;
    announce(reader);
    return WALROW_OK;
}

/* A table that nobody has asked for. */
static walrow_code
meet_table(walrow__router *router, const walrow_batch *batch, struct walrow_reader **out, walrow_error *err)
{
    WALROW_TRY(walrow__reader_new(router, WALROW__READER_OF_TABLE, batch->schema_name, batch->table_name,
                                  walrow__live(&router->stream->upstream.options->batch_bytes), out, err));
    struct walrow_reader **end = &router->new_readers;
    while (*end != NULL)
        end = &(*end)->next_new;
    *end = *out;
    walrow__signal_set(&router->appeared_signal, true);
    pthread_cond_broadcast(&router->appeared);
    return WALROW_OK;
}

static bool
is_full(const struct walrow_reader *reader)
{
    return reader != NULL && reader->bytes >= reader->max_bytes;
}

static struct walrow_reader *
find_events(const walrow__router *router)
{
    struct walrow_reader *reader = router->readers;
    while (reader != NULL && (reader->kind != WALROW__READER_OF_EVENTS || reader->closed))
        reader = reader->next;
    return reader;
}

static bool
has_room(const walrow__router *router, const walrow_changes *changes)
{
    if (is_full(find_events(router)))
        return false;
    for (size_t i = 0; i < changes->n_batches; i++)
        if (is_full(
                walrow__router_find(router, changes->batches[i].schema_name, changes->batches[i].table_name)))
            return false;
    return true;
}

static int64_t
count_rows(const walrow_changes *changes)
{
    int64_t rows = 0;
    for (size_t i = 0; i < changes->n_batches; i++)
        rows += changes->batches[i].array.length;
    return rows;
}

static walrow_code
hand_batch(walrow__router *router, walrow__handed *handed, const walrow_changes *changes, walrow_batch *batch,
           double bytes_per_row, walrow_error *err)
{
    if (batch->array.length == 0)
        return WALROW_OK;
    struct walrow_reader *reader = walrow__router_find(router, batch->schema_name, batch->table_name);
    if (reader == NULL && router->takes_all)
        WALROW_TRY(meet_table(router, batch, &reader, err));
    if (reader == NULL || reader->closed)
        return WALROW_OK;
    walrow__position last = walrow__batch_position(&batch->array, batch->array.length - 1);
    size_t bytes = 1 + (size_t)(bytes_per_row * (double)batch->array.length);
    return hand_to(reader, handed, batch, &batch->array, last, bytes, changes->snapshot, err);
}

/* The end of what the events tell of: all of a transaction that is whole. */
static walrow__position
last_position(const walrow_changes *changes)
{
    walrow__position last = {0};
    for (size_t i = 0; i < changes->n_batches; i++) {
        const struct ArrowArray *array = &changes->batches[i].array;
        if (array->length == 0)
            continue;
        walrow__position of_batch = walrow__batch_position(array, array->length - 1);
        if (walrow__position_compare(last, of_batch) < 0)
            last = of_batch;
    }
    for (size_t i = 0; i < changes->n_transactions; i++)
        if (changes->transactions[i].end_lsn != 0 && changes->transactions[i].commit_lsn >= last.commit_lsn)
            last = (walrow__position){.commit_lsn = changes->transactions[i].commit_lsn, .seq = UINT32_MAX};
    for (size_t i = 0; i < changes->n_messages; i++)
        if (changes->messages[i].commit_lsn > last.commit_lsn)
            last = (walrow__position){.commit_lsn = changes->messages[i].commit_lsn, .seq = UINT32_MAX};
    return last;
}

static walrow_code
hand_events(walrow__handed *handed, const walrow_changes *changes, struct walrow_reader *reader,
            struct ArrowArray *events, size_t bytes, walrow_error *err)
{
    if (reader == NULL || reader->closed || events->length == 0)
        return WALROW_OK;
    walrow_batch batch = {.schema = walrow__event_rows_schema(reader->events)};
    return hand_to(reader, handed, &batch, events, last_position(changes), bytes, changes->snapshot, err);
}

/* With the lock held. */
static walrow_code
hand_out(walrow__router *router, walrow_changes *changes, size_t bytes, struct walrow_reader *events_reader,
         struct ArrowArray *events, walrow_error *err)
{
    walrow__handed *handed = calloc(1, sizeof *handed);
    if (handed == NULL)
        return walrow__fail_memory(err);
    handed->number = ++router->handed;
    handed->end_lsn = changes->end_lsn;
    if (router->last_handed == NULL)
        router->first_handed = handed;
    else
        router->last_handed->next = handed;
    router->last_handed = handed;
    int64_t rows = count_rows(changes); /* arrays are moved on */
    WALROW_TRY(hand_events(handed, changes, events_reader, events, bytes, err));
    double bytes_per_row = (double)bytes / (double)(rows + 1);
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(hand_batch(router, handed, changes, &changes->batches[i], bytes_per_row, err));
    walrow__router_confirm(router);
    return WALROW_OK;
}

/* Events are made without the lock: it takes time. */
static walrow_code
make_events(walrow__router *router, const walrow_changes *changes, struct walrow_reader **reader,
            struct ArrowArray *out, walrow_error *err)
{
    pthread_mutex_lock(&router->lock);
    *reader = find_events(router);
    if (*reader != NULL)
        walrow__reader_ref(*reader);
    pthread_mutex_unlock(&router->lock);
    return *reader == NULL ? WALROW_OK : walrow__event_rows_make((*reader)->events, changes, out, err);
}

static walrow_code
route(walrow__router *router, walrow_changes *changes, size_t bytes, walrow_error *err)
{
    struct walrow_reader *events_reader;
    struct ArrowArray events = {.release = NULL};
    walrow__dead_letters_warn("readers", changes);
    walrow_code code = make_events(router, changes, &events_reader, &events, err);
    pthread_mutex_lock(&router->lock);
    while (code == WALROW_OK && !router->closing && !has_room(router, changes))
        pthread_cond_wait(&router->room, &router->lock);
    if (code == WALROW_OK && !router->closing)
        code = hand_out(router, changes, bytes, events_reader, &events, err);
    pthread_mutex_unlock(&router->lock);
    if (events.release != NULL)
        ArrowArrayRelease(&events);
    if (events_reader != NULL)
        walrow__reader_unref(events_reader);
    return code;
}

/* ---- the thread ---- */

static void
end(walrow__router *router, const walrow_error *why)
{
    pthread_mutex_lock(&router->lock);
    if (!router->ended)
        router->end = *why;
    router->ended = true;
    for (struct walrow_reader *reader = router->readers; reader != NULL; reader = reader->next)
        announce(reader);
    walrow__signal_set(&router->appeared_signal, true);
    pthread_cond_broadcast(&router->appeared);
    pthread_mutex_unlock(&router->lock);
}

/* After a failure, too, until the stream has ended: nothing is to wait in the queue then. */
static void *
router_main(void *arg)
{
    walrow__router *router = arg;
    walrow__queue *queue = &router->stream->receiver.queue;
    walrow_code code = WALROW_OK;
    walrow_error err;
    walrow__error_clear(&err);
    while (code == WALROW_OK) {
        walrow_changes changes;
        size_t bytes;
        code = walrow__queue_take(queue, &changes, &bytes, -1, &err);
        if (code != WALROW_OK)
            break;
        code = route(router, &changes, bytes, &err);
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
    walrow__signal_release(&router->appeared_signal);
    pthread_cond_destroy(&router->appeared);
    pthread_cond_destroy(&router->room);
    pthread_mutex_destroy(&router->lock);
    free(router);
}

static walrow_code
new_router(walrow_stream *stream, walrow__router **out, walrow_error *err)
{
    walrow__router *router = calloc(1, sizeof *router);
    if (router == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__signal_init(&router->appeared_signal, err);
    if (code != WALROW_OK) {
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
