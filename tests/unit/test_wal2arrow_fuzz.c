/*
 * test_wal2arrow_fuzz.c
 *	  Messages of wal2arrow, cut short and bent: an error or a change set that is sound Arrow, never a crash, never
 *	  an allocation out of proportion to the input. The sanitizers watch.
 */
#include "fuzz.h"
#include "w2a.h"
#include "wire.h"

enum { MUTATIONS = 20000, PER_DECODER = 100, MAX_MESSAGES = 8 };

typedef struct fixture {
    walrow__table *zoo, *other; /* nobody wants the other */
    walrow__strbuf messages[MAX_MESSAGES];
    size_t n_messages;
    walrow__collector collector;
    walrow__decoder *decoder;
    uint8_t *taken; /* the message, once the decoder has it */
    const uint8_t *sent;
    size_t results, errors;
} fixture;

/* ---- messages ---- */

/* transactions: over how many the rows are spread; the last is that at 0x100. */
static void
write_rows(walrow__wire_out *out, walrow__table *table, uint32_t from, uint32_t n, uint32_t transactions)
{
    walrow_error err = {0};
    walrow__batch_builder batch;
    ASSERT_OK(walrow__batch_init(&batch, table, ArrowBufferAllocatorDefault(), &err), err);
    for (uint32_t i = transactions; i > 0; i--)
        put_zoo_rows(&batch, 0x100 - 0x10 * (i - 1), from, n / transactions);
    assert_true(walrow__wire_write_batch(out, &batch));
    walrow__batch_release(&batch);
}

/* Those that are over before the rows. */
static void
write_group(walrow__wire_out *out, uint32_t n)
{
    for (uint32_t i = n; i > 0; i--) {
        uint64_t lsn = 0x100 - 0x10 * i;
        walrow__wire_begin begin = {(uint32_t)lsn, lsn, NOON, text_bytes(i % 2 == 0 ? "upstream" : "")};
        walrow__wire_commit commit = {lsn, lsn + 8};
        assert_true(walrow__wire_write_begin(out, &begin) && walrow__wire_write_commit(out, &commit));
    }
}

/* Transactions of n rows of the zoo together, the last with all else that there is. */
static void
add_message(fixture *f, bool with_schemas, bool with_other, uint32_t n, uint32_t transactions)
{
    walrow_error err = {0};
    walrow__wire_begin begin = {0x100, 0x100, NOON, text_bytes("upstream")};
    walrow__wire_commit commit = {0x100, 0x108};
    walrow__wire_dead_letter letter = {1,   6,    f->zoo->epoch,           1,
                                       'U', true, text_bytes("not UTF-8"), text_bytes("\xff")};
    walrow__wire_message message = {0x90, true, n, text_bytes("prefix"), text_bytes("content")};
    walrow__strbuf *buf = &f->messages[f->n_messages++];
    walrow__strbuf_init(buf);
    walrow__wire_out out = out_to(buf);
    assert_true(walrow__wire_write_head(&out));
    write_group(&out, transactions - 1);
    assert_true(walrow__wire_write_begin(&out, &begin));
    if (with_schemas) {
        ASSERT_OK(walrow__wire_write_schema(&out, f->zoo, &err), err);
        ASSERT_OK(walrow__wire_write_schema(&out, f->other, &err), err);
    }
    assert_true(walrow__wire_write_dead_letter(&out, &letter));
    write_rows(&out, f->zoo, 0, n, transactions);
    if (with_other)
        write_rows(&out, f->other, n, 5, 1);
    assert_true(walrow__wire_write_message(&out, &message) && walrow__wire_write_commit(&out, &commit));
}

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->zoo = zoo_table("zoo", 1);
    f->other = zoo_table("other", 2);
    add_message(f, true, true, 3, 1);
    add_message(f, false, false, 1, 1);
    add_message(f, false, true, 9, 1);
    add_message(f, false, false, 30, 1);
    add_message(f, false, false, 600, 1); /* stays in its message */
    add_message(f, false, true, 9, 3);
    add_message(f, false, false, 30, 10);
    *state = f;
    return 0;
}

static void
drop_decoder(fixture *f)
{
    if (f->decoder == NULL)
        return;
    f->decoder->free(f->decoder);
    walrow__collector_release(&f->collector);
    f->decoder = NULL;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    drop_decoder(f);
    for (size_t i = 0; i < f->n_messages; i++)
        walrow__strbuf_release(&f->messages[i]);
    walrow__table_unref(f->zoo);
    walrow__table_unref(f->other);
    free(f);
    return 0;
}

/* ---- acts ---- */

static void
free_taken(struct ArrowBufferAllocator *allocator, uint8_t *ptr, int64_t size)
{
    (void)ptr;
    (void)size;
    free(allocator->private_data);
}

static void
take(void *arg, struct ArrowBuffer *out)
{
    fixture *f = arg;
    ArrowBufferInit(out);
    out->data = f->taken;
    out->allocator = ArrowBufferDeallocator(free_taken, f->taken);
    f->sent = NULL;
}

/* As libpq has it, but for the 25 bytes before: these 9 leave the same alignment. */
static walrow_code
send_bytes(fixture *f, const uint8_t *bytes, size_t size, walrow_error *err)
{
    f->taken = malloc(9 + size);
    memcpy(f->taken + 9, bytes, size);
    f->sent = f->taken;
    walrow_code code = f->decoder->feed(f->decoder, f->taken + 9, size, 0xABC, err);
    if (f->sent != NULL)
        free(f->taken);
    return code;
}

static void
renew_decoder(fixture *f)
{
    walrow_error err = {0};
    walrow__capture capture = {.arg = f, .matches = all_but_other};
    drop_decoder(f);
    ASSERT_OK(walrow__collector_init(&f->collector, false, &err), err);
    ASSERT_OK(walrow__wal2arrow_new(&f->collector, NULL, capture, &f->decoder, &err), err);
    f->decoder->take = take;
    f->decoder->take_arg = f;
    ASSERT_OK(send_bytes(f, (uint8_t *)f->messages[0].data, f->messages[0].size, &err), err);
}

/* After an error the same decoder goes on: what it holds must be as sound as before. */
static void
try_bytes(fixture *f, bytes message)
{
    walrow_error err = {0}, ignored;
    begin_counting();
    walrow_code code = send_bytes(f, message.data, message.size, &err);
    assert_in_proportion(message.size);
    if (code == WALROW_OK) {
        f->results++;
        check_changes(&f->collector);
    } else {
        f->errors++;
        assert_int_equal(code, WALROW_ERR_PROTOCOL);
        assert_true(err.message[0] != '\0');
    }
    ASSERT_OK(walrow__collector_abandon(&f->collector, &ignored), ignored);
    f->collector.end_lsn = f->collector.cut_lsn =
        0; /* the same transaction comes again, which is no error here */
    free(message.data);
}

/* ---- tests ---- */

static void
every_prefix_of_every_message_is_refused(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < f->n_messages; i++) {
        renew_decoder(f);
        size_t size = f->messages[i].size;
        for (size_t n = 0; n < size; n += 1 + n / 256)
            try_bytes(f, prefix(f->messages[i].data, n));
        f->results = 0; /* cut between frames it is a part of a transaction */
        try_bytes(f, prefix(f->messages[i].data, size));
        assert_int_equal(f->results, 1);
    }
    assert_true(f->errors > 1000);
}

static void
mutated_messages_are_survived(void **state)
{
    fixture *f = *state;
    seed = 46;
    for (int k = 0; k < MUTATIONS; k++) {
        if (k % PER_DECODER == 0)
            renew_decoder(f);
        size_t i = (size_t)(k / PER_DECODER) % f->n_messages;
        try_bytes(f, bent(f->messages[i].data, f->messages[i].size));
    }
    assert_true(f->errors > 1000 && f->results > 1000);
}

int
main(void)
{
    watch_allocations();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_prefix_of_every_message_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mutated_messages_are_survived, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
