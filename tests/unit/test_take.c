/*
 * kernels/take: slots gathered from arrays of every type are those that were asked for, to the bit.
 */
#include "every_type.h"

#include "arrays.h"
#include "kernels/slice.h"
#include "kernels/take.h"

enum { ROWS = 200, PICKED = 300 };

typedef struct fixture {
    walrow__table *table;
    struct ArrowArray batch;
} fixture;

static int
set_up(void **state)
{
    static fixture f;
    random_state = 1;
    f.table = table_of_every_type('f');
    f.batch = random_batch(f.table, "IUD", ROWS);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;
    if (f->batch.release != NULL)
        ArrowArrayRelease(&f->batch);
    walrow__table_unref(f->table);
    return 0;
}

static void
assert_same(const struct ArrowSchema *schema, struct ArrowArray *expected, struct ArrowArray *got)
{
    complaint why;
    if (!array_is_canonical(schema, got, &why) || !arrays_are_equal(schema, expected, got, &why))
        fail_msg("%s", why.text);
    ArrowArrayRelease(expected);
    ArrowArrayRelease(got);
}

static struct ArrowArray
taken(const struct ArrowSchema *schema, const struct ArrowArray *batch, const uint32_t *numbers, int64_t n)
{
    walrow__rows rows;
    begin_rows(&rows, schema);
    assert_int_equal(walrow__column_take(&rows.column, batch, numbers, n), WALROW__APPENDED);
    struct ArrowArray array = end_rows(&rows);
    return array;
}

static void
pick_at_random(uint32_t *numbers, int n, uint32_t below)
{
    for (int i = 0; i < n; i++)
        numbers[i] = (uint32_t)random_below(below);
}

static void
rows_of_every_type_are_those_asked_for(void **state)
{
    fixture *f = *state;
    const struct ArrowSchema *schema = &f->table->schema;
    uint32_t numbers[PICKED];
    for (int n = 0; n <= PICKED; n = 2 * n + 1) {
        pick_at_random(numbers, n, ROWS);
        struct ArrowArray expected = copy_row_by_row(schema, &f->batch, numbers, n);
        struct ArrowArray got = taken(schema, &f->batch, numbers, n);
        assert_same(schema, &expected, &got);
    }
}

static void
rows_taken_piece_by_piece_are_the_whole(void **state)
{
    fixture *f = *state;
    const struct ArrowSchema *schema = &f->table->schema;
    uint32_t numbers[PICKED];
    pick_at_random(numbers, PICKED, ROWS);
    walrow__rows rows;
    begin_rows(&rows, schema);
    for (int at = 0, n; at < PICKED; at += n) {
        n = (int)random_below((uint64_t)(PICKED - at < 20 ? PICKED - at : 20)) + 1;
        assert_int_equal(walrow__column_take(&rows.column, &f->batch, numbers + at, n), WALROW__APPENDED);
    }
    struct ArrowArray expected = copy_row_by_row(schema, &f->batch, numbers, PICKED);
    struct ArrowArray got = end_rows(&rows);
    assert_same(schema, &expected, &got);
}

static void
a_slice_is_counted_from_where_it_begins(void **state)
{
    fixture *f = *state;
    const struct ArrowSchema *schema = &f->table->schema;
    enum { START = 13, LENGTH = 150, LATER = 7 };
    uint32_t numbers[PICKED], of_batch[PICKED];
    walrow_error err = {0};
    struct ArrowArray slice;
    pick_at_random(numbers, PICKED, LENGTH - LATER);
    for (int i = 0; i < PICKED; i++)
        of_batch[i] = numbers[i] + START + LATER;
    struct ArrowArray expected = copy_row_by_row(schema, &f->batch, of_batch, PICKED);
    walrow__shared *shared = walrow__shared_new(&f->batch);
    ASSERT_OK(walrow__slice(shared, START, LENGTH, &slice, &err), err);
    walrow__shared_unref(shared);
    slice.offset = LATER; /* the struct's own, which its columns are to add to theirs */
    slice.length -= LATER;
    struct ArrowArray got = taken(schema, &slice, numbers, PICKED);
    ArrowArrayRelease(&slice);
    assert_same(schema, &expected, &got);
}

static void
a_child_lives_as_long_as_it_is_wanted(void **state)
{
    fixture *f = *state;
    walrow_error err = {0};
    struct ArrowArray slice, child;
    uint32_t numbers[] = {0, 2};
    const uint32_t of_batch[] = {5, 7};
    struct ArrowArray whole = copy_row_by_row(&f->table->schema, &f->batch, of_batch, 2);
    int map = (int)f->table->schema.n_children - 1;
    walrow__shared *shared = walrow__shared_new(&f->batch);
    ASSERT_OK(walrow__slice(shared, 5, 10, &slice, &err), err);
    ArrowArrayMove(slice.children[map], &child);
    ArrowArrayRelease(&slice);
    walrow__shared_unref(shared);
    walrow__rows rows;
    begin_rows(&rows, f->table->schema.children[map]);
    assert_int_equal(walrow__column_take(&rows.column, &child, numbers, 2), WALROW__APPENDED);
    ArrowArrayRelease(&child);
    struct ArrowArray got = end_rows(&rows), expected;
    ArrowArrayMove(whole.children[map], &expected);
    ArrowArrayRelease(&whole);
    assert_same(f->table->schema.children[map], &expected, &got);
}

/* ---- what walrow itself never makes, and others may ---- */

static void
append_integers(struct ArrowArray *array, const struct ArrowSchema *schema, int n)
{
    assert_int_equal(ArrowArrayInitFromSchema(array, schema, NULL), NANOARROW_OK);
    assert_int_equal(ArrowArrayStartAppending(array), NANOARROW_OK);
    for (int i = 0; i < n; i++)
        assert_int_equal(i % 3 == 2 ? ArrowArrayAppendNull(array, 1) : ArrowArrayAppendInt(array, 100 + i),
                         NANOARROW_OK);
    assert_int_equal(ArrowArrayFinishBuildingDefault(array, NULL), NANOARROW_OK);
}

static void
what_lies_under_a_null_is_not_taken(void **state)
{
    (void)state;
    struct ArrowSchema schema;
    struct ArrowArray array;
    const uint32_t numbers[] = {2, 0, 5};
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetType(&schema, NANOARROW_TYPE_INT32), NANOARROW_OK);
    append_integers(&array, &schema, 6);
    ((int32_t *)array.buffers[1])[2] = 0x5A5A5A5A;
    array.null_count = -1; /* not counted */
    struct ArrowArray got = taken(&schema, &array, numbers, 3);
    const int32_t *values = got.buffers[1];
    assert_int_equal(got.null_count, 2);
    assert_int_equal(values[0], 0);
    assert_int_equal(values[1], 100);
    assert_int_equal(values[2], 0);
    ArrowArrayRelease(&got);
    ArrowArrayRelease(&array);
    ArrowSchemaRelease(&schema);
}

static void
the_elements_of_a_list_may_have_an_offset(void **state)
{
    (void)state;
    struct ArrowSchema schema;
    struct ArrowArray list;
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetType(&schema, NANOARROW_TYPE_LIST), NANOARROW_OK);
    assert_int_equal(ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_INT64), NANOARROW_OK);
    assert_int_equal(ArrowArrayInitFromSchema(&list, &schema, NULL), NANOARROW_OK);
    assert_int_equal(ArrowArrayStartAppending(&list), NANOARROW_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ArrowArrayAppendInt(list.children[0], i), NANOARROW_OK);
        if (i == 1 || i == 3)
            assert_int_equal(ArrowArrayFinishElement(&list), NANOARROW_OK);
    }
    assert_int_equal(ArrowArrayFinishBuildingDefault(&list, NULL), NANOARROW_OK);
    list.children[0]->offset = 2; /* [[2, 3], [4, 5]] */
    list.children[0]->length = 4;
    const uint32_t numbers[] = {1, 0};
    struct ArrowArray got = taken(&schema, &list, numbers, 2);
    const int64_t *elements = got.children[0]->buffers[1];
    assert_int_equal(got.children[0]->length, 4);
    assert_int_equal(elements[0], 4);
    assert_int_equal(elements[1], 5);
    assert_int_equal(elements[2], 2);
    assert_int_equal(elements[3], 3);
    ArrowArrayRelease(&got);
    ArrowArrayRelease(&list);
    ArrowSchemaRelease(&schema);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_of_every_type_are_those_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_taken_piece_by_piece_are_the_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slice_is_counted_from_where_it_begins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_child_lives_as_long_as_it_is_wanted, set_up, tear_down),
        cmocka_unit_test(what_lies_under_a_null_is_not_taken),
        cmocka_unit_test(the_elements_of_a_list_may_have_an_offset),
    };
    return cmocka_run_group_tests_name("take", tests, NULL, NULL);
}
