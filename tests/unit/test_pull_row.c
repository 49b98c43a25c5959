/*
 * test_pull_row.c
 *	  The framing of a pulled window: whole rows of a binary COPY, and everything that is none.
 */
#include "wire.h"

#include "source/pull_window.h"

typedef struct fixture {
    bool header_read;
    walrow__incoming incoming;
    walrow_error err;
} fixture;

static int
set_up(void **state)
{
    *state = calloc(1, sizeof(fixture));
    return 0;
}

static int
tear_down(void **state)
{
    free(*state);
    return 0;
}

static void
put_header(wire *w, uint32_t extension)
{
    put_bytes(w, "PGCOPY\n\377\r\n", 11);
    put_uint(w, 0, 4);
    put_uint(w, extension, 4);
    for (uint32_t i = 0; i < extension; i++)
        put_uint(w, 'x', 1);
}

static void
put_pulled(wire *w, uint64_t lsn, const char *data)
{
    put_uint(w, 2, 2);
    put_uint(w, 8, 4);
    put_uint(w, lsn, 8);
    put_uint(w, strlen(data), 4);
    put_bytes(w, data, strlen(data));
}

/* A copy of exactly that size, so that a byte read past it is noticed. */
static walrow_code
read_bytes(fixture *f, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    memcpy(copy + 1, bytes, size);
    memset(&f->incoming, 0, sizeof f->incoming);
    memset(&f->err, 0, sizeof f->err);
    walrow_code code = walrow__pull_read_row(copy + 1, size, &f->header_read, &f->incoming, &f->err);
    if (f->incoming.bytes != NULL)
        f->incoming.bytes = (const uint8_t *)bytes + (f->incoming.bytes - (copy + 1));
    free(copy);
    return code;
}

static void
expect_row(fixture *f, const wire *w, uint64_t lsn, const char *data)
{
    ASSERT_OK(read_bytes(f, w->bytes, w->size), f->err);
    assert_int_equal(f->incoming.kind, WALROW__INCOMING_DATA);
    assert_int_equal(f->incoming.lsn, lsn);
    assert_int_equal(f->incoming.size, strlen(data));
    assert_memory_equal(f->incoming.bytes, data, strlen(data));
}

static void
expect_malformed(fixture *f, const wire *w, const char *what)
{
    assert_int_equal(read_bytes(f, w->bytes, w->size), WALROW_ERR_PROTOCOL);
    assert_non_null(strstr(f->err.message, what));
}

/* ---- as it should be ---- */

static void
test_the_header_comes_with_the_first_row(void **state)
{
    wire first = {.size = 0}, second = {.size = 0};
    put_header(&first, 0);
    put_pulled(&first, 0x16B3748, "one");
    put_pulled(&second, 0x16B3750, "two");
    expect_row(*state, &first, 0x16B3748, "one");
    expect_row(*state, &second, 0x16B3750, "two");
}

static void
test_a_header_may_be_extended(void **state)
{
    wire w = {.size = 0};
    put_header(&w, 5);
    put_pulled(&w, 1, "row");
    expect_row(*state, &w, 1, "row");
}

static void
test_a_trailer_is_no_row(void **state)
{
    fixture *f = *state;
    wire w = {.size = 0};
    put_header(&w, 0);
    put_uint(&w, UINT16_MAX, 2);
    ASSERT_OK(read_bytes(f, w.bytes, w.size), f->err);
    assert_int_equal(f->incoming.kind, WALROW__INCOMING_NOTHING);
}

static void
test_data_may_be_empty(void **state)
{
    wire w = {.size = 0};
    put_header(&w, 0);
    put_pulled(&w, 7, "");
    expect_row(*state, &w, 7, "");
}

/* ---- as it should not ---- */

static void
test_every_cut_is_noticed(void **state)
{
    fixture *f = *state;
    wire w = {.size = 0};
    put_header(&w, 3);
    put_pulled(&w, 7, "something");
    for (size_t size = 0; size < w.size; size++) {
        f->header_read = false;
        if (read_bytes(f, w.bytes, size) != WALROW_ERR_PROTOCOL)
            fail_msg("%zu of %zu bytes are taken for a row", size, w.size);
    }
}

static void
test_what_is_no_binary_copy(void **state)
{
    wire w = {.size = 0};
    put_bytes(&w, "1\tone\n1\tone\n1\tone\n1\tone\n", 24);
    expect_malformed(*state, &w, "not a binary COPY");
}

static void
test_a_row_of_other_columns(void **state)
{
    fixture *f = *state;
    wire w = {.size = 0};
    f->header_read = true;
    put_uint(&w, 3, 2);
    put_uint(&w, UINT32_MAX, 4);
    expect_malformed(f, &w, "another number of columns");
}

static void
test_an_lsn_of_another_size(void **state)
{
    fixture *f = *state;
    wire w = {.size = 0};
    f->header_read = true;
    put_uint(&w, 2, 2);
    put_uint(&w, 4, 4);
    put_uint(&w, 1, 8);
    expect_malformed(f, &w, "another size");
}

static void
test_data_that_is_null(void **state)
{
    fixture *f = *state;
    wire w = {.size = 0};
    f->header_read = true;
    put_uint(&w, 2, 2);
    put_uint(&w, 8, 4);
    put_uint(&w, 1, 8);
    put_uint(&w, UINT32_MAX, 4);
    expect_malformed(f, &w, "without data");
}

static void
test_two_rows_in_one_message(void **state)
{
    fixture *f = *state;
    wire w = {.size = 0};
    f->header_read = true;
    put_pulled(&w, 1, "one");
    put_pulled(&w, 2, "two");
    expect_malformed(f, &w, "bytes after the row");
}

static void
test_data_longer_than_the_message(void **state)
{
    fixture *f = *state;
    wire w = {.size = 0};
    f->header_read = true;
    put_uint(&w, 2, 2);
    put_uint(&w, 8, 4);
    put_uint(&w, 1, 8);
    put_uint(&w, UINT32_MAX - 1, 4);
    put_uint(&w, 0, 8);
    expect_malformed(f, &w, "ends too soon");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_the_header_comes_with_the_first_row),
        CASE(test_a_header_may_be_extended),
        CASE(test_a_trailer_is_no_row),
        CASE(test_data_may_be_empty),
        CASE(test_every_cut_is_noticed),
        CASE(test_what_is_no_binary_copy),
        CASE(test_a_row_of_other_columns),
        CASE(test_an_lsn_of_another_size),
        CASE(test_data_that_is_null),
        CASE(test_two_rows_in_one_message),
        CASE(test_data_longer_than_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
