/*
 * walrow_array_share, walrow_schema_copy, walrow_array_stream: one batch for several consumers.
 */
#include "every_type.h"

#include "arrays.h"

enum { ROWS = 100 };

static walrow_error err;

static void
assert_equal(const struct ArrowSchema *schema, const struct ArrowArray *a, const struct ArrowArray *b)
{
    complaint why;
    if (!arrays_are_equal(schema, a, b, &why))
        fail_msg("%s", why.text);
}

static void
what_is_shared_is_the_same_and_outlives_the_others(void **state)
{
    (void)state;
    walrow__table *table = table_of_every_type('d');
    struct ArrowArray batch = random_batch(table, "I", ROWS), first, second;
    const void *names = batch.children[WALROW__N_META + 1]->buffers[2];
    ASSERT_OK(walrow_array_share(&batch, &first, &err), err);
    ASSERT_OK(walrow_array_share(&batch, &second, &err), err);
    assert_ptr_equal(second.children[WALROW__N_META + 1]->buffers[2], names);
    assert_equal(&table->schema, &batch, &first);
    ArrowArrayRelease(&batch);
    assert_equal(&table->schema, &first, &second);
    ArrowArrayRelease(&first);
    assert_int_equal(second.length, ROWS);
    ArrowArrayRelease(&second);
    walrow__table_unref(table);
}

static void
a_stream_of_a_batch_has_it_once(void **state)
{
    (void)state;
    walrow__table *table = table_of_every_type('d');
    struct ArrowArray batch = random_batch(table, "I", ROWS), shared, got;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    ASSERT_OK(walrow_array_share(&batch, &shared, &err), err);
    ASSERT_OK(walrow_array_stream(&shared, &table->schema, &stream, &err), err);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_int_equal(stream.get_next(&stream, &got), 0);
    assert_equal(&schema, &batch, &got);
    ArrowArrayRelease(&got);
    assert_int_equal(stream.get_next(&stream, &got), 0);
    assert_null(got.release);
    stream.release(&stream);
    ArrowSchemaRelease(&schema);
    ArrowArrayRelease(&batch);
    walrow__table_unref(table);
}

static void
a_copied_schema_outlives_its_source(void **state)
{
    (void)state;
    walrow__table *table = table_of_every_type('d');
    struct ArrowSchema copy;
    struct ArrowArray batch = random_batch(table, "I", ROWS);
    ASSERT_OK(walrow_schema_copy(&table->schema, &copy, &err), err);
    walrow__table_unref(table);
    assert_equal(&copy, &batch, &batch);
    ArrowArrayRelease(&batch);
    ArrowSchemaRelease(&copy);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shared_is_the_same_and_outlives_the_others),
        cmocka_unit_test(a_stream_of_a_batch_has_it_once),
        cmocka_unit_test(a_copied_schema_outlives_its_source),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
