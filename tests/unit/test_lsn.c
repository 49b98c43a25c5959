/*
 * test_lsn.c
 *	  LSNs as PostgreSQL writes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <walrow.h>

static void
test_format_is_as_postgres_prints_it(void **state)
{
    char buffer[WALROW_LSN_SIZE];

    (void)state;
    assert_string_equal(walrow_lsn_format(0x015D6B88, buffer), "0/15D6B88");
    assert_string_equal(walrow_lsn_format(UINT64_MAX, buffer), "FFFFFFFF/FFFFFFFF");
    assert_string_equal(walrow_lsn_format(0, buffer), "0/0");
    assert_string_equal(walrow_lsn_format(UINT64_C(0xA00000010), buffer), "A/10");
    assert_string_equal(walrow_lsn_format(UINT64_C(0x1000000010000000), buffer), "10000000/10000000");
}

static void
test_parse_reads_what_format_writes(void **state)
{
    uint64_t lsn = 0;

    (void)state;
    assert_true(walrow_lsn_parse("16/B374D848", &lsn));
    assert_true(lsn == UINT64_C(0x16B374D848));
}

static void
test_parse_refuses_what_is_no_lsn(void **state)
{
    const char *bad[] = {"", "0", "/", "0/", "/0", "0/G", "0/1 ", " 0/1", "0/123456789", "-1/0"};
    uint64_t lsn;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(walrow_lsn_parse(bad[i], &lsn));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_is_as_postgres_prints_it),
        cmocka_unit_test(test_parse_reads_what_format_writes),
        cmocka_unit_test(test_parse_refuses_what_is_no_lsn),
    };

    return cmocka_run_group_tests_name("lsn", tests, NULL, NULL);
}
