/*
 * test_kafka_settings.c
 *	  The URI of a Kafka sink, and what its topics are called. No broker is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sink/kafka/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    walrow__kafka_settings settings;
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
    fixture *f = *state;
    walrow__kafka_settings_release(&f->settings);
    free(f);
    return 0;
}

static walrow_code
parse(fixture *f, const char *params)
{
    walrow__kafka_settings_release(&f->settings);
    return walrow__kafka_settings_parse(&f->settings, "kafka://a:1,b:2/shop", "//a:1,b:2/shop", params,
                                        &f->err);
}

static void
assert_topic(fixture *f, const char *schema_name, const char *table_name, const char *expected)
{
    char *name = walrow__kafka_topic_name(&f->settings, schema_name, table_name);
    assert_string_equal(name, expected);
    free(name);
}

static void
reads_a_uri(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse(f, NULL), WALROW_OK);
    assert_string_equal(f->settings.brokers, "a:1,b:2");
    assert_string_equal(f->settings.prefix, "shop");
    assert_int_equal(f->settings.format, WALROW__KAFKA_JSON);
    assert_true(f->settings.exactly_once);
    assert_int_equal(walrow__kafka_settings_max_bytes(&f->settings), 1000000);
    assert_topic(f, "public", "orders", "shop.public.orders");

    assert_int_equal(
        parse(f, "format=arrow&exactly_once=false&message.max.bytes=2000&topic={table}-{prefix}"), WALROW_OK);
    assert_int_equal(f->settings.format, WALROW__KAFKA_ARROW);
    assert_false(f->settings.exactly_once);
    assert_int_equal(walrow__kafka_settings_max_bytes(&f->settings), 2000);
    assert_topic(f, "public", "orders", "orders-shop");
}

/* Whatever PostgreSQL allows becomes a name that Kafka allows, and no two become one. */
static void
names_that_kafka_does_not_take_are_told_apart(void **state)
{
    static const char *const names[][2] = {{"a", "b.c"}, {"a.b", "c"},       {"a", "b_c"}, {"a", "b c"},
                                           {"a", "b/c"}, {"a", "b\xc3\xa9"}, {"a", "b"}};
    enum { N = sizeof names / sizeof *names };
    char *topics[N];
    fixture *f = *state;
    assert_int_equal(parse(f, NULL), WALROW_OK);
    for (size_t i = 0; i < N; i++) {
        topics[i] = walrow__kafka_topic_name(&f->settings, names[i][0], names[i][1]);
        size_t legal = strspn(topics[i], "abcdefghijklmnopqrstuvwxyz0123456789._-");
        assert_int_equal(legal, strlen(topics[i]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(topics[i], topics[j]);
    }
    assert_string_equal(topics[2], "shop.a.b_c"); /* as it is */
    for (size_t i = 0; i < N; i++)
        free(topics[i]);
}

static void
names_that_are_too_long_are_cut(void **state)
{
    fixture *f = *state;
    char params[300] = "topic={table}";
    memset(params + strlen(params), 'x', 247);
    assert_int_equal(parse(f, params), WALROW_OK);
    char *one = walrow__kafka_topic_name(&f->settings, "public", "one");
    char *two = walrow__kafka_topic_name(&f->settings, "public", "two");
    assert_int_equal(strlen(one), 249);
    assert_int_equal(strlen(two), 249);
    assert_string_not_equal(one + 240, two + 240);
    free(one);
    free(two);
}

static void
refuses_what_walrow_sets_itself(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse(f, "isolation.level=read_uncommitted"), WALROW_ERR_USAGE);
    assert_non_null(strstr(f->err.message, "isolation.level is walrow's to set"));
    assert_int_equal(parse(f, "topic={prefix}.walrow.{table}"), WALROW_ERR_USAGE);
    assert_non_null(strstr(f->err.hint, "walrow's own"));
}

/* In a setting that librdkafka does not know, or that the sink does not. */
static void
messages_have_no_values_of_settings(void **state)
{
    static const char *const params[] = {"sasl.pasword=guessme", "sasl_password=guessme",
                                         "sasl.password=guessme&compression.codec=bzip2"};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) {
        char uri[128];
        snprintf(uri, sizeof uri, "kafka://a:1,b:2/shop?%s", params[i]);
        walrow__kafka_settings_release(&f->settings);
        assert_int_equal(
            walrow__kafka_settings_parse(&f->settings, uri, "//a:1,b:2/shop", params[i], &f->err),
            WALROW_ERR_USAGE);
        assert_non_null(strstr(f->err.message, "sink \"kafka://a:1,b:2/shop\""));
        assert_null(strstr(f->err.message, "guessme"));
        assert_null(strstr(f->err.hint, "guessme"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_a_uri, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_kafka_does_not_take_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_are_too_long_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_walrow_sets_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_have_no_values_of_settings, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
