/*
 * test_print_values.c
 *	  Binary values printed as PostgreSQL prints them, where no server can be asked: the table altered
 *	  meanwhile, the value one no send function writes. The rest is test_values.c's matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "columns/column.h"
#include "columns/datetime.h"
#include "columns/float.h"

#include <locale.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

enum { INT4 = 23, TEXT = 25, POINT = 600 };

static walrow__type fields[] = {{.kind = WALROW__INT32, .wire = WALROW__WIRE_PLAIN, .oid = INT4},
                                {.kind = WALROW__UTF8, .wire = WALROW__WIRE_TEXT, .oid = TEXT}};
static const walrow__type pair = {
    .kind = WALROW__STRUCT, .wire = WALROW__WIRE_PLAIN, .children = fields, .n_children = 2};
static const walrow__type ints = {
    .kind = WALROW__LIST, .wire = WALROW__WIRE_PLAIN, .delimiter = ',', .children = fields, .n_children = 1};

static void
assert_prints(const walrow__type *type, const uint8_t *bytes, size_t size, const char *text)
{
    walrow__strbuf out;
    walrow__strbuf_init(&out);
    bool printed = walrow__print_binary(type, bytes, size, &out);
    if (text == NULL)
        assert_false(printed);
    else
        assert_string_equal(walrow__strbuf_text(&out), text);
    walrow__strbuf_release(&out);
}

/* "\0\0\0\27": int4's oid in octal; \31: text's; \216: xml's; \20: bool's */
static void
composite_of_another_epoch_is_printed_whole(void **state)
{
    (void)state;
    assert_prints(&pair, BYTES("\0\0\0\2\0\0\0\27\0\0\0\4\0\0\0\7\0\0\0\31\0\0\0\3a b"), "(7,\"a b\")");
    assert_prints(&pair, BYTES("\0\0\0\1\0\0\0\31\0\0\0\1x"), "(x)");
    assert_prints(&pair, BYTES("\0\0\0\3\0\0\0\31\0\0\0\1x\0\0\0\20\0\0\0\1\1\0\0\0\27\377\377\377\377"),
                  "(x,t,)");
    assert_prints(&pair, BYTES("\0\0\0\0"), "()");
    /* a type nobody here can print: its bytes, so that nothing is lost */
    assert_prints(&pair, BYTES("\0\0\0\1\0\0\0\216\0\0\0\2\1\2"), "(\"\\\\x0102\")");
}

static void
scalars_mapped_to_utf8_are_printed(void **state)
{
    (void)state;
    const walrow__type int4 = {.kind = WALROW__UTF8, .wire = WALROW__WIRE_PRINTED, .value_oid = 23};
    const walrow__type numeric = {.kind = WALROW__UTF8, .wire = WALROW__WIRE_PRINTED, .value_oid = 1700};
    const walrow__type money = {.kind = WALROW__UTF8, .wire = WALROW__WIRE_PRINTED, .value_oid = 790};
    const walrow__type xml = {.kind = WALROW__UTF8, .wire = WALROW__WIRE_PRINTED, .value_oid = 142};
    assert_prints(&int4, BYTES("\377\377\377\376"), "-2");
    assert_prints(&numeric, BYTES("\0\1\0\0\100\0\0\2\0\7"), "-7.00");
    assert_prints(&money, BYTES("\200\0\0\0\0\0\0\0"), "-$92,233,720,368,547,758.08");
    assert_prints(&xml, BYTES("<a/>"), NULL);
}

static void
what_no_send_function_writes_is_refused(void **state)
{
    (void)state;
    assert_prints(&fields[0], BYTES("\0\0\0"), NULL);
    assert_prints(&pair, BYTES("\0\0\0\2"), NULL);
    assert_prints(&pair, BYTES("\377\377\377\377"), NULL);
    assert_prints(&pair, BYTES("\0\0\0\0\0"), NULL);
    assert_prints(&ints, BYTES("\0\0\0\1\0\0\0\0\0\0\0\27\177\377\377\377\0\0\0\1"), NULL);
    assert_prints(&ints, BYTES("\0\0\0\7\0\0\0\0\0\0\0\27"), NULL);
    assert_prints(&(walrow__type){.kind = WALROW__UTF8, .wire = WALROW__WIRE_NONE}, BYTES("x"), NULL);
}

static void
floats_do_not_depend_on_the_locale(void **state)
{
    walrow__strbuf out;
    double value = 0;
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL)
        return; /* no such locale here (cmocka's skip() is a failure to a reader of TAP) */
    walrow__strbuf_init(&out);
    walrow__print_double(-1234.5678e-20, &out);
    assert_string_equal(walrow__strbuf_text(&out), "-1.2345678e-17");
    assert_true(walrow__parse_double((const uint8_t *)"-1.2345678e-17", 14, &value));
    assert_true(value == -1.2345678e-17);
    setlocale(LC_NUMERIC, "C");
    walrow__strbuf_release(&out);
}

static void
the_shortest_digits_are_postgres_own(void **state)
{
    static const struct {
        double value;
        const char *text;
    } doubles[] = {
        {0x1p-44, "5.684341886080802e-14"}, /* the nearest of 16 digits does not read back, the next does */
        {18014398509481992.0, "1.8014398509481992e+16"}, /* ...990 is half way between neighbours */
        {999999999999999.0, "999999999999999"},
        {1e15, "1e+15"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {5e-324, "5e-324"},
        {1e100, "1e+100"},
        {-0.0, "-0"},
    };
    static const struct {
        float value;
        const char *text;
    } singles[] = {{0.1F, "0.1"},
                   {999999.0F, "999999"},
                   {1e6F, "1e+06"},
                   {33554432.0F, "3.3554432e+07"},
                   {1e-45F, "1e-45"}};
    walrow__strbuf out;
    (void)state;
    walrow__strbuf_init(&out);
    for (size_t i = 0; i < N(doubles); i++) {
        walrow__strbuf_clear(&out);
        walrow__print_double(doubles[i].value, &out);
        assert_string_equal(walrow__strbuf_text(&out), doubles[i].text);
    }
    for (size_t i = 0; i < N(singles); i++) {
        walrow__strbuf_clear(&out);
        walrow__print_float(singles[i].value, &out);
        assert_string_equal(walrow__strbuf_text(&out), singles[i].text);
    }
    walrow__strbuf_release(&out);
}

/* Ends the test unless the buffer says so; it is empty afterwards. */
static void
assert_text(walrow__strbuf *out, const char *text)
{
    assert_string_equal(walrow__strbuf_text(out), text);
    walrow__strbuf_clear(out);
}

/* Further out than any server's: a column of Arrow may hold them. */
static void
every_integer_is_a_date_or_a_time(void **state)
{
    walrow__strbuf out;
    (void)state;
    walrow__strbuf_init(&out);
    walrow__print_date(INT32_MIN + 1, &out);
    assert_text(&out, "5877642-06-24 BC");
    walrow__print_date(INT32_MAX - 1, &out);
    assert_text(&out, "5881580-07-10");
    walrow__print_date(INT32_MIN, &out);
    assert_text(&out, "-infinity");
    walrow__print_pg_date(INT32_MAX - 1, &out);
    assert_text(&out, "5881610-07-10");
    walrow__print_timestamp(INT64_MIN + 1, false, &out);
    assert_text(&out, "290309-12-21 19:59:05.224193 BC");
    walrow__print_timestamp(INT64_MAX - 1, true, &out);
    assert_text(&out, "294247-01-10 04:00:54.775806+00");
    walrow__print_timestamp(INT64_MAX, true, &out);
    assert_text(&out, "infinity");
    walrow__print_pg_timestamp(INT64_MAX - 1, false, &out);
    assert_text(&out, "294277-01-09 04:00:54.775806");
    walrow__strbuf_release(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composite_of_another_epoch_is_printed_whole),
        cmocka_unit_test(scalars_mapped_to_utf8_are_printed),
        cmocka_unit_test(what_no_send_function_writes_is_refused),
        cmocka_unit_test(floats_do_not_depend_on_the_locale),
        cmocka_unit_test(the_shortest_digits_are_postgres_own),
        cmocka_unit_test(every_integer_is_a_date_or_a_time),
    };

    return cmocka_run_group_tests_name("printed values", tests, NULL, NULL);
}
