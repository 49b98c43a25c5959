/*
 * test_wire.c
 *	  wal2arrow's frames: what is written is read again, a batch's bits survive the way, whatever rows they join.
 */
#include "w2a.h"

#include "arrays.h"

#include <nanoarrow/nanoarrow_ipc.h>

static walrow_error err;

/* ---- frames ---- */

static void
every_frame_is_read_as_it_was_written(void **state)
{
    (void)state;
    walrow__strbuf buf;
    walrow__strbuf_init(&buf);
    walrow__wire_out out = out_to(&buf);
    walrow__wire_begin begin = {7, 0x100, NOON, text_bytes("upstream")};
    walrow__wire_commit commit = {0x100, 0x180};
    walrow__wire_dead_letter letter = {42,  3,    0xABCDEF0123456789, 5,
                                       'U', true, text_bytes("why"),  text_bytes("NaN")};
    walrow__wire_message message = {0x90, true, 6, text_bytes("pre"), text_bytes("content")};
    assert_true(walrow__wire_write_head(&out) && walrow__wire_write_begin(&out, &begin) &&
                walrow__wire_write_dead_letter(&out, &letter) && walrow__wire_write_message(&out, &message) &&
                walrow__wire_write_commit(&out, &commit));
    assert_int_equal(buf.size % 8, 7);

    walrow__cursor cursor = walrow__cursor_over(buf.data, buf.size);
    uint8_t version;
    walrow__wire_begin begin_in;
    walrow__wire_commit commit_in;
    walrow__wire_dead_letter letter_in;
    walrow__wire_message message_in;
    assert_true(walrow__wire_read_head(&cursor, &version));
    assert_int_equal(version, 1);
    assert_true(walrow__wire_read_begin(next_frame(&cursor, 'B').payload, &begin_in));
    assert_true(walrow__wire_read_dead_letter(next_frame(&cursor, 'X').payload, &letter_in));
    assert_true(walrow__wire_read_message(next_frame(&cursor, 'M').payload, &message_in));
    assert_true(walrow__wire_read_commit(next_frame(&cursor, 'C').payload, &commit_in));
    assert_int_equal(walrow__cursor_left(&cursor), 0);

    assert_int_equal(begin_in.xid, 7);
    assert_int_equal(begin_in.commit_lsn, 0x100);
    assert_int_equal(begin_in.commit_time, NOON);
    assert_memory_equal(begin_in.origin.bytes, "upstream", begin_in.origin.size);
    assert_int_equal(commit_in.commit_lsn, 0x100);
    assert_int_equal(commit_in.end_lsn, 0x180);
    assert_int_equal(letter_in.relid, 42);
    assert_int_equal(letter_in.column, 3);
    assert_int_equal(letter_in.epoch, 0xABCDEF0123456789);
    assert_int_equal(letter_in.seq, 5);
    assert_int_equal(letter_in.op, 'U');
    assert_true(letter_in.old);
    assert_memory_equal(letter_in.reason.bytes, "why", letter_in.reason.size);
    assert_memory_equal(letter_in.text.bytes, "NaN", letter_in.text.size);
    assert_int_equal(message_in.lsn, 0x90);
    assert_true(message_in.transactional);
    assert_int_equal(message_in.seq, 6);
    assert_memory_equal(message_in.prefix.bytes, "pre", message_in.prefix.size);
    assert_memory_equal(message_in.content.bytes, "content", message_in.content.size);
    walrow__strbuf_release(&buf);
}

static void
a_frame_that_passes_the_end_is_not_read(void **state)
{
    (void)state;
    walrow__strbuf buf;
    walrow__strbuf_init(&buf);
    walrow__wire_out out = out_to(&buf);
    walrow__wire_begin begin = {7, 0x100, NOON, text_bytes("upstream")}, read;
    walrow__wire_frame frame;
    assert_true(walrow__wire_write_begin(&out, &begin));
    for (size_t size = 0; size < buf.size; size++) {
        walrow__cursor cursor = walrow__cursor_over(buf.data, size);
        assert_false(walrow__wire_read_frame(&cursor, &frame));
    }
    for (size_t size = 0; size < 32; size++) /* and one whose payload is short */
        assert_false(walrow__wire_read_begin(
            (walrow__wire_bytes){.bytes = (const uint8_t *)buf.data + 8, .size = size}, &read));
    walrow__strbuf_release(&buf);
}

/* ---- batches ---- */

typedef struct fixture {
    walrow__table *table;
    walrow__batch_builder source, target;
    walrow__strbuf wire;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->table = zoo_table("zoo", 1);
    ASSERT_OK(walrow__batch_init(&f->source, f->table, ArrowBufferAllocatorDefault(), &err), err);
    ASSERT_OK(walrow__batch_init(&f->target, f->table, ArrowBufferAllocatorDefault(), &err), err);
    walrow__strbuf_init(&f->wire);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__strbuf_release(&f->wire);
    walrow__batch_release(&f->source);
    walrow__batch_release(&f->target);
    walrow__table_unref(f->table);
    free(f);
    return 0;
}

/* The source's rows in format compact; the source has them still. */
static walrow__wire_rows
rows_on_the_wire(fixture *f)
{
    walrow__wire_batch batch;
    walrow__wire_rows rows;
    const char *reason = "";
    walrow__strbuf_clear(&f->wire);
    walrow__wire_out out = out_to(&f->wire);
    assert_true(walrow__wire_write_batch(&out, &f->source));
    walrow__cursor cursor = walrow__cursor_over(f->wire.data, f->wire.size);
    assert_true(walrow__wire_read_batch(next_frame(&cursor, 'R').payload, &batch));
    assert_int_equal(walrow__cursor_left(&cursor), 0);
    assert_int_equal(batch.relid, f->table->relid);
    assert_int_equal(batch.epoch, f->table->epoch);
    assert_int_equal(batch.rows, f->source.rows);
    if (!walrow__wire_open_rows(&batch, &rows, &reason))
        fail_msg("%s", reason);
    return rows;
}

static struct ArrowArray
finished(walrow__batch_builder *batch)
{
    struct ArrowArray array;
    complaint why;
    ASSERT_OK(walrow__batch_finish(batch, &array, &err), err);
    if (!array_is_canonical(&batch->table->schema, &array, &why))
        fail_msg("%s", why.text);
    return array;
}

static void
assert_same(const fixture *f, struct ArrowArray *expected, struct ArrowArray *got)
{
    complaint why;
    if (!array_is_canonical(&f->table->schema, got, &why) ||
        !arrays_are_equal(&f->table->schema, expected, got, &why))
        fail_msg("%s", why.text);
    ArrowArrayRelease(expected);
    ArrowArrayRelease(got);
}

static void
a_batch_has_the_same_bits_after_the_wire(void **state)
{
    fixture *f = *state;
    for (uint32_t n = 1; n < 70; n++) {
        put_zoo_rows(&f->source, 0x100, n * 3, n);
        walrow__wire_rows rows = rows_on_the_wire(f);
        ASSERT_OK(walrow__wire_append_rows(&rows, 0, rows.n, &f->target, &err), err);
        struct ArrowArray expected = finished(&f->source), got = finished(&f->target);
        assert_same(f, &expected, &got);
    }
}

/* The target's rows end at every place in a byte of bits. */
static void
a_batch_joins_rows_that_came_before(void **state)
{
    fixture *f = *state;
    for (uint32_t before = 0; before < 20; before++)
        for (uint32_t n = 1; n < 80; n += 13) {
            put_zoo_rows(&f->source, 0x100, before, n);
            put_zoo_rows(&f->target, 0x100, 0, before);
            walrow__wire_rows rows = rows_on_the_wire(f);
            ASSERT_OK(walrow__wire_append_rows(&rows, 0, rows.n, &f->target, &err), err);
            put_zoo_rows(&f->target, 0x200, 5, 3);
            walrow__batch_truncate(&f->source, 0);
            struct ArrowArray got = finished(&f->target);
            put_zoo_rows(&f->source, 0x100, 0, before + n);
            put_zoo_rows(&f->source, 0x200, 5, 3);
            struct ArrowArray expected = finished(&f->source);
            assert_same(f, &expected, &got);
        }
}

static void
the_first_and_the_last_rows_can_be_left_out(void **state)
{
    fixture *f = *state;
    for (uint32_t start = 0; start < 40; start += 3) {
        uint32_t n = (40 - start) * (start % 4 + 1) / 4;
        put_zoo_rows(&f->source, 0x100, 0, 40);
        put_zoo_rows(&f->target, 0x50, 0, 5);
        walrow__wire_rows rows = rows_on_the_wire(f);
        ASSERT_OK(walrow__wire_append_rows(&rows, start, n, &f->target, &err), err);
        walrow__batch_truncate(&f->source, 0);
        put_zoo_rows(&f->source, 0x50, 0, 5);
        put_zoo_rows(&f->source, 0x100, start, n);
        struct ArrowArray expected = finished(&f->source), got = finished(&f->target);
        assert_same(f, &expected, &got);
    }
}

static const char *const no_values[N_ZOO];

static void
columns_of_nulls_cost_four_bytes(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 0; i < 1000; i++)
        put_row(&f->source, 'T', 0x100, i, NOON, no_values, NULL);
    walrow__wire_rows rows = rows_on_the_wire(f);
    /* op and its offset, commit LSN, ordinal, xid, time */
    assert_in_range(f->wire.size, 1000 * (1 + 4 + 8 + 4 + 4 + 8), 1000 * (1 + 4 + 8 + 4 + 4 + 8) + 200);
    put_zoo_rows(&f->target, 0x50, 0, 5);
    ASSERT_OK(walrow__wire_append_rows(&rows, 0, rows.n, &f->target, &err), err);
    walrow__batch_truncate(&f->source, 0);
    put_zoo_rows(&f->source, 0x50, 0, 5);
    for (uint32_t i = 0; i < 1000; i++)
        put_row(&f->source, 'T', 0x100, i, NOON, no_values, NULL);
    struct ArrowArray expected = finished(&f->source), got = finished(&f->target);
    assert_same(f, &expected, &got);
}

/* ---- in place ---- */

static int freed;

static void
count_and_free(struct ArrowBufferAllocator *allocator, uint8_t *ptr, int64_t size)
{
    (void)allocator;
    (void)size;
    freed++;
    free(ptr);
}

static void
wrapped_rows_are_the_messages_own(void **state)
{
    fixture *f = *state;
    put_zoo_rows(&f->source, 0x100, 0, 500);
    walrow__wire_rows rows = rows_on_the_wire(f);
    struct ArrowBuffer buffer, message;
    ArrowBufferInit(&buffer);
    buffer.data = (uint8_t *)f->wire.data;
    buffer.size_bytes = (int64_t)f->wire.size;
    buffer.allocator = ArrowBufferDeallocator(count_and_free, NULL);
    assert_int_equal(ArrowSharedBufferInit(&message, &buffer), 0);
    struct ArrowArray got, expected;
    const uint8_t *seqs = rows.seqs.data;
    ASSERT_OK(walrow__wire_wrap_rows(&rows, f->table, &message, &got, &err), err);
    assert_ptr_equal(got.children[WALROW__SEQ]->buffers[1], seqs);
    ArrowBufferReset(&message);
    assert_int_equal(freed, 0);
    expected = finished(&f->source);
    assert_same(f, &expected, &got);
    assert_int_equal(freed, 1);
    walrow__strbuf_init(&f->wire); /* its bytes are gone */
}

/* ---- Arrow IPC ---- */

static void
decode_header(struct ArrowIpcDecoder *decoder, struct ArrowBufferView *bytes)
{
    struct ArrowError error = {.message = ""};
    if (ArrowIpcDecoderVerifyHeader(decoder, *bytes, &error) != 0 ||
        ArrowIpcDecoderDecodeHeader(decoder, *bytes, &error) != 0)
        fail_msg("%s", error.message);
    bytes->data.as_uint8 += decoder->header_size_bytes;
    bytes->size_bytes -= decoder->header_size_bytes;
}

/* The received table, and its schema as the decoder has it. */
static walrow__table *
received_table(const walrow__table *table, struct ArrowIpcDecoder *decoder)
{
    walrow__strbuf wire;
    walrow__strbuf_init(&wire);
    walrow__wire_out out = out_to(&wire);
    walrow__wire_schema schema;
    ASSERT_OK(walrow__wire_write_schema(&out, table, &err), err);
    walrow__cursor cursor = walrow__cursor_over(wire.data, wire.size);
    assert_true(walrow__wire_read_schema(next_frame(&cursor, 'S').payload, &schema));
    assert_int_equal(schema.relid, table->relid);
    assert_int_equal(schema.identity, table->identity);
    assert_int_equal(schema.epoch, table->epoch);
    struct ArrowBufferView bytes = {.data.as_uint8 = schema.ipc.bytes,
                                    .size_bytes = (int64_t)schema.ipc.size};
    struct ArrowSchema arrow;
    decode_header(decoder, &bytes);
    assert_int_equal(ArrowIpcDecoderDecodeSchema(decoder, &arrow, NULL), 0);
    assert_int_equal(ArrowIpcDecoderSetSchema(decoder, &arrow, NULL), 0);
    walrow__table *received = NULL;
    ASSERT_OK(walrow__table_from_schema(&arrow, schema.relid, schema.identity, &received, &err), err);
    ArrowSchemaRelease(&arrow);
    walrow__strbuf_release(&wire);
    return received;
}

static void
assert_same_schema(const struct ArrowSchema *a, const struct ArrowSchema *b)
{
    assert_string_equal(a->format, b->format);
    assert_string_equal(a->name == NULL ? "" : a->name, b->name == NULL ? "" : b->name);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->n_children, b->n_children);
    assert_int_equal(a->metadata == NULL, b->metadata == NULL);
    if (a->metadata != NULL)
        assert_memory_equal(a->metadata, b->metadata, ArrowMetadataSizeOf(a->metadata));
    for (int64_t i = 0; i < a->n_children; i++)
        assert_same_schema(a->children[i], b->children[i]);
}

static void
a_table_is_the_same_after_the_wire(void **state)
{
    fixture *f = *state;
    walrow__table *owner = TABLE("s\"x", "owns, a name", 9, 'f', KEY("_op", INT4), COLUMN("a\"b,", TEXT),
                                 COLUMN("\xc3\xa4", HSTORE), COLUMN("", POINT_PAIR)),
                  *keyless = TABLE("public", "keyless", 10, 'n', COLUMN("a", INT4)),
                  *empty = a_table("public", "empty", 11, 'd', NULL, 0);
    walrow__table *tables[] = {f->table, owner, keyless, empty};
    for (size_t i = 0; i < 4; i++) {
        struct ArrowIpcDecoder decoder;
        assert_int_equal(ArrowIpcDecoderInit(&decoder), 0);
        walrow__table *received = received_table(tables[i], &decoder);
        assert_same_schema(&tables[i]->schema, &received->schema);
        assert_int_equal(received->epoch, tables[i]->epoch);
        assert_string_equal(received->name, tables[i]->name);
        assert_string_equal(walrow__table_meta_name(received, WALROW__OP),
                            walrow__table_meta_name(tables[i], WALROW__OP));
        ArrowIpcDecoderReset(&decoder);
        walrow__table_unref(received);
        walrow__table_unref(i == 0 ? NULL : tables[i]);
    }
}

static void
refuse(struct ArrowSchema *schema, const char *why)
{
    walrow__table *table = NULL;
    memset(&err, 0, sizeof err);
    assert_int_equal(walrow__table_from_schema(schema, 1, 'd', &table, &err), WALROW_ERR_PROTOCOL);
    if (strstr(err.message, why) == NULL)
        fail_msg("%s", err.message);
    ArrowSchemaRelease(schema);
}

static struct ArrowSchema
schema_copy(const fixture *f)
{
    struct ArrowSchema copy;
    assert_int_equal(ArrowSchemaDeepCopy(&f->table->schema, &copy), 0);
    return copy;
}

static void
a_schema_that_is_not_walrows_is_refused(void **state)
{
    fixture *f = *state;
    struct ArrowSchema schema = schema_copy(f);
    assert_int_equal(ArrowSchemaSetMetadata(&schema, NULL), 0);
    refuse(&schema, "no name of a table");
    schema = schema_copy(f);
    assert_int_equal(ArrowSchemaSetName(schema.children[WALROW__SEQ], "seq"), 0);
    refuse(&schema, "not what this version");
    schema = schema_copy(f);
    assert_int_equal(ArrowSchemaSetFormat(schema.children[WALROW__SEQ], "i"), 0);
    refuse(&schema, "not what this version");
    schema = schema_copy(f);
    assert_int_equal(ArrowSchemaSetName(schema.children[WALROW__N_META], "other"), 0);
    refuse(&schema, "not what this version"); /* nor is the epoch then */
    schema = schema_copy(f);
    assert_int_equal(ArrowSchemaSetFormat(schema.children[WALROW__N_META], "C"), 0);
    refuse(&schema, "a type walrow does not have");
    schema = schema_copy(f);
    assert_int_equal(ArrowSchemaSetMetadata(schema.children[WALROW__N_META], NULL), 0);
    refuse(&schema, "without its PostgreSQL type");
}

static struct ArrowArray
read_ipc_batch(fixture *f)
{
    struct ArrowIpcDecoder decoder;
    struct ArrowArray array;
    struct ArrowError error = {.message = ""};
    walrow__wire_batch batch;
    assert_int_equal(ArrowIpcDecoderInit(&decoder), 0);
    walrow__table_unref(received_table(f->table, &decoder));
    walrow__cursor cursor = walrow__cursor_over(f->wire.data, f->wire.size);
    assert_true(walrow__wire_read_batch(next_frame(&cursor, 'R').payload, &batch));
    struct ArrowBufferView bytes = {.data.as_uint8 = batch.body.bytes,
                                    .size_bytes = (int64_t)batch.body.size};
    decode_header(&decoder, &bytes);
    if (ArrowIpcDecoderDecodeArray(&decoder, bytes, -1, &array, NANOARROW_VALIDATION_LEVEL_FULL, &error) != 0)
        fail_msg("%s", error.message);
    ArrowIpcDecoderReset(&decoder);
    return array;
}

static void
any_arrow_library_reads_format_ipc(void **state)
{
    fixture *f = *state;
    walrow__wire_out out = out_to(&f->wire);
    put_zoo_rows(&f->source, 0x100, 0, 100);
    ASSERT_OK(walrow__wire_write_ipc_batch(&out, &f->source, &err), err);
    assert_int_equal(f->source.rows, 0);
    put_zoo_rows(&f->source, 0x100, 0, 100);
    struct ArrowArray expected = finished(&f->source), got = read_ipc_batch(f);
    assert_same(f, &expected, &got);
}

static void
xids_and_times_can_be_left_out(void **state)
{
    fixture *f = *state;
    walrow__wire_out out = out_to(&f->wire);
    f->source.without_xids = f->source.without_commit_times = true;
    put_zoo_rows(&f->source, 0x100, 0, 9);
    ASSERT_OK(walrow__wire_write_ipc_batch(&out, &f->source, &err), err);
    struct ArrowArray got = read_ipc_batch(f);
    complaint why;
    if (!array_is_canonical(&f->table->schema, &got, &why))
        fail_msg("%s", why.text);
    assert_int_equal(got.children[WALROW__XID]->null_count, 9);
    assert_int_equal(got.children[WALROW__COMMIT_TIME]->null_count, 9);
    ArrowArrayRelease(&got);

    put_zoo_rows(&f->source, 0x100, 0, 9);
    walrow__strbuf_clear(&f->wire);
    assert_true(walrow__wire_write_batch(&out, &f->source));
    walrow__wire_batch batch;
    walrow__wire_rows rows;
    const char *reason = "";
    walrow__cursor cursor = walrow__cursor_over(f->wire.data, f->wire.size);
    assert_true(walrow__wire_read_batch(next_frame(&cursor, 'R').payload, &batch));
    assert_false(walrow__wire_open_rows(&batch, &rows, &reason)); /* walrow needs them */
    assert_string_equal(reason, "a row without position, transaction or time");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_is_read_as_it_was_written),
        cmocka_unit_test(a_frame_that_passes_the_end_is_not_read),
        cmocka_unit_test_setup_teardown(a_batch_has_the_same_bits_after_the_wire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_joins_rows_that_came_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_and_the_last_rows_can_be_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(columns_of_nulls_cost_four_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrapped_rows_are_the_messages_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_is_the_same_after_the_wire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_schema_that_is_not_walrows_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_arrow_library_reads_format_ipc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(xids_and_times_can_be_left_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
