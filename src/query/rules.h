/*
 * query/rules.h
 *	  Options of the form PATTERN: TEXT, of which each holds for the tables that match: --where, --columns.
 */
#ifndef WALROW_QUERY_RULES_H
#define WALROW_QUERY_RULES_H

#include "base/texts.h"

#include <walrow.h>

typedef struct walrow__rule {
    const char *given;         /* all of it; borrowed from the option */
    walrow_patterns *patterns; /* what stands before the first colon that no quote or bracket protects */
    const char *text;          /* what follows it; borrowed likewise */
} walrow__rule;

typedef struct walrow__rules {
    const char *option; /* its name; borrowed */
    walrow__rule *items;
    size_t count;
} walrow__rules;

/**
 * @param search_path  as walrow_patterns_parse has it
 * Errors: WALROW_ERR_USAGE: no colon, nothing behind it, or no patterns
 */
walrow_code walrow__rules_init(walrow__rules *rules, const char *option, const walrow__texts *given,
                               const char *const *search_path, walrow_error *err) WALROW_MUST_CHECK;
void walrow__rules_release(walrow__rules *rules); /* one that is all zeros is fine */

bool walrow__rule_matches(const walrow__rule *rule, const char *schema_name, const char *table_name);

/** A usage error about a rule: `--where "orders: totl > 5": ...`. The hint is the caller's. */
walrow_code walrow__rule_fail(const walrow__rules *rules, const walrow__rule *rule, walrow_error *err,
                              const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
