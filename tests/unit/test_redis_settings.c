/*
 * test_redis_settings.c
 *	  The URI of a Redis sink, and which template a table has. No server is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sink/redis/settings.h"
#include "sink/redis/template.h"

#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    walrow__redis_settings settings;
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
    walrow__redis_settings_release(&f->settings);
    free(f);
    return 0;
}

static walrow_code
parse(fixture *f, const char *uri, const char *params)
{
    walrow__redis_settings_release(&f->settings);
    return walrow__redis_settings_parse(&f->settings, uri, strchr(uri, ':') + 1, params, &f->err);
}

static void
reads_all_of_a_uri(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse(f, "rediss://us%40er:p%2Fw%3A@[::1]:7/12", NULL), WALROW_OK);
    assert_true(f->settings.has_tls);
    assert_string_equal(f->settings.user, "us@er");
    assert_string_equal(f->settings.password, "p/w:");
    assert_string_equal(f->settings.host, "::1");
    assert_int_equal(f->settings.port, 7);
    assert_int_equal(f->settings.db, 12);
    assert_string_equal(f->settings.place, "::1:7"); /* no secrets */
}

static void
what_is_left_out_has_defaults(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse(f, "redis://", NULL), WALROW_OK);
    assert_false(f->settings.has_tls);
    assert_null(f->settings.user);
    assert_null(f->settings.password);
    assert_string_equal(f->settings.place, "localhost:6379");
    assert_int_equal(f->settings.db, 0);
    assert_int_equal(f->settings.action, WALROW__REDIS_UNLINK);
    assert_int_equal(f->settings.timeout_s, 30);

    assert_int_equal(parse(f, "redis://:secret@%2Frun%2Fredis.sock/3", NULL), WALROW_OK);
    assert_null(f->settings.user);
    assert_string_equal(f->settings.password, "secret");
    assert_string_equal(f->settings.place, "/run/redis.sock");
    assert_int_equal(f->settings.db, 3);
}

static void
a_table_may_have_a_template_of_its_own(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse(f, "redis://h", "key=a:{id}&key.public.t=b:{id}&key.s.t.u=c"), WALROW_OK);
    assert_string_equal(walrow__redis_settings_key(&f->settings, "public", "t"), "b:{id}");
    assert_string_equal(walrow__redis_settings_key(&f->settings, "s", "t.u"), "c");
    assert_string_equal(walrow__redis_settings_key(&f->settings, "public", "t2"), "a:{id}");
    assert_string_equal(walrow__redis_settings_key(&f->settings, "publi", "t"), "a:{id}");
}

static void
braces_are_names_or_themselves(void **state)
{
    static const char *const good[] = {"a", "{id}", "{{", "}}", "{{{id}}}", "a{{b}}c", "{a b}:{c.d}"};
    static const char *const bad[] = {"", "{", "}", "{}", "{id", "id}", "{a{b}", "{{}", "{{{id}}", "a}b"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(walrow__redis_template_is_valid(good[i], true));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(walrow__redis_template_is_valid(bad[i], true));
    assert_true(walrow__redis_template_is_valid("{schema}.{table}{{id}}", false));
    assert_false(walrow__redis_template_is_valid("{schema}.{id}", false));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_all_of_a_uri, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_left_out_has_defaults, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_may_have_a_template_of_its_own, set_up, tear_down),
        cmocka_unit_test(braces_are_names_or_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
