#include "state/sinks.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

bool
walrow__same_sink(const char *a, const char *b)
{
    size_t size = strcspn(a, "?");
    return size == strcspn(b, "?") && memcmp(a, b, size) == 0;
}

const walrow__known_sink *
walrow__known_sinks_find(const walrow__known_sinks *sinks, const char *uri)
{
    for (size_t i = 0; i < sinks->count; i++)
        if (walrow__same_sink(sinks->items[i].uri, uri))
            return &sinks->items[i];
    return NULL;
}

/* Keys are "sink/URI" and "cursor/URI": a sink may have both. */
static walrow_code
note_sink(void *arg, const char *key, const char *value, walrow_error *err)
{
    (void)value; /* read by those who know its form */
    walrow__known_sinks *sinks = arg;
    const char *uri = strchr(key, '/') + 1;
    if (walrow__known_sinks_find(sinks, uri) != NULL)
        return WALROW_OK;
    walrow__known_sink *items = realloc(sinks->items, (sinks->count + 1) * sizeof *items);
    if (items == NULL)
        return walrow__fail_memory(err);
    sinks->items = items;
    items[sinks->count] = (walrow__known_sink){.uri = strdup(uri)};
    return items[sinks->count++].uri == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
read_sinks(walrow__state *state, walrow__known_sinks *out, walrow_error *err)
{
    walrow__store *store = walrow__state_store(state);
    WALROW_TRY(walrow__store_each_key(store, "cursor/", note_sink, out, err));
    WALROW_TRY(walrow__store_each_key(store, "sink/", note_sink, out, err));
    for (size_t i = 0; i < out->count; i++) {
        walrow__known_sink *sink = &out->items[i];
        WALROW_TRY(walrow__state_sink(state, sink->uri, &sink->lsn, err));
        WALROW_TRY(walrow__state_cursor(state, sink->uri, &sink->buffered, &sink->cursor, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__state_sinks(walrow__state *state, walrow__known_sinks *out, walrow_error *err)
{
    *out = (walrow__known_sinks){0};
    walrow_code code = read_sinks(state, out, err);
    if (code != WALROW_OK)
        walrow__known_sinks_release(out);
    return code;
}

void
walrow__known_sinks_release(walrow__known_sinks *sinks)
{
    for (size_t i = 0; i < sinks->count; i++)
        free(sinks->items[i].uri);
    free(sinks->items);
    *sinks = (walrow__known_sinks){0};
}

/* ---- writing ---- */

walrow_code
walrow__state_add_sink(walrow__state *state, const char *uri, walrow_error *err)
{
    uint64_t next;
    WALROW_TRY(walrow__state_log_next(state, &next, err));
    walrow__store_write *write = walrow__store_begin();
    walrow_code code = walrow__state_put_cursor(write, uri, next == 0 ? 1 : next, err);
    if (code == WALROW_OK)
        return walrow__state_commit(state, write, 0, err);
    walrow__store_abandon(write);
    return code;
}

static walrow_code
delete_key(walrow__store_write *write, const char *kind, const char *uri, walrow_error *err)
{
    char *key;
    if (asprintf(&key, "%s/%.*s", kind, (int)strcspn(uri, "?"), uri) < 0)
        return walrow__fail_memory(err);
    walrow__store_delete(write, key);
    free(key);
    return WALROW_OK;
}

/* Where the log begins for those who stay; its end if nobody does. */
static walrow_code
least_cursor(walrow__state *state, const char *left_out, uint64_t *least, walrow_error *err)
{
    walrow__known_sinks sinks;
    WALROW_TRY(walrow__state_log_next(state, least, err));
    WALROW_TRY(walrow__state_sinks(state, &sinks, err));
    for (size_t i = 0; i < sinks.count; i++) {
        const walrow__known_sink *sink = &sinks.items[i];
        if (sink->buffered && sink->cursor < *least && !walrow__same_sink(sink->uri, left_out))
            *least = sink->cursor;
    }
    walrow__known_sinks_release(&sinks);
    return WALROW_OK;
}

walrow_code
walrow__state_remove_sink(walrow__state *state, const char *uri, walrow_error *err)
{
    uint64_t least;
    WALROW_TRY(least_cursor(state, uri, &least, err));
    walrow__store_write *write = walrow__store_begin();
    walrow__store_remove(walrow__state_store(state), write, 0, least);
    walrow_code code = delete_key(write, "sink", uri, err);
    if (code == WALROW_OK)
        code = delete_key(write, "cursor", uri, err);
    if (code == WALROW_OK)
        return walrow__state_commit(state, write, 0, err);
    walrow__store_abandon(write);
    return code;
}
