/*
 * test_text_values.c
 *	  What a value's text becomes, type by type, and which texts are refused. That text and binary agree on
 *	  what a real server sends is test_values.c's matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "columns/column.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* ---- types ---- */

static walrow__type boolean = {.kind = WALROW__BOOL}, int2 = {.kind = WALROW__INT16},
                    int4 = {.kind = WALROW__INT32}, int8 = {.kind = WALROW__INT64},
                    oid = {.kind = WALROW__UINT32}, float4 = {.kind = WALROW__FLOAT32},
                    float8 = {.kind = WALROW__FLOAT64}, text = {.kind = WALROW__UTF8},
                    bytea = {.kind = WALROW__BINARY}, date = {.kind = WALROW__DATE32},
                    time_ = {.kind = WALROW__TIME64}, timestamp = {.kind = WALROW__TIMESTAMP},
                    timestamptz = {.kind = WALROW__TIMESTAMPTZ}, interval = {.kind = WALROW__INTERVAL},
                    uuid = {.kind = WALROW__UUID}, json = {.kind = WALROW__JSON};
static walrow__type money = {.kind = WALROW__DECIMAL128, .precision = 6, .scale = 2};

#define LIST_OF(element, separator)                                                                          \
    {                                                                                                        \
        .kind = WALROW__LIST, .delimiter = separator, .children = &(element), .n_children = 1                \
    }
static walrow__type ints = LIST_OF(int4, ','), texts = LIST_OF(text, ','), boxes = LIST_OF(text, ';'),
                    bools = LIST_OF(boolean, ','), times = LIST_OF(time_, ','), lists = LIST_OF(ints, ',');

static walrow__type pair_fields[] = {{.kind = WALROW__INT32}, {.kind = WALROW__UTF8}};
static walrow__type pair = {.kind = WALROW__STRUCT, .children = pair_fields, .n_children = 2};
static walrow__type nothing = {.kind = WALROW__STRUCT};
static walrow__type pairs = LIST_OF(pair, ',');
static walrow__type nested_fields[] = {{.kind = WALROW__STRUCT, .children = pair_fields, .n_children = 2},
                                       LIST_OF(text, ','),
                                       {.kind = WALROW__TIME64}};
static walrow__type nested = {.kind = WALROW__STRUCT, .children = nested_fields, .n_children = 3};
static walrow__type hstore_parts[] = {{.kind = WALROW__UTF8}, {.kind = WALROW__UTF8}};
static walrow__type hstore = {.kind = WALROW__MAP, .children = hstore_parts, .n_children = 2};

/* ---- a slot of an array as text ---- */

static void print_slot(const walrow__type *type, const struct ArrowArray *array, int64_t i,
                       walrow__strbuf *out);

static void
print_items(const walrow__type *type, const struct ArrowArray *array, int64_t i, walrow__strbuf *out)
{
    const int32_t *offsets = array->buffers[1];
    bool map = type->kind == WALROW__MAP;
    walrow__strbuf_add_char(out, map ? '{' : '[');
    for (int32_t at = offsets[i]; at < offsets[i + 1]; at++) {
        walrow__strbuf_add_text(out, at > offsets[i] ? ", " : "");
        if (map) {
            print_slot(&type->children[0], array->children[0]->children[0], at, out);
            walrow__strbuf_add_text(out, ": ");
            print_slot(&type->children[1], array->children[0]->children[1], at, out);
        } else {
            print_slot(&type->children[0], array->children[0], at, out);
        }
    }
    walrow__strbuf_add_char(out, map ? '}' : ']');
}

static void
print_fields(const walrow__type *type, const struct ArrowArray *array, int64_t i, walrow__strbuf *out)
{
    walrow__strbuf_add_char(out, '(');
    for (int n = 0; n < type->n_children; n++) {
        walrow__strbuf_add_text(out, n > 0 ? ", " : "");
        print_slot(&type->children[n], array->children[n], i, out);
    }
    walrow__strbuf_add_char(out, ')');
}

static void
print_hex(const uint8_t *bytes, int64_t size, walrow__strbuf *out)
{
    for (int64_t i = 0; i < size; i++)
        walrow__strbuf_addf(out, "%02x", bytes[i]);
}

static void
print_bytes(const walrow__type *type, const struct ArrowArray *array, int64_t i, walrow__strbuf *out)
{
    const int32_t *offsets = array->buffers[1];
    const uint8_t *bytes = (const uint8_t *)array->buffers[2] + offsets[i];
    if (type->kind == WALROW__BINARY)
        print_hex(bytes, offsets[i + 1] - offsets[i], out);
    else
        walrow__strbuf_addf(out, "'%.*s'", (int)(offsets[i + 1] - offsets[i]), (const char *)bytes);
}

static void
print_interval(const uint8_t *slot, walrow__strbuf *out)
{
    int32_t months, days;
    int64_t ns;
    memcpy(&months, slot, 4);
    memcpy(&days, slot + 4, 4);
    memcpy(&ns, slot + 8, 8);
    walrow__strbuf_addf(out, "%d %d %" PRId64, months, days, ns);
}

static void
print_slot(const walrow__type *type, const struct ArrowArray *array, int64_t i, walrow__strbuf *out)
{
    const void *data = type->kind == WALROW__STRUCT ? NULL : array->buffers[1];
    if (array->buffers[0] != NULL && !ArrowBitGet(array->buffers[0], i)) {
        walrow__strbuf_add_text(out, "null");
        return;
    }
    switch (type->kind) {
    case WALROW__BOOL:
        walrow__strbuf_add_text(out, ArrowBitGet(data, i) ? "true" : "false");
        break;
    case WALROW__INT16:
        walrow__strbuf_addf(out, "%d", ((const int16_t *)data)[i]);
        break;
    case WALROW__INT32:
    case WALROW__DATE32:
        walrow__strbuf_addf(out, "%" PRId32, ((const int32_t *)data)[i]);
        break;
    case WALROW__UINT32:
        walrow__strbuf_addf(out, "%" PRIu32, ((const uint32_t *)data)[i]);
        break;
    case WALROW__INT64:
    case WALROW__TIME64:
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        walrow__strbuf_addf(out, "%" PRId64, ((const int64_t *)data)[i]);
        break;
    case WALROW__FLOAT32:
        walrow__strbuf_addf(out, "%a", (double)((const float *)data)[i]);
        break;
    case WALROW__FLOAT64:
        walrow__strbuf_addf(out, "%a", ((const double *)data)[i]);
        break;
    case WALROW__DECIMAL128: /* small ones only */
        walrow__strbuf_addf(out, "%" PRId64, ((const int64_t *)data)[2 * i]);
        break;
    case WALROW__INTERVAL:
        print_interval((const uint8_t *)data + 16 * i, out);
        break;
    case WALROW__UUID:
        print_hex((const uint8_t *)data + 16 * i, 16, out);
        break;
    case WALROW__LIST:
    case WALROW__MAP:
        print_items(type, array, i, out);
        break;
    case WALROW__STRUCT:
        print_fields(type, array, i, out);
        break;
    default:
        print_bytes(type, array, i, out);
        break;
    }
}

/* ---- what comes of a text ---- */

/* The slot, or why there is none. Before and after it a null, so that both have to survive it. */
static void
read_text(const walrow__type *type, const char *bytes, size_t size, walrow__strbuf *out)
{
    walrow__column column;
    struct ArrowArray array;
    walrow_error err = {0};
    const char *reason = "";
    assert_int_equal(walrow__column_init(&column, type, ArrowBufferAllocatorDefault(), &err), WALROW_OK);
    walrow__column_append_nulls(&column, 1);
    walrow__appended outcome = walrow__column_append_text(&column, (const uint8_t *)bytes, size, &reason);
    assert_int_equal(column.length, outcome == WALROW__APPENDED ? 2 : 1);
    walrow__column_append_nulls(&column, 1);
    assert_int_equal(walrow__column_finish(&column, &array, &err), WALROW_OK);
    if (outcome == WALROW__APPENDED)
        print_slot(type, &array, 1, out);
    else
        walrow__strbuf_addf(out, "%s: %s", outcome == WALROW__MALFORMED ? "malformed" : "dead letter",
                            reason);
    ArrowArrayRelease(&array);
    walrow__column_release(&column);
}

typedef struct example {
    const walrow__type *type;
    const char *text;
    const char *slot;
} example;

static void
assert_examples(const example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        walrow__strbuf got;
        walrow__strbuf_init(&got);
        read_text(examples[i].type, examples[i].text, strlen(examples[i].text), &got);
        if (strcmp(walrow__strbuf_text(&got), examples[i].slot) != 0)
            fail_msg("%s became %s, not %s", examples[i].text, walrow__strbuf_text(&got), examples[i].slot);
        walrow__strbuf_release(&got);
    }
}

static void
assert_malformed(const walrow__type *type, const char *const *bad, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        walrow__strbuf got;
        walrow__strbuf_init(&got);
        read_text(type, bad[i], strlen(bad[i]), &got);
        if (strncmp(walrow__strbuf_text(&got), "malformed: ", 11) != 0)
            fail_msg("%s became %s", bad[i], walrow__strbuf_text(&got));
        walrow__strbuf_release(&got);
    }
}

static void
numbers(void **state)
{
    static const example examples[] = {
        {&boolean, "t", "true"},
        {&boolean, "f", "false"},
        {&int2, "-32768", "-32768"},
        {&int4, "2147483647", "2147483647"},
        {&int8, "-9223372036854775808", "-9223372036854775808"},
        {&int8, "9223372036854775807", "9223372036854775807"},
        {&oid, "4294967295", "4294967295"},
        {&float4, "0.1", "0x1.99999ap-4"},
        {&float4, "1e-45", "0x1p-149"},
        {&float8, "0.1", "0x1.999999999999ap-4"},
        {&float8, "-0", "-0x0p+0"},
        {&float8, "5e-324", "0x0.0000000000001p-1022"},
        {&float8, "1.7976931348623157e+308", "0x1.fffffffffffffp+1023"},
        {&float8, "9007199254740993", "0x1p+53"},
        {&float8, "-Infinity", "-inf"},
        {&float8, "NaN", "nan"},
        {&money, "12345.67", "dead letter: more digits than the column's precision"},
        {&money, "-12.3", "-1230"},
        {&money, "9999.99", "999999"},
    };
    static const char *const no_integers[] = {
        "", " 1", "1 ", "+1", "-", "1.0", "32768", "x", "0x10", "--1", "-32769", "99999999999999999999999"};
    static const char *const no_oids[] = {"-1", "4294967296", ""};
    static const char *const no_floats[] = {"",    "inf",   "nan", "1e", ".5",  "5.",       " 1",
                                            "0x1", "1e999", "-",   "+1", "1,5", "infinity", "1e99999999999"};
    (void)state;
    assert_examples(examples, N(examples));
    assert_malformed(&int2, no_integers, N(no_integers));
    assert_malformed(&oid, no_oids, N(no_oids));
    assert_malformed(&float8, no_floats, N(no_floats));
    assert_malformed(&float4, no_floats, N(no_floats));
    assert_malformed(&boolean, (const char *const[]){"true", "", "T", "1"}, 4);
}

static void
bytes(void **state)
{
    static const example examples[] = {
        {&text, "", "''"},
        {&text, "d\303\251j\303\240", "'d\303\251j\303\240'"},
        {&text, "\377", "dead letter: bytes that are not UTF-8"},
        {&json, "{\"a\": 1}", "'{\"a\": 1}'"},
        {&bytea, "\\x", ""},
        {&bytea, "\\x00ffA0", "00ffa0"},
        {&uuid, "00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff"},
    };
    static const char *const no_bytea[] = {"", "\\", "abc", "\\x0", "\\x0g", "\\xg0", "x00"};
    static const char *const no_uuid[] = {"", "00112233445566778899aabbccddeeff",
                                          "00112233-4455-6677-8899_aabbccddeeff",
                                          "0011223g-4455-6677-8899-aabbccddeeff"};
    (void)state;
    assert_examples(examples, N(examples));
    assert_malformed(&bytea, no_bytea, N(no_bytea));
    assert_malformed(&uuid, no_uuid, N(no_uuid));
}

static void
days_and_times(void **state)
{
    static const example examples[] = {
        {&date, "1970-01-01", "0"},
        {&date, "0001-12-31 BC", "-719163"},
        {&date, "5874897-12-31", "2145042905"},
        {&date, "infinity", "2147483647"},
        {&date, "-infinity", "-2147483648"},
        {&time_, "23:59:59.999999", "86399999999"},
        {&time_, "00:00:00.1", "100000"},
        {&time_, "24:00:00", "dead letter: time64 ends before 24:00:00"},
        {&timestamp, "1969-12-31 23:59:59.5", "-500000"},
        {&timestamp, "0044-03-15 12:00:00 BC", "-63517780800000000"},
        {&timestamp, "294247-01-10 04:00:54.775806", "9223372036854775806"},
        {&timestamp, "294247-01-10 04:00:54.775807", "dead letter: a time past the range of timestamp[us]"},
        {&timestamp, "294276-12-31 23:59:59.999999", "dead letter: a time past the range of timestamp[us]"},
        {&timestamp, "infinity", "9223372036854775807"},
        {&timestamptz, "1970-01-01 00:00:00+00", "0"},
        {&timestamptz, "1970-01-01 05:30:00+05:30", "0"},
        {&timestamptz, "1969-12-31 23:40:28-00:19:32", "0"},
        {&timestamptz, "0001-01-01 00:00:00+00 BC", "-62167219200000000"},
        {&timestamptz, "-infinity", "-9223372036854775808"},
    };
    static const char *const no_dates[] = {
        "",           "1970-1-1",      "970-01-01",      "2023-02-29", "2024-02-30",
        "1970-13-01", "1970-00-01",    "1970-01-00",     "0000-01-01", "1970-01-01 ",
        "1900-02-29", "1970-01-01 AD", "99999999-01-01", "Infinity"};
    static const char *const no_times[] = {
        "",          "1:00:00",     "00:60:00",         "00:00:60", "24:00:00.000001",
        "00:00:00.", "00:00:00+00", "00:00:00.0000001", "25:00:00", "-00:00:01"};
    static const char *const no_stamps[] = {"1970-01-01",
                                            "1970-01-01T00:00:00+00",
                                            "1970-01-01 24:00:00+00",
                                            "1970-01-01 00:00:00",
                                            "1970-01-01 00:00:00+16",
                                            "1970-01-01 00:00:00+",
                                            "1970-01-01 00:00:00+00:",
                                            "1970-01-01 00:00:00 BC+00"};
    (void)state;
    assert_examples(examples, N(examples));
    assert_malformed(&date, no_dates, N(no_dates));
    assert_malformed(&time_, no_times, N(no_times));
    assert_malformed(&timestamptz, no_stamps, N(no_stamps));
    assert_malformed(&timestamp, (const char *const[]){"1970-01-01 00:00:00+00", "1970-01-01 00:00"}, 2);
}

/* months, days, nanoseconds */
static void
intervals(void **state)
{
    static const char past[] = "dead letter: an interval past the range of nanoseconds";
    static const char infinite[] = "dead letter: an Arrow interval has no infinity";
    static const example examples[] = {
        {&interval, "00:00:00", "0 0 0"},
        {&interval, "1 year 2 mons -3 days +04:05:06.789", "14 -3 14706789000000"},
        {&interval, "-1 years -2 mons +3 days -04:05:06", "-14 3 -14706000000000"},
        {&interval, "-00:00:01", "0 0 -1000000000"},
        {&interval, "1 day", "0 1 0"},
        {&interval, "100:00:00.000001", "0 0 360000000001000"},
        {&interval, "-178956970 years -8 mons", "-2147483648 0 0"},
        {&interval, "2562047:47:16.854775", "0 0 9223372036854775000"},
        {&interval, "2562047:47:16.854776", past},
        {&interval, "-2562047788:00:54.775808", past},
        {&interval, "infinity", infinite},
        {&interval, "-infinity", infinite},
    };
    static const char *const bad[] = {"",
                                      "1",
                                      "1 week",
                                      "1 day ",
                                      " 1 day",
                                      "1 day 1 year",
                                      "1 days 1 days",
                                      "@ 1 day",
                                      "1 dayss",
                                      "3000000000 days",
                                      "00:00",
                                      "00:00:00 1 day",
                                      "1 day00:00:00",
                                      "9999999999:00:00",
                                      "P1D",
                                      "1 day ago",
                                      "--00:00:01"};
    (void)state;
    assert_examples(examples, N(examples));
    assert_malformed(&interval, bad, N(bad));
}

static void
arrays(void **state)
{
    static const char several[] = "dead letter: an array of several dimensions";
    static const char elsewhere[] = "dead letter: an array that does not begin at 1";
    static const example examples[] = {
        {&ints, "{}", "[]"},
        {&ints, "{1,NULL,-3}", "[1, null, -3]"},
        {&bools, "{t,f}", "[true, false]"},
        {&texts, "{a,NULL,\"NULL\",\"\",\"x,\\\"y\\\\z\",\"{}\"}",
         "['a', null, 'NULL', '', 'x,\"y\\z', '{}']"},
        {&boxes, "{(1,2),(3,4);(5,6),(7,8)}", "['(1,2),(3,4)', '(5,6),(7,8)']"},
        {&pairs, "{\"(1,\\\"a b\\\")\",\"(,)\",NULL}", "[(1, 'a b'), (null, null), null]"},
        {&lists, "{\"{1,2}\",{},NULL}",
         several}, /* of a domain over arrays: elements are quoted, if not empty */
        {&lists, "{\"{1,2}\",\"{}\",NULL}", "[[1, 2], [], null]"},
        {&ints, "{{1,2},{3,4}}", several},
        {&ints, "[1:1][2:3]={{1,2}}", several},
        {&ints, "[0:2]={1,2,3}", elsewhere},
        {&lists, "{\"{1}\",\"[0:0]={2}\"}", elsewhere},
        {&times, "{00:00:00,24:00:00}", "dead letter: time64 ends before 24:00:00"},
        {&texts, "{a,\"\377\"}", "dead letter: bytes that are not UTF-8"},
    };
    static const char *const bad[] = {"",         "{",      "}",      "1,2",     "{1,2",  "{,}",
                                      "{1,}",     "{1,,2}", "{1}}",   "{1};",    "{\"1}", "{\"1\"2}",
                                      "{1\"2\"}", "{a\\b}", "{1;2}",  "[",       "[0:1]", "]={1}",
                                      "{null}",   "{x}",    "{\"1\\", "{\"\\\"}"};
    (void)state;
    assert_examples(examples, N(examples));
    assert_malformed(&ints, bad, N(bad));
}

static void
composites(void **state)
{
    static const char altered[] = "dead letter: a composite value from before or after its type was altered";
    static const example examples[] = {
        {&pair, "(1,x)", "(1, 'x')"},
        {&pair, "(,)", "(null, null)"},
        {&pair, "(,\"\")", "(null, '')"},
        {&pair, "(1,NULL)", "(1, 'NULL')"},
        {&pair, "(1,\"a \"\"b\"\", \\\\ (c)\")", "(1, 'a \"b\", \\ (c)')"},
        {&pair, "(1)", altered},
        {&pair, "(1,a,2)", altered},
        {&pair, "(1,\"a,b\",2)", altered},
        {&pair, "()", altered},
        {&pair, "(a,1)", altered},
        {&nothing, "()", "()"},
        {&nothing, "(1)", altered},
        {&nested, "(\"(1,\"\"x \"\"\"\"y\"\"\"\"\"\")\",\"{a,\"\"b c\"\"}\",01:00:00)",
         "((1, 'x \"y\"'), ['a', 'b c'], 3600000000)"},
        {&nested, "(,,)", "(null, null, null)"},
        {&nested, "(\"(1,x)\",\"{a,b}\",24:00:00)", "dead letter: time64 ends before 24:00:00"},
        {&nested, "(\"(1)\",{a},)", altered},
    };
    static const char *const bad[] = {"",        "(",          ")",          "1,x",     "(1,x",     "1,x)",
                                      "(1,\"x)", "(1,x\"y\")", "(1,\"x\"y)", "(1,(x))", "(1,a\\,b)"};
    (void)state;
    assert_examples(examples, N(examples));
    assert_malformed(&pair, bad, N(bad));
}

static void
hstores(void **state)
{
    static const example examples[] = {
        {&hstore, "", "{}"},
        {&hstore, "\"k\"=>\"v\", \"k2\"=>NULL", "{'k': 'v', 'k2': null}"},
        {&hstore, "\"\"=>\"\", \"a\\\"b\\\\\"=>\"NULL\"", "{'': '', 'a\"b\\': 'NULL'}"},
        {&hstore, "\"k\"=>\"\377\"", "dead letter: bytes that are not UTF-8"},
    };
    static const char *const bad[] = {"k=>v",           "\"k\"",       "\"k\"=>",
                                      "\"k\"=>v",       "\"k\"=>\"v",  "\"k\"=>\"v\",",
                                      "\"k\"=>\"v\" ",  "NULL=>\"v\"", "\"k\"=>\"v\"\"x\"=>\"y\"",
                                      "\"k\" => \"v\"", ", "};
    (void)state;
    assert_examples(examples, N(examples));
    assert_malformed(&hstore, bad, N(bad));
}

/* Two NaNs that are not the canonical one, a binary and a text one: one and the same bits. */
static void
nans_are_the_canonical_one(void **state)
{
    static const uint8_t odd_float4[] = {0xFF, 0xC0, 0x00, 0x01},
                         odd_float8[] = {0x7F, 0xF0, 0, 0, 0, 0, 0, 1};
    walrow__type types[] = {{.kind = WALROW__FLOAT32, .wire = WALROW__WIRE_PLAIN},
                            {.kind = WALROW__FLOAT64, .wire = WALROW__WIRE_PLAIN}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        walrow__column column;
        walrow_error err;
        const char *reason;
        assert_int_equal(walrow__column_init(&column, &types[i], ArrowBufferAllocatorDefault(), &err),
                         WALROW_OK);
        assert_int_equal(
            walrow__column_append_binary(&column, i == 0 ? odd_float4 : odd_float8, i == 0 ? 4 : 8, &reason),
            WALROW__APPENDED);
        assert_int_equal(walrow__column_append_text(&column, (const uint8_t *)"NaN", 3, &reason),
                         WALROW__APPENDED);
        for (int slot = 0; slot < 2 && i == 0; slot++)
            assert_int_equal(((const uint32_t *)column.data.data)[slot], 0x7FC00000);
        for (int slot = 0; slot < 2 && i == 1; slot++)
            assert_true(((const uint64_t *)column.data.data)[slot] == UINT64_C(0x7FF8000000000000));
        walrow__column_release(&column);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),        cmocka_unit_test(bytes),
        cmocka_unit_test(days_and_times), cmocka_unit_test(intervals),
        cmocka_unit_test(arrays),         cmocka_unit_test(composites),
        cmocka_unit_test(hstores),        cmocka_unit_test(nans_are_the_canonical_one),
    };

    return cmocka_run_group_tests_name("text values", tests, NULL, NULL);
}
