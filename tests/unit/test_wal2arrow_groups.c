/*
 * test_wal2arrow_groups.c
 *	  Messages of wal2arrow that small transactions share (PROTOCOL.md, "Messages"): their begins and commits come
 *	  first, then rows of all of them.
 */
#include "w2a_decoding.h"

/* Transactions that are over before the rows: 0x100, 0x200, ... */
static void
begin_group(fixture *f, int n)
{
    for (int i = 1; i <= n; i++) {
        begin(f, 0x100 * (uint64_t)i);
        commit(f);
    }
}

/* The table is known before. */
static void
announce(fixture *f, const walrow__table *table)
{
    schema(f, table);
    send_message(f);
}

/* "100-108 200-208 300", of the last change set; 0 where it goes on. */
static const char *
transactions_of(fixture *f)
{
    static char text[200];
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < f->changes.n_transactions; i++) {
        const walrow_transaction *t = &f->changes.transactions[i];
        assert_int_equal(t->xid, t->commit_lsn);
        assert_int_equal(t->commit_time, NOON);
        at += (size_t)snprintf(text + at, sizeof text - at, i == 0 ? "%X-%X" : " %X-%X",
                               (unsigned)t->commit_lsn, (unsigned)t->end_lsn);
    }
    return text;
}

#define ASSERT_TRANSACTIONS(f, text) assert_string_equal(transactions_of(f), text)

/* ---- whose rows they are ---- */

static void
transactions_share_a_message(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin_group(f, 3);
    PLACES(f, f->t, "a", {0x100, 0}, {0x100, 1}, {0x200, 0}, {0x300, 0});
    send_message(f);
    assert_false(f->collector.in_transaction);
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 0 a\nI 100/1 1 a\nI 200/0 0 a\nI 300/0 0 a\n");
    ASSERT_TRANSACTIONS(f, "100-108 200-208 300-308");
    assert_int_equal(f->changes.end_lsn, 0x308);
    assert_int_equal(f->changes.n_batches, 1);
    assert_int_equal(f->collector.last.commit_lsn, 0x300);
}

static void
each_table_has_its_rows(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    announce(f, f->copied);
    begin_group(f, 3);
    PLACES(f, f->copied, "b", {0x200, 1}, {0x300, 0});
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0});
    send_message(f);
    assert_string_equal(rows_of(cut(f)), "copied:\nI 200/1 1 b\nI 300/0 0 b\nt:\nI 100/0 0 a\nI 200/0 0 a\n");
    ASSERT_TRANSACTIONS(f, "100-108 200-208 300-308");
    assert_int_equal(f->collector.last.commit_lsn, 0x300);
}

static void
the_last_ends_with_the_message(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin_group(f, 1);
    begin(f, 0x200);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0});
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 a\nI 200/0 0 a\n");
    ASSERT_TRANSACTIONS(f, "100-108 200-208");
}

static void
the_last_goes_on_in_the_next_message(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin_group(f, 1);
    begin(f, 0x200);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0});
    send_message(f);
    assert_true(f->collector.in_transaction);
    cut(f);
    assert_true(f->changes.partial);
    ASSERT_TRANSACTIONS(f, "100-108 200-0");
    ROWS(f, f->t, "b", 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 200/1 1 b\n");
    ASSERT_TRANSACTIONS(f, "200-208");
}

static void
all_but_rows_is_of_the_last(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin_group(f, 1);
    begin(f, 0x200);
    schema(f, f->copied);
    dead_letter(f, f->copied, 1);
    message(f, true, 2);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0});
    ROWS(f, f->copied, NULL, 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 a\nI 200/0 0 a\ncopied:\nI 200/1 1 -\n");
    assert_int_equal(f->changes.messages[0].commit_lsn, 0x200);
    assert_int_equal(f->changes.messages[0].xid, 0x200);
    assert_int_equal(f->changes.dead_letters[0].lsn, 0x200);
    assert_int_equal(f->changes.dead_letters[0].seq, 1);
    assert_int_equal(f->changes.dead_letters[0].xid, 0x200);
}

static void
rows_of_an_earlier_schema_come_first(void **state)
{
    fixture *f = *state;
    walrow__table *changed = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("title", TEXT));
    announce(f, f->t);
    begin_group(f, 1);
    begin(f, 0x200);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0});
    schema(f, changed);
    ROWS(f, changed, "b", 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 a\nI 200/0 0 a\nt:\nI 200/1 1 b\n");
    ASSERT_TRANSACTIONS(f, "100-108 200-208");
    walrow__table_unref(changed);
}

static void
each_has_its_origin(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    for (uint64_t lsn = 0x100; lsn <= 0x300; lsn += 0x100) {
        walrow__wire_begin frame = {(uint32_t)lsn, lsn, NOON, text_bytes(lsn == 0x200 ? "upstream" : "")};
        f->commit_lsn = lsn;
        head(f);
        assert_true(walrow__wire_write_begin(&f->out, &frame));
        commit(f);
    }
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0}, {0x300, 0});
    send_message(f);
    cut(f);
    assert_null(f->changes.transactions[0].origin);
    assert_string_equal(f->changes.transactions[1].origin, "upstream");
    assert_null(f->changes.transactions[2].origin);
}

/* ---- what is kept ---- */

static void
only_those_with_rows_that_are_wanted_are_listed(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    announce(f, f->other);
    begin_group(f, 3);
    PLACES(f, f->other, "x", {0x100, 0}, {0x200, 1}, {0x300, 0});
    PLACES(f, f->t, "a", {0x200, 0});
    send_message(f);
    assert_string_equal(rows_of(cut(f)), "t:\nI 200/0 0 a\n");
    ASSERT_TRANSACTIONS(f, "200-208");
    assert_int_equal(f->changes.end_lsn, 0x308);
}

static void
rows_of_a_table_nobody_wants_do_not_count(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    announce(f, f->other);
    begin_group(f, 2);
    begin(f, 0x300);
    PLACES(f, f->other, "x", {0x100, 0}, {0x100, 2}, {0x200, 1}, {0x300, 0}, {0x300, 2});
    PLACES(f, f->t, "a", {0x100, 1}, {0x100, 3}, {0x200, 0}, {0x200, 2}, {0x300, 1}, {0x300, 3});
    send_message(f);
    ROWS(f, f->other, "x", 4);
    ROWS(f, f->t, "b", 5);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\nI 100/1 3 a\nI 200/0 0 a\nI 200/1 2 a\n"
                                              "I 300/0 1 a\nI 300/1 3 a\nI 300/2 5 b\n");
    ASSERT_TRANSACTIONS(f, "100-108 200-208 300-308");
}

static void
what_was_dropped_of_one_does_not_count_for_the_next(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    announce(f, f->other);
    begin_group(f, 1);
    begin(f, 0x200);
    PLACES(f, f->other, "x", {0x100, 0}, {0x100, 1});
    PLACES(f, f->t, "a", {0x200, 0});
    send_message(f);
    ROWS(f, f->t, "b", 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 200/0 0 a\nI 200/1 1 b\n");
    ASSERT_TRANSACTIONS(f, "200-208");
}

static void
what_was_delivered_comes_again_and_is_left_out(void **state)
{
    fixture *f = *state;
    f->collector.delivered = (walrow__position){0x200, 0};
    announce(f, f->t);
    begin_group(f, 3);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0}, {0x200, 1}, {0x300, 0});
    send_message(f);
    assert_string_equal(rows_of(cut(f)), "t:\nI 200/1 1 a\nI 300/0 0 a\n");
    ASSERT_TRANSACTIONS(f, "200-208 300-308");
}

static void
the_end_of_one_delivered_in_part_is_news(void **state)
{
    fixture *f = *state;
    f->collector.delivered = (walrow__position){0x200, 0};
    announce(f, f->t);
    begin_group(f, 2);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0});
    send_message(f);
    assert_string_equal(rows_of(cut(f)), "");
    ASSERT_TRANSACTIONS(f, "200-208");
}

static void
rows_in_the_snapshot_are_counted_and_not_kept(void **state)
{
    fixture *f = *state;
    f->from_lsn = 0x200;
    announce(f, f->copied);
    begin_group(f, 3);
    PLACES(f, f->copied, "a", {0x100, 0}, {0x200, 0}, {0x300, 0});
    send_message(f);
    assert_string_equal(rows_of(cut(f)), "copied:\nI 200/0 0 a\nI 300/0 0 a\n");
    ASSERT_TRANSACTIONS(f, "200-208 300-308");
}

/* The transaction it stops at has all that one can have. */
static void
the_stream_stops_inside_a_message(void **state)
{
    fixture *f = *state;
    f->decoder->stop_lsn = 0x300;
    announce(f, f->t);
    begin_group(f, 3);
    begin(f, 0x400);
    message(f, true, 1);
    dead_letter(f, f->t, 0);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0}, {0x300, 0}, {0x400, 0});
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 a\nI 200/0 0 a\n");
    assert_true(f->decoder->stopped);
    assert_false(f->collector.in_transaction);
    ASSERT_TRANSACTIONS(f, "100-108 200-208");
    assert_int_equal(f->changes.end_lsn, 0x208);
    assert_int_equal(f->changes.n_messages, 0);
    assert_int_equal(f->changes.n_dead_letters, 0);
}

static void
the_stream_stops_before_a_message(void **state)
{
    fixture *f = *state;
    f->decoder->stop_lsn = 0x100;
    announce(f, f->t);
    begin_group(f, 2);
    PLACES(f, f->t, "a", {0x100, 0}, {0x200, 0});
    send_message(f);
    assert_true(f->decoder->stopped);
    assert_true(walrow__collector_empty(&f->collector));
}

static void
a_large_batch_stays_in_its_message(void **state)
{
    enum { MANY = 4000 };
    fixture *f = *state;
    place at[MANY + 1];
    f->decoder->take = take;
    f->decoder->take_arg = f;
    announce(f, f->t);
    begin_group(f, 1);
    begin(f, 0x200);
    for (int i = 0; i < MANY; i++)
        at[i] = (place){i == 0 ? 0x100 : 0x200, i == 0 ? 0 : i - 1};
    at[MANY].seq = -1;
    places(f, f->t, at, "a value of some length");
    commit(f);
    send_message(f);
    assert_int_equal(f->taken, 1);
    cut(f);
    assert_int_equal(f->changes.n_batches, 1);
    assert_int_equal(f->changes.batches[0].array.length, MANY);
    ASSERT_TRANSACTIONS(f, "100-108 200-208");
}

/* ---- what is refused ---- */

static void
rows_of_one_that_is_not_listed_are_refused(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin_group(f, 2);
    PLACES(f, f->t, "a", {0x100, 0}, {0x150, 0}, {0x200, 0});
    assert_refused(f, "rows of another transaction");
}

static void
rows_out_of_order_are_refused(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin_group(f, 2);
    PLACES(f, f->t, "a", {0x200, 0}, {0x100, 1});
    assert_refused(f, "rows out of order");
}

static void
transactions_out_of_order_are_refused(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin(f, 0x200);
    commit(f);
    begin(f, 0x100);
    commit(f);
    PLACES(f, f->t, "a", {0x200, 0});
    assert_refused(f, "commits at 0/100, before the end of the last one at 0/208");
}

static void
two_that_are_not_over_are_refused(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    begin(f, 0x200);
    assert_refused(f, "begins inside transaction");
}

static void
one_that_goes_on_ends_behind_its_rows(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin(f, 0x100);
    ROWS(f, f->t, "a", 0);
    send_message(f);
    commit(f);
    begin(f, 0x200);
    assert_refused(f, "frames behind a commit");
}

static void
all_but_rows_where_none_is_open_is_refused(void **state)
{
    fixture *f = *state;
    announce(f, f->t);
    begin_group(f, 1);
    dead_letter(f, f->t, 0);
    PLACES(f, f->t, "a", {0x100, 0});
    assert_refused(f, "dead letter outside a transaction");
    ASSERT_OK(walrow__collector_abandon(&f->collector, &f->err), f->err);
    begin_group(f, 1);
    message(f, true, 0);
    assert_refused(f, "message outside a transaction");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(transactions_share_a_message),
        TEST(each_table_has_its_rows),
        TEST(the_last_ends_with_the_message),
        TEST(the_last_goes_on_in_the_next_message),
        TEST(all_but_rows_is_of_the_last),
        TEST(rows_of_an_earlier_schema_come_first),
        TEST(each_has_its_origin),
        TEST(only_those_with_rows_that_are_wanted_are_listed),
        TEST(rows_of_a_table_nobody_wants_do_not_count),
        TEST(what_was_dropped_of_one_does_not_count_for_the_next),
        TEST(what_was_delivered_comes_again_and_is_left_out),
        TEST(the_end_of_one_delivered_in_part_is_news),
        TEST(rows_in_the_snapshot_are_counted_and_not_kept),
        TEST(the_stream_stops_inside_a_message),
        TEST(the_stream_stops_before_a_message),
        TEST(a_large_batch_stays_in_its_message),
        TEST(rows_of_one_that_is_not_listed_are_refused),
        TEST(rows_out_of_order_are_refused),
        TEST(transactions_out_of_order_are_refused),
        TEST(two_that_are_not_over_are_refused),
        TEST(one_that_goes_on_ends_behind_its_rows),
        TEST(all_but_rows_where_none_is_open_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
