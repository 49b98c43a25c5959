/*
 * test_pgoutput.c
 *	  Messages of pgoutput, made by hand, into change sets.
 */
#include "wire.h"

typedef struct fixture {
    walrow__collector collector;
    walrow__decoder *decoder;
    walrow_changes changes;
    walrow_error err;
    uint64_t from_lsn; /* of the table "copied" */
} fixture;

static uint64_t
from_lsn(void *arg, const char *schema, const char *table)
{
    (void)schema;
    return strcmp(table, "copied") == 0 ? ((fixture *)arg)->from_lsn : 0;
}

static const char *
override(void *arg, const char *schema, const char *table, const char *column)
{
    (void)arg;
    (void)schema;
    (void)table;
    return strcmp(column, "printed") == 0 ? "utf8" : NULL;
}

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    walrow__capture capture = {
        .arg = f, .matches = all_but_other, .override = override, .from_lsn = from_lsn};
    ASSERT_OK(walrow__collector_init(&f->collector, false, &f->err), f->err);
    ASSERT_OK(walrow__pgoutput_new(&f->collector, &test_catalog, capture, &f->decoder, &f->err), f->err);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    f->decoder->free(f->decoder);
    walrow__collector_release(&f->collector);
    free(f);
    return 0;
}

/* ---- acts ---- */

enum { AT = 0xABC }; /* where messages say they come from */

static walrow_code
try_feed(fixture *f, const wire *w)
{
    /* of its own size, so that a read past its end is seen */
    uint8_t *bytes = malloc(w->size + !w->size);
    memcpy(bytes, w->bytes, w->size);
    walrow_code code = f->decoder->feed(f->decoder, bytes, w->size, AT, &f->err);
    free(bytes);
    return code;
}

static void
feed(fixture *f, wire w)
{
    ASSERT_OK(try_feed(f, &w), f->err);
}

/* A transaction's end LSN is its commit LSN + 8 here. */
static void
commit(fixture *f, uint64_t commit_lsn)
{
    feed(f, a_commit(commit_lsn, commit_lsn + 8));
}

static void
insert(fixture *f, uint32_t relid, const char *id, const char *name)
{
    feed(f, a_change('I', relid, ROW(id, name), 0, NULL));
}

static void
update(fixture *f, uint32_t relid, char old_part, const char *const *old, const char *const *values)
{
    feed(f, a_change('U', relid, values, old_part, old));
}

static const walrow_changes *
cut(fixture *f)
{
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    ASSERT_OK(walrow__collector_cut(&f->collector, &f->changes, &f->err), f->err);
    return &f->changes;
}

/* Begin 0x100 with table 1, "t", announced. */
static void
begin_with_table(fixture *f, char identity)
{
    feed(f, a_begin(0x100, 7));
    feed(f, simple_relation(1, "t", identity));
}

static const char *
rows_after_commit(fixture *f)
{
    commit(f, 0x100);
    return rows_of(cut(f));
}

static void
assert_refused(fixture *f, wire w, const char *why)
{
    assert_int_equal(try_feed(f, &w), WALROW_ERR_PROTOCOL);
    if (strstr(f->err.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->err.message, why);
    if (strstr(f->err.message, "0/ABC") == NULL)
        fail_msg("\"%s\" does not say where", f->err.message);
}

/* ---- what is decoded ---- */

static void
a_transaction_has_positions_and_a_time(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "one");
    update(f, 1, 0, NULL, ROW("1", "uno"));
    feed(f, a_change('D', 1, NULL, 'K', ROW("1", NULL)));
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 one\nU 100/1 1 uno\nD 100/2 1 -\n");
    assert_int_equal(f->changes.end_lsn, 0x108);
    assert_int_equal(f->changes.n_transactions, 1);
    const walrow_transaction *transaction = &f->changes.transactions[0];
    assert_int_equal(transaction->xid, 7);
    assert_int_equal(transaction->commit_lsn, 0x100);
    assert_int_equal(transaction->end_lsn, 0x108);
    assert_int_equal(transaction->commit_time, NOON);
    assert_null(transaction->origin);
    assert_false(f->changes.partial);
}

static void
ordinals_run_over_all_captured_tables(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    feed(f, simple_relation(2, "u", 'd'));
    feed(f, simple_relation(3, "other", 'd'));
    insert(f, 1, "1", "a");
    insert(f, 2, "2", "b");
    insert(f, 3, "3", "not captured");
    insert(f, 1, "4", "c");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\nI 100/2 4 c\nu:\nI 100/1 2 b\n");
}

static void
ordinals_begin_anew_in_each_transaction(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    commit(f, 0x100);
    feed(f, a_begin(0x200, 8));
    insert(f, 1, "2", "b");
    commit(f, 0x200);
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 1 a\nI 200/0 2 b\n");
    assert_int_equal(f->changes.n_transactions, 2);
    assert_int_equal(f->changes.end_lsn, 0x208);
}

static void
tables_of_the_system_never_count(void **state)
{
    fixture *f = *state;
    const walrow__column_spec columns[] = {KEY("id", INT4), COLUMN("name", TEXT)};
    begin_with_table(f, 'd');
    feed(f, a_relation(4, "", "mine", 'd', columns, 2)); /* pg_catalog, as pgoutput writes it */
    insert(f, 4, "1", "nobody's");
    insert(f, 1, "2", "b");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 2 b\n");
}

static void
rows_in_the_tables_snapshot_count_but_do_not_come(void **state)
{
    fixture *f = *state;
    f->from_lsn = 0x110;
    begin_with_table(f, 'd');
    feed(f, simple_relation(2, "copied", 'd'));
    insert(f, 2, "1", "in the snapshot");
    insert(f, 1, "2", "b");
    commit(f, 0x100);
    feed(f, a_begin(0x110, 8));
    insert(f, 2, "3", "not in it");
    commit(f, 0x110);
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/1 2 b\ncopied:\nI 110/0 3 not in it\n");
}

static void
what_was_delivered_counts_but_does_not_come_again(void **state)
{
    fixture *f = *state;
    f->collector.delivered = (walrow__position){0x100, 1};
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    insert(f, 1, "2", "b");
    insert(f, 1, "3", "c");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/2 3 c\n");
}

static void
messages_do_not_count(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    feed(f, a_message(true, 0xF0, "app", "hello"));
    insert(f, 1, "2", "b");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\nI 100/1 2 b\n");
    assert_int_equal(f->changes.n_messages, 1);
    const walrow_message *message = &f->changes.messages[0];
    assert_string_equal(message->prefix, "app");
    assert_int_equal(message->content_size, 5);
    assert_memory_equal(message->content, "hello", 5);
    assert_true(message->transactional);
    assert_int_equal(message->lsn, 0xF0);
    assert_int_equal(message->commit_lsn, 0x100);
    assert_int_equal(message->seq, 1);
    assert_int_equal(message->xid, 7);
}

static void
a_message_needs_no_transaction(void **state)
{
    fixture *f = *state;
    feed(f, a_message(false, 0x80, "app", ""));
    assert_int_equal(cut(f)->n_messages, 1);
    assert_int_equal(f->changes.messages[0].commit_lsn, 0x80);
    assert_int_equal(f->changes.messages[0].xid, 0);
    assert_int_equal(f->changes.n_transactions, 0);
    assert_int_equal(f->changes.end_lsn, 0x80);
}

static void
a_truncate_of_three_tables_is_three_changes(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    feed(f, simple_relation(2, "u", 'd'));
    feed(f, simple_relation(3, "other", 'd'));
    feed(f, simple_relation(4, "v", 'd'));
    wire w = {.bytes = "T", .size = 1};
    put_uint(&w, 4, 4);
    put_uint(&w, 1, 1);
    put_uint(&w, 4, 4);
    put_uint(&w, 3, 4);
    put_uint(&w, 1, 4);
    put_uint(&w, 2, 4);
    feed(f, w);
    insert(f, 1, "1", "a");
    assert_string_equal(rows_after_commit(f),
                        "v:\nT 100/0 - -\nt:\nT 100/1 - -\nI 100/3 1 a\nu:\nT 100/2 - -\n");
}

static void
an_origin_and_types_are_taken(void **state)
{
    fixture *f = *state;
    wire origin = {.bytes = "O", .size = 1}, type = {.bytes = "Y", .size = 1};
    put_uint(&origin, 0x50, 8);
    put_text(&origin, "upstream");
    put_uint(&type, 50001, 4);
    put_text(&type, "public");
    put_text(&type, "pair");
    feed(f, a_begin(0x100, 7));
    feed(f, origin);
    feed(f, simple_relation(1, "t", 'd'));
    feed(f, type);
    insert(f, 1, "1", "a");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\n");
    assert_string_equal(f->changes.transactions[0].origin, "upstream");
    feed(f, a_begin(0x200, 8));
    insert(f, 1, "2", "b");
    commit(f, 0x200);
    assert_null(cut(f)->transactions[0].origin);
}

static void
binary_values_are_read(void **state)
{
    fixture *f = *state;
    f->decoder->binary = true;
    begin_with_table(f, 'd');
    wire w = {.bytes = "I\0\0\0\1N\0\2b\0\0\0\4\xFF\xFF\xFF\xFE"
                       "b\0\0\0\3two",
              .size = 25};
    feed(f, w);
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 -2 two\n");
}

static void
a_type_without_binary_form_asks_for_text(void **state)
{
    fixture *f = *state;
    const walrow__column_spec columns[] = {KEY("id", INT4), COLUMN("printed", INT4_ARRAY)};
    f->decoder->binary = true;
    begin_with_table(f, 'd');
    assert_false(f->decoder->needs_text);
    feed(f, a_relation(2, "public", "u", 'd', columns, 2)); /* only the server can print the binary form */
    assert_true(f->decoder->needs_text);
}

/* ---- old tuples ---- */

static void
a_changed_key_is_the_old_row(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    update(f, 1, 'K', ROW("1", NULL), ROW("2", "b"));
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 2 b was 1 -\n");
}

static void
an_old_key_that_says_nothing_new_is_no_old_row(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    update(f, 1, 'K', ROW("1", NULL), ROW("1", "b"));
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 1 b\n");
}

static void
an_old_key_that_differs_in_its_binary_form_only_is_no_old_row(void **state)
{
    fixture *f = *state;
    const walrow__column_spec columns[] = {KEY("key", FLOAT8)};
    f->decoder->binary = true;
    feed(f, a_begin(0x100, 7));
    feed(f, a_relation(1, "public", "t", 'd', columns, 1));
    wire w = {.bytes = "U\0\0\0\1K\0\1b\0\0\0\x08\x7F\xF8\0\0\0\0\0\0" /* NaN */
                       "N\0\1b\0\0\0\x08\xFF\xF8\0\0\0\0\0\0", /* -NaN, which PostgreSQL prints as NaN */
              .size = 37};
    feed(f, w);
    commit(f, 0x100);
    const walrow_changes *changes = cut(f);
    assert_int_equal(changes->batches[0].array.children[WALROW__OLD]->null_count, 1);
}

static void
the_old_row_of_identity_full_stays_though_it_is_the_same(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'f');
    update(f, 1, 'O', ROW("1", "b"), ROW("1", "b"));
    update(f, 1, 'O', ROW("1", NULL), ROW("1", "b"));
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 1 b was 1 b\nU 100/1 1 b was 1 -\n");
}

static void
a_whole_old_row_of_another_identity_keeps_every_column(void **state)
{
    fixture *f = *state; /* a FULL leaf under a DEFAULT root */
    begin_with_table(f, 'd');
    update(f, 1, 'O', ROW("1", "a"), ROW("1", "b"));
    feed(f, a_change('D', 1, NULL, 'O', ROW("1", "b")));
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 1 b was 1 a\nD 100/1 1 b\n");
}

static void
an_unchanged_value_is_named(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    update(f, 1, 0, NULL, ROW("1", UNCHANGED));
    update(f, 1, 'K', ROW("1", NULL), ROW("2", UNCHANGED));
    assert_string_equal(rows_after_commit(f),
                        "t:\nU 100/0 1 - unchanged name\nU 100/1 2 - was 1 - unchanged name\n");
}

static void
an_unchanged_value_is_filled_from_the_old_row(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'f');
    update(f, 1, 'O', ROW("1", "big"), ROW("2", UNCHANGED));
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 2 big was 1 big\n");
}

static void
an_unchanged_value_filled_from_the_old_key_is_no_news(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    update(f, 1, 'K', ROW("1", "big"), ROW("1", UNCHANGED));
    assert_string_equal(rows_after_commit(f), "t:\nU 100/0 1 big\n");
}

/* ---- epochs, empty and partial change sets ---- */

static void
a_changed_table_ends_its_batch_in_the_middle_of_a_transaction(void **state)
{
    fixture *f = *state;
    const walrow__column_spec three[] = {KEY("id", INT4), COLUMN("name", TEXT), COLUMN("more", INT4)};
    begin_with_table(f, 'd');
    feed(f, simple_relation(2, "u", 'd'));
    insert(f, 1, "1", "a");
    insert(f, 2, "1", "x");
    feed(f, a_relation(1, "public", "t", 'd', three, 3));
    wire w = {.bytes = "I\0\0\0\1N", .size = 6};
    put_tuple(&w, ROW("2", "b", "22"), 3);
    feed(f, w);
    insert(f, 2, "2", "y");
    assert_string_equal(rows_after_commit(f),
                        "t:\nI 100/0 1 a\nu:\nI 100/1 1 x\nI 100/3 2 y\nt:\nI 100/2 2 b 22\n");
    assert_int_not_equal(f->changes.batches[0].epoch, f->changes.batches[2].epoch);
}

static void
the_same_table_announced_again_goes_on(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    feed(f, simple_relation(1, "t", 'd'));
    insert(f, 1, "2", "b");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\nI 100/1 2 b\n");
}

static void
empty_transactions_make_nothing(void **state)
{
    fixture *f = *state;
    feed(f, a_begin(0x100, 7));
    commit(f, 0x100);
    feed(f, a_begin(0x200, 8));
    feed(f, simple_relation(3, "other", 'd'));
    insert(f, 3, "1", "not captured");
    commit(f, 0x200);
    assert_true(walrow__collector_empty(&f->collector));
    assert_int_equal(f->collector.end_lsn, 0x208); /* it may be confirmed */
    assert_int_equal(cut(f)->n_batches, 0);
    assert_int_equal(f->changes.n_transactions, 0);
}

/* What was not cut comes again, so its end must not be confirmed: an empty transaction's neither. */
static void
what_is_abandoned_was_never_ended(void **state)
{
    fixture *f = *state;
    feed(f, a_begin(0x100, 7));
    commit(f, 0x100);
    cut(f);
    feed(f, a_begin(0x200, 8));
    commit(f, 0x200);
    ASSERT_OK(walrow__collector_abandon(&f->collector, &f->err), f->err);
    assert_int_equal(f->collector.end_lsn, 0x108);
}

static void
a_cut_within_a_transaction_is_partial(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    commit(f, 0x100);
    feed(f, a_begin(0x200, 8));
    insert(f, 1, "2", "b");
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 1 a\nI 200/0 2 b\n");
    assert_true(f->changes.partial);
    assert_int_equal(f->changes.end_lsn, 0x108); /* only the whole transaction may be acknowledged */
    insert(f, 1, "3", "c");
    assert_string_equal(rows_of(cut(f)), "t:\nI 200/1 3 c\n");
    assert_true(f->changes.partial);
    assert_int_equal(f->changes.end_lsn, 0x108);
    commit(f, 0x200);
    assert_string_equal(rows_of(cut(f)), "");
    assert_false(f->changes.partial);
    assert_int_equal(f->changes.end_lsn, 0x208);
    assert_int_equal(f->changes.n_transactions, 1);
}

static void
the_transaction_that_goes_on_is_listed_last(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    assert_true(cut(f)->partial);
    assert_int_equal(f->changes.n_transactions, 1);
    assert_int_equal(f->changes.transactions[0].xid, 7);
    assert_int_equal(f->changes.transactions[0].end_lsn, 0);
}

static void
a_transaction_delivered_in_part_ends_though_it_comes_again(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    assert_true(cut(f)->partial);
    f->collector.delivered = f->collector.last; /* and the connection breaks before the commit */
    ASSERT_OK(walrow__collector_abandon(&f->collector, &f->err), f->err);
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    commit(f, 0x100);
    assert_false(
        walrow__collector_empty(&f->collector)); /* else it would be confirmed before a sink synced it */
    assert_string_equal(rows_of(cut(f)), "");
    assert_int_equal(f->changes.n_transactions, 1);
    assert_int_equal(f->changes.end_lsn, 0x108);
}

static void
the_transaction_that_goes_on_has_its_origin(void **state)
{
    fixture *f = *state;
    wire origin = {.bytes = "O\0\0\0\0\0\0\0\1upstream", .size = 18};
    feed(f, a_begin(0x100, 7));
    feed(f, origin);
    feed(f, simple_relation(1, "t", 'd'));
    insert(f, 1, "1", "a");
    assert_string_equal(cut(f)->transactions[0].origin, "upstream");
    commit(f, 0x100);
    assert_string_equal(cut(f)->transactions[0].origin, "upstream");
}

static void
what_is_abandoned_comes_again_once(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    ASSERT_OK(walrow__collector_abandon(&f->collector, &f->err), f->err);
    assert_true(walrow__collector_empty(&f->collector));
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    insert(f, 1, "2", "b");
    assert_string_equal(rows_after_commit(f), "t:\nI 100/0 1 a\nI 100/1 2 b\n");
}

static void
at_the_stop_nothing_more_is_begun(void **state)
{
    fixture *f = *state;
    f->decoder->stop_lsn = 0x200;
    begin_with_table(f, 'd');
    insert(f, 1, "1", "a");
    commit(f, 0x100);
    feed(f, a_begin(0x200, 8));
    assert_true(f->decoder->stopped);
    insert(f, 1, "2", "b");
    assert_string_equal(rows_of(cut(f)), "t:\nI 100/0 1 a\n");
}

/* ---- what is refused, each naming where it came from ---- */

static void
an_unknown_message_is_named(void **state)
{
    assert_refused(*state, (wire){.bytes = "\x7F rest", .size = 6}, "0x7F");
    assert_refused(*state, (wire){.size = 0}, "empty message");
}

static void
a_change_needs_a_transaction(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    commit(f, 0x100);
    assert_refused(f, a_change('I', 1, ROW("1", "a"), 0, NULL), "outside a transaction");
    assert_refused(f, a_message(true, 0x80, "p", "c"), "outside a transaction");
    assert_refused(f, a_commit(0x100, 0x108), "without a transaction");
}

static void
a_relation_never_announced_is_named(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    assert_refused(f, a_change('I', 4711, ROW("1", "a"), 0, NULL), "4711");
}

static void
transactions_do_not_nest_or_cross(void **state)
{
    fixture *f = *state;
    feed(f, a_begin(0x100, 7));
    assert_refused(f, a_begin(0x200, 8), "inside transaction 7");
    assert_refused(f, a_commit(0x180, 0x188), "another transaction");
    assert_refused(f, a_commit(0x100, 0x100), "ends before");
}

static void
a_tuple_has_its_tables_columns(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    wire one = {.bytes = "I\0\0\0\1N", .size = 6}, three = one;
    put_tuple(&one, ROW("1"), 1);
    put_tuple(&three, ROW("1", "2", "3"), 3);
    assert_refused(f, one, "malformed insert");
    assert_refused(f, three, "malformed insert");
    assert_refused(f, (wire){.bytes = "U\0\0\0\1X", .size = 6}, "malformed update");
    assert_refused(f, (wire){.bytes = "D\0\0\0\1N", .size = 6}, "malformed delete");
    assert_refused(f, (wire){.bytes = "I\0\0\0\1N\0\2zz", .size = 10}, "malformed insert");
}

static void
lengths_past_the_end_are_refused(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    assert_refused(f,
                   (wire){.bytes = "I\0\0\0\1N\0\2t\xFF\xFF\xFF\xFF"
                                   "1t\0\0\0\1a",
                          .size = 20},
                   "malformed insert");
    assert_refused(f,
                   (wire){.bytes = "M\1\0\0\0\0\0\0\0\1p\0\x7F\xFF\xFF\xFF"
                                   "c",
                          .size = 17},
                   "short logical message");
    assert_refused(f, (wire){.bytes = "T\xFF\xFF\xFF\xFF\0\0\0\0\1", .size = 10}, "malformed truncate");
    assert_refused(f, (wire){.bytes = "R\0\0\0\2p\0t\0d\xFF\xFF", .size = 12}, "malformed relation");
    assert_refused(f, (wire){.bytes = "R\0\0\0\2p\0t\0d\0\2\1id\0", .size = 16}, "short relation");
}

static void
every_message_cut_short_is_refused(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    const wire messages[] = {a_begin(0x200, 8),
                             a_commit(0x100, 0x108),
                             simple_relation(2, "u", 'd'),
                             a_change('I', 1, ROW("1", "a"), 0, NULL),
                             a_change('U', 1, ROW("1", "a"), 'K', ROW("2", NULL)),
                             a_change('D', 1, NULL, 'O', ROW("2", NULL)),
                             a_message(true, 1, "p", "c")};
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        for (size_t size = 0; size < messages[i].size; size++) {
            wire cut_short = messages[i];
            cut_short.size = size;
            assert_refused(f, cut_short, "");
        }
}

static void
a_value_that_is_not_one_names_its_column(void **state)
{
    fixture *f = *state;
    begin_with_table(f, 'd');
    assert_refused(f, a_change('I', 1, ROW("one", "a"), 0, NULL), "public.t.id");
}

static void
without_a_place_of_its_own_a_message_is_named_by_its_transaction(void **state)
{
    fixture *f = *state;
    feed(f, a_begin(0xABC, 7)); /* walStart is 0 on all but the last write of a callback */
    assert_int_equal(f->decoder->feed(f->decoder, (const uint8_t *)"?", 1, 0, &f->err), WALROW_ERR_PROTOCOL);
    assert_non_null(strstr(f->err.message, "0/ABC"));
}

static void
values_a_column_cannot_hold_are_dead_letters(void **state)
{
    fixture *f = *state;
    const walrow__column_spec columns[] = {KEY("id", INT4),
                                           {.name = "n", .oid = NUMERIC, .typmod = NUMERIC_TYPMOD(5, 2)}};
    feed(f, a_begin(0x100, 7));
    feed(f, a_relation(1, "public", "t", 'f', columns, 2));
    update(f, 1, 'O', ROW("1", "NaN"), ROW("1", NULL));
    commit(f, 0x100);
    const walrow_changes *changes = cut(f);
    assert_int_equal(changes->n_dead_letters, 1);
    assert_string_equal(changes->dead_letters[0].column, "n");
    assert_string_equal(changes->dead_letters[0].text, "NaN");
    assert_true(changes->dead_letters[0].old);
    assert_int_equal(changes->dead_letters[0].lsn, 0x100);
}

static void
when_strict_they_are_errors(void **state)
{
    fixture *f = *state;
    const walrow__column_spec columns[] = {KEY("id", INT4),
                                           {.name = "n", .oid = NUMERIC, .typmod = NUMERIC_TYPMOD(5, 2)}};
    f->collector.strict = true;
    feed(f, a_begin(0x100, 7));
    feed(f, a_relation(1, "public", "t", 'd', columns, 2));
    wire w = a_change('I', 1, ROW("1", "NaN"), 0, NULL);
    assert_int_equal(try_feed(f, &w), WALROW_ERR_VALUE);
    assert_non_null(strstr(f->err.hint, "--strict"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transaction_has_positions_and_a_time),
        TEST(ordinals_run_over_all_captured_tables),
        TEST(ordinals_begin_anew_in_each_transaction),
        TEST(tables_of_the_system_never_count),
        TEST(rows_in_the_tables_snapshot_count_but_do_not_come),
        TEST(what_was_delivered_counts_but_does_not_come_again),
        TEST(messages_do_not_count),
        TEST(a_message_needs_no_transaction),
        TEST(a_truncate_of_three_tables_is_three_changes),
        TEST(an_origin_and_types_are_taken),
        TEST(binary_values_are_read),
        TEST(a_type_without_binary_form_asks_for_text),
        TEST(a_changed_key_is_the_old_row),
        TEST(an_old_key_that_says_nothing_new_is_no_old_row),
        TEST(an_old_key_that_differs_in_its_binary_form_only_is_no_old_row),
        TEST(the_old_row_of_identity_full_stays_though_it_is_the_same),
        TEST(a_whole_old_row_of_another_identity_keeps_every_column),
        TEST(an_unchanged_value_is_named),
        TEST(an_unchanged_value_is_filled_from_the_old_row),
        TEST(an_unchanged_value_filled_from_the_old_key_is_no_news),
        TEST(a_changed_table_ends_its_batch_in_the_middle_of_a_transaction),
        TEST(the_same_table_announced_again_goes_on),
        TEST(empty_transactions_make_nothing),
        TEST(what_is_abandoned_was_never_ended),
        TEST(a_cut_within_a_transaction_is_partial),
        TEST(the_transaction_that_goes_on_is_listed_last),
        TEST(a_transaction_delivered_in_part_ends_though_it_comes_again),
        TEST(the_transaction_that_goes_on_has_its_origin),
        TEST(what_is_abandoned_comes_again_once),
        TEST(at_the_stop_nothing_more_is_begun),
        TEST(an_unknown_message_is_named),
        TEST(a_change_needs_a_transaction),
        TEST(a_relation_never_announced_is_named),
        TEST(transactions_do_not_nest_or_cross),
        TEST(a_tuple_has_its_tables_columns),
        TEST(lengths_past_the_end_are_refused),
        TEST(every_message_cut_short_is_refused),
        TEST(a_value_that_is_not_one_names_its_column),
        TEST(without_a_place_of_its_own_a_message_is_named_by_its_transaction),
        TEST(values_a_column_cannot_hold_are_dead_letters),
        TEST(when_strict_they_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
