/*
 * test_strbuf.c
 *	  What is printed by hand because rows are made of it: numbers, and JSON's escapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>

static void
assert_integer(int64_t number)
{
    walrow__strbuf out;
    char expected[24];
    snprintf(expected, sizeof expected, "%" PRId64, number);
    walrow__strbuf_init(&out);
    walrow__strbuf_add_integer(&out, number);
    assert_string_equal(walrow__strbuf_text(&out), expected);
    assert_int_equal(out.size, strlen(expected));
    walrow__strbuf_release(&out);
}

static void
integers_of_every_length_have_all_their_digits(void **state)
{
    (void)state;
    for (int64_t power = INT64_C(1000000000000000000); power > 0; power /= 10)
        for (int64_t number = power - 1; number <= power + 1; number++) {
            assert_integer(number);
            assert_integer(-number);
        }
    assert_integer(INT64_MAX);
    assert_integer(INT64_MIN);
}

static void
digits_have_zeros_in_front_up_to_the_width(void **state)
{
    (void)state;
    walrow__strbuf out;
    walrow__strbuf_init(&out);
    walrow__strbuf_add_digits(&out, 7, 2);
    walrow__strbuf_add_digits(&out, 0, 3);
    walrow__strbuf_add_digits(&out, 1234, 3);
    walrow__strbuf_add_digits(&out, UINT64_MAX, 6);
    assert_string_equal(walrow__strbuf_text(&out), "07000123418446744073709551615");
    walrow__strbuf_release(&out);
}

/* RFC 8259, section 7; the short forms where there are. */
static void
add_expected(uint8_t byte, char *out)
{
    const char *shorts = "\bb\tt\nn\ff\rr\"\"\\\\", *at = byte == 0 ? NULL : strchr(shorts, byte);
    while (at != NULL && (at - shorts) % 2 != 0)
        at = strchr(at + 1, byte);
    if (at != NULL)
        sprintf(out, "\\%c", at[1]);
    else if (byte < ' ')
        sprintf(out, "\\u%04x", byte);
    else
        sprintf(out, "%c", byte);
}

/* Eight bytes are looked at together: one of each kind at every place, beside any neighbour. */
static void
every_byte_is_escaped_wherever_it_is(void **state)
{
    enum { SIZE = 19 };
    static const char fillings[] = {'a', '!', '#', '[', ']', 0x7f, (char)0x80, (char)0xff};
    (void)state;
    for (size_t filling = 0; filling < sizeof fillings; filling++)
        for (int byte = 0; byte < 256; byte++)
            for (int place = 0; place < SIZE; place++) {
                char text[SIZE], expected[SIZE + 8], escape[8];
                walrow__strbuf out;
                walrow__strbuf_init(&out);
                memset(text, fillings[filling], SIZE);
                text[place] = (char)byte;
                add_expected((uint8_t)byte, escape);
                snprintf(expected, sizeof expected, "%.*s%s%.*s", place, text, escape, SIZE - place - 1,
                         text + place + 1);
                walrow__json_add_escaped(&out, text, SIZE);
                assert_string_equal(walrow__strbuf_text(&out), expected);
                walrow__strbuf_release(&out);
            }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_every_length_have_all_their_digits),
        cmocka_unit_test(digits_have_zeros_in_front_up_to_the_width),
        cmocka_unit_test(every_byte_is_escaped_wherever_it_is),
    };

    return cmocka_run_group_tests_name("strbuf", tests, NULL, NULL);
}
