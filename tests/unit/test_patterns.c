/*
 * test_patterns.c
 *	  Which tables a list of patterns means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/nearest.h"
#include "pg/patterns.h"

#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *const search_path[] = {"public", "shop", NULL};

static walrow_patterns *
parse(const char *text)
{
    walrow_patterns *patterns = NULL;
    walrow_error err = {0};
    if (walrow_patterns_parse(text, search_path, &patterns, &err) != WALROW_OK)
        fail_msg("%s: %s", text == NULL ? "(null)" : text, err.message);
    return patterns;
}

typedef struct example {
    const char *patterns;
    const char *schema;
    const char *table;
    bool match;
} example;

static void
assert_examples(const example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const example *each = &examples[i];
        walrow_patterns *patterns = parse(each->patterns);
        bool match = walrow_patterns_match(patterns, each->schema, each->table);
        walrow_patterns_free(patterns);
        if (match != each->match)
            fail_msg("%s %s %s.%s", each->patterns, match ? "matches" : "does not match", each->schema,
                     each->table);
    }
}

static void
test_exact(void **state)
{
    (void)state;
    static const example examples[] = {
        {"public.users", "public", "users", true},
        {"public.users", "public", "users2", false},
        {"public.users", "xpublic", "users", false},
        {"public.users", "public", "Users", false}, /* case counts */
        {"Public.Users", "Public", "Users", true},
        {"public.user-data", "public", "user-data", true},
        {"public.a b", "public", "a b", true},
        {" public.users ", "public", "users", true},
        {"a.b.c", "a", "b.c", true}, /* the first dot separates */
        {"a.b.c", "a.b", "c", false},
        {"größe.naïve", "größe", "naïve", true},
    };
    assert_examples(examples, N(examples));
}

static void
test_glob(void **state)
{
    (void)state;
    static const example examples[] = {
        {"public.*", "public", "users", true},
        {"public.*", "publicity", "users", false},
        {"public.*", "other", "public.users", false},
        {"public.user_*", "public", "user_", true},
        {"public.user_*", "public", "user_events", true},
        {"public.user_*", "public", "users", false},
        {"*.orders", "shop", "orders", true},
        {"*.orders", "a.b", "orders", true},
        {"*.orders", "shop", "orders_old", false},
        {"*.orders", "shop", "x.orders", false}, /* neither part reaches into the other */
        {"public.*_events", "public", "login_events", true},
        {"public.?", "public", "t", true},
        {"public.?", "public", "tt", false},
        {"public.?", "public", "ü", true}, /* a character, not a byte */
        {"app_?.*", "app_1", "x", true},
        {"*.*", "anything", "at all", true},
        {"public.a.*", "public", "a.b", true}, /* only * and ?: a glob, so its second dot is a dot */
        {"public.a.*", "public", "abc", false},
    };
    assert_examples(examples, N(examples));
}

static void
test_regular_expression(void **state)
{
    (void)state;
    static const example examples[] = {
        {"public.user_[0-9]+", "public", "user_42", true},
        {"public.user_[0-9]+", "public", "user_42x", false}, /* matched whole */
        {"public.user_[0-9]+", "publicx", "user_42", false},
        {"public.(users|orders)", "public", "orders", true},
        {"public.(users|orders)", "public", "orders2", false},
        {"app_db_[0-9]+\\.orders", "app_db_7", "orders", true},
        {"app_db_[0-9]+\\.orders", "app_db_x", "orders", false},
        {"app_[0-9]+.orders", "app_12", "orders", true},
        {"app_[0-9]+.orders", "app_12", "Xorders", false},
        {".*\\.orders", "shop", "orders", true},
        {".*\\.orders", "shop", "old_orders", false},
        {"app.*_[0-9]+\\.t", "app_x_1", "t", true}, /* a quantified dot separates nothing */
        {"public.+", "public", "users", true},
        {"[a-z.]+\\.t", "a.b", "t", true}, /* a dot in brackets neither */
        {"public.user_.+", "public", "user_x", true},
        {"public.[[:alpha:]]+", "public", "users", true},
        {"public.[[:alpha:]]+", "public", "users1", false},
        {"public.a{2,3}", "public", "aaa", true},
        {"public.(?i)USERS", "public", "users", true},
        {"(?i)PUBLIC.USERS", "public", "users", true},
        {"public\\.a\\+b", "public", "a+b", true},
        {"user_[0-9]+", "shop", "user_1", true}, /* no dot: where the search path looks */
        {"user_[0-9]+", "other", "user_1", false},
        {"public.a|b", "public", "b", true},
        {"public.a|b", "shop", "b", false},
        {"public.a|shop.b", "shop", "b", true},
        {"public.a|shop.b", "public", "b", false},
        {"\"My Schema\".user_[0-9]+", "My Schema", "user_1", true},
        {"\"a+\".user_[0-9]+", "aa", "user_1", false}, /* quoted within a regular expression: as it is */
        {"\"a+\".user_[0-9]+", "a+", "user_1", true},
    };
    assert_examples(examples, N(examples));
}

static void
test_quoted(void **state)
{
    (void)state;
    static const example examples[] = {
        {"\"Odd.Schema\".\"My Table\"", "Odd.Schema", "My Table", true},
        {"\"Odd.Schema\".\"My Table\"", "Odd", "Schema.My Table", false},
        {"\"Odd.Schema\".*", "Odd.Schema", "x", true},
        {"public.\"a*\"", "public", "a*", true},
        {"public.\"a*\"", "public", "ab", false},
        {"public.\"a\"\"b\"", "public", "a\"b", true},
        {"public.\"a,b\"", "public", "a,b", true},
        {"public.\"a.b\"", "public", "a.b", true},
        {"\"users\"", "public", "users", true},
        {"\"a.b\"", "public", "a.b", true}, /* the dot is quoted: no schema */
        {"public.\"!x\"", "public", "!x", true},
    };
    assert_examples(examples, N(examples));
}

static void
test_unqualified(void **state)
{
    (void)state;
    static const example examples[] = {
        {"users", "public", "users", true}, {"users", "shop", "users", true},
        {"users", "other", "users", false}, {"user*", "shop", "users", true},
        {"user*", "other", "users", false}, {"*", "public", "users", true},
        {"*", "other", "users", false},
    };
    assert_examples(examples, N(examples));
}

static void
test_lists_and_exclusions(void **state)
{
    (void)state;
    static const example examples[] = {
        {"public.a,public.b", "public", "b", true},
        {"public.a, public.b", "public", "b", true},
        {"public.a,\n public.b", "public", "b", true},
        {"public.a,public.b", "public", "c", false},
        {"public.*,!public.audit_*", "public", "users", true},
        {"public.*,!public.audit_*", "public", "audit_log", false},
        {"!public.audit_*,public.*", "public", "audit_log", false}, /* the order does not count */
        {"!public.audit_*", "public", "users", true},               /* only exclusions: of all */
        {"!public.audit_*", "public", "audit_log", false},
        {"!public.audit_*", "pg_catalog", "pg_class", false},
        {"! public.x, public.*", "public", "x", false},
        {"public.*,!.*\\.(a|b),!public.c{1,2}", "public", "a", false},
        {"public.*,!.*\\.(a|b),!public.c{1,2}", "public", "cc", false},
        {"public.*,!.*\\.(a|b),!public.c{1,2}", "public", "d", true},
        {"public.[a,b]", "public", ",", true}, /* a comma in brackets does not separate */
        {"public.x(a,b)?", "public", "xa,b", true},
    };
    assert_examples(examples, N(examples));
}

static void
test_no_pattern_means_every_user_table(void **state)
{
    (void)state;
    static const example examples[] = {
        {NULL, "public", "users", true},
        {"", "shop", "orders", true},
        {"  ", "shop", "orders", true},
        {NULL, "pg_catalog", "pg_class", false},
        {NULL, "information_schema", "sql_features", false},
        {NULL, "pg_toast", "pg_toast_1", false},
        {NULL, "pg_temp_3", "t", false},
    };
    assert_examples(examples, N(examples));
}

static void
test_system_schemas_match_only_when_named(void **state)
{
    (void)state;
    static const example examples[] = {
        {"*.*", "pg_catalog", "pg_class", false},
        {"*.pg_class", "pg_catalog", "pg_class", false},
        {"pg_*.*", "pg_catalog", "pg_class", false},
        {".+\\..+", "information_schema", "tables", false},
        {"pg_catalog.*", "pg_catalog", "pg_class", true},
        {"pg_catalog.pg_class", "pg_catalog", "pg_class", true},
        {"pg_catalog\\.pg_cl.+", "pg_catalog", "pg_class", true},
        {"*.*", "pg_temp_3", "t", true}, /* somebody's temporary table is no system table */
    };
    assert_examples(examples, N(examples));
}

static void
assert_refused(const char *text, const char *expected)
{
    walrow_patterns *patterns;
    walrow_error err = {0};
    assert_int_equal(walrow_patterns_parse(text, NULL, &patterns, &err), WALROW_ERR_USAGE);
    if (strstr(err.message, expected) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.message, expected);
}

static void
test_errors_name_the_pattern(void **state)
{
    (void)state;
    assert_refused("public.a,public.(b", "\"public.(b\": a bracket is not closed");
    assert_refused("public.[a", "\"public.[a\": a bracket is not closed");
    assert_refused("public.\"a", "a quote is not closed");
    assert_refused("public.a)+", "\"public.a)+\": unmatched closing parenthesis");
    assert_refused("*.user_[0-9]+", "\"*.user_[0-9]+\": quantifier does not follow a repeatable item");
    assert_refused("public.a,,b", "it is empty");
    assert_refused(",", "it is empty");
    assert_refused("!", "it is empty");
    assert_refused(".users", "a name is missing before or after the dot");
    assert_refused("public.", "a name is missing before or after the dot");
    assert_refused(".*", "a name is missing before or after the dot");
}

static void
test_hopeless_regular_expression_ends(void **state)
{
    (void)state;
    walrow_patterns *patterns = parse("public.(a+)+b");
    assert_false(walrow_patterns_match(patterns, "public",
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    walrow_patterns_free(patterns);
}

static void
test_default_search_path_is_public(void **state)
{
    (void)state;
    walrow_patterns *patterns;
    assert_int_equal(walrow_patterns_parse("users", NULL, &patterns, NULL), WALROW_OK);
    assert_true(walrow_patterns_match(patterns, "public", "users"));
    assert_false(walrow_patterns_match(patterns, "shop", "users"));
    walrow_patterns_free(patterns);
}

static void
test_a_name_hidden_in_the_search_path_is_not_found(void **state)
{
    (void)state;
    walrow_patterns *patterns = parse("users,other.*");
    assert_false(walrow__patterns_match_visible(patterns, "shop", "users", false));
    assert_true(walrow__patterns_match_visible(patterns, "public", "users", true));
    assert_true(walrow__patterns_match_visible(patterns, "other", "users", false));
    walrow_patterns_free(patterns);
}

static void
assert_wide(const char *text, bool expected, bool expected_all, const char *schemas)
{
    walrow_patterns *patterns = parse(text);
    walrow__texts names = {0};
    char joined[100] = "";
    bool all;
    bool wide = walrow__patterns_wide(patterns, &all, &names);
    for (size_t i = 0; i < names.count; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s;", names.items[i]);
    assert_int_equal(wide, expected);
    if (wide) {
        assert_int_equal(all, expected_all);
        assert_string_equal(joined, schemas);
    }
    walrow__texts_release(&names);
    walrow_patterns_free(patterns);
}

static void
test_wide_patterns(void **state)
{
    (void)state;
    assert_wide(NULL, true, true, "");
    assert_wide("*.*", true, true, "");
    assert_wide("app.*,shop.*", true, false, "app;shop;");
    assert_wide("\"My Schema\".*", true, false, "My Schema;");
    assert_wide("app.*,!app.audit", false, false, "");
    assert_wide("app.users", false, false, "");
    assert_wide("app_?.*", false, false, "");
    assert_wide("app.a*", false, false, "");
}

static void
test_nearest_names(void **state)
{
    (void)state;
    static const char *const names[] = {"public.users", "public.user", "shop.orders", "public.customers"};
    walrow__nearest nearest;
    char text[200];
    walrow__nearest_init(&nearest, "public.usres");
    for (size_t i = 0; i < N(names); i++)
        walrow__nearest_offer(&nearest, names[i]);
    assert_string_equal(walrow__nearest_text(&nearest, text, sizeof text), "public.users or public.user");

    walrow__nearest_init(&nearest, "zzz");
    walrow__nearest_offer(&nearest, "public.users");
    assert_string_equal(walrow__nearest_text(&nearest, text, sizeof text), "");
}

static void
test_edit_distance(void **state)
{
    (void)state;
    assert_int_equal(walrow__edit_distance("", ""), 0);
    assert_int_equal(walrow__edit_distance("abc", ""), 3);
    assert_int_equal(walrow__edit_distance("kitten", "sitting"), 3);
    assert_int_equal(walrow__edit_distance("tabels", "tables"), 1); /* neighbours swapped */
    assert_int_equal(walrow__edit_distance("Users", "users"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_regular_expression),
        cmocka_unit_test(test_quoted),
        cmocka_unit_test(test_unqualified),
        cmocka_unit_test(test_lists_and_exclusions),
        cmocka_unit_test(test_no_pattern_means_every_user_table),
        cmocka_unit_test(test_system_schemas_match_only_when_named),
        cmocka_unit_test(test_errors_name_the_pattern),
        cmocka_unit_test(test_hopeless_regular_expression_ends),
        cmocka_unit_test(test_default_search_path_is_public),
        cmocka_unit_test(test_a_name_hidden_in_the_search_path_is_not_found),
        cmocka_unit_test(test_wide_patterns),
        cmocka_unit_test(test_nearest_names),
        cmocka_unit_test(test_edit_distance),
    };
    return cmocka_run_group_tests_name("patterns", tests, NULL, NULL);
}
