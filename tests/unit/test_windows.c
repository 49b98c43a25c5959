/*
 * test_windows.c
 *	  --window and --slide: which change is in which window, when a window is given, and what is durable then.
 *	  Skipped without libduckdb.
 */
#include "windows.h"

static fixture *
fixture_of(void **state)
{
    fixture *f = *state;
    walrow__duckdb *duckdb;
    if (walrow__duckdb_open(&duckdb, NULL) != WALROW_OK)
        skip();
    walrow__duckdb_free(duckdb);
    return f;
}

/* ---- which window ---- */

static void
a_window_is_given_when_a_later_commit_comes(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    come(f, 1, "ab");
    come(f, 9.999999, "a");
    ASSERT_NOTHING_GIVEN(f);
    come(f, 10, "c"); /* the end is not in it */
    ASSERT_GIVEN(f, "q [0,10) a 2 @1088,0", "q [0,10) b 1 @1088,1");
    come(f, 45, "d");
    ASSERT_GIVEN(f, "q [10,20) c 1 @1152,0"); /* and of windows without changes nothing */
}

static void
a_change_set_is_cut_where_windows_end(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    open_windows(f, "10s", NULL);
    begin_changes(&c);
    add_letters(f, &c, f->t, 1, "a", true);
    add_letters(f, &c, f->t, 2, "a", true);
    add_letters(f, &c, f->t, 11, "b", true);
    add_letters(f, &c, f->t, 25, "c", true);
    write_set(f, &c);
    ASSERT_GIVEN(f, "q [0,10) a 2 @1088,0", "q [10,20) b 1 @1152,0");
}

static void
a_late_change_counts_in_the_open_window(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    come(f, 8, "a");
    come(f, 12, "b");
    ASSERT_GIVEN(f, "q [0,10) a 1 @1024,0");
    come(f, 9, "l");
    come(f, 21, "c");
    ASSERT_GIVEN(f, "q [10,20) b 1 @1152,0", "q [10,20) l 1 @1152,1");
}

static void
another_table_s_commits_end_windows_too(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    open_windows(f, "10s", NULL);
    come(f, 1, "a");
    begin_changes(&c);
    add_letters(f, &c, f->u, 11, "x", true);
    write_set(f, &c);
    ASSERT_GIVEN(f, "q [0,10) a 1 @1024,0");
}

static void
windows_before_1970_begin_where_they_should(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    come(f, -1e10 - 1, "a");
    come(f, -1e10, "b");
    ASSERT_GIVEN(f, "q [-1e+10,-1e+10) a 1 @1024,0"); /* NOON is at a full ten seconds */
}

static void
sliding_windows_have_a_change_several_times(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "30s", "10s");
    come(f, 5, "a");
    come(f, 15, "b");
    ASSERT_GIVEN(f, "q [-20,10) a 1 @1024,0");
    come(f, 35, "c");
    /* nothing came from 20 to 30: a position inside of the last record */
    ASSERT_GIVEN(f, "q [-10,20) a 1 @1088,0", "q [-10,20) b 1 @1088,1", "q [0,30) a 1 @1089,0",
                 "q [0,30) b 1 @1089,1");
    come(f, 100, "d");
    ASSERT_GIVEN(f, "q [10,40) b 1 @1152,0", "q [10,40) c 1 @1152,1", "q [20,50) c 1 @1153,0",
                 "q [30,60) c 1 @1154,0");
}

/* ---- when ---- */

static void
a_transaction_in_parts_is_in_one_window(void **state)
{
    fixture *f = fixture_of(state);
    changes c;
    open_windows(f, "10s", NULL);
    setenv("WALROW_WINDOW_GRACE_MS", "1", 1);
    crash(f, 0);
    begin_changes(&c);
    add_letters(f, &c, f->t, 1, "aa", false);
    c.set.partial = true;
    const walrow_changes *part = finish_changes(&c, 1000);
    ASSERT_OK(walrow__sink_write(f->sink, part, &f->err), f->err);
    end_changes(&c);
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* longer than the grace */
    assert_int_equal(durable_lsn(f), 0);
    ASSERT_NOTHING_GIVEN(f);
    come(f, 1, "ab");
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(durable_lsn(f), 1072);
    ASSERT_GIVEN(f, "q [0,10) a 3 @1024,0", "q [0,10) b 1 @1024,1");
}

static void
when_nothing_comes_the_clock_ends_a_window(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    setenv("WALROW_WINDOW_GRACE_MS", "1", 1);
    crash(f, 0);
    uint64_t end = come(f, 1, "a");
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(durable_lsn(f), end);
    ASSERT_GIVEN(f, "q [0,10) a 1 @1024,0");
    come(f, 2, "l"); /* its window is over */
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    durable_lsn(f);
    ASSERT_GIVEN(f, "q [10,20) l 1 @1088,0");
}

static void
what_the_clock_ended_ends_there_again(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    setenv("WALROW_WINDOW_GRACE_MS", "1", 1);
    crash(f, 0);
    come(f, 1, "a");
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    durable_lsn(f);
    setenv("WALROW_WINDOW_GRACE_MS", "100000000", 1);
    crash(f, 0); /* durable in the sink, and nobody was told */
    f->lsn = 1024;
    come(f, 1, "a");
    come(f, 2, "l");
    come(f, 25, "z");
    ASSERT_GIVEN(f, "q [0,10) a 1 @1024,0", "q [10,20) l 1 @1088,0");
}

static void
at_the_end_of_all_open_windows_are_given(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    uint64_t end = come(f, 1, "a");
    f->sink->ends = true;
    assert_int_equal(durable_lsn(f), end);
    ASSERT_GIVEN(f, "q [0,10) a 1 @1024,0");
}

/* ---- what is durable ---- */

static void
what_is_in_an_open_window_is_not_durable(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    assert_int_equal(durable_lsn(f), 0);
    come(f, 1, "a");
    uint64_t end = come(f, 2, "a");
    assert_int_equal(durable_lsn(f), 0);
    come(f, 11, "b");
    assert_int_equal(durable_lsn(f), end);
}

static void
nor_is_what_the_sink_has_not_made_so(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    uint64_t first = come(f, 1, "a");
    come(f, 11, "b");
    f->notes.is_slow = true;
    assert_int_equal(durable_lsn(f), 0);
    f->notes.is_slow = false;
    assert_int_equal(durable_lsn(f), first);
    f->notes.is_slow = true;
    uint64_t second = come(f, 21, "c") - 64;
    assert_int_equal(durable_lsn(f), first);
    f->notes.is_slow = false;
    assert_int_equal(durable_lsn(f), second);
}

static void
a_sliding_window_holds_back_all_that_the_next_one_needs(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "30s", "10s");
    uint64_t a = come(f, 5, "a"), b = come(f, 15, "b");
    come(f, 25, "c");
    assert_int_equal(durable_lsn(f), 0); /* the next window begins at 0 */
    come(f, 35, "d");
    assert_int_equal(durable_lsn(f), a - 1); /* at 10: the ones of b and c, and of b alone, were given */
    come(f, 45, "e");
    assert_int_equal(durable_lsn(f), b - 1);
}

static void
while_some_windows_of_a_change_were_given_and_others_not_nothing_moves(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "40s", "10s");
    come(f, 5, "a");
    uint64_t b = come(f, 25, "b");
    come(f, 35, "c");
    assert_int_equal(durable_lsn(f), 0); /* the next window needs a */
    come(f, 45, "d");
    assert_int_equal(durable_lsn(f), 0); /* not a, but b had windows with a */
    come(f, 55, "e");
    assert_int_equal(durable_lsn(f), b - 64 - 1);
}

/* ---- after a crash ---- */

static void
open_windows_are_read_again(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    come(f, 1, "a");
    come(f, 11, "b");
    uint64_t durable = durable_lsn(f);
    come(f, 12, "b");
    crash(f, durable);
    f->lsn = 1024; /* from somewhere before */
    come(f, 1, "a");
    come(f, 11, "b");
    come(f, 12, "b");
    come(f, 21, "c");
    ASSERT_GIVEN(f, "q [0,10) a 1 @1024,0", "q [10,20) b 2 @1152,0");
}

static void
a_sliding_window_whose_begin_is_gone_is_not_given_again(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "30s", "10s");
    come(f, 5, "a");
    come(f, 15, "b");
    come(f, 25, "c");
    come(f, 35, "d");
    uint64_t durable = durable_lsn(f);
    f->notes.n = f->notes.n_durable = f->seen = 0; /* a sink that remembers nothing */
    crash(f, durable);
    f->lsn = 1088;
    come(f, 15, "b");
    come(f, 25, "c");
    come(f, 35, "d");
    come(f, 45, "e");
    ASSERT_GIVEN(f, "q [10,40) b 1 @1216,0", "q [10,40) c 1 @1216,1", "q [10,40) d 1 @1216,2");
}

/* ---- whatever comes, and wherever it breaks ---- */

enum { N_TRANSACTIONS = 30, N_SEEDS = 2 };

typedef struct story {
    double times[N_TRANSACTIONS];
    char letters[N_TRANSACTIONS][4];
} story;

static uint32_t
pick(uint64_t *seed, uint32_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407; /* Knuth's MMIX */
    return (uint32_t)(*seed >> 33) % below;
}

/* Mostly a little later than the one before, sometimes earlier, sometimes after a pause. */
static void
invent(story *s, uint64_t *seed)
{
    double now = 0;
    for (int i = 0; i < N_TRANSACTIONS; i++) {
        uint32_t kind = pick(seed, 12);
        now += kind == 0 ? 70 : kind == 1 ? 25 : pick(seed, 8);
        s->times[i] = kind == 2 && now > 12 ? now - 12 : now;
        for (uint32_t n = pick(seed, 4), k = 0; k < n; k++)
            s->letters[i][k] = (char)('a' + pick(seed, 3));
    }
}

/* Transactions [from, to) in one change set, some of them of the other table. */
static void
tell(fixture *f, const story *s, int from, int to)
{
    changes c;
    begin_changes(&c);
    f->lsn = 1024 + 64 * (uint64_t)from;
    for (int i = from; i < to; i++)
        add_letters(f, &c, i % 7 == 3 ? f->u : f->t, s->times[i], s->letters[i], true);
    write_set(f, &c);
}

static void
tell_with_crashes(fixture *f, const story *s, uint64_t *seed)
{
    uint64_t durable = 0;
    for (int at = 0; at < N_TRANSACTIONS;) {
        int to = at + 1 + (int)pick(seed, 5);
        to = to < N_TRANSACTIONS ? to : N_TRANSACTIONS;
        tell(f, s, at, to);
        at = to;
        f->notes.is_slow = pick(seed, 2) == 0;
        if (pick(seed, 2) == 0)
            durable = durable_lsn(f);
        if (pick(seed, 4) != 0)
            continue;
        crash(f, durable);
        at = durable < 1024 ? 0 : (int)((durable - 1024 + 63) / 64); /* records that begin there or later */
        at -= at > 3 ? (int)pick(seed, 3) : 0;                       /* or some before, from the buffer */
    }
    f->sink->ends = true;
    f->notes.is_slow = false;
    durable_lsn(f);
}

static void
check_crashes(fixture *f, uint64_t seed)
{
    static notes whole;
    story s = {0};
    invent(&s, &seed);
    walrow__sink_free(f->sink);
    memset(&f->notes, 0, sizeof f->notes);
    open_queries(f);
    for (int i = 0; i < N_TRANSACTIONS; i++)
        tell(f, &s, i, i + 1);
    f->sink->ends = true;
    durable_lsn(f);
    whole = f->notes;
    walrow__sink_free(f->sink);
    memset(&f->notes, 0, sizeof f->notes);
    open_queries(f);
    tell_with_crashes(f, &s, &seed);
    for (size_t i = 0; i < whole.n && i < f->notes.n; i++)
        assert_string_equal(f->notes.lines[i], whole.lines[i]);
    assert_int_equal(f->notes.n, whole.n);
    assert_true(whole.n > 5);
}

static void
crashes_change_nothing(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "10s", NULL);
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++)
        check_crashes(f, seed);
}

static void
crashes_change_nothing_of_sliding_windows(void **state)
{
    fixture *f = fixture_of(state);
    open_windows(f, "40s", "10s");
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++)
        check_crashes(f, seed);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_window_is_given_when_a_later_commit_comes),
        TEST(a_change_set_is_cut_where_windows_end),
        TEST(a_late_change_counts_in_the_open_window),
        TEST(another_table_s_commits_end_windows_too),
        TEST(windows_before_1970_begin_where_they_should),
        TEST(sliding_windows_have_a_change_several_times),
        TEST(a_transaction_in_parts_is_in_one_window),
        TEST(when_nothing_comes_the_clock_ends_a_window),
        TEST(what_the_clock_ended_ends_there_again),
        TEST(at_the_end_of_all_open_windows_are_given),
        TEST(what_is_in_an_open_window_is_not_durable),
        TEST(nor_is_what_the_sink_has_not_made_so),
        TEST(a_sliding_window_holds_back_all_that_the_next_one_needs),
        TEST(while_some_windows_of_a_change_were_given_and_others_not_nothing_moves),
        TEST(open_windows_are_read_again),
        TEST(a_sliding_window_whose_begin_is_gone_is_not_given_again),
        TEST(crashes_change_nothing),
        TEST(crashes_change_nothing_of_sliding_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
