#include "sink/filter.h"

#include "base/error.h"
#include "base/strbuf.h"
#include "kernels/pick.h"
#include "sink/params.h"

#include <stdlib.h>
#include <string.h>

struct walrow__filter {
    char *tables, *events;     /* as given; NULL: all */
    walrow_patterns *patterns; /* NULL: all */
    walrow__ops ops;
};

/* ---- parameters ---- */

static walrow_code
read_events(walrow__filter *filter, const char *uri, walrow_error *err)
{
    if (filter->events == NULL) {
        walrow__ops_add_all(&filter->ops);
        return WALROW_OK;
    }
    const char *unknown = walrow__ops_add(&filter->ops, filter->events);
    if (unknown == NULL)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": unknown event \"%.*s\"", uri,
                 (int)strcspn(unknown, ","), unknown);
    return walrow__hint(err, WALROW__OPS_HINT);
}

static bool
is_ours(const char *pair, size_t size)
{
    return size >= 7 && (memcmp(pair, "tables=", 7) == 0 || memcmp(pair, "events=", 7) == 0);
}

/* Pairs between "&": ours, and the others. */
static void
divide(const char *params, walrow__strbuf *ours, walrow__strbuf *others)
{
    for (const char *at = params; *at != '\0';) {
        size_t size = strcspn(at, "&");
        walrow__strbuf *to = is_ours(at, size) ? ours : others;
        if (to->size > 0)
            walrow__strbuf_add_char(to, '&');
        walrow__strbuf_add(to, at, size);
        at += size + (at[size] == '&');
    }
}

static walrow_code
parse(walrow__filter *filter, const char *uri, const char *params, walrow_error *err)
{
    const walrow__param known[] = {
        {.name = "tables", .kind = WALROW__PARAM_TEXT, .text = &filter->tables},
        {.name = "events", .kind = WALROW__PARAM_TEXT, .text = &filter->events},
    };
    WALROW_TRY(walrow__params_parse(uri, params, known, sizeof known / sizeof *known, err));
    WALROW_TRY(read_events(filter, uri, err));
    return filter->tables == NULL ? WALROW_OK
                                  : walrow_patterns_parse(filter->tables, NULL, &filter->patterns, err);
}

static walrow_code
make(const char *uri, const char *params, walrow__filter **out, walrow_error *err)
{
    walrow__filter *filter = calloc(1, sizeof *filter);
    if (filter == NULL)
        return walrow__fail_memory(err);
    walrow_code code = parse(filter, uri, params, err);
    if (code == WALROW_OK)
        *out = filter;
    else
        walrow__filter_free(filter);
    return code;
}

walrow_code
walrow__filter_new(const char *uri, const char *params, walrow__filter **out, char **rest, walrow_error *err)
{
    walrow__strbuf ours, others;
    *out = NULL;
    *rest = NULL;
    if (params == NULL)
        return WALROW_OK;
    walrow__strbuf_init(&ours);
    walrow__strbuf_init(&others);
    divide(params, &ours, &others);
    walrow_code code = ours.failed || others.failed ? walrow__fail_memory(err) : WALROW_OK;
    if (code == WALROW_OK && ours.size > 0)
        code = make(uri, ours.data, out, err);
    if (code == WALROW_OK && others.size > 0)
        *rest = walrow__strbuf_take(&others);
    walrow__strbuf_release(&ours);
    walrow__strbuf_release(&others);
    return code;
}

void
walrow__filter_free(walrow__filter *filter)
{
    if (filter == NULL)
        return;
    walrow_patterns_free(filter->patterns);
    free(filter->tables);
    free(filter->events);
    free(filter);
}

/* ---- what is asked of it ---- */

static bool
is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
walrow__filter_is_same(const walrow__filter *a, const walrow__filter *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return is_same_text(a->tables, b->tables) && is_same_text(a->events, b->events);
}

static bool
wants_table(const walrow__filter *filter, const char *schema_name, const char *table_name)
{
    return filter->patterns == NULL || walrow_patterns_match(filter->patterns, schema_name, table_name);
}

bool
walrow__filter_wants_snapshot(const walrow__filter *filter, const char *schema_name, const char *table_name)
{
    return filter->ops.has['R'] && wants_table(filter, schema_name, table_name);
}

/* ---- rows ---- */

/* fates: a row each. A batch of which all is wanted is borrowed; an empty one of a snapshot's end is, too. */
static walrow_code
add_wanted(const walrow_batch *batch, const uint8_t *fates, walrow__filtered *out, walrow_error *err)
{
    walrow_batch *to = &out->changes.batches[out->changes.n_batches];
    int64_t length = batch->array.length, kept = walrow__fates_count(fates, length, WALROW__KEPT);
    if (kept == 0 && length > 0)
        return WALROW_OK;
    *to = *batch;
    if (kept < length) {
        WALROW_TRY(walrow__pick(batch->schema, &batch->array, fates, NULL, &to->array, err));
        out->is_copy[out->changes.n_batches] = true;
    }
    out->changes.n_batches++;
    return WALROW_OK;
}

static walrow_code
add_batch(const walrow__filter *filter, const walrow_batch *batch, walrow__filtered *out, walrow_error *err)
{
    if (!wants_table(filter, batch->schema_name, batch->table_name))
        return WALROW_OK;
    uint8_t *fates = malloc((size_t)batch->array.length + 1);
    if (fates == NULL)
        return walrow__fail_memory(err);
    memset(fates, WALROW__KEPT, (size_t)batch->array.length);
    walrow__fates_restrict(fates, &batch->array, &filter->ops);
    walrow_code code = add_wanted(batch, fates, out, err);
    free(fates);
    return code;
}

/* ---- change sets ---- */

static void
add_dead_letter(const walrow__filter *filter, const walrow_dead_letter *letter, walrow_changes *out)
{
    if (filter->ops.has[(uint8_t)letter->op] && wants_table(filter, letter->schema_name, letter->table_name))
        out->dead_letters[out->n_dead_letters++] = *letter;
}

static bool
is_chunk_left_out(const walrow__filter *filter, const walrow_changes *changes)
{
    return changes->snapshot && !walrow__filter_wants_snapshot(filter, changes->batches[0].schema_name,
                                                               changes->batches[0].table_name);
}

walrow_code
walrow__filter_changes(const walrow__filter *filter, const walrow_changes *changes, walrow__filtered *out,
                       walrow_error *err)
{
    memset(out, 0, sizeof *out);
    out->is_left_out = is_chunk_left_out(filter, changes);
    if (out->is_left_out)
        return WALROW_OK;
    walrow_changes *to = &out->changes;
    *to = *changes;
    to->n_batches = to->n_dead_letters = 0;
    out->is_copy = calloc(changes->n_batches + 1, sizeof *out->is_copy);
    to->batches = calloc(changes->n_batches + 1, sizeof *to->batches);
    to->dead_letters = calloc(changes->n_dead_letters + 1, sizeof *to->dead_letters);
    if (out->is_copy == NULL || to->batches == NULL || to->dead_letters == NULL)
        return walrow__fail_memory(err);
    if (!filter->ops.has['M'])
        to->n_messages = 0;
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(add_batch(filter, &changes->batches[i], out, err));
    for (size_t i = 0; i < changes->n_dead_letters; i++)
        add_dead_letter(filter, &changes->dead_letters[i], to);
    return WALROW_OK;
}

void
walrow__filtered_release(walrow__filtered *filtered)
{
    walrow_changes *own = &filtered->changes;
    for (size_t i = 0; filtered->is_copy != NULL && i < own->n_batches; i++)
        if (filtered->is_copy[i])
            ArrowArrayRelease(&own->batches[i].array);
    free(filtered->is_copy);
    free(own->batches);
    free(own->dead_letters);
    memset(filtered, 0, sizeof *filtered);
}
