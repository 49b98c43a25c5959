/*
 * test_batch_file.c
 *	  Batches that wait in a file are read in order, also while more of them come.
 */
#include "changes.h"

#include "sink/batch_file.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { ROWS = 3, BATCHES = 50 };

typedef struct fixture {
    walrow__table *table;
    walrow__batch_builder builder;
    walrow__batch_file file;
    struct ArrowArrayStream stream;
    int64_t rows; /* that were read */
    int outcome;  /* of the last get_next */
    walrow_error err;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->table = simple_table("t", 1);
    ASSERT_OK(walrow__batch_init(&f->builder, f->table, ArrowBufferAllocatorDefault(), &f->err), f->err);
    walrow__batch_file_init(&f->file, &f->table->schema, "/tmp/walrow-batch-file.parquet");
    walrow__batch_file_stream(&f->file, &f->stream);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    walrow__batch_file_release(&f->file);
    walrow__batch_release(&f->builder);
    walrow__table_unref(f->table);
    free(f);
    return 0;
}

/* Their positions count on from first. */
static void
make_batch(fixture *f, uint64_t first, struct ArrowArray *out)
{
    for (uint64_t lsn = first; lsn < first + ROWS; lsn++)
        put_row(&f->builder, 'I', lsn, 0, NOON, ROW("1", "one"), NULL);
    ASSERT_OK(walrow__batch_finish(&f->builder, out, &f->err), f->err);
}

static void
append(fixture *f, uint64_t first)
{
    struct ArrowArray batch;
    make_batch(f, first, &batch);
    ASSERT_OK(walrow__batch_file_append(&f->file, &batch, &f->err), f->err);
    batch.release(&batch);
}

/* To the end, or an error. */
static void *
read_all(void *arg)
{
    fixture *f = arg;
    struct ArrowArray batch;
    while ((f->outcome = f->stream.get_next(&f->stream, &batch)) == 0 && batch.release != NULL) {
        for (int64_t row = 0; row < batch.length; row++)
            assert_int_equal(walrow__batch_position(&batch, row).commit_lsn, ++f->rows);
        batch.release(&batch);
    }
    return NULL;
}

static void
batches_are_read_while_more_come(void **state)
{
    fixture *f = *state;
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, read_all, f), 0);
    for (int i = 0; i < BATCHES; i++)
        append(f, (uint64_t)i * ROWS + 1);
    struct ArrowArray last;
    make_batch(f, BATCHES * ROWS + 1, &last);
    ASSERT_OK(walrow__batch_file_end(&f->file, &last, &f->err), f->err);
    pthread_join(reader, NULL);
    assert_int_equal(f->outcome, 0);
    assert_int_equal(f->rows, (BATCHES + 1) * ROWS);
}

static void
the_last_may_be_none(void **state)
{
    fixture *f = *state;
    append(f, 1);
    struct ArrowArray none = {.release = NULL};
    ASSERT_OK(walrow__batch_file_end(&f->file, &none, &f->err), f->err);
    read_all(f);
    assert_int_equal(f->outcome, 0);
    assert_int_equal(f->rows, ROWS);
}

static void
a_single_batch_takes_no_file(void **state)
{
    fixture *f = *state;
    struct ArrowArray last;
    make_batch(f, 1, &last);
    ASSERT_OK(walrow__batch_file_end(&f->file, &last, &f->err), f->err);
    assert_int_equal(walrow__batch_file_bytes(&f->file), 0);
    read_all(f);
    assert_int_equal(f->outcome, 0);
    assert_int_equal(f->rows, ROWS);
}

static void
a_reader_of_a_file_that_is_given_up_waits_no_more(void **state)
{
    fixture *f = *state;
    pthread_t reader;
    append(f, 1);
    assert_int_equal(pthread_create(&reader, NULL, read_all, f), 0);
    walrow__batch_file_abandon(&f->file);
    pthread_join(reader, NULL);
    assert_int_equal(f->outcome, ECANCELED);
}

static void
what_cannot_be_read_back_is_an_error(void **state)
{
    fixture *f = *state;
    append(f, 1);
    assert_int_equal(ftruncate(f->file.fd, walrow__batch_file_bytes(&f->file) - 1), 0);
    read_all(f);
    assert_int_equal(f->outcome, EIO);
    assert_non_null(strstr(f->stream.get_last_error(&f->stream), "it ends too soon"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batches_are_read_while_more_come),     TEST(the_last_may_be_none),
        TEST(a_single_batch_takes_no_file),         TEST(a_reader_of_a_file_that_is_given_up_waits_no_more),
        TEST(what_cannot_be_read_back_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
