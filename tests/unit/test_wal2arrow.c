/*
 * test_wal2arrow.c
 *	  Messages of wal2arrow, made by hand, into change sets.
 */
#include "w2a_decoding.h"

/* ---- transactions ---- */

static void
a_transaction_is_one_message(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0, 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 a\nI 100/1 1 a\n");
    assert_int_equal(f->changes.end_lsn, 0x108);
    assert_int_equal(f->changes.n_transactions, 1);
    assert_int_equal(f->changes.transactions[0].xid, 0x100);
    assert_int_equal(f->changes.transactions[0].commit_lsn, 0x100);
    assert_int_equal(f->changes.transactions[0].end_lsn, 0x108);
    assert_int_equal(f->changes.transactions[0].commit_time, NOON);
    assert_null(f->changes.transactions[0].origin);
    assert_false(f->collector.in_transaction);
}

static void
transactions_are_joined_in_one_batch(void **state)
{
    fixture *f = *state;
    for (uint64_t lsn = 0x100; lsn <= 0x300; lsn += 0x100) {
        begin(f, lsn);
        if (lsn == 0x100)
            schema(f, f->t);
        ROWS(f, f->t, lsn == 0x200 ? NULL : "a", 0);
        commit(f);
        send_message(f);
    }
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 0 a\nI 200/0 0 -\nI 300/0 0 a\n");
    assert_int_equal(f->changes.n_batches, 1);
    assert_int_equal(f->changes.n_transactions, 3);
}

static void
a_large_transaction_comes_in_parts(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0, 1);
    send_message(f);
    assert_true(f->collector.in_transaction);
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 0 a\nI 100/1 1 a\n");
    assert_true(f->changes.partial);
    ROWS(f, f->t, "b", 2);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/2 2 b\n");
    assert_false(f->changes.partial);
}

static void
an_origin_is_kept(void **state)
{
    fixture *f = *state;
    walrow__wire_begin frame = {0x100, 0x100, NOON, text_bytes("upstream")};
    f->commit_lsn = 0x100;
    head(f);
    assert_true(walrow__wire_write_begin(&f->out, &frame));
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    rows_after_commit(f);
    assert_string_equal(f->changes.transactions[0].origin, "upstream");
}

static void
the_stream_stops_before_a_transaction(void **state)
{
    fixture *f = *state;
    f->decoder->stop_lsn = 0x200;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    commit(f);
    send_message(f);
    assert_false(f->decoder->stopped);
    begin(f, 0x200);
    ROWS(f, f->t, "b", 0);
    commit(f);
    send_message(f);
    assert_true(f->decoder->stopped);
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 0 a\n");
    assert_int_equal(f->changes.end_lsn, 0x108);
}

/* ---- tables ---- */

static void
rows_of_a_table_nobody_wants_do_not_count(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    schema(f, f->other);
    ROWS(f, f->t, "a", 1, 4, 5);
    ROWS(f, f->other, "x", 0, 2, 3);
    message(f, true, 6);
    send_message(f);
    schema(f, f->copied);
    ROWS(f, f->other, "x", 7);
    ROWS(f, f->copied, "b", 6, 9);
    dead_letter(f, f->copied, 9);
    ROWS(f, f->t, "c", 8, 10);
    message(f, true, 11);
    assert_string_equal(rows_after_commit(f),
                        "t:\nI 100/0 1 a\nI 100/1 4 a\nI 100/2 5 a\nI 100/4 8 c\nI 100/6 10 c\n"
                        "copied:\nI 100/3 6 b\nI 100/5 9 b\n");
    assert_int_equal(f->changes.messages[0].seq, 3);
    assert_int_equal(f->changes.messages[1].seq, 7);
    assert_int_equal(f->changes.dead_letters[0].seq, 5);

    begin(f, 0x200); /* counted anew */
    ROWS(f, f->t, "d", 0);
    assert_string_equal(rows_after_commit(f), "t:\nI 200/0 0 d\n");
}

static void
a_transaction_of_nothing_wanted_is_not_noted(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->other);
    ROWS(f, f->other, "x", 0);
    commit(f);
    send_message(f);
    assert_true(walrow__collector_empty(&f->collector));
    assert_int_equal(f->collector.end_lsn, 0x108);
}

static void
a_table_that_is_renamed_is_wanted_by_its_new_name(void **state)
{
    fixture *f = *state;
    walrow__table *renamed = simple_table("t", f->other->relid);
    begin(f, 0x100);
    schema(f, f->other);
    ROWS(f, f->other, "x", 0);
    schema(f, renamed);
    ROWS(f, renamed, "a", 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\n");
    walrow__table_unref(renamed);
}

static void
a_new_epoch_is_a_new_batch(void **state)
{
    fixture *f = *state;
    walrow__table *changed = TABLE("public", "t", 1, 'd', KEY("id", INT4), COLUMN("title", TEXT));
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    schema(f, changed);
    ROWS(f, changed, "b", 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 a\nt:\nI 100/1 1 b\n");
    assert_true(f->changes.batches[0].epoch != f->changes.batches[1].epoch);
    begin(f, 0x200);
    ROWS(f, f->t, "a", 0);
    assert_refused(f, "an epoch that is not its latest");
    walrow__table_unref(changed);
}

static void
a_schema_that_comes_again_changes_nothing(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    schema(f, f->t);
    ROWS(f, f->t, "b", 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 a\nI 100/1 1 b\n");
    assert_int_equal(f->changes.n_batches, 1);
}

/* ---- what is not kept ---- */

static void
rows_in_the_snapshot_are_counted_and_not_kept(void **state)
{
    fixture *f = *state;
    f->from_lsn = 0x200;
    begin(f, 0x100);
    schema(f, f->t);
    schema(f, f->copied);
    dead_letter(f, f->copied, 0);
    ROWS(f, f->copied, "x", 0);
    ROWS(f, f->t, "a", 1);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/1 1 a\n");
    assert_int_equal(f->changes.n_dead_letters, 0);
    begin(f, 0x200);
    ROWS(f, f->copied, "y", 0);
    assert_string_equal(rows_after_commit(f), "copied:\nI 200/0 0 y\n");
}

static void
what_was_delivered_comes_again_and_is_left_out(void **state)
{
    fixture *f = *state;
    f->collector.delivered = (walrow__position){0x100, 2};
    begin(f, 0x100);
    schema(f, f->t);
    dead_letter(f, f->t, 2);
    dead_letter(f, f->t, 3);
    ROWS(f, f->t, "a", 0, 2, 3, 5);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/3 3 a\nI 100/5 5 a\n");
    assert_int_equal(f->changes.n_dead_letters, 1);
    assert_int_equal(f->collector.last.seq, 5);
}

/* It comes again and may be cut earlier this time: what was read of it at first was not handed on. */
static void
what_is_abandoned_counts_as_never_read(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0, 1, 2);
    send_message(f);
    ASSERT_OK(walrow__collector_abandon(&f->collector, &f->err), f->err);
    begin(f, 0x100);
    ROWS(f, f->t, "a", 0);
    send_message(f);
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 0 a\n");
    assert_int_equal(f->collector.last.seq, 0);
}

static void
the_end_of_a_transaction_delivered_in_part_is_news(void **state)
{
    fixture *f = *state;
    f->collector.delivered = (walrow__position){0x100, 2};
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0, 1, 2);
    assert_string_equal(rows_after_commit(f), "");
    assert_int_equal(f->changes.n_transactions, 1);
}

/* ---- dead letters and messages ---- */

static void
a_dead_letter_is_kept_whole(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    dead_letter(f, f->t, 0);
    ROWS(f, f->t, NULL, 0);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 0 -\n");
    assert_int_equal(f->changes.n_dead_letters, 1);
    const walrow_dead_letter *letter = &f->changes.dead_letters[0];
    assert_string_equal(letter->column, "name");
    assert_string_equal(letter->reason, "not UTF-8");
    assert_int_equal(letter->text_size, 1);
    assert_memory_equal(letter->text, "\xff", 1);
    assert_int_equal(letter->op, 'I');
    assert_int_equal(letter->lsn, 0x100);
    assert_int_equal(letter->xid, 0x100);
}

static void
when_strict_a_dead_letter_is_an_error(void **state)
{
    fixture *f = *state;
    f->collector.strict = true;
    begin(f, 0x100);
    schema(f, f->t);
    dead_letter(f, f->t, 0);
    ROWS(f, f->t, NULL, 0);
    assert_int_equal(try_send(f), WALROW_ERR_VALUE);
    assert_non_null(strstr(f->err.message, "public.t.name: not UTF-8"));
}

static void
messages_are_kept(void **state)
{
    fixture *f = *state;
    message(f, false, 0);
    send_message(f);
    assert_int_equal(f->collector.end_lsn, 0x90);
    begin(f, 0x100);
    message(f, true, 0);
    commit(f);
    send_message(f);
    cut(f);
    assert_int_equal(f->changes.n_messages, 2);
    assert_int_equal(f->changes.n_transactions, 1);
    assert_string_equal(f->changes.messages[0].prefix, "prefix");
    assert_memory_equal(f->changes.messages[0].content, "content", f->changes.messages[0].content_size);
    assert_int_equal(f->changes.messages[0].commit_lsn, 0x90);
    assert_false(f->changes.messages[0].transactional);
    assert_int_equal(f->changes.messages[1].commit_lsn, 0x100);
    assert_int_equal(f->changes.messages[1].xid, 0x100);
}

/* ---- without copying ---- */

enum { MANY = 4000 };

static void
many_rows(fixture *f, walrow__table *table, int first)
{
    int seqs[MANY + 1];
    for (int i = 0; i < MANY; i++)
        seqs[i] = first + i;
    seqs[MANY] = -1;
    rows(f, table, seqs, "a value of some length");
}

static void
a_large_batch_stays_in_its_message(void **state)
{
    fixture *f = *state;
    f->decoder->take = take;
    f->decoder->take_arg = f;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    many_rows(f, f->t, 1);
    ROWS(f, f->t, "b", MANY + 1);
    commit(f);
    send_message(f);
    assert_int_equal(f->taken, 1);
    assert_int_equal(f->freed, 0);
    cut(f);
    assert_int_equal(f->changes.n_batches, 3);
    assert_int_equal(f->changes.batches[0].array.length, 1);
    assert_int_equal(f->changes.batches[1].array.length, MANY);
    assert_int_equal(f->changes.batches[2].array.length, 1);
    assert_int_equal(walrow__batch_position(&f->changes.batches[1].array, MANY - 1).seq, MANY);
    const uint8_t *seqs = f->changes.batches[1].array.children[WALROW__SEQ]->buffers[1];
    assert_true(seqs > f->bytes);
    f->changes.release(&f->changes);
    assert_int_equal(f->freed, 1);
}

static void
a_large_batch_is_copied_where_nobody_gives_it_away(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    many_rows(f, f->t, 1);
    commit(f);
    send_message(f);
    cut(f);
    assert_int_equal(f->changes.n_batches, 1);
    assert_int_equal(f->changes.batches[0].array.length, 1 + MANY);
}

static void
a_large_batch_that_is_renumbered_is_copied(void **state)
{
    fixture *f = *state;
    f->decoder->take = take;
    f->decoder->take_arg = f;
    begin(f, 0x100);
    schema(f, f->t);
    schema(f, f->other);
    ROWS(f, f->other, "x", 0);
    many_rows(f, f->t, 1);
    commit(f);
    send_message(f);
    assert_int_equal(f->taken, 0);
    cut(f);
    assert_int_equal(walrow__batch_position(&f->changes.batches[0].array, 0).seq, 0);
    assert_int_equal(walrow__batch_position(&f->changes.batches[0].array, MANY - 1).seq, MANY - 1);
}

/* ---- what is refused ---- */

static void
another_protocol_is_refused(void **state)
{
    fixture *f = *state;
    walrow__strbuf_add_text(&f->message, "B\1\2\3\4\5\6\7");
    assert_refused(f, "not a message of wal2arrow");
    begin(f, 0x100);
    f->message.data[3] = 2;
    assert_refused(f, "protocol version 2");
    assert_non_null(strstr(f->err.hint, "install"));
}

static void
what_has_no_transaction_is_refused(void **state)
{
    fixture *f = *state;
    f->commit_lsn = 0x100;
    commit(f);
    assert_refused(f, "commit without a transaction");
    message(f, true, 0);
    assert_refused(f, "outside a transaction");
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    assert_refused(f, "outside a transaction");
}

static void
rows_of_another_transaction_are_refused(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    f->commit_lsn = 0x200;
    ROWS(f, f->t, "a", 0);
    assert_refused(f, "rows of another transaction");
}

static void
rows_of_a_table_never_announced_are_refused(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    ROWS(f, f->t, "a", 0);
    assert_refused(f, "never announced");
}

static void
frames_behind_the_commit_are_refused(void **state)
{
    fixture *f = *state;
    begin(f, 0x100);
    schema(f, f->t);
    ROWS(f, f->t, "a", 0);
    commit(f);
    ROWS(f, f->t, "b", 1);
    assert_refused(f, "frames behind a commit");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_is_one_message),
        TEST(transactions_are_joined_in_one_batch),
        TEST(a_large_transaction_comes_in_parts),
        TEST(an_origin_is_kept),
        TEST(the_stream_stops_before_a_transaction),
        TEST(rows_of_a_table_nobody_wants_do_not_count),
        TEST(a_transaction_of_nothing_wanted_is_not_noted),
        TEST(a_table_that_is_renamed_is_wanted_by_its_new_name),
        TEST(a_new_epoch_is_a_new_batch),
        TEST(a_schema_that_comes_again_changes_nothing),
        TEST(rows_in_the_snapshot_are_counted_and_not_kept),
        TEST(what_was_delivered_comes_again_and_is_left_out),
        TEST(what_is_abandoned_counts_as_never_read),
        TEST(the_end_of_a_transaction_delivered_in_part_is_news),
        TEST(a_dead_letter_is_kept_whole),
        TEST(when_strict_a_dead_letter_is_an_error),
        TEST(messages_are_kept),
        TEST(a_large_batch_stays_in_its_message),
        TEST(a_large_batch_is_copied_where_nobody_gives_it_away),
        TEST(a_large_batch_that_is_renumbered_is_copied),
        TEST(another_protocol_is_refused),
        TEST(what_has_no_transaction_is_refused),
        TEST(rows_of_another_transaction_are_refused),
        TEST(rows_of_a_table_never_announced_are_refused),
        TEST(frames_behind_the_commit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
