#include "stream/handout.h"

#include "sink/dead_letters.h"
#include "sink/event/rows.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- to a reader ---- */

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

/* rows: all but where they belong. Takes the array; NULL: they are on disk. */
static walrow_code
hand_to(struct walrow_reader *reader, walrow__handed *handed, const walrow_batch *batch,
        const walrow__item *rows, struct ArrowArray *array, walrow_error *err)
{
    if (!has_shape(reader, batch))
        WALROW_TRY(add_shape(reader, batch, err));
    walrow__item *item = malloc(sizeof *item);
    if (item == NULL)
        return walrow__fail_memory(err);
    *item = *rows;
    item->shape = reader->shapes;
    item->of = handed;
    if (item->place.size == 0)
        ArrowArrayMove(array, &item->array);
    else
        item->bytes = 0;
    walrow__items_add(&reader->waiting, item);
    reader->bytes += (int64_t)item->bytes;
    reader->router->spilled += item->place.size;
    handed->pending++;
    walrow__reader_announce(reader);
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

/* A change set on its way to the readers. */
typedef struct handout {
    walrow_changes *changes;
    size_t bytes;
    struct walrow_reader *events_reader; /* a reference, or NULL */
    struct ArrowArray events;
    walrow__spilled *places; /* of each batch, and of the events, where that is; NULL: all in memory */
} handout;

/* Whose rows the batch is; i past the last one: the events'. NULL: nobody has asked for them. */
static struct walrow_reader *
reader_of(const walrow__router *router, const handout *h, size_t i)
{
    if (i == h->changes->n_batches)
        return h->events_reader;
    return walrow__router_find(router, h->changes->batches[i].schema_name, h->changes->batches[i].table_name);
}

static bool
some_are_full(const walrow__router *router, const handout *h)
{
    for (size_t i = 0; i <= h->changes->n_batches; i++)
        if (is_full(reader_of(router, h, i)))
            return true;
    return false;
}

static bool
may_spill(const walrow__router *router)
{
    return router->spill_directory != NULL && router->spilled < router->max_spilled;
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
hand_batch(walrow__router *router, walrow__handed *handed, handout *h, size_t i, double bytes_per_row,
           walrow_error *err)
{
    walrow_batch *batch = &h->changes->batches[i];
    if (batch->array.length == 0)
        return WALROW_OK;
    struct walrow_reader *reader = reader_of(router, h, i);
    if (reader == NULL && router->takes_all)
        WALROW_TRY(meet_table(router, batch, &reader, err));
    if (reader == NULL || reader->closed)
        return WALROW_OK;
    walrow__item rows = {.last = walrow__batch_position(&batch->array, batch->array.length - 1),
                         .bytes = 1 + (size_t)(bytes_per_row * (double)batch->array.length),
                         .snapshot = h->changes->snapshot};
    if (h->places != NULL)
        rows.place = h->places[i];
    return hand_to(reader, handed, batch, &rows, &batch->array, err);
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

static walrow_batch
events_batch(const handout *h)
{
    return (walrow_batch){
        .schema_name = "", .table_name = "", .schema = walrow__event_rows_schema(h->events_reader->events)};
}

static walrow_code
hand_events(walrow__handed *handed, handout *h, walrow_error *err)
{
    if (h->events_reader == NULL || h->events_reader->closed || h->events.length == 0)
        return WALROW_OK;
    walrow_batch batch = events_batch(h);
    walrow__item rows = {
        .last = last_position(h->changes), .bytes = h->bytes, .snapshot = h->changes->snapshot};
    if (h->places != NULL)
        rows.place = h->places[h->changes->n_batches];
    return hand_to(h->events_reader, handed, &batch, &rows, &h->events, err);
}

/* With the lock held. */
static walrow_code
hand_out(walrow__router *router, handout *h, walrow_error *err)
{
    walrow__handed *handed = calloc(1, sizeof *handed);
    if (handed == NULL)
        return walrow__fail_memory(err);
    handed->number = ++router->handed;
    handed->end_lsn = h->changes->end_lsn;
    if (router->last_handed == NULL)
        router->first_handed = handed;
    else
        router->last_handed->next = handed;
    router->last_handed = handed;
    int64_t rows = count_rows(h->changes); /* arrays are moved on */
    WALROW_TRY(hand_events(handed, h, err));
    double bytes_per_row = (double)h->bytes / (double)(rows + 1);
    for (size_t i = 0; i < h->changes->n_batches; i++)
        WALROW_TRY(hand_batch(router, handed, h, i, bytes_per_row, err));
    walrow__router_confirm(router);
    return WALROW_OK;
}

/* Events are made without the lock: it takes time. */
static walrow_code
make_events(walrow__router *router, handout *h, walrow_error *err)
{
    pthread_mutex_lock(&router->lock);
    h->events_reader = find_events(router);
    if (h->events_reader != NULL)
        walrow__reader_ref(h->events_reader);
    pthread_mutex_unlock(&router->lock);
    return h->events_reader == NULL
               ? WALROW_OK
               : walrow__event_rows_make(h->events_reader->events, h->changes, &h->events, err);
}

/* ---- past the bound ---- */

/* With the lock held: the readers, each a reference, whose rows of the change set are to wait on disk. */
static walrow_code
find_full(walrow__router *router, const handout *h, struct walrow_reader **full, walrow_error *err)
{
    for (size_t i = 0; i <= h->changes->n_batches; i++) {
        struct walrow_reader *reader = reader_of(router, h, i);
        if (!is_full(reader))
            continue;
        if (reader->spill == NULL)
            WALROW_TRY(walrow__spill_new(router->spill_directory, &reader->spill, err));
        walrow__reader_ref(reader);
        full[i] = reader;
    }
    return WALROW_OK;
}

/* Without the lock: only this thread puts. */
static walrow_code
spill(handout *h, struct walrow_reader *const *full, walrow_error *err)
{
    for (size_t i = 0; i <= h->changes->n_batches; i++) {
        if (full[i] == NULL)
            continue;
        walrow_batch batch = i < h->changes->n_batches ? h->changes->batches[i] : events_batch(h);
        if (i == h->changes->n_batches)
            batch.array = h->events;
        if (batch.array.length > 0)
            WALROW_TRY(walrow__spill_put(full[i]->spill, &batch, &h->places[i], err));
    }
    return WALROW_OK;
}

static walrow_code
spill_full(walrow__router *router, handout *h, walrow_error *err)
{
    size_t n = h->changes->n_batches + 1;
    struct walrow_reader **full = calloc(n, sizeof *full);
    h->places = calloc(n, sizeof *h->places);
    walrow_code code = full == NULL || h->places == NULL ? walrow__fail_memory(err) : WALROW_OK;
    pthread_mutex_lock(&router->lock);
    if (code == WALROW_OK)
        code = find_full(router, h, full, err);
    pthread_mutex_unlock(&router->lock);
    if (code == WALROW_OK)
        code = spill(h, full, err);
    for (size_t i = 0; full != NULL && i < n; i++)
        if (full[i] != NULL)
            walrow__reader_unref(full[i]);
    free(full);
    return code;
}

/* Until there is room for it, in memory or on disk. */
static walrow_code
make_room(walrow__router *router, handout *h, walrow_error *err)
{
    pthread_mutex_lock(&router->lock);
    while (!router->closing && some_are_full(router, h) && !may_spill(router))
        pthread_cond_wait(&router->room, &router->lock);
    bool full = !router->closing && some_are_full(router, h);
    pthread_mutex_unlock(&router->lock);
    return full ? spill_full(router, h, err) : WALROW_OK;
}

walrow_code
walrow__hand_out(walrow__router *router, walrow_changes *changes, size_t bytes, walrow_error *err)
{
    handout h = {.changes = changes, .bytes = bytes};
    walrow__dead_letters_warn("readers", changes);
    walrow_code code = make_events(router, &h, err);
    if (code == WALROW_OK)
        code = make_room(router, &h, err);
    pthread_mutex_lock(&router->lock);
    if (code == WALROW_OK && !router->closing)
        code = hand_out(router, &h, err);
    pthread_mutex_unlock(&router->lock);
    if (h.events.release != NULL)
        ArrowArrayRelease(&h.events);
    if (h.events_reader != NULL)
        walrow__reader_unref(h.events_reader);
    free(h.places);
    return code;
}
