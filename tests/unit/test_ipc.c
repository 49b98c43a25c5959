/*
 * test_ipc.c
 *	  Arrow IPC streams and files: nanoarrow reads back what was written, and the file's frame is the
 * specification's.
 */
#include "changes.h"

#include "columns/ipc.h"

typedef struct fixture {
    walrow__table *table;
    walrow__batch_builder builder;
    walrow__ipc_writer writer;
    struct ArrowBuffer bytes; /* what was written */
    struct ArrowArrayStream reader;
    struct ArrowArray batch;
    walrow_error err;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->table = simple_table("t", 1);
    ArrowBufferInit(&f->bytes);
    ASSERT_OK(walrow__batch_init(&f->builder, f->table, ArrowBufferAllocatorDefault(), &f->err), f->err);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__ipc_release(&f->writer);
    if (f->batch.release != NULL)
        f->batch.release(&f->batch);
    if (f->reader.release != NULL)
        f->reader.release(&f->reader);
    ArrowBufferReset(&f->bytes);
    walrow__batch_release(&f->builder);
    walrow__table_unref(f->table);
    free(f);
    return 0;
}

static walrow_code
keep(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    fixture *f = arg;
    (void)err;
    return ArrowBufferAppend(&f->bytes, bytes, (int64_t)size) == 0 ? WALROW_OK : WALROW_ERR_MEMORY;
}

static void
open_writer(fixture *f, walrow__ipc_format format)
{
    ASSERT_OK(walrow__ipc_open(&f->writer, format, &f->table->schema, keep, f, &f->err), f->err);
}

/* A batch of rows (id, "name") with ids from first on. */
static void
write_rows(fixture *f, int first, int n)
{
    struct ArrowArray batch;
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", first + i);
        put_row(&f->builder, 'I', 0x100, (uint32_t)i, NOON, ROW(id, i % 2 == 0 ? "even" : NULL), NULL);
    }
    ASSERT_OK(walrow__batch_finish(&f->builder, &batch, &f->err), f->err);
    ASSERT_OK(walrow__ipc_write(&f->writer, &batch, &f->err), f->err);
    batch.release(&batch);
}

static void
finish_writer(fixture *f)
{
    ASSERT_OK(walrow__ipc_finish(&f->writer, &f->err), f->err);
}

/* Read the stream that begins at a byte. */
static void
open_reader(fixture *f, int64_t from)
{
    struct ArrowBuffer copy;
    struct ArrowIpcInputStream input;
    ArrowBufferInit(&copy);
    assert_int_equal(ArrowBufferAppend(&copy, f->bytes.data + from, f->bytes.size_bytes - from), 0);
    assert_int_equal(ArrowIpcInputStreamInitBuffer(&input, &copy), 0);
    assert_int_equal(ArrowIpcArrayStreamReaderInit(&f->reader, &input, NULL), 0);
}

static void
read_batch(fixture *f, int64_t expected_rows, int32_t expected_first)
{
    if (f->batch.release != NULL)
        f->batch.release(&f->batch);
    assert_int_equal(f->reader.get_next(&f->reader, &f->batch), 0);
    assert_non_null(f->batch.release);
    assert_int_equal(f->batch.length, expected_rows);
    if (expected_rows > 0)
        assert_int_equal(((const int32_t *)f->batch.children[WALROW__N_META]->buffers[1])[0], expected_first);
}

static void
assert_end(fixture *f)
{
    struct ArrowArray none;
    assert_int_equal(f->reader.get_next(&f->reader, &none), 0);
    assert_null(none.release);
}

static void
a_stream_reads_back(void **state)
{
    fixture *f = *state;
    open_writer(f, WALROW__IPC_STREAM);
    write_rows(f, 1, 3);
    write_rows(f, 10, 0);
    write_rows(f, 20, 1000);
    finish_writer(f);
    assert_int_equal(f->writer.bytes_written, f->bytes.size_bytes);
    open_reader(f, 0);
    read_batch(f, 3, 1);
    read_batch(f, 0, 0);
    read_batch(f, 1000, 20);
    assert_end(f);
}

static void
the_schema_travels_whole(void **state)
{
    fixture *f = *state;
    struct ArrowSchema schema;
    struct ArrowStringView value;
    open_writer(f, WALROW__IPC_STREAM);
    finish_writer(f);
    open_reader(f, 0);
    assert_int_equal(f->reader.get_schema(&f->reader, &schema), 0);
    assert_int_equal(schema.n_children, 9);
    assert_string_equal(schema.children[WALROW__COMMIT_TIME]->format, "tsu:UTC");
    ArrowMetadataGetValue(schema.metadata, ArrowCharView("walrow.key"), &value);
    assert_int_equal(value.size_bytes, 6);
    assert_memory_equal(value.data, "[\"id\"]", 6);
    ArrowMetadataGetValue(schema.children[WALROW__OLD]->children[1]->metadata, ArrowCharView("pg.type"),
                          &value);
    assert_memory_equal(value.data, "text", 4);
    schema.release(&schema);
}

/* Arrow specification, "IPC File Format": magic and padding, a stream, the footer, its size, magic. */
static void
a_file_has_the_specified_frame(void **state)
{
    fixture *f = *state;
    open_writer(f, WALROW__IPC_FILE);
    write_rows(f, 1, 5);
    write_rows(f, 6, 7);
    finish_writer(f);
    const uint8_t *bytes = f->bytes.data;
    int64_t size = f->bytes.size_bytes;
    assert_memory_equal(bytes, "ARROW1\0\0", 8);
    assert_memory_equal(bytes + size - 6, "ARROW1", 6);
    open_reader(f, 8);
    read_batch(f, 5, 1);
    read_batch(f, 7, 6);
    assert_end(f);
}

static void
the_footer_finds_every_record_batch(void **state)
{
    fixture *f = *state;
    open_writer(f, WALROW__IPC_FILE);
    write_rows(f, 1, 5);
    write_rows(f, 6, 7);
    finish_writer(f);
    struct ArrowIpcDecoder decoder;
    struct ArrowError error = {.message = ""};
    assert_int_equal(ArrowIpcDecoderInit(&decoder), 0);
    struct ArrowBufferView all = {.data.as_uint8 = f->bytes.data, .size_bytes = f->bytes.size_bytes};
    assert_int_equal(ArrowIpcDecoderPeekFooter(&decoder, all, &error), 0);
    assert_int_equal(ArrowIpcDecoderVerifyFooter(&decoder, all, &error), 0);
    assert_int_equal(ArrowIpcDecoderDecodeFooter(&decoder, all, &error), 0);
    const struct ArrowBuffer *blocks = &decoder.footer->record_batch_blocks;
    assert_int_equal(blocks->size_bytes / (int64_t)sizeof(struct ArrowIpcFileBlock), 2);
    const struct ArrowIpcFileBlock *block = (const struct ArrowIpcFileBlock *)blocks->data + 1;
    assert_int_equal(block->offset % 8, 0);
    assert_memory_equal(f->bytes.data + block->offset, "\xff\xff\xff\xff", 4);
    assert_in_range(block->offset + block->metadata_length + block->body_length, 0, f->bytes.size_bytes - 8);
    ArrowIpcDecoderReset(&decoder);
}

static walrow_code
disk_full(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    (void)arg, (void)bytes, (void)size;
    return walrow__fail(err, WALROW_ERR_SINK, "disk full");
}

static void
the_callers_error_comes_back(void **state)
{
    fixture *f = *state;
    assert_int_equal(walrow__ipc_open(&f->writer, WALROW__IPC_FILE, &f->table->schema, disk_full, f, &f->err),
                     WALROW_ERR_SINK);
    assert_string_equal(f->err.message, "disk full");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stream_reads_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_schema_travels_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_has_the_specified_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_footer_finds_every_record_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_callers_error_comes_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
