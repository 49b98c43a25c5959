/*
 * stream/router_readers.c
 *	  The router's readers, and what waits in them.
 */
#include "base/clock.h"
#include "sink/event/rows.h"
#include "stream/merged.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

/* ---- readers ---- */

static walrow_code
init_reader(struct walrow_reader *reader, const char *schema_name, const char *table_name, walrow_error *err)
{
    walrow__cond_init(&reader->arrived);
    reader->signal.fd = -1;
    reader->schema_name = strdup(schema_name);
    reader->table_name = strdup(table_name);
    if (reader->schema_name == NULL || reader->table_name == NULL)
        return walrow__fail_memory(err);
    return walrow__signal_init(&reader->signal, err);
}

static void
free_reader(struct walrow_reader *reader)
{
    while (reader->shapes != NULL) {
        walrow__shape *shape = reader->shapes;
        reader->shapes = shape->next;
        ArrowSchemaRelease(&shape->schema);
        free(shape);
    }
    if (reader->held.array.release != NULL)
        ArrowArrayRelease(&reader->held.array);
    walrow__spill_free(reader->spill);
    walrow__event_rows_free(reader->events);
    walrow__merged_free(reader->merged);
    walrow__signal_release(&reader->signal);
    pthread_cond_destroy(&reader->arrived);
    free(reader->members);
    free(reader->schema_name);
    free(reader->table_name);
    free(reader);
}

walrow_code
walrow__reader_new(walrow__router *router, walrow__reader_kind kind, const char *schema_name,
                   const char *table_name, int64_t max_bytes, struct walrow_reader **out, walrow_error *err)
{
    struct walrow_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return walrow__fail_memory(err);
    walrow_code code = init_reader(reader, schema_name, table_name, err);
    if (code != WALROW_OK) {
        free_reader(reader);
        return code;
    }
    reader->kind = kind;
    reader->references = 2; /* the caller, the list */
    reader->max_bytes = max_bytes;
    reader->router = router;
    __atomic_add_fetch(&router->references, 1, __ATOMIC_RELAXED);
    reader->next = router->readers;
    router->readers = reader;
    *out = reader;
    return WALROW_OK;
}

void
walrow__reader_ref(struct walrow_reader *reader)
{
    __atomic_add_fetch(&reader->references, 1, __ATOMIC_RELAXED);
}

void
walrow__reader_unref(struct walrow_reader *reader)
{
    if (__atomic_sub_fetch(&reader->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    walrow__router *router = reader->router;
    free_reader(reader);
    walrow__router_unref(router);
}

struct walrow_reader *
walrow__router_find(const walrow__router *router, const char *schema_name, const char *table_name)
{
    struct walrow_reader *reader = router->readers;
    while (reader != NULL &&
           (reader->kind != WALROW__READER_OF_TABLE || strcmp(reader->table_name, table_name) != 0 ||
            strcmp(reader->schema_name, schema_name) != 0))
        reader = reader->next;
    return reader;
}

void
walrow__router_unlink(walrow__router *router, struct walrow_reader *reader)
{
    struct walrow_reader **at = &router->readers;
    while (*at != NULL && *at != reader)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = reader->next;
    walrow__reader_unref(reader);
}

bool
walrow__reader_has_rows(const struct walrow_reader *reader)
{
    if (reader->held.array.release != NULL || reader->waiting.first != NULL)
        return true;
    for (size_t i = 0; i < reader->n_members; i++)
        if (reader->members[i]->waiting.first != NULL)
            return true;
    return false;
}

void
walrow__reader_show(struct walrow_reader *reader)
{
    const walrow__router *router = reader->router;
    walrow__signal_set(&reader->signal, router->ended || reader->closed ||
                                            reader->failure.code != WALROW_OK ||
                                            walrow__reader_has_rows(reader));
}

void
walrow__reader_announce(struct walrow_reader *reader)
{
    if (reader->into != NULL)
        reader = reader->into;
    walrow__reader_show(reader);
    pthread_cond_signal(&reader->arrived);
}

void
walrow__reader_unlock(struct walrow_reader *reader, uint64_t number)
{
    reader->reading = true;
    reader->held_from = number;
    pthread_mutex_unlock(&reader->router->lock);
}

void
walrow__reader_lock(struct walrow_reader *reader)
{
    pthread_mutex_lock(&reader->router->lock);
    reader->reading = false;
}

/* ---- what is confirmed ---- */

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

/* ---- items ---- */

void
walrow__items_add(walrow__items *items, walrow__item *item)
{
    item->next = NULL;
    if (items->first == NULL)
        items->first = item;
    else
        items->last->next = item;
    items->last = item;
}

static walrow__item *
remove_first(walrow__items *items)
{
    walrow__item *item = items->first;
    items->first = item->next;
    if (items->first == NULL)
        items->last = NULL;
    return item;
}

walrow__item *
walrow__reader_pop(struct walrow_reader *reader, walrow__spilled *place)
{
    walrow__item *item = remove_first(&reader->waiting);
    *place = item->place;
    reader->bytes -= (int64_t)item->bytes;
    reader->router->spilled -= place->size;
    walrow__items_add(&reader->taken, item);
    pthread_cond_signal(&reader->router->room);
    return item;
}

void
walrow__items_drop_first(walrow__items *items)
{
    walrow__item *item = remove_first(items);
    item->of->pending--;
    if (item->array.release != NULL)
        ArrowArrayRelease(&item->array);
    free(item);
}

void
walrow__items_drop(walrow__items *items)
{
    while (items->first != NULL)
        walrow__items_drop_first(items);
}
