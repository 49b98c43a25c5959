#include "query/rules.h"

#include "base/error.h"
#include "pg/patterns.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

walrow_code
walrow__rule_fail(const walrow__rules *rules, const walrow__rule *rule, walrow_error *err, const char *fmt,
                  ...)
{
    char why[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return walrow__fail(err, WALROW_ERR_USAGE, "--%s \"%.100s\": %s", rules->option, rule->given, why);
}

static walrow_code
parse(const walrow__rules *rules, walrow__rule *rule, const char *const *search_path, walrow_error *err)
{
    size_t size = walrow__patterns_span(rule->given, ':');
    if (rule->given[size] == '\0') {
        walrow__rule_fail(rules, rule, err, "no table is named");
        return walrow__hint(err, "patterns of tables come first, then a colon: --%s 'public.orders: ...'",
                            rules->option);
    }
    rule->text = rule->given + size + 1;
    rule->text += strspn(rule->text, " \t\n");
    char *patterns = strndup(rule->given, size);
    if (patterns == NULL)
        return walrow__fail_memory(err);
    bool is_empty = strspn(patterns, " \t\n") == size;
    walrow_code code = is_empty ? walrow__rule_fail(rules, rule, err, "no table is named before the colon")
                                : walrow_patterns_parse(patterns, search_path, &rule->patterns, err);
    free(patterns);
    if (code == WALROW_OK && rule->text[0] == '\0')
        return walrow__rule_fail(rules, rule, err, "nothing follows the colon");
    return code;
}

walrow_code
walrow__rules_init(walrow__rules *rules, const char *option, const walrow__texts *given,
                   const char *const *search_path, walrow_error *err)
{
    *rules = (walrow__rules){.option = option};
    if (given->count == 0)
        return WALROW_OK;
    rules->items = calloc(given->count, sizeof *rules->items);
    if (rules->items == NULL)
        return walrow__fail_memory(err);
    for (; rules->count < given->count; rules->count++) {
        walrow__rule *rule = &rules->items[rules->count];
        rule->given = given->items[rules->count];
        walrow_code code = parse(rules, rule, search_path, err);
        if (code != WALROW_OK) {
            rules->count++;
            walrow__rules_release(rules);
            return code;
        }
    }
    return WALROW_OK;
}

void
walrow__rules_release(walrow__rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        walrow_patterns_free(rules->items[i].patterns);
    free(rules->items);
    *rules = (walrow__rules){0};
}

bool
walrow__rule_matches(const walrow__rule *rule, const char *schema_name, const char *table_name)
{
    return walrow_patterns_match(rule->patterns, schema_name, table_name);
}
