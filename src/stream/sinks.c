/*
 * stream/sinks.c
 *	  walrow_sinks_*: the sinks the state of a slot knows. No server is asked.
 */
#include "state/sinks.h"
#include "base/error.h"
#include "base/uri.h"
#include "sink/sink.h"

#include <stdlib.h>
#include <string.h>

static walrow_code
find_place(const walrow_options *options, char **path, walrow_error *err)
{
    if (!walrow__state_is_off(options))
        return walrow__state_place(options, path, err);
    walrow__fail(err, WALROW_ERR_USAGE, "--state off keeps no state, and so knows no sinks");
    return walrow__hint(err, "leave out --state off");
}

/* ---- list ---- */

static void
count_entry(void *arg, uint64_t number, char kind, size_t size)
{
    (void)kind;
    walrow_known_sinks *sinks = arg;
    for (size_t i = 0; i < sinks->count; i++) {
        walrow_known_sink *sink = &sinks->items[i];
        if (!sink->buffered || number < sink->cursor)
            continue;
        sink->waiting++;
        sink->waiting_bytes += (int64_t)size;
    }
}

static walrow_code
fill(walrow__state *state, walrow__known_sinks *known, walrow_known_sinks *out, walrow_error *err)
{
    if (known->count == 0)
        return WALROW_OK;
    out->items = calloc(known->count, sizeof *out->items);
    if (out->items == NULL)
        return walrow__fail_memory(err);
    for (; out->count < known->count; out->count++) {
        walrow__known_sink *sink = &known->items[out->count];
        out->items[out->count] = (walrow_known_sink){
            .uri = sink->uri, .lsn = sink->lsn, .buffered = sink->buffered, .cursor = sink->cursor};
        sink->uri = NULL;
    }
    return walrow__store_each_entry(walrow__state_store(state), count_entry, out, err);
}

static walrow_code
list(walrow__state *state, walrow_known_sinks *out, walrow_error *err)
{
    walrow__known_sinks known;
    WALROW_TRY(walrow__state_sinks(state, &known, err));
    walrow_code code = fill(state, &known, out, err);
    walrow__known_sinks_release(&known);
    if (code != WALROW_OK)
        walrow_known_sinks_release(out);
    return code;
}

static walrow_code
open_and_list(const char *path, walrow_known_sinks *out, walrow_error *err)
{
    walrow__state *state;
    WALROW_TRY(walrow__state_read(path, &state, err));
    walrow_code code = state == NULL ? WALROW_OK : list(state, out, err);
    walrow__state_close(state);
    return code;
}

walrow_code
walrow_sinks_list(const walrow_options *options, walrow_known_sinks *out, walrow_error *err)
{
    char *path;
    *out = (walrow_known_sinks){0};
    WALROW_TRY(find_place(options, &path, err));
    walrow_code code = open_and_list(path, out, err);
    free(path);
    return code;
}

void
walrow_known_sinks_release(walrow_known_sinks *sinks)
{
    for (size_t i = 0; i < sinks->count; i++)
        free(sinks->items[i].uri);
    free(sinks->items);
    *sinks = (walrow_known_sinks){0};
}

/* Is it one that is known, and are those wanted? */
static walrow_code
check_known(walrow__state *state, const char *uri, bool wanted, walrow_error *err)
{
    walrow__known_sinks sinks;
    WALROW_TRY(walrow__state_sinks(state, &sinks, err));
    const walrow__known_sink *sink = walrow__known_sinks_find(&sinks, uri);
    bool known = sink != NULL && (wanted || sink->buffered);
    walrow__known_sinks_release(&sinks);
    if (known == wanted)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, known ? "sink %s is known already" : "no sink %s is known", uri);
    return walrow__hint(err, "walrow sinks list says which are");
}

/* ---- add, remove: by what the sink is known as ---- */

typedef walrow_code (*change_fn)(walrow__state *state, const char *uri, walrow_error *err);

static walrow_code
change_state(walrow__state *state, const char *uri, bool known, change_fn fn, walrow_error *err)
{
    char *shown = walrow__uri_shown(uri);
    walrow_code code = shown == NULL ? walrow__fail_memory(err) : check_known(state, shown, known, err);
    if (code == WALROW_OK)
        code = fn(state, shown, err);
    free(shown);
    return code;
}

static walrow_code
change(const walrow_options *options, const char *uri, bool known, change_fn fn, walrow_error *err)
{
    char *path;
    walrow__state *state;
    WALROW_TRY(find_place(options, &path, err));
    walrow_code code = walrow__state_change(path, &state, err);
    free(path);
    if (code != WALROW_OK)
        return code;
    code = change_state(state, uri, known, fn, err);
    walrow__state_close(state);
    return code;
}

walrow_code
walrow_sinks_add(const walrow_options *options, const char *uri, walrow_error *err)
{
    walrow__sink *sink;
    WALROW_TRY(walrow__sink_new(uri, &sink, err)); /* does it name one? */
    walrow__sink_free(sink);
    return change(options, uri, false, walrow__state_add_sink, err);
}

walrow_code
walrow_sinks_remove(const walrow_options *options, const char *uri, walrow_error *err)
{
    return change(options, uri, true, walrow__state_remove_sink, err);
}
