#include "sink/filter.h"

#include "base/error.h"
#include "base/strbuf.h"
#include "columns/table.h"
#include "kernels/rows.h"
#include "sink/params.h"

#include <stdlib.h>
#include <string.h>

struct walrow__filter {
    char *tables, *events;     /* as given; NULL: all */
    walrow_patterns *patterns; /* NULL: all */
    bool wants[256];           /* by _op; 'M': messages */
};

/* ---- parameters ---- */

static const struct {
    const char *name;
    char op;
} events[] = {
    {"insert", 'I'}, {"update", 'U'}, {"delete", 'D'}, {"truncate", 'T'}, {"read", 'R'}, {"message", 'M'},
};

enum { N_EVENTS = sizeof events / sizeof *events };

static bool
want(walrow__filter *filter, const char *name, size_t size)
{
    for (size_t i = 0; i < N_EVENTS; i++)
        if (strlen(events[i].name) == size && memcmp(events[i].name, name, size) == 0)
            return filter->wants[(uint8_t)events[i].op] = true;
    return false;
}

static walrow_code
read_events(walrow__filter *filter, const char *uri, walrow_error *err)
{
    if (filter->events == NULL) {
        memset(filter->wants, true, sizeof filter->wants);
        return WALROW_OK;
    }
    for (const char *at = filter->events;; at++) {
        size_t size = strcspn(at, ",");
        if (!want(filter, at, size)) {
            walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": unknown event \"%.*s\"", uri, (int)size, at);
            return walrow__hint(err, "events are insert, update, delete, truncate, read and message");
        }
        at += size;
        if (*at == '\0')
            return WALROW_OK;
    }
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
    return filter->wants['R'] && wants_table(filter, schema_name, table_name);
}

/* ---- rows ---- */

/* How many rows from start on are wanted, or are not. */
static int64_t
run_of(const walrow__filter *filter, const struct ArrowArray *rows, int64_t start, bool wanted)
{
    const struct ArrowArray *ops = rows->children[WALROW__OP];
    const int32_t *ends = (const int32_t *)ops->buffers[1] + ops->offset;
    const uint8_t *letters = ops->buffers[2];
    int64_t end = start;
    while (end < rows->length && filter->wants[letters[ends[end]]] == wanted)
        end++;
    return end - start;
}

static walrow_code
append_wanted(const walrow__filter *filter, const walrow_batch *batch, walrow__rows *rows, walrow_error *err)
{
    for (int64_t at = 0; at < batch->array.length;) {
        at += run_of(filter, &batch->array, at, false);
        int64_t n = run_of(filter, &batch->array, at, true);
        if (n > 0)
            WALROW_TRY(walrow__rows_append(rows, &batch->array, at, n, err));
        at += n;
    }
    return WALROW_OK;
}

/* out: with rows of its own. */
static walrow_code
copy_wanted(const walrow__filter *filter, const walrow_batch *batch, walrow_batch *out, walrow_error *err)
{
    walrow__rows rows;
    WALROW_TRY(walrow__rows_init(&rows, batch->schema, err));
    walrow_code code = append_wanted(filter, batch, &rows, err);
    if (code == WALROW_OK)
        code = walrow__rows_take(&rows, &out->array, err);
    walrow__rows_release(&rows);
    return code;
}

/* A batch of which all is wanted is borrowed; an empty one of a snapshot's end is, too. */
static walrow_code
add_batch(const walrow__filter *filter, const walrow_batch *batch, walrow__filtered *out, walrow_error *err)
{
    walrow_batch *to = &out->changes.batches[out->changes.n_batches];
    int64_t length = batch->array.length;
    if (!wants_table(filter, batch->schema_name, batch->table_name) ||
        (length > 0 && run_of(filter, &batch->array, 0, false) == length))
        return WALROW_OK;
    *to = *batch;
    if (run_of(filter, &batch->array, 0, true) < length) {
        WALROW_TRY(copy_wanted(filter, batch, to, err));
        out->is_copy[out->changes.n_batches] = true;
    }
    out->changes.n_batches++;
    return WALROW_OK;
}

/* ---- change sets ---- */

static void
add_dead_letter(const walrow__filter *filter, const walrow_dead_letter *letter, walrow_changes *out)
{
    if (filter->wants[(uint8_t)letter->op] && wants_table(filter, letter->schema_name, letter->table_name))
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
    if (!filter->wants['M'])
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
