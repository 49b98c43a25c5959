#include "stream/plan.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

walrow_code
walrow__plan_add(walrow__plan *plan, const char *schema, const char *name, walrow__planned_table **out,
                 walrow_error *err)
{
    walrow__planned_table *tables = realloc(plan->tables, (plan->n_tables + 1) * sizeof *tables);
    if (tables == NULL)
        return walrow__fail_memory(err);
    plan->tables = tables;
    walrow__planned_table *table = &tables[plan->n_tables];
    *table = (walrow__planned_table){.schema = strdup(schema), .name = strdup(name)};
    plan->n_tables++;
    *out = table;
    return table->schema == NULL || table->name == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow__planned_table *
walrow__plan_find(const walrow__plan *plan, const char *schema, const char *name)
{
    for (size_t i = 0; i < plan->n_tables; i++)
        if (strcmp(plan->tables[i].name, name) == 0 && strcmp(plan->tables[i].schema, schema) == 0)
            return &plan->tables[i];
    return NULL;
}

bool
walrow__plan_has_met(const walrow__plan *plan)
{
    return plan->met_schema != NULL && plan->met_name != NULL;
}

static void
forget_met(walrow__plan *plan)
{
    free(plan->met_schema);
    free(plan->met_name);
    plan->met_schema = plan->met_name = NULL;
}

walrow_code
walrow__plan_settle_met(walrow__plan *plan, walrow_error *err)
{
    walrow__planned_table *table;
    if (walrow__plan_has_met(plan) && walrow__plan_find(plan, plan->met_schema, plan->met_name) == NULL)
        WALROW_TRY(walrow__plan_add(plan, plan->met_schema, plan->met_name, &table, err));
    forget_met(plan);
    return WALROW_OK;
}

bool
walrow__plan_needs_snapshot(const walrow__plan *plan)
{
    for (size_t i = 0; i < plan->n_tables; i++)
        if (plan->tables[i].needs_snapshot)
            return true;
    return false;
}

static bool
matches(void *arg, const char *schema, const char *table)
{
    walrow__plan *plan = arg;
    bool matched = walrow_patterns_match(plan->patterns, schema, table);
    plan->captures |= matched;
    if (!matched && plan->passed_over == NULL && asprintf(&plan->passed_over, "%s.%s", schema, table) < 0)
        plan->passed_over = NULL;
    return matched;
}

static const char *
override(void *arg, const char *schema, const char *table, const char *column)
{
    const walrow__plan *plan = arg;
    return walrow__options_override(plan->options, schema, table, column);
}

static uint64_t
from_lsn(void *arg, const char *schema, const char *name)
{
    walrow__plan *plan = arg;
    const walrow__planned_table *table = walrow__plan_find(plan, schema, name);
    if (table == NULL && plan->reads_new && !walrow__plan_has_met(plan)) {
        plan->met_schema = strdup(schema);
        plan->met_name = strdup(name);
    }
    return table == NULL ? 0 : table->from_lsn;
}

walrow__capture
walrow__plan_capture(walrow__plan *plan)
{
    return (walrow__capture){.arg = plan, .matches = matches, .override = override, .from_lsn = from_lsn};
}

void
walrow__plan_release(walrow__plan *plan)
{
    for (size_t i = 0; i < plan->n_tables; i++) {
        free(plan->tables[i].schema);
        free(plan->tables[i].name);
    }
    free(plan->tables);
    forget_met(plan);
    free(plan->passed_over);
    memset(plan, 0, sizeof *plan);
}
