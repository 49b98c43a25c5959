/*
 * test_timelines.c
 *	  History files of timelines, good and bad, and who may go on after a fail-over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/timelines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static walrow_error err;

/* From memory of exactly that size, so that a read past it is seen. */
static walrow_code
parse_bytes(const char *bytes, size_t size, uint32_t current, walrow__timelines *out)
{
    char *exact = malloc(size == 0 ? 1 : size);
    memcpy(exact, bytes, size);
    walrow_code code = walrow__timelines_parse(exact, size, current, out, &err);
    free(exact);
    return code;
}

static void
must_parse(const char *text, uint32_t current, walrow__timelines *out)
{
    if (parse_bytes(text, strlen(text), current, out) != WALROW_OK)
        fail_msg("%s", err.message);
}

static void
expect_bad(const char *text, uint32_t current, const char *message)
{
    walrow__timelines timelines;
    if (parse_bytes(text, strlen(text), current, &timelines) != WALROW_ERR_PROTOCOL)
        fail_msg("\"%s\" was read", text);
    if (strstr(err.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, message);
    assert_null(timelines.branches);
}

/* ---- reading ---- */

static void
each_line_is_a_timeline_and_where_it_was_left(void **state)
{
    walrow__timelines timelines;
    (void)state;
    must_parse("1\t0/15D6B88\tno recovery target specified\n\n2\t1/00000028\tbefore 2024-05-01 12:00:00+00\n",
               3, &timelines);
    assert_int_equal(timelines.current, 3);
    assert_int_equal(timelines.count, 2);
    assert_int_equal(timelines.branches[0].timeline, 1);
    assert_true(timelines.branches[0].lsn == 0x15D6B88);
    assert_int_equal(timelines.branches[1].timeline, 2);
    assert_true(timelines.branches[1].lsn == UINT64_C(0x100000028));
    walrow__timelines_release(&timelines);
}

static void
comments_blanks_and_a_last_line_without_an_end_are_fine(void **state)
{
    walrow__timelines timelines;
    (void)state;
    must_parse("# by hand\n\n \t1  0/100  why\n \n2\t0/200", 3, &timelines);
    assert_int_equal(timelines.count, 2);
    assert_true(timelines.branches[1].lsn == 0x200);
    walrow__timelines_release(&timelines);
}

static void
a_reason_may_be_long(void **state)
{
    walrow__timelines timelines;
    char text[4096] = "1\t0/100\t";
    (void)state;
    memset(text + strlen(text), 'x', sizeof text - strlen(text) - 1);
    must_parse(text, 2, &timelines);
    assert_int_equal(timelines.count, 1);
    walrow__timelines_release(&timelines);
}

static void
the_first_timeline_has_no_history(void **state)
{
    walrow__timelines timelines;
    (void)state;
    must_parse("", 1, &timelines);
    assert_int_equal(timelines.count, 0);
    expect_bad("", 2, "ends without");
    expect_bad("# nothing\n", 2, "ends without");
}

static void
what_is_no_history_is_said_with_its_line(void **state)
{
    (void)state;
    expect_bad("one\t0/100\n", 2, "line 1: it begins with no timeline");
    expect_bad("1\t0/100\n\xFF\xFE\n", 3, "line 2: it begins with no timeline");
    expect_bad("-1\t0/100\n", 2, "no timeline");
    expect_bad("0\t0/100\n", 2, "no timeline");
    expect_bad("1\n", 2, "no LSN");
    expect_bad("1 \n", 2, "no LSN");
    expect_bad("1x0/100\n", 2, "no LSN");
    expect_bad("1\t0/\n", 2, "no LSN");
    expect_bad("1\t100\n", 2, "no LSN");
    expect_bad("1\t0/100garbage\n", 2, "no LSN");
    expect_bad("1\t0/100/200\n", 2, "no LSN");
}

static void
numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    expect_bad("4294967296\t0/100\n", UINT32_MAX, "no timeline");
    expect_bad("99999999999999999999999\t0/100\n", UINT32_MAX, "no timeline");
    expect_bad("1\t123456789/0\n", 2, "no LSN");
    expect_bad("1\tFFFFFFFF/FFFFFFFFF\n", 2, "no LSN");
    expect_bad("1\t00000000000000000000000000000000000000000000000000000000000000000000000/1\n", 2, "no LSN");
}

static void
timelines_and_branches_come_in_order(void **state)
{
    walrow__timelines timelines;
    (void)state;
    expect_bad("2\t0/100\n1\t0/200\n", 3, "line 2: its timeline is not younger");
    expect_bad("1\t0/100\n1\t0/200\n", 3, "line 2: its timeline is not younger");
    expect_bad("1\t0/200\n2\t0/1FF\n", 3, "line 2: its LSN is before");
    expect_bad("3\t0/200\n", 3, "not older than the one");
    must_parse("1\t0/200\n2\t0/200\n", 3, &timelines);
    walrow__timelines_release(&timelines);
}

static void
a_history_cut_anywhere_is_read_or_refused(void **state)
{
    const char whole[] = "1\t0/15D6B88\treason\n2\tA/28\treason\n";
    (void)state;
    for (size_t size = 0; size < sizeof whole; size++) {
        walrow__timelines timelines;
        walrow_code code = parse_bytes(whole, size, 3, &timelines);
        if (code == WALROW_OK)
            walrow__timelines_release(&timelines);
        else
            assert_int_equal(code, WALROW_ERR_PROTOCOL);
    }
}

static void
bytes_of_zero_are_no_end(void **state)
{
    walrow__timelines timelines;
    (void)state;
    assert_int_equal(parse_bytes("1\0\t0/100\n", 9, 2, &timelines), WALROW_ERR_PROTOCOL);
    assert_int_equal(parse_bytes("\0\0\0\0\n", 5, 2, &timelines), WALROW_ERR_PROTOCOL);
}

static void
more_than_a_megabyte_cannot_be(void **state)
{
    walrow__timelines timelines;
    size_t size = (1 << 20) + 1;
    char *bytes = malloc(size);
    (void)state;
    memset(bytes, '\n', size);
    assert_int_equal(parse_bytes(bytes, size, 2, &timelines), WALROW_ERR_PROTOCOL);
    free(bytes);
}

/* ---- going on ---- */

/* Timeline 4 came from 2, which was left at 0/200, which came from 1, left at 0/100. */
static walrow_code
follow(uint32_t then, uint64_t reached_lsn, uint64_t *branch_lsn)
{
    walrow__timelines timelines;
    must_parse("1\t0/100\n2\t0/200\n", 4, &timelines);
    walrow__identity now = {.timeline = 4, .slot = "walrow", .timelines = &timelines};
    walrow_code code = walrow__timelines_follow(&now, then, reached_lsn, "sink x", branch_lsn, &err);
    walrow__timelines_release(&timelines);
    return code;
}

static void
what_ends_before_the_branch_goes_on(void **state)
{
    uint64_t branch_lsn;
    (void)state;
    assert_int_equal(follow(4, UINT64_MAX, &branch_lsn), WALROW_OK);
    assert_true(branch_lsn == UINT64_MAX);
    assert_int_equal(follow(1, 0x100, &branch_lsn), WALROW_OK);
    assert_true(branch_lsn == 0x100);
    assert_int_equal(follow(2, 0x180, &branch_lsn), WALROW_OK);
    assert_true(branch_lsn == 0x200);
}

static void
what_is_past_the_branch_is_refused_with_how_far(void **state)
{
    uint64_t branch_lsn;
    (void)state;
    assert_int_equal(follow(1, 0x101, &branch_lsn), WALROW_ERR_STATE);
    assert_non_null(strstr(err.message, "sink x has changes up to 0/101 of timeline 1"));
    assert_int_equal(follow(1, 0x180, &branch_lsn), WALROW_ERR_STATE);
    assert_non_null(strstr(err.message, "left at 0/100 for timeline 4: 128 bytes"));
    assert_non_null(strstr(err.hint, "walrow teardown --slot walrow"));
}

static void
a_timeline_it_did_not_come_from_is_refused(void **state)
{
    uint64_t branch_lsn;
    (void)state;
    assert_int_equal(follow(3, 0x10, &branch_lsn), WALROW_ERR_STATE);
    assert_non_null(strstr(err.message, "followed timeline 3"));
    assert_int_equal(follow(5, 0x10, &branch_lsn), WALROW_ERR_STATE);
    assert_non_null(strstr(err.hint, "old primary that came back"));
}

static void
a_history_that_could_not_be_read_matters_only_to_who_needs_it(void **state)
{
    uint64_t branch_lsn;
    walrow__timelines timelines = {.current = 4, .failure = {.code = WALROW_ERR_SERVER, .message = "gone"}};
    walrow__identity now = {.timeline = 4, .slot = "walrow", .timelines = &timelines};
    (void)state;
    assert_int_equal(walrow__timelines_follow(&now, 4, 0x10, "x", &branch_lsn, &err), WALROW_OK);
    assert_int_equal(walrow__timelines_follow(&now, 1, 0x10, "x", &branch_lsn, &err), WALROW_ERR_SERVER);
    assert_string_equal(err.message, "gone");
}

static void
a_recording_knows_no_history(void **state)
{
    uint64_t branch_lsn;
    walrow__identity now = {.timeline = 2, .slot = "walrow"};
    (void)state;
    assert_int_equal(walrow__timelines_follow(&now, 2, 0x10, "x", &branch_lsn, &err), WALROW_OK);
    assert_int_equal(walrow__timelines_follow(&now, 1, 0x10, "x", &branch_lsn, &err), WALROW_ERR_STATE);
    assert_non_null(strstr(err.message, "x followed timeline 1, and what comes is of timeline 2"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_a_timeline_and_where_it_was_left),
        cmocka_unit_test(comments_blanks_and_a_last_line_without_an_end_are_fine),
        cmocka_unit_test(a_reason_may_be_long),
        cmocka_unit_test(the_first_timeline_has_no_history),
        cmocka_unit_test(what_is_no_history_is_said_with_its_line),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(timelines_and_branches_come_in_order),
        cmocka_unit_test(a_history_cut_anywhere_is_read_or_refused),
        cmocka_unit_test(bytes_of_zero_are_no_end),
        cmocka_unit_test(more_than_a_megabyte_cannot_be),
        cmocka_unit_test(what_ends_before_the_branch_goes_on),
        cmocka_unit_test(what_is_past_the_branch_is_refused_with_how_far),
        cmocka_unit_test(a_timeline_it_did_not_come_from_is_refused),
        cmocka_unit_test(a_history_that_could_not_be_read_matters_only_to_who_needs_it),
        cmocka_unit_test(a_recording_knows_no_history),
    };
    return cmocka_run_group_tests_name("timelines", tests, NULL, NULL);
}
