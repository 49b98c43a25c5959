/*
 * test_batch.c
 *	  A change batch under construction: what is put in comes out, nulls and old tuples in their slots.
 */
#include "changes.h"

typedef struct fixture {
    walrow__table *table; /* public.t(id integer key, name text) */
    walrow__batch_builder builder;
    struct ArrowArray batch;
    struct ArrowArrayView view;
} fixture;

static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    walrow_error err = {0};
    f->table = simple_table("t", 1);
    ASSERT_OK(walrow__batch_init(&f->builder, f->table, ArrowBufferAllocatorDefault(), &err), err);
    assert_int_equal(ArrowArrayViewInitFromSchema(&f->view, &f->table->schema, NULL), 0);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    if (f->batch.release != NULL)
        f->batch.release(&f->batch);
    ArrowArrayViewReset(&f->view);
    walrow__batch_release(&f->builder);
    walrow__table_unref(f->table);
    free(f);
    return 0;
}

/* Finish, and have nanoarrow check every buffer of it. */
static void
finish(fixture *f)
{
    walrow_error err = {0};
    struct ArrowError error = {.message = ""};
    if (f->batch.release != NULL)
        f->batch.release(&f->batch);
    ASSERT_OK(walrow__batch_finish(&f->builder, &f->batch, &err), err);
    if (ArrowArrayViewSetArray(&f->view, &f->batch, &error) != 0 ||
        ArrowArrayViewValidate(&f->view, NANOARROW_VALIDATION_LEVEL_FULL, &error) != 0)
        fail_msg("%s", error.message);
}

static const char *
text_at(const struct ArrowArrayView *column, int64_t row)
{
    static char text[64];
    if (ArrowArrayViewIsNull(column, row))
        return "null";
    struct ArrowStringView value = ArrowArrayViewGetStringUnsafe(column, row);
    snprintf(text, sizeof text, "%.*s", (int)value.size_bytes, value.data);
    return text;
}

static void
assert_row(const fixture *f, int64_t row, const char *op, uint64_t lsn, uint32_t seq, int64_t id,
           const char *name)
{
    struct ArrowArrayView **columns = f->view.children;
    assert_string_equal(text_at(columns[WALROW__OP], row), op);
    assert_int_equal(ArrowArrayViewGetUIntUnsafe(columns[WALROW__COMMIT_LSN], row), lsn);
    assert_int_equal(ArrowArrayViewGetUIntUnsafe(columns[WALROW__SEQ], row), seq);
    assert_int_equal(ArrowArrayViewGetIntUnsafe(columns[WALROW__COMMIT_TIME], row), NOON);
    assert_int_equal(ArrowArrayViewGetIntUnsafe(columns[WALROW__N_META], row), id);
    assert_string_equal(text_at(columns[WALROW__N_META + 1], row), name);
}

static void
insert(fixture *f, uint64_t lsn, uint32_t seq, const char *id, const char *name)
{
    put_row(&f->builder, 'I', lsn, seq, NOON, ROW(id, name), NULL);
}

static void
rows_come_out_as_they_went_in(void **state)
{
    fixture *f = *state;
    insert(f, 0x100, 0, "1", "one");
    put_row(&f->builder, 'D', 0x100, 1, NOON, ROW("2", NULL), NULL);
    insert(f, 0x200, 0, "3", "three");
    finish(f);
    assert_int_equal(f->batch.length, 3);
    assert_row(f, 0, "I", 0x100, 0, 1, "one");
    assert_row(f, 1, "D", 0x100, 1, 2, "null");
    assert_row(f, 2, "I", 0x200, 0, 3, "three");
    assert_int_equal(walrow__batch_position(&f->batch, 2).commit_lsn, 0x200);
    assert_int_equal(walrow__batch_position(&f->batch, 1).seq, 1);
}

static void
without_nulls_there_is_no_validity_buffer(void **state)
{
    fixture *f = *state;
    insert(f, 0x100, 0, "1", "one");
    finish(f);
    assert_null(f->batch.buffers[0]);
    for (int i = 0; i < WALROW__UNCHANGED; i++)
        assert_null(f->batch.children[i]->buffers[0]);
    assert_null(f->batch.children[WALROW__N_META]->buffers[0]);
}

static void
an_old_tuple_after_rows_without_one_stands_in_its_row(void **state)
{
    fixture *f = *state;
    insert(f, 0x100, 0, "1", "one");
    insert(f, 0x100, 1, "2", "two");
    put_row(&f->builder, 'U', 0x100, 2, NOON, ROW("3", "new"), ROW("2", "old"));
    insert(f, 0x100, 3, "4", "four");
    put_row(&f->builder, 'U', 0x100, 4, NOON, ROW("5", "newer"), ROW("4", NULL));
    finish(f);
    const struct ArrowArrayView *old = f->view.children[WALROW__OLD];
    assert_int_equal(f->batch.children[WALROW__OLD]->null_count, 3);
    assert_true(ArrowArrayViewIsNull(old, 0) && ArrowArrayViewIsNull(old, 1) && ArrowArrayViewIsNull(old, 3));
    assert_int_equal(ArrowArrayViewGetIntUnsafe(old->children[0], 2), 2);
    assert_string_equal(text_at(old->children[1], 2), "old");
    assert_int_equal(ArrowArrayViewGetIntUnsafe(old->children[0], 4), 4);
    assert_string_equal(text_at(old->children[1], 4), "null");
    assert_row(f, 4, "U", 0x100, 4, 5, "newer");
}

static void
unchanged_columns_are_named(void **state)
{
    fixture *f = *state;
    insert(f, 0x100, 0, "1", "one");
    put_row(&f->builder, 'U', 0x100, 1, NOON, ROW("1", UNCHANGED), NULL);
    finish(f);
    const struct ArrowArrayView *unchanged = f->view.children[WALROW__UNCHANGED];
    assert_true(ArrowArrayViewIsNull(unchanged, 0));
    assert_false(ArrowArrayViewIsNull(unchanged, 1));
    assert_int_equal(unchanged->children[0]->length, 1);
    assert_string_equal(text_at(unchanged->children[0], 0), "name");
    assert_row(f, 1, "U", 0x100, 1, 1, "null");
}

static void
truncating_forgets_rows_and_half_a_row(void **state)
{
    fixture *f = *state;
    insert(f, 0x100, 0, "1", "one");
    put_row(&f->builder, 'U', 0x100, 1, NOON, ROW("2", UNCHANGED), ROW("1", "one"));
    assert_true(walrow__batch_begin_row(&f->builder, 'I', (walrow__position){0x100, 2}, 1, NOON));
    put_value(&f->builder.values[0], "3");
    walrow__batch_truncate(&f->builder, 1);
    insert(f, 0x200, 0, "4", "four");
    finish(f);
    assert_int_equal(f->batch.length, 2);
    assert_row(f, 0, "I", 0x100, 0, 1, "one");
    assert_row(f, 1, "I", 0x200, 0, 4, "four");
    assert_true(ArrowArrayViewIsNull(f->view.children[WALROW__OLD], 1));
}

static void
a_range_of_another_batch_is_copied_whole(void **state)
{
    fixture *f = *state;
    walrow_error err = {0};
    walrow__batch_builder other;
    struct ArrowArray source;
    ASSERT_OK(walrow__batch_init(&other, f->table, ArrowBufferAllocatorDefault(), &err), err);
    put_row(&other, 'I', 0x100, 0, NOON, ROW("1", "one"), NULL);
    put_row(&other, 'U', 0x100, 1, NOON, ROW("2", UNCHANGED), ROW("1", "old"));
    put_row(&other, 'I', 0x100, 2, NOON, ROW("3", NULL), NULL);
    ASSERT_OK(walrow__batch_finish(&other, &source, &err), err);
    insert(f, 0x50, 0, "0", "zero");
    assert_true(walrow__batch_append_range(&f->builder, &source, 1, 2));
    assert_true(walrow__batch_append_range(&f->builder, &source, 0, 1));
    finish(f);
    assert_int_equal(f->batch.length, 4);
    assert_row(f, 0, "I", 0x50, 0, 0, "zero");
    assert_row(f, 1, "U", 0x100, 1, 2, "null");
    assert_row(f, 2, "I", 0x100, 2, 3, "null");
    assert_row(f, 3, "I", 0x100, 0, 1, "one");
    assert_string_equal(text_at(f->view.children[WALROW__OLD]->children[1], 1), "old");
    assert_string_equal(text_at(f->view.children[WALROW__UNCHANGED]->children[0], 0), "name");
    source.release(&source);
    walrow__batch_release(&other);
}

static void
a_builder_can_be_filled_again(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 200; i++) /* past the first capacity */
            insert(f, 0x100, i, "7", i % 3 == 0 ? NULL : "seven");
        finish(f);
        assert_int_equal(f->batch.length, 200);
        assert_row(f, 199, "I", 0x100, 199, 7, "seven");
    }
}

static void
no_rows_are_a_batch_too(void **state)
{
    fixture *f = *state;
    finish(f);
    assert_int_equal(f->batch.length, 0);
    assert_int_equal(f->batch.n_children, 9);
}

static void
bytes_grow_with_rows(void **state)
{
    fixture *f = *state;
    assert_int_equal(walrow__batch_bytes(&f->builder), 0);
    insert(f, 0x100, 0, "1", "one");
    assert_in_range(walrow__batch_bytes(&f->builder), 25 + 4 + 3, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_out_as_they_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_nulls_there_is_no_validity_buffer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_tuple_after_rows_without_one_stands_in_its_row, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(unchanged_columns_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(truncating_forgets_rows_and_half_a_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_range_of_another_batch_is_copied_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_builder_can_be_filled_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_rows_are_a_batch_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_grow_with_rows, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
