/*
 * Columns under construction: nulls that cost nothing, children filled by hand, memory that runs out, and a
 * column used again after it was finished.
 */
#include "columns/append.h"
#include "columns/column.h"

#include "arrays.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static walrow_error err;

/* ---- an allocator that counts and, when told, refuses
 * ------------------------------------------------------------ */

typedef struct memory {
    int64_t bytes;       /* held */
    int64_t allocations; /* asked for */
    int64_t refuse_at;   /* that one and all later ones; < 0: none */
} memory;

static uint8_t *
reallocate(struct ArrowBufferAllocator *allocator, uint8_t *ptr, int64_t old_size, int64_t new_size)
{
    memory *m = allocator->private_data;
    if (m->refuse_at >= 0 && m->allocations >= m->refuse_at)
        return NULL;
    m->allocations++;
    m->bytes += new_size - old_size;
    return realloc(ptr, (size_t)new_size);
}

static void
release(struct ArrowBufferAllocator *allocator, uint8_t *ptr, int64_t size)
{
    memory *m = allocator->private_data;
    m->bytes -= size;
    free(ptr);
}

static struct ArrowBufferAllocator
allocator_of(memory *m)
{
    *m = (memory){.refuse_at = -1};
    return (struct ArrowBufferAllocator){.reallocate = reallocate, .free = release, .private_data = m};
}

/* ---- types
 * -------------------------------------------------------------------------------------------------------- */

static walrow__type int_type = {.kind = WALROW__INT32, .wire = WALROW__WIRE_PLAIN, .name = (char *)"int4"};
static walrow__type text_type = {.kind = WALROW__UTF8, .wire = WALROW__WIRE_TEXT, .name = (char *)"text"};
static walrow__type bool_type = {.kind = WALROW__BOOL, .wire = WALROW__WIRE_PLAIN, .name = (char *)"bool"};
static walrow__type list_type = {.kind = WALROW__LIST,
                                 .wire = WALROW__WIRE_PLAIN,
                                 .children = &text_type,
                                 .n_children = 1,
                                 .delimiter = ','};
static walrow__type fields[] = {
    {.kind = WALROW__INT32, .wire = WALROW__WIRE_PLAIN, .oid = 23},
    {.kind = WALROW__LIST,
     .wire = WALROW__WIRE_PLAIN,
     .children = &text_type,
     .n_children = 1,
     .delimiter = ','},
    {.kind = WALROW__BOOL, .wire = WALROW__WIRE_PLAIN, .oid = 16},
};
static char *field_names[] = {(char *)"i", (char *)"words", (char *)"b"};
static walrow__type struct_type = {.kind = WALROW__STRUCT,
                                   .wire = WALROW__WIRE_PLAIN,
                                   .children = fields,
                                   .child_names = field_names,
                                   .n_children = 3};

static walrow__column
column_of(const walrow__type *type, memory *m)
{
    walrow__column column;
    assert_int_equal(walrow__column_init(&column, type, allocator_of(m), &err), WALROW_OK);
    return column;
}

static walrow__appended
append_text(walrow__column *column, const char *text)
{
    const char *reason;
    return walrow__column_append_text(column, (const uint8_t *)text, strlen(text), &reason);
}

static struct ArrowArray
finished(walrow__column *column)
{
    struct ArrowArray array;
    struct ArrowSchema schema;
    complaint why;
    assert_int_equal(walrow__column_finish(column, &array, &err), WALROW_OK);
    assert_int_equal(walrow__type_schema(column->type, &schema, &err), WALROW_OK);
    if (!array_is_canonical(&schema, &array, &why))
        fail_msg("%s", why.text);
    ArrowSchemaRelease(&schema);
    return array;
}

static void
assert_all_given_back(const memory *m)
{
    assert_int_equal(m->bytes, 0);
}

/* ---- tests
 * ---------------------------------------------------------------------------------------------------------
 */

static void
nulls_cost_nothing_until_a_value_follows(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&struct_type, &m);
    int64_t before = m.allocations;
    for (int i = 0; i < 1000; i++)
        walrow__column_append_nulls(&column, 1);
    assert_int_equal(m.allocations, before);
    assert_int_equal(append_text(&column, "(1,\"{a,b}\",t)"), WALROW__APPENDED);
    struct ArrowArray array = finished(&column);
    assert_int_equal(array.length, 1001);
    assert_int_equal(array.null_count, 1000);
    assert_int_equal(array.children[1]->null_count, 1000);
    ArrowArrayRelease(&array);
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

static void
no_null_is_no_validity_buffer(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&int_type, &m);
    assert_int_equal(append_text(&column, "7"), WALROW__APPENDED);
    walrow__column_append_nulls(&column, 3);
    assert_int_equal(append_text(&column, "8"), WALROW__APPENDED);
    walrow__column_truncate(&column, 1);
    struct ArrowArray array = finished(&column);
    assert_int_equal(array.length, 1);
    assert_null(array.buffers[0]);
    ArrowArrayRelease(&array);
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

static void
an_empty_list_has_an_offset(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&list_type, &m);
    struct ArrowArray array = finished(&column);
    assert_int_equal(array.length, 0);
    assert_int_equal(((const int32_t *)array.buffers[1])[0], 0);
    assert_int_equal(((const int32_t *)array.children[0]->buffers[1])[0], 0);
    ArrowArrayRelease(&array);
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

static void
fields_filled_by_hand_stand_where_their_struct_does(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&struct_type, &m);
    for (int i = 0; i < 5; i++) {
        walrow__column_append_nulls(&column, i);
        walrow__column_begin_nested(&column);
        assert_int_equal(append_text(&column.children[0], "7"), WALROW__APPENDED);
        walrow__column_append_nulls(&column.children[1], 1);
        assert_int_equal(append_text(&column.children[2], "t"), WALROW__APPENDED);
        assert_int_equal(walrow__column_append_nested(&column), WALROW__APPENDED);
    }
    struct ArrowArray array = finished(&column);
    assert_int_equal(array.length, 15);
    assert_int_equal(array.null_count, 10);
    assert_int_equal(array.children[0]->null_count, 10);
    assert_int_equal(((const int32_t *)array.children[0]->buffers[1])[14], 7);
    assert_int_equal(array.children[1]->null_count, 15);
    ArrowArrayRelease(&array);
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

static void
a_row_given_up_half_way_leaves_nothing(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&struct_type, &m);
    assert_int_equal(append_text(&column, "(1,{x},f)"), WALROW__APPENDED);
    walrow__column_append_nulls(&column, 2);
    walrow__column_begin_nested(&column);
    assert_int_equal(append_text(&column.children[0], "7"), WALROW__APPENDED);
    assert_int_equal(append_text(&column.children[1], "{y,z}"), WALROW__APPENDED);
    walrow__column_truncate(&column, column.length);
    assert_int_equal(append_text(&column, "(2,,t)"), WALROW__APPENDED);
    struct ArrowArray array = finished(&column);
    assert_int_equal(array.length, 4);
    assert_int_equal(array.null_count, 2);
    assert_int_equal(((const int32_t *)array.children[0]->buffers[1])[3], 2);
    assert_int_equal(array.children[1]->children[0]->length, 1);
    ArrowArrayRelease(&array);
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

static void
a_finished_column_begins_anew(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&struct_type, &m);
    for (int i = 0; i < 3; i++) {
        walrow__column_append_nulls(&column, i);
        assert_int_equal(append_text(&column, "(1,\"{a,NULL}\",t)"), WALROW__APPENDED);
        struct ArrowArray array = finished(&column);
        assert_int_equal(array.length, i + 1);
        assert_int_equal(array.null_count, i);
        ArrowArrayRelease(&array);
    }
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

static void
arrays_outlive_their_column(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&list_type, &m);
    assert_int_equal(append_text(&column, "{a,\"b c\"}"), WALROW__APPENDED);
    struct ArrowArray array = finished(&column);
    walrow__column_release(&column);
    assert_memory_equal(array.children[0]->buffers[2], "ab c", 4);
    ArrowArrayRelease(&array);
    assert_all_given_back(&m);
}

static void
bits_of_booleans_are_packed(void **state)
{
    (void)state;
    memory m;
    walrow__column column = column_of(&bool_type, &m);
    const char *const values[] = {"t", "f", "t", "t", "f", "f", "f", "t", "f", "t"};
    for (int i = 0; i < 10; i++)
        assert_int_equal(append_text(&column, values[i]), WALROW__APPENDED);
    struct ArrowArray array = finished(&column);
    assert_int_equal(((const uint8_t *)array.buffers[1])[0], 0x8D);
    assert_int_equal(((const uint8_t *)array.buffers[1])[1], 0x02);
    ArrowArrayRelease(&array);
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

static void
more_than_an_offset_can_say_is_refused(void **state)
{
    (void)state;
    memory m;
    const char *reason = NULL;
    walrow__column column = column_of(&text_type, &m);
    assert_int_equal(append_text(&column, "x"), WALROW__APPENDED);
    column.data.size_bytes = INT32_MAX - 2; /* as if it were that full; nothing reads it */
    assert_int_equal(walrow__column_append_text(&column, (const uint8_t *)"abc", 3, &reason),
                     WALROW__NO_MEMORY);
    assert_non_null(reason);
    assert_int_equal(walrow__column_append_utf8(&column, "abc", 3), WALROW__NO_MEMORY);
    assert_int_equal(column.length, 1);
    column.data.size_bytes = 1;
    walrow__column_release(&column);
    assert_all_given_back(&m);
}

/* Values and nulls, until memory runs out or all are in. */
static int
fill(walrow__column *column)
{
    for (int i = 0; i < 300; i++) {
        walrow__appended outcome =
            append_text(column, i % 7 == 3 ? "(1,\"{a,\"\"b \\\\\\\\ c\"\",NULL}\",t)" : "(7,{x},f)");
        if (outcome == WALROW__NO_MEMORY)
            return i;
        assert_int_equal(outcome, WALROW__APPENDED);
        walrow__column_append_nulls(column, i % 3);
    }
    return 300;
}

static void
a_column_out_of_memory_is_as_before(void **state)
{
    (void)state;
    bool all = false;
    for (int64_t refuse_at = 2; !all; refuse_at++) { /* the two lists of children are init's */
        memory m;
        walrow__column column = column_of(&struct_type, &m);
        m.refuse_at = refuse_at;
        all = fill(&column) == 300;
        int64_t length = column.length, nulls = column.null_count;
        m.refuse_at = -1;
        assert_int_equal(append_text(&column, "(9,{y},t)"), WALROW__APPENDED);
        struct ArrowArray array = finished(&column);
        assert_int_equal(array.length, length + 1);
        assert_int_equal(array.null_count, nulls);
        ArrowArrayRelease(&array);
        walrow__column_release(&column);
        assert_all_given_back(&m);
    }
}

static void
a_range_that_does_not_fit_can_be_taken_back(void **state)
{
    (void)state;
    memory from;
    walrow__column source = column_of(&struct_type, &from);
    assert_int_equal(fill(&source), 300);
    struct ArrowArray whole = finished(&source);
    walrow__column_release(&source);
    walrow__appended outcome = WALROW__NO_MEMORY;
    for (int64_t refuse_at = 3; outcome != WALROW__APPENDED; refuse_at++) {
        memory m;
        walrow__column column = column_of(&struct_type, &m);
        assert_int_equal(walrow__column_append_range(&column, &whole, 0, 5), WALROW__APPENDED);
        m.refuse_at = m.allocations + refuse_at - 3;
        outcome = walrow__column_append_range(&column, &whole, 5, whole.length - 5);
        m.refuse_at = -1;
        walrow__column_truncate(&column, 5);
        struct ArrowArray array = finished(&column);
        assert_int_equal(array.length, 5);
        ArrowArrayRelease(&array);
        walrow__column_release(&column);
        assert_all_given_back(&m);
    }
    ArrowArrayRelease(&whole);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nulls_cost_nothing_until_a_value_follows),
        cmocka_unit_test(no_null_is_no_validity_buffer),
        cmocka_unit_test(an_empty_list_has_an_offset),
        cmocka_unit_test(fields_filled_by_hand_stand_where_their_struct_does),
        cmocka_unit_test(a_row_given_up_half_way_leaves_nothing),
        cmocka_unit_test(a_finished_column_begins_anew),
        cmocka_unit_test(arrays_outlive_their_column),
        cmocka_unit_test(bits_of_booleans_are_packed),
        cmocka_unit_test(more_than_an_offset_can_say_is_refused),
        cmocka_unit_test(a_column_out_of_memory_is_as_before),
        cmocka_unit_test(a_range_that_does_not_fit_can_be_taken_back),
    };
    return cmocka_run_group_tests_name("column", tests, NULL, NULL);
}
