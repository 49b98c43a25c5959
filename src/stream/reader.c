/*
 * stream/reader.c
 *	  Readers as callers have them: opened, read, acknowledged, closed.
 */
#include "base/clock.h"
#include "base/error.h"
#include "sink/event/rows.h"
#include "stream/merged.h"
#include "stream/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static walrow_code
prepare(walrow_stream *stream, walrow__router **out, walrow_error *err)
{
    if (stream->upstream.dialect != NULL && stream->upstream.dialect->has_documents)
        return walrow__fail(err, WALROW_ERR_USAGE,
                            "documents of wal2json's format 1 have no rows to be read");
    return walrow__router_of(stream, out, err);
}

static int64_t
bound(const walrow_stream *stream, int64_t max_bytes)
{
    return max_bytes > 0 ? max_bytes : walrow__live(&stream->upstream.options->batch_bytes);
}

static walrow_code
open_table(walrow__router *router, const char *schema, const char *table, int64_t max_bytes,
           struct walrow_reader **out, walrow_error *err)
{
    pthread_mutex_lock(&router->lock);
    struct walrow_reader *other = walrow__router_find(router, schema, table);
    bool taken = other != NULL && !other->closed;
    if (other != NULL && !taken)
        walrow__router_unlink(router, other);
    walrow_code code =
        taken ? walrow__fail(err, WALROW_ERR_USAGE, "%s.%s has a reader already", schema, table)
              : walrow__reader_new(router, WALROW__READER_OF_TABLE, schema, table, max_bytes, out, err);
    pthread_mutex_unlock(&router->lock);
    return code;
}

walrow_code
walrow_reader(walrow_stream *stream, const char *table, int64_t max_bytes, struct walrow_reader **out,
              walrow_error *err)
{
    walrow__router *router;
    const char *dot = strchr(table, '.');
    if (dot == NULL || dot == table || dot[1] == '\0') {
        walrow__fail(err, WALROW_ERR_USAGE, "\"%s\" is not the name of a table with its schema", table);
        return walrow__hint(err, "write public.%s", dot == NULL ? table : "orders");
    }
    WALROW_TRY(prepare(stream, &router, err));
    char *schema = strndup(table, (size_t)(dot - table));
    if (schema == NULL)
        return walrow__fail_memory(err);
    walrow_code code = open_table(router, schema, dot + 1, bound(stream, max_bytes), out, err);
    free(schema);
    return code;
}

walrow_code
walrow_events(walrow_stream *stream, int64_t max_bytes, struct walrow_reader **out, walrow_error *err)
{
    walrow__router *router;
    struct walrow__event_rows *events;
    WALROW_TRY(prepare(stream, &router, err));
    WALROW_TRY(walrow__event_rows_new(&events, err));
    pthread_mutex_lock(&router->lock);
    walrow_code code =
        walrow__reader_new(router, WALROW__READER_OF_EVENTS, "", "", bound(stream, max_bytes), out, err);
    if (code == WALROW_OK)
        (*out)->events = events;
    pthread_mutex_unlock(&router->lock);
    if (code != WALROW_OK)
        walrow__event_rows_free(events);
    return code;
}

/* ---- merging ---- */

static walrow_code
check_mergeable(struct walrow_reader *const *readers, size_t n, walrow_error *err)
{
    if (n == 0)
        return walrow__fail(err, WALROW_ERR_USAGE, "there are no readers to be merged");
    for (size_t i = 0; i < n; i++)
        if (readers[i]->router != readers[0]->router || readers[i]->kind != WALROW__READER_OF_TABLE)
            return walrow__fail(err, WALROW_ERR_USAGE, "only readers of tables of one stream can be merged");
        else if (readers[i]->into != NULL || readers[i]->had != NULL ||
                 readers[i]->held.array.release != NULL)
            return walrow__fail(err, WALROW_ERR_USAGE, "the reader of %s.%s is in use already",
                                readers[i]->schema_name, readers[i]->table_name);
    return WALROW_OK;
}

/* With the lock held. */
static walrow_code
merge(struct walrow_reader **readers, size_t n, struct walrow_reader **members, walrow__merged *merged,
      struct walrow_reader **out, walrow_error *err)
{
    WALROW_TRY(check_mergeable(readers, n, err));
    WALROW_TRY(walrow__reader_new(readers[0]->router, WALROW__READER_MERGED, "", "", 0, out, err));
    memcpy(members, readers, n * sizeof *members);
    (*out)->merged = merged;
    (*out)->members = members;
    (*out)->n_members = n;
    for (size_t i = 0; i < n; i++)
        members[i]->into = *out;
    walrow__reader_show(*out);
    return WALROW_OK;
}

walrow_code
walrow_merge(struct walrow_reader **readers, size_t n, struct walrow_reader **out, walrow_error *err)
{
    walrow__merged *merged;
    WALROW_TRY(walrow__merged_new(&merged, err));
    struct walrow_reader **members = calloc(n + 1, sizeof *members);
    walrow_code code = members == NULL ? walrow__fail_memory(err) : WALROW_OK;
    if (code == WALROW_OK && n > 0)
        pthread_mutex_lock(&readers[0]->router->lock);
    if (code == WALROW_OK)
        code = merge(readers, n, members, merged, out, err);
    if (members != NULL && n > 0)
        pthread_mutex_unlock(&readers[0]->router->lock);
    if (code != WALROW_OK) {
        free(members);
        walrow__merged_free(merged);
    }
    return code;
}

/* ---- reading ---- */

/* With the lock held: until there is something, an end, or the time is over. */
static bool
wait_until(pthread_cond_t *cond, walrow__router *router, int timeout_ms, bool (*there)(const void *arg),
           const void *arg)
{
    struct timespec deadline = walrow__deadline_in(timeout_ms < 0 ? 0 : timeout_ms);
    int outcome = 0;
    while (!there(arg) && !router->ended && timeout_ms != 0 && outcome != ETIMEDOUT)
        outcome = timeout_ms < 0 ? pthread_cond_wait(cond, &router->lock)
                                 : pthread_cond_timedwait(cond, &router->lock, &deadline);
    return there(arg);
}

static bool
has_rows_or_end(const void *arg)
{
    const struct walrow_reader *reader = arg;
    return reader->closed || reader->failure.code != WALROW_OK || walrow__reader_has_rows(reader);
}

static walrow_code
tell_end(const walrow__router *router, walrow_error *err)
{
    if (!router->ended)
        return WALROW_TIMEOUT;
    if (err != NULL)
        *err = router->end;
    return router->end.code;
}

static void
take_waiting(struct walrow_reader *reader, walrow_rows *out, uint64_t *number, walrow__spilled *place)
{
    walrow__item *item = walrow__reader_pop(reader, place);
    *out = (walrow_rows){.schema = &item->shape->schema,
                         .snapshot = item->snapshot,
                         .commit_lsn = item->last.commit_lsn,
                         .seq = item->last.seq};
    ArrowArrayMove(&item->array, &out->array);
    *number = item->of->number;
}

static walrow_code
take_spilled(struct walrow_reader *reader, walrow__spilled place, uint64_t number, walrow_rows *out,
             walrow_error *err)
{
    walrow__reader_unlock(reader, number);
    walrow_code code = walrow__spill_take(reader->spill, place, &out->array, err);
    walrow__reader_lock(reader);
    return code;
}

static walrow_code
take_new(struct walrow_reader *reader, walrow_rows *out, uint64_t *number, walrow_error *err)
{
    walrow__spilled place;
    if (reader->kind == WALROW__READER_MERGED) {
        *out = (walrow_rows){0};
        return walrow__merged_take(reader, out, number, err);
    }
    take_waiting(reader, out, number, &place);
    return place.size == 0 ? WALROW_OK : take_spilled(reader, place, *number, out, err);
}

/* With the lock held, and something there. It cannot go on without what it failed with. */
static walrow_code
take(struct walrow_reader *reader, walrow_rows *out, uint64_t *number, walrow_error *err)
{
    if (reader->held.array.release != NULL) {
        *out = reader->held;
        memset(&reader->held, 0, sizeof reader->held);
    } else if (reader->failure.code != WALROW_OK ||
               take_new(reader, out, number, &reader->failure) != WALROW_OK) {
        if (err != NULL)
            *err = reader->failure;
        return reader->failure.code;
    }
    out->new_schema = out->schema != reader->had;
    return WALROW_OK;
}

/* hold: what is taken is held, too. */
static walrow_code
next(struct walrow_reader *reader, walrow_rows *out, bool hold, int timeout_ms, walrow_error *err)
{
    walrow__router *router = reader->router;
    uint64_t number;
    WALROW_TRY(walrow__router_start(router, err));
    pthread_mutex_lock(&router->lock);
    walrow_code code;
    if (!wait_until(&reader->arrived, router, timeout_ms, has_rows_or_end, reader))
        code = tell_end(router, err);
    else if (reader->closed)
        code = walrow__fail(err, WALROW_END, "the reader was closed");
    else
        code = take(reader, out, &number, err);
    if (code == WALROW_OK && hold) {
        reader->held = *out;
        reader->held_from = number;
    }
    walrow__reader_show(reader);
    pthread_mutex_unlock(&router->lock);
    return code;
}

walrow_code
walrow_reader_next(struct walrow_reader *reader, walrow_rows *out, int timeout_ms, walrow_error *err)
{
    WALROW_TRY(next(reader, out, false, timeout_ms, err));
    reader->had = out->schema;
    return WALROW_OK;
}

walrow_code
walrow__reader_hold(struct walrow_reader *reader, walrow_error *err)
{
    walrow_rows rows;
    return reader->held.array.release != NULL ? WALROW_OK : next(reader, &rows, true, -1, err);
}

int
walrow_reader_fd(struct walrow_reader *reader)
{
    walrow_error ignored;
    return walrow__router_start(reader->router, &ignored) == WALROW_OK ? reader->signal.fd : -1;
}

void
walrow_reader_table(const struct walrow_reader *reader, const char **schema, const char **table)
{
    *schema = reader->schema_name;
    *table = reader->table_name;
}

/* ---- tables that appear ---- */

static bool
has_new(const void *arg)
{
    return ((const walrow__router *)arg)->new_readers != NULL;
}

/* From now on tables without a reader get one. */
static walrow_code
take_all(walrow_stream *stream, walrow__router **out, walrow_error *err)
{
    WALROW_TRY(prepare(stream, out, err));
    pthread_mutex_lock(&(*out)->lock);
    (*out)->takes_all = true;
    pthread_mutex_unlock(&(*out)->lock);
    return walrow__router_start(*out, err);
}

walrow_code
walrow_readers(walrow_stream *stream, int timeout_ms, struct walrow_reader **out, walrow_error *err)
{
    walrow__router *router;
    walrow_code code = WALROW_OK;
    WALROW_TRY(take_all(stream, &router, err));
    pthread_mutex_lock(&router->lock);
    if (wait_until(&router->appeared, router, timeout_ms, has_new, router)) {
        *out = router->new_readers;
        router->new_readers = (*out)->next_new;
        (*out)->next_new = NULL;
    } else {
        code = tell_end(router, err);
    }
    walrow__signal_set(&router->appeared_signal, router->ended || has_new(router));
    pthread_mutex_unlock(&router->lock);
    return code;
}

int
walrow_readers_fd(walrow_stream *stream)
{
    walrow__router *router;
    walrow_error ignored;
    return take_all(stream, &router, &ignored) == WALROW_OK ? router->appeared_signal.fd : -1;
}

/* ---- acknowledging, closing ---- */

/* Not what is held: the caller has not seen it. */
static void
drop_taken(const struct walrow_reader *reader, walrow__items *taken, walrow__position position)
{
    bool holds = reader->reading || reader->held.array.release != NULL;
    while (taken->first != NULL && walrow__position_compare(taken->first->last, position) <= 0 &&
           !(holds && taken->first->of->number == reader->held_from))
        walrow__items_drop_first(taken);
}

walrow_code
walrow_reader_ack(struct walrow_reader *reader, uint64_t commit_lsn, uint32_t seq, walrow_error *err)
{
    walrow__position position = {.commit_lsn = commit_lsn, .seq = seq};
    walrow__router *router = reader->router;
    pthread_mutex_lock(&router->lock);
    drop_taken(reader, &reader->taken, position);
    for (size_t i = 0; i < reader->n_members; i++)
        drop_taken(reader, &reader->members[i]->taken, position);
    bool open = router->stream != NULL;
    if (open)
        walrow__router_confirm(router);
    pthread_mutex_unlock(&router->lock);
    return open ? WALROW_OK : walrow__fail(err, WALROW_END, "the stream was closed");
}

/* With the lock held. */
static void
close_reader(struct walrow_reader *reader)
{
    reader->closed = true;
    for (const walrow__item *item = reader->waiting.first; item != NULL; item = item->next)
        reader->router->spilled -= item->place.size;
    walrow__items_drop(&reader->waiting);
    walrow__items_drop(&reader->taken);
    reader->bytes = 0;
    walrow__reader_show(reader);
    pthread_cond_broadcast(&reader->arrived);
}

void
walrow_reader_close(struct walrow_reader *reader)
{
    if (reader == NULL)
        return;
    walrow__router *router = reader->router;
    pthread_mutex_lock(&router->lock);
    for (size_t i = 0; i < reader->n_members; i++)
        close_reader(reader->members[i]);
    close_reader(reader);
    if (router->stream != NULL)
        walrow__router_confirm(router);
    size_t n_members = reader->n_members;
    reader->n_members = 0;
    pthread_cond_signal(&router->room);
    pthread_mutex_unlock(&router->lock);
    for (size_t i = 0; i < n_members; i++)
        walrow__reader_unref(reader->members[i]);
    walrow__reader_unref(reader);
}
