/*
 * windows.h
 *	  Queries around a sink that notes what it gets, for tests: lines of "[start,end) row @lsn,seq", times in seconds
 *	  after NOON. It stores its position with what is durable, and can lose the rest.
 */
#ifndef WALROW_TEST_WINDOWS_H
#define WALROW_TEST_WINDOWS_H

#include "changes.h"

#include <time.h>

#include "duckdb/duckdb.h"
#include "sink/query/query.h"

enum { LINE_SIZE = 120, MAX_LINES = 400 };

typedef struct notes {
    char lines[MAX_LINES][LINE_SIZE];
    walrow__position positions[MAX_LINES];
    size_t n;         /* noted */
    size_t n_durable; /* of them */
    uint64_t written_lsn, durable_lsn;
    bool is_slow; /* sync makes nothing durable */
} notes;

typedef struct noting_sink {
    walrow__sink base;
    notes *notes;
} noting_sink;

static notes *
notes_of(walrow__sink *sink)
{
    return ((noting_sink *)sink)->notes;
}

static walrow_code
noting_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    (void)sink, (void)identity, (void)err;
    return WALROW_OK;
}

static int64_t
int64_at(const struct ArrowArray *array, int64_t row)
{
    return ((const int64_t *)array->buffers[1])[row];
}

/* The query's columns: a text, and whole numbers of 64 bits. */
static void
note_row(notes *n, const walrow_batch *batch, int64_t row)
{
    struct ArrowArray **columns = batch->array.children + WALROW__N_META;
    const int32_t *offsets = columns[2]->buffers[1];
    walrow__position position = walrow__batch_position(&batch->array, row);
    for (size_t i = 0; i < n->n; i++) /* what it has, as any sink that stores its position */
        if (walrow__position_compare(n->positions[i], position) >= 0)
            return;
    assert_true(n->n < MAX_LINES);
    int size = snprintf(n->lines[n->n], LINE_SIZE, "%s [%g,%g) %.*s", batch->table_name,
                        (double)(int64_at(columns[0], row) - NOON) / 1e6,
                        (double)(int64_at(columns[1], row) - NOON) / 1e6, offsets[row + 1] - offsets[row],
                        (const char *)columns[2]->buffers[2] + offsets[row]);
    for (int64_t i = 3; i < batch->array.n_children - WALROW__N_META; i++)
        size += snprintf(n->lines[n->n] + size, LINE_SIZE - (size_t)size, " %lld",
                         (long long)int64_at(columns[i], row));
    snprintf(n->lines[n->n] + size, LINE_SIZE - (size_t)size, " @%llu,%u",
             (unsigned long long)position.commit_lsn, position.seq);
    n->positions[n->n++] = position;
}

static walrow_code
noting_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    notes *n = notes_of(sink);
    (void)err;
    for (size_t i = 0; i < changes->n_batches; i++)
        for (int64_t row = 0; row < changes->batches[i].array.length; row++)
            note_row(n, &changes->batches[i], row);
    if (changes->end_lsn > n->written_lsn)
        n->written_lsn = changes->end_lsn;
    return WALROW_OK;
}

static walrow_code
noting_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    notes *n = notes_of(sink);
    (void)err;
    if (finish_files || !n->is_slow) {
        n->n_durable = n->n;
        n->durable_lsn = n->written_lsn;
    }
    *durable_lsn = n->durable_lsn;
    return WALROW_OK;
}

static walrow_code
noting_finish(walrow__sink *sink, walrow_error *err)
{
    (void)sink, (void)err;
    return WALROW_OK;
}

static void
noting_free(walrow__sink *sink)
{
    free(sink->uri);
    free(sink);
}

static walrow_code
noting_position(walrow__sink *sink, walrow__position *out, walrow_error *err)
{
    const notes *n = notes_of(sink);
    (void)err;
    *out = n->n_durable == 0 ? (walrow__position){0} : n->positions[n->n_durable - 1];
    return WALROW_OK;
}

static const walrow__sink_ops noting_ops = {
    .open = noting_open,
    .write = noting_write,
    .sync = noting_sync,
    .finish = noting_finish,
    .free = noting_free,
    .position = noting_position,
};

/* ---- the fixture ---- */

typedef struct fixture {
    walrow_options *options;
    notes notes;
    walrow__sink *sink;
    walrow__table *t, *u; /* (id integer key, name text) */
    uint64_t lsn;         /* of the next transaction; records are of 48 bytes */
    int next_id;
    size_t seen; /* lines */
    walrow_error err;
} fixture;

UNUSED_FN static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    f->t = simple_table("t", 1);
    f->u = simple_table("u", 2);
    f->lsn = 1024;
    setenv("WALROW_WINDOW_GRACE_MS", "100000000", 1);
    *state = f;
    return 0;
}

UNUSED_FN static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__sink_free(f->sink);
    walrow_options_free(f->options);
    walrow__table_unref(f->t);
    walrow__table_unref(f->u);
    free(f);
    return 0;
}

UNUSED_FN static void
set(fixture *f, const char *name, const char *value)
{
    ASSERT_OK(walrow_options_set(f->options, name, value, &f->err), f->err);
}

UNUSED_FN static walrow_code
try_wrap(fixture *f)
{
    noting_sink *noting = calloc(1, sizeof *noting);
    noting->base.ops = &noting_ops;
    noting->base.uri = strdup("noting:");
    noting->base.keeps_position = true;
    noting->notes = &f->notes;
    f->sink = &noting->base;
    return walrow__query_wrap(f->options, &f->sink, &f->err);
}

UNUSED_FN static void
open_queries(fixture *f)
{
    walrow__identity identity = {.database = "shop", .slot = "walrow"};
    ASSERT_OK(try_wrap(f), f->err);
    ASSERT_OK(walrow__sink_open(f->sink, &identity, &f->err), f->err);
}

/* Counts of t's names, in windows. */
UNUSED_FN static void
open_windows(fixture *f, const char *window, const char *slide)
{
    set(f, "sql", "q=SELECT name, count(*) FROM public.t GROUP BY name ORDER BY name");
    set(f, "window", window);
    if (slide != NULL)
        set(f, "slide", slide);
    open_queries(f);
}

/* ---- what comes and what is given ---- */

/* Another transaction of the change set: a row for each letter, which is its name. */
UNUSED_FN static void
add_letters(fixture *f, changes *c, walrow__table *table, double seconds, const char *letters, bool whole)
{
    c->time = NOON + (int64_t)(seconds * 1e6);
    for (uint32_t seq = 0; letters[seq] != '\0'; seq++) {
        char id[16], name[2] = {letters[seq], '\0'};
        snprintf(id, sizeof id, "%d", f->next_id++);
        add_row(c, table, 'I', f->lsn, seq, ROW(id, name));
    }
    add_transaction(c, f->lsn, whole ? f->lsn + 48 : 0);
    f->lsn += whole ? 64 : 0;
}

UNUSED_FN static walrow_code
try_write(fixture *f, changes *c)
{
    const walrow_changes *set = finish_changes(c, f->lsn - 16);
    walrow_code code = walrow__sink_write(f->sink, set, &f->err);
    end_changes(c);
    return code;
}

UNUSED_FN static void
write_set(fixture *f, changes *c)
{
    ASSERT_OK(try_write(f, c), f->err);
}

/* A change set of one transaction; returns its end. */
UNUSED_FN static uint64_t
come(fixture *f, double seconds, const char *letters)
{
    changes c;
    begin_changes(&c);
    add_letters(f, &c, f->t, seconds, letters, true);
    write_set(f, &c);
    return f->lsn - 16;
}

UNUSED_FN static uint64_t
durable_lsn(fixture *f)
{
    uint64_t lsn = 0;
    ASSERT_OK(walrow__sink_sync(f->sink, false, &lsn, &f->err), f->err);
    return lsn;
}

/* All lines noted since the last time. */
#define ASSERT_GIVEN(f, ...) assert_given(f, (const char *const[]){__VA_ARGS__, NULL})
#define ASSERT_NOTHING_GIVEN(f) assert_given(f, (const char *const[]){NULL})

UNUSED_FN static void
assert_given(fixture *f, const char *const *lines)
{
    for (; *lines != NULL; lines++) {
        if (f->seen == f->notes.n)
            fail_msg("not given: %s", *lines);
        assert_string_equal(f->notes.lines[f->seen++], *lines);
    }
    if (f->seen < f->notes.n)
        fail_msg("also given: %s", f->notes.lines[f->seen]);
}

/* What was not durable is lost; the next run goes on as the state had it. */
UNUSED_FN static void
crash(fixture *f, uint64_t resume_lsn)
{
    walrow__sink_free(f->sink);
    f->notes.n = f->notes.n_durable;
    f->notes.written_lsn = f->notes.durable_lsn;
    if (f->seen > f->notes.n)
        f->seen = f->notes.n;
    open_queries(f);
    f->sink->resume_lsn = resume_lsn;
}

#endif
