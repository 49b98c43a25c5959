/*
 * test_fanout.c
 *	  Sinks behind the buffer, each at its own pace: what is put comes to each once and in order, cursors stand
 *	  at what is durable, and what nobody needs any more goes. Made for ThreadSanitizer as well.
 */
#include "changes.h"

#include "stream/diary.h"
#include "stream/fanout.h"

#include <stdatomic.h>
#include <unistd.h>

enum { N_SINKS = 3, N_SETS = 200 };

/* A sink that counts, and is blocked or broken as the test says. */
typedef struct probe {
    walrow__sink base;
    _Atomic uint64_t written, synced; /* ends of change sets */
    atomic_bool blocked, finished, in_order;
    _Atomic uint64_t fails_at, ends_at; /* 0: never */
    struct probe *unblocks;             /* when it is finished */
} probe;

typedef struct fixture {
    char path[64];
    walrow_options *options;
    walrow__state *state;
    probe probes[N_SINKS];
    walrow__sink *sinks[N_SINKS];
    walrow__outlets outlets;
    walrow__fanout *fanout;
    walrow__diary diary;
    walrow_error err;
} fixture;

static const walrow__identity shop = {
    .system_identifier = UINT64_C(7311234567890123456), .timeline = 1, .database = "shop", .slot = "walrow"};

/* ---- the sink ---- */

static walrow_code
probe_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    probe *p = (probe *)sink;
    while (atomic_load(&p->blocked))
        usleep(1000);
    if (changes->snapshot)
        return WALROW_OK;
    if (changes->end_lsn == atomic_load(&p->ends_at))
        return WALROW_END;
    if (changes->end_lsn == atomic_load(&p->fails_at))
        return walrow__fail(err, WALROW_ERR_SINK, "the probe is broken");
    if (changes->end_lsn != atomic_load(&p->written) + 1)
        atomic_store(&p->in_order, false);
    atomic_store(&p->written, changes->end_lsn);
    return WALROW_OK;
}

static walrow_code
probe_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    probe *p = (probe *)sink;
    (void)finish_files;
    (void)err;
    *durable_lsn = atomic_load(&p->written);
    atomic_store(&p->synced, *durable_lsn);
    return WALROW_OK;
}

static walrow_code
probe_finish(walrow__sink *sink, walrow_error *err)
{
    probe *p = (probe *)sink;
    (void)err;
    atomic_store(&p->finished, true);
    if (p->unblocks != NULL)
        atomic_store(&p->unblocks->blocked, false);
    return WALROW_OK;
}

static const walrow__sink_ops probe_ops = {.write = probe_write, .sync = probe_sync, .finish = probe_finish};
static const char *const uris[N_SINKS] = {"probe:a", "probe:b?slowly", "probe:c"};

/* ---- the run ---- */

static void
open_fanout(fixture *f)
{
    ASSERT_OK(walrow__state_open(f->path, &shop, &f->state, &f->err), f->err);
    ASSERT_OK(walrow__diary_open(&f->diary, f->state, &f->err), f->err);
    ASSERT_OK(walrow__fanout_open(f->state, &f->outlets, f->options, &f->fanout, &f->err), f->err);
}

static void
start(fixture *f)
{
    open_fanout(f);
    ASSERT_OK(walrow__fanout_start(f->fanout, &f->err), f->err);
}

static void
leave(fixture *f)
{
    walrow__diary_release(&f->diary);
    walrow__fanout_free(f->fanout);
    walrow__state_close(f->state);
    f->fanout = NULL;
    f->state = NULL;
}

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/walrow-test-fanout-%d", (int)getpid());
    ASSERT_OK(walrow_options_new(&f->options, &f->err), f->err);
    ASSERT_OK(walrow_options_set(f->options, "ack-interval", "10", &f->err), f->err);
    for (int i = 0; i < N_SINKS; i++) {
        f->probes[i] = (probe){.base = {.ops = &probe_ops, .uri = (char *)uris[i]}, .in_order = true};
        f->sinks[i] = &f->probes[i].base;
    }
    f->outlets = (walrow__outlets){.sinks = f->sinks, .count = N_SINKS};
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < N_SINKS; i++)
        atomic_store(&f->probes[i].blocked, false);
    leave(f);
    walrow_options_free(f->options);
    walrow_code removed = walrow__place_remove(f->path, NULL);
    free(f);
    return removed == WALROW_OK ? 0 : -1;
}

/* One change set with nothing but its end. */
static void
put(fixture *f, uint64_t end_lsn, bool partial)
{
    const walrow_changes changes = {.end_lsn = end_lsn, .partial = partial};
    ASSERT_OK(walrow__diary_keep(&f->diary, walrow__fanout_buffer(f->fanout), &changes, &f->err), f->err);
}

static void
put_many(fixture *f, uint64_t first, uint64_t last)
{
    for (uint64_t end_lsn = first; end_lsn <= last; end_lsn++) {
        put(f, end_lsn, false);
        if (end_lsn % 16 == 0)
            ASSERT_OK(walrow__fanout_commit(f->fanout, true, &f->err), f->err);
    }
}

/* Committing all the while, as a run does, until it is so; or the test ends. */
#define COMMIT_UNTIL(f, condition)                                                                           \
    do {                                                                                                     \
        for (int turns = 0; !(condition); turns++) {                                                         \
            if (turns == 60000)                                                                              \
                fail_msg("not within a minute: %s", #condition);                                             \
            ASSERT_OK(walrow__fanout_commit((f)->fanout, true, &(f)->err), (f)->err);                        \
            usleep(1000);                                                                                    \
        }                                                                                                    \
    } while (0)

/* As the state has it. */
static uint64_t
cursor_of(fixture *f, int i)
{
    uint64_t cursor;
    bool known;
    ASSERT_OK(walrow__state_cursor(f->state, uris[i], &known, &cursor, &f->err), f->err);
    assert_true(known);
    return cursor;
}

static uint64_t
first_kept(fixture *f)
{
    return walrow__buffer_first(walrow__fanout_buffer(f->fanout));
}

/* ---- tests ---- */

static void
each_sink_has_everything_once_and_in_order(void **state)
{
    fixture *f = *state;
    start(f);
    put_many(f, 1, N_SETS);
    ASSERT_OK(walrow__fanout_finish(f->fanout, true, &f->err), f->err);
    for (int i = 0; i < N_SINKS; i++) {
        assert_true(f->probes[i].in_order);
        assert_true(f->probes[i].finished);
        assert_int_equal(f->probes[i].synced, N_SETS);
    }
    assert_int_equal(walrow__buffer_bytes(walrow__fanout_buffer(f->fanout)), 0);
}

static void
a_blocked_sink_holds_back_nothing_but_the_buffer(void **state)
{
    fixture *f = *state;
    atomic_store(&f->probes[1].blocked, true);
    start(f);
    put_many(f, 1, N_SETS);
    COMMIT_UNTIL(f, f->probes[0].synced == N_SETS && f->probes[2].synced == N_SETS);
    assert_int_equal(first_kept(f), 1);
    atomic_store(&f->probes[1].blocked, false);
    COMMIT_UNTIL(f, first_kept(f) == N_SETS + 1);
    assert_true(f->probes[1].in_order);
}

static void
a_run_that_is_left_goes_on_at_the_cursors(void **state)
{
    fixture *f = *state;
    atomic_store(&f->probes[1].blocked, true);
    start(f);
    put_many(f, 1, N_SETS);
    COMMIT_UNTIL(f, f->probes[0].synced == N_SETS);
    atomic_store(&f->probes[1].blocked, false);
    leave(f);
    open_fanout(f);
    for (int i = 0; i < N_SINKS; i++) { /* what was not committed comes again */
        atomic_store(&f->probes[i].written, cursor_of(f, i) - 1);
        atomic_store(&f->probes[i].in_order, true);
    }
    assert_int_equal(cursor_of(f, 1), 1);
    ASSERT_OK(walrow__fanout_start(f->fanout, &f->err), f->err);
    ASSERT_OK(walrow__fanout_finish(f->fanout, true, &f->err), f->err);
    for (int i = 0; i < N_SINKS; i++) {
        assert_true(f->probes[i].in_order);
        assert_int_equal(f->probes[i].written, N_SETS);
    }
}

static void
asked_to_stop_no_sink_needs_to_catch_up(void **state)
{
    fixture *f = *state;
    atomic_store(&f->probes[1].blocked, true);
    f->probes[0].unblocks = &f->probes[1];
    start(f);
    put_many(f, 1, N_SETS);
    ASSERT_OK(walrow__fanout_finish(f->fanout, false, &f->err), f->err);
    assert_true(f->probes[1].finished);
    assert_in_range(f->probes[1].synced, 0, N_SETS - 1);
    assert_int_equal(first_kept(f), f->probes[1].synced + 1);
}

static void
what_a_sink_fails_with_is_said(void **state)
{
    fixture *f = *state;
    atomic_store(&f->probes[2].fails_at, 3);
    start(f);
    put_many(f, 1, 8);
    walrow_code code = WALROW_OK;
    for (int turns = 0; code == WALROW_OK && turns < 60000; turns++, usleep(1000))
        code = walrow__fanout_commit(f->fanout, true, &f->err);
    assert_int_equal(code, WALROW_ERR_SINK);
    assert_string_equal(f->err.message, "the probe is broken");
}

static void
a_sink_that_takes_no_more_ends_the_run_well(void **state)
{
    fixture *f = *state;
    atomic_store(&f->probes[0].ends_at, 3);
    start(f);
    put_many(f, 1, 8);
    walrow_code code = WALROW_OK;
    for (int turns = 0; code == WALROW_OK && turns < 60000; turns++, usleep(1000))
        code = walrow__fanout_commit(f->fanout, true, &f->err);
    assert_int_equal(code, WALROW_END);
    ASSERT_OK(walrow__fanout_finish(f->fanout, false, &f->err), f->err);
    assert_int_equal(f->probes[0].synced, 2);
}

static void
parts_of_a_transaction_are_kept_until_its_end_is_durable(void **state)
{
    fixture *f = *state;
    start(f);
    put(f, 1, false);
    put(f, 1, true);
    put(f, 1, true);
    COMMIT_UNTIL(f, first_kept(f) == 2);
    for (int i = 0; i < 20; i++, usleep(1000))
        ASSERT_OK(walrow__fanout_commit(f->fanout, true, &f->err), f->err);
    assert_int_equal(first_kept(f), 2);
    put(f, 2, false);
    COMMIT_UNTIL(f, first_kept(f) == 5);
}

/* A table met in the middle of a transaction. */
static void
put_table_read(fixture *f)
{
    static changes read;
    walrow__table *table = simple_table("met", 7);
    begin_changes(&read);
    add_row(&read, table, 'R', 1, 0, (const char *const[]){"1", "one"});
    read.set.snapshot = read.set.snapshot_end = true;
    ASSERT_OK(
        walrow__diary_keep(&f->diary, walrow__fanout_buffer(f->fanout), finish_changes(&read, 1), &f->err),
        f->err);
    end_changes(&read);
    walrow__table_unref(table);
}

static void
a_table_read_between_two_parts_does_not_make_the_first_durable(void **state)
{
    fixture *f = *state;
    start(f);
    put_table_read(f);
    put(f, 1, true);
    put_table_read(f);
    COMMIT_UNTIL(f, first_kept(f) == 2);
    for (int i = 0; i < 20; i++, usleep(1000))
        ASSERT_OK(walrow__fanout_commit(f->fanout, true, &f->err), f->err);
    assert_int_equal(first_kept(f), 2);
    put(f, 2, false);
    COMMIT_UNTIL(f, first_kept(f) == 5);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_sink_has_everything_once_and_in_order),
        CASE(a_blocked_sink_holds_back_nothing_but_the_buffer),
        CASE(a_run_that_is_left_goes_on_at_the_cursors),
        CASE(asked_to_stop_no_sink_needs_to_catch_up),
        CASE(what_a_sink_fails_with_is_said),
        CASE(a_sink_that_takes_no_more_ends_the_run_well),
        CASE(parts_of_a_transaction_are_kept_until_its_end_is_durable),
        CASE(a_table_read_between_two_parts_does_not_make_the_first_durable),
    };
    return cmocka_run_group_tests_name("fanout", tests, NULL, NULL);
}
