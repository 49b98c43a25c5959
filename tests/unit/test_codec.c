/*
 * test_codec.c
 *	  A change set that goes through the buffer comes out as it went in; what is not one is refused.
 */
#include "changes.h"

#include "arrays.h"
#include "state/codec.h"

typedef struct fixture {
    walrow__table *t, *u;
    changes c;
    walrow__strbuf bytes;
    walrow_changes out;
    walrow_error err;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->t = simple_table("t", 1);
    f->u = TABLE("Odd schema", "ü", 2, 'f', COLUMN("id", INT4), COLUMN("note", TEXT));
    walrow__strbuf_init(&f->bytes);
    begin_changes(&f->c);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    end_changes(&f->c);
    if (f->out.release != NULL)
        f->out.release(&f->out);
    walrow__strbuf_release(&f->bytes);
    walrow__table_unref(f->t);
    walrow__table_unref(f->u);
    free(f);
    return 0;
}

/* There and back. */
static const walrow_changes *
pass(fixture *f, uint64_t end_lsn)
{
    ASSERT_OK(walrow__changes_encode(finish_changes(&f->c, end_lsn), &f->bytes, &f->err), f->err);
    ASSERT_OK(walrow__changes_decode(f->bytes.data, f->bytes.size, &f->out, &f->err), f->err);
    walrow__strbuf_clear(&f->bytes); /* nothing may point into it */
    return &f->out;
}

static void
assert_same_batch(const walrow_batch *a, const walrow_batch *b)
{
    complaint why;
    assert_string_equal(a->schema_name, b->schema_name);
    assert_string_equal(a->table_name, b->table_name);
    assert_int_equal(a->relid, b->relid);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->schema->n_children, b->schema->n_children);
    for (int64_t i = 0; i < a->schema->n_children; i++) {
        assert_string_equal(a->schema->children[i]->format, b->schema->children[i]->format);
        assert_string_equal(a->schema->children[i]->name, b->schema->children[i]->name);
    }
    if (!arrays_are_equal(a->schema, &a->array, &b->array, &why) ||
        !array_is_canonical(b->schema, &b->array, &why))
        fail_msg("%s", why.text);
}

static void
batches_keep_every_bit(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "one"));
    add_old_row(&f->c, f->u, 'U', 0x100, 1, ROW("2", NULL), ROW("2", "before"));
    add_old_row(&f->c, f->t, 'U', 0x100, 2, ROW("1", UNCHANGED), ROW("0", NULL));
    add_row(&f->c, f->t, 'D', 0x100, 3, ROW("1", NULL));
    add_transaction(&f->c, 0x100, 0x130);
    const walrow_changes *out = pass(f, 0x130);
    assert_int_equal(out->n_batches, 2);
    for (size_t i = 0; i < 2; i++)
        assert_same_batch(&f->c.set.batches[i], &out->batches[i]);
}

static void
transactions_and_positions_are_kept(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "one"));
    add_transaction(&f->c, 0x100, 0x130);
    add_transaction(&f->c, 0x200, 0);
    f->c.transactions[1].origin = "nöde";
    f->c.set.partial = true;
    const walrow_changes *out = pass(f, 0x130);
    assert_true(out->partial && !out->snapshot);
    assert_int_equal(out->end_lsn, 0x130);
    assert_int_equal(out->n_transactions, 2);
    assert_int_equal(out->transactions[0].xid, 0x100);
    assert_int_equal(out->transactions[0].commit_time, NOON);
    assert_null(out->transactions[0].origin);
    assert_int_equal(out->transactions[1].end_lsn, 0);
    assert_string_equal(out->transactions[1].origin, "nöde");
}

static void
messages_and_dead_letters_are_kept(void **state)
{
    fixture *f = *state;
    f->c.messages[0] =
        (walrow_message){.prefix = "app", .content = "a\0b", .content_size = 3, .lsn = 0x110, .seq = 4};
    f->c.set.n_messages = 1;
    f->c.dead_letters[0] = (walrow_dead_letter){.schema_name = "public",
                                                .table_name = "t",
                                                .column = "n",
                                                .pg_type = "numeric",
                                                .text = "NaN\xff",
                                                .text_size = 4,
                                                .reason = "why",
                                                .op = 'U',
                                                .old = true,
                                                .lsn = 0x100,
                                                .seq = 7,
                                                .xid = 9};
    f->c.set.n_dead_letters = 1;
    const walrow_changes *out = pass(f, 0x130);
    assert_int_equal(out->n_batches, 0);
    assert_string_equal(out->messages[0].prefix, "app");
    assert_int_equal(out->messages[0].content_size, 3);
    assert_memory_equal(out->messages[0].content, "a\0b", 3);
    assert_int_equal(out->messages[0].seq, 4);
    const walrow_dead_letter *letter = &out->dead_letters[0];
    assert_memory_equal(letter->text, "NaN\xff", 4);
    assert_string_equal(letter->reason, "why");
    assert_true(letter->op == 'U' && letter->old && letter->seq == 7 && letter->xid == 9);
}

static void
a_snapshot_chunk_is_kept(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'R', 0xFF, 0, ROW("1", "one"));
    f->c.set.snapshot = f->c.set.snapshot_end = true;
    f->c.set.chunk = 3;
    const walrow_changes *out = pass(f, 0x100);
    assert_true(out->snapshot && out->snapshot_end);
    assert_int_equal(out->chunk, 3);
    assert_int_equal(out->snapshot_lsn, 0x100);
    assert_int_equal(out->end_lsn, 0);
}

static void
arrays_may_be_moved_out(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "one"));
    pass(f, 0x130);
    struct ArrowArray moved = f->out.batches[0].array;
    f->out.batches[0].array.release = NULL;
    f->out.release(&f->out);
    assert_int_equal(moved.length, 1);
    moved.release(&moved);
}

static void
whatever_is_cut_off_or_flipped_is_refused_or_read(void **state)
{
    fixture *f = *state;
    add_row(&f->c, f->t, 'I', 0x100, 0, ROW("1", "one"));
    add_transaction(&f->c, 0x100, 0x130);
    ASSERT_OK(walrow__changes_encode(finish_changes(&f->c, 0x130), &f->bytes, &f->err), f->err);
    for (size_t size = 0; size < f->bytes.size; size++)
        assert_int_equal(walrow__changes_decode(f->bytes.data, size, &f->out, &f->err), WALROW_ERR_STATE);
    for (size_t i = 0; i < f->bytes.size; i++) {
        f->bytes.data[i] ^= 0x5A;
        walrow_code code = walrow__changes_decode(f->bytes.data, f->bytes.size, &f->out, &f->err);
        if (code == WALROW_OK)
            f->out.release(&f->out);
        else
            assert_int_equal(code, WALROW_ERR_STATE);
        f->bytes.data[i] ^= 0x5A;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batches_keep_every_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(transactions_and_positions_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_and_dead_letters_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_snapshot_chunk_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(arrays_may_be_moved_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whatever_is_cut_off_or_flipped_is_refused_or_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
