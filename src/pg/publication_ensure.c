/*
 * pg/publication_ensure.c
 *	  Making and completing publications. First everything is planned, and refused if anything is wrong; then
 *	  the actions are carried out in order: replica identities, publication, publication of inserts.
 */
#include "pg/publication.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/actions.h"
#include "pg/query.h"
#include "pg/slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum treatment {
    LEAVE,        /* not streamable, or refused */
    LIST,         /* publish whole */
    LIST_FULL,    /* the same, after REPLICA IDENTITY FULL */
    LIST_INSERTS, /* publish inserts only */
} treatment;

typedef struct plan {
    PGconn *conn;
    const walrow_options *options;
    const walrow__discovery *found;
    walrow_actions *actions;
    treatment *treatments; /* by position in found */
    walrow_patterns *insert_only;
    walrow__publication whole, inserts;
    bool slot_exists;
    bool publishes; /* there are publications at all; otherwise it is about the tables' identities alone */
} plan;

/* ---- which table goes where ---- */

static walrow_code
fail_identity(const walrow__found *table, size_t n_more, walrow_error *err)
{
    const char *of_leaf = "", *dot = "", *leaf = "";
    for (size_t i = 0; i < table->n_leaves && *dot == '\0'; i++)
        if (!table->leaves[i].has_identity) {
            of_leaf = " (its partition ";
            leaf = table->leaves[i].name;
            dot = ")";
        }
    char more[64] = "";
    if (n_more > 0)
        snprintf(more, sizeof more, ", and %zu more table%s,", n_more, n_more == 1 ? "" : "s");
    walrow__fail(err, WALROW_ERR_IDENTITY,
                 "%s.%s%s%s%s%s %s no replica identity: publishing updates would make the application's own "
                 "UPDATE and "
                 "DELETE fail",
                 table->schema, table->name, of_leaf, leaf, dot, more, n_more == 0 ? "has" : "have");
    return walrow__hint(err,
                        "--replica-identity full sets REPLICA IDENTITY FULL on it (old rows are sent whole); "
                        "--insert-only '%s.%s' publishes only its inserts; or give it a primary key",
                        table->schema, table->name);
}

static treatment
treat(const plan *plan, const walrow__found *table)
{
    if (!table->streamable)
        return LEAVE;
    if (walrow__found_has_identity(table))
        return LIST;
    if (walrow__publication_sends_inserts_only(&plan->whole, &plan->inserts, table))
        return walrow__publication_covers(&plan->inserts, table) ? LIST_INSERTS : LIST;
    if (plan->options->insert_only.count > 0 &&
        walrow_patterns_match(plan->insert_only, table->schema, table->name))
        return LIST_INSERTS;
    bool may_alter = plan->options->replica_identity == WALROW__IDENTITY_FULL && !plan->options->no_setup;
    return may_alter ? LIST_FULL : LEAVE;
}

static walrow_code
refuse(const walrow__found *table, walrow__texts *refused, walrow_error *err)
{
    char name[160];
    snprintf(name, sizeof name, "%s.%s", table->schema, table->name);
    return walrow__texts_add(refused, name) ? WALROW_OK : walrow__fail_memory(err);
}

static walrow_code
treat_all(plan *plan, walrow__texts *refused, walrow_error *err)
{
    const walrow__found *first = NULL;
    size_t n_refused = 0;
    plan->treatments = calloc(plan->found->count + 1, sizeof *plan->treatments);
    if (plan->treatments == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < plan->found->count; i++) {
        const walrow__found *table = &plan->found->items[i];
        plan->treatments[i] = treat(plan, table);
        if (!table->streamable || plan->treatments[i] != LEAVE)
            continue;
        if (refused != NULL)
            WALROW_TRY(refuse(table, refused, err));
        first = first == NULL ? table : first;
        n_refused++;
    }
    return refused != NULL || n_refused == 0 ? WALROW_OK : fail_identity(first, n_refused - 1, err);
}

/* ---- statements ---- */

/* Takes sql. */
static walrow_code
add_action(plan *plan, const char *action, const char *object, walrow__strbuf *sql, walrow_error *err)
{
    walrow_code code =
        sql->failed ? walrow__fail_memory(err)
                    : walrow__actions_add(plan->actions, action, object, walrow__strbuf_text(sql), err);
    walrow__strbuf_release(sql);
    return code;
}

static walrow_code
add_identity(plan *plan, const char *schema, const char *name, walrow_error *err)
{
    char object[160];
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "ALTER TABLE ONLY ");
    walrow__sql_table(&sql, plan->conn, schema, name);
    walrow__strbuf_add_text(&sql, " REPLICA IDENTITY FULL");
    snprintf(object, sizeof object, "%s.%s", schema, name);
    return add_action(plan, "replica identity", object, &sql, err);
}

/* ALTER TABLE does not reach from a root to its partitions, whose own identity counts. */
static walrow_code
add_identities(plan *plan, walrow_error *err)
{
    for (size_t i = 0; i < plan->found->count; i++) {
        const walrow__found *table = &plan->found->items[i];
        if (plan->treatments[i] != LIST_FULL)
            continue;
        if (!table->has_identity)
            WALROW_TRY(add_identity(plan, table->schema, table->name, err));
        for (size_t j = 0; j < table->n_leaves; j++)
            if (!table->leaves[j].has_identity)
                WALROW_TRY(add_identity(plan, table->leaves[j].schema, table->leaves[j].name, err));
        if (table->n_leaves > 0)
            walrow__log(
                WALROW_LOG_WARN,
                "%s.%s: partitions created later need REPLICA IDENTITY FULL too, or a key, before they are "
                "updated",
                table->schema, table->name);
    }
    return WALROW_OK;
}

static bool
belongs(const plan *plan, size_t i, const walrow__publication *publication)
{
    bool of_inserts = plan->treatments[i] == LIST_INSERTS;
    return plan->treatments[i] != LEAVE && of_inserts == (publication == &plan->inserts);
}

/* " ONLY a.b, ONLY c.d" of what is not covered yet; how many. */
static size_t
add_table_list(const plan *plan, const walrow__publication *publication, walrow__strbuf *sql)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->found->count; i++) {
        const walrow__found *table = &plan->found->items[i];
        if (!belongs(plan, i, publication) || walrow__publication_covers(publication, table))
            continue;
        walrow__strbuf_add_text(sql, n++ == 0 ? " ONLY " : ", ONLY ");
        walrow__sql_table(sql, plan->conn, table->schema, table->name);
    }
    return n;
}

/* " FOR ALL TABLES" or " FOR TABLES IN SCHEMA a, b", if the patterns say that. */
static walrow_code
add_wide_form(const plan *plan, walrow__strbuf *sql, walrow_error *err)
{
    walrow__texts schemas = {0};
    bool all;
    bool wide = walrow__patterns_wide(plan->found->patterns, &all, &schemas);
    if (!wide)
        walrow__fail(err, WALROW_ERR_USAGE, "--publish wide: the patterns are not made of whole schemas");
    else if (all)
        walrow__strbuf_add_text(sql, " FOR ALL TABLES");
    else if (PQserverVersion(plan->conn) < 150000) {
        walrow__fail(err, WALROW_ERR_USAGE, "--publish wide: FOR TABLES IN SCHEMA needs PostgreSQL 15");
        wide = false;
    }
    for (size_t i = 0; i < schemas.count && wide && !all; i++) {
        walrow__strbuf_add_text(sql, i == 0 ? " FOR TABLES IN SCHEMA " : ", ");
        walrow__sql_identifier(sql, plan->conn, schemas.items[i]);
    }
    walrow__texts_release(&schemas);
    if (wide)
        return WALROW_OK;
    walrow__hint(err,
                 "wide publications are for \"*.*\" or patterns like \"app.*,shop.*\" without exclusions; "
                 "--publish listed lists the matched tables");
    return WALROW_ERR_USAGE;
}

static void
add_with(const plan *plan, const walrow__publication *publication, walrow__strbuf *sql)
{
    const char *between = " WITH (";
    if (publication == &plan->inserts) {
        walrow__strbuf_addf(sql, "%spublish = 'insert'", between);
        between = ", ";
    }
    if (PQserverVersion(plan->conn) >= 130000) {
        walrow__strbuf_addf(sql, "%spublish_via_partition_root = true", between);
        between = ", ";
    }
    if (between[0] == ',')
        walrow__strbuf_add_char(sql, ')');
}

static walrow_code
add_create(plan *plan, const walrow__publication *publication, walrow_error *err)
{
    walrow__strbuf sql, list;
    walrow_code code = WALROW_OK;
    walrow__strbuf_init(&sql);
    walrow__strbuf_init(&list);
    walrow__strbuf_add_text(&sql, "CREATE PUBLICATION ");
    walrow__sql_identifier(&sql, plan->conn, publication->name);
    if (plan->options->publish == WALROW__PUBLISH_WIDE && publication == &plan->whole)
        code = add_wide_form(plan, &sql, err);
    else if (add_table_list(plan, publication, &list) > 0) {
        walrow__strbuf_add_text(&sql, " FOR TABLE");
        walrow__strbuf_add_text(&sql, walrow__strbuf_text(&list));
    }
    add_with(plan, publication, &sql);
    walrow__strbuf_add_text(&sql, "; COMMENT ON PUBLICATION ");
    walrow__sql_identifier(&sql, plan->conn, publication->name);
    walrow__strbuf_addf(&sql, " IS 'made by walrow %s'", walrow_version());
    sql.failed = sql.failed || list.failed;
    walrow__strbuf_release(&list);
    if (code == WALROW_OK)
        return add_action(plan, "create publication", publication->name, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
add_missing_tables(plan *plan, const walrow__publication *publication, walrow_error *err)
{
    walrow__strbuf sql, list;
    walrow__strbuf_init(&sql);
    walrow__strbuf_init(&list);
    size_t n = add_table_list(plan, publication, &list);
    walrow__strbuf_add_text(&sql, "ALTER PUBLICATION ");
    walrow__sql_identifier(&sql, plan->conn, publication->name);
    walrow__strbuf_add_text(&sql, " ADD TABLE");
    walrow__strbuf_add_text(&sql, walrow__strbuf_text(&list));
    sql.failed = sql.failed || list.failed;
    walrow__strbuf_release(&list);
    if (n > 0)
        return add_action(plan, "add table", publication->name, &sql, err);
    walrow__strbuf_release(&sql);
    return walrow__actions_add(plan->actions, "create publication", publication->name, "", err);
}

/* ---- what is wrong ---- */

static walrow_code
fail_missing(const plan *plan, const walrow__publication *publication, walrow_error *err)
{
    if (plan->options->no_setup) {
        walrow__fail(err, WALROW_ERR_PUBLICATION, "publication \"%s\" does not exist", publication->name);
        return walrow__hint(err, "\"walrow setup\" creates it; --no-setup keeps walrow from doing so now");
    }
    walrow__fail(
        err, WALROW_ERR_PUBLICATION,
        "publication \"%s\" does not exist, but slot \"%s\" does: the slot could not see a publication made "
        "now, because it decodes changes with the catalogue as it was then",
        publication->name, plan->options->slot);
    return walrow__hint(
        err, "name the publication it was used with (--publication), or drop the slot with \"walrow "
             "teardown\" and begin anew, with a new snapshot");
}

static walrow_code
fail_uncovered(const plan *plan, const walrow__publication *publication, const walrow__found *table,
               walrow_error *err)
{
    walrow__strbuf name;
    walrow__strbuf_init(&name);
    walrow__sql_table(&name, plan->conn, table->schema, table->name);
    walrow__fail(err, WALROW_ERR_PUBLICATION, "publication \"%s\" does not publish %s.%s", publication->name,
                 table->schema, table->name);
    if (publication->made_by_walrow)
        walrow__hint(err, "\"walrow setup\" adds it; --no-setup keeps walrow from doing so now");
    else
        walrow__hint(err,
                     "walrow did not make this publication and leaves it alone: ALTER PUBLICATION \"%s\" ADD "
                     "TABLE %s; "
                     "or choose another name with --publication",
                     publication->name, walrow__strbuf_text(&name));
    walrow__strbuf_release(&name);
    return WALROW_ERR_PUBLICATION;
}

static walrow_code
check_root(const walrow__publication *publication, const walrow__found *table, walrow_error *err)
{
    if (walrow__publication_as_root(publication, table)) {
        walrow__fail(err, WALROW_ERR_PUBLICATION,
                     "publication \"%s\" publishes %s.%s under the name of its root", publication->name,
                     table->schema, table->name);
        return walrow__hint(
            err, "ask for the partitioned table instead, or choose another name with --publication");
    }
    if (table->relkind == 'p' && !publication->via_root) {
        walrow__fail(err, WALROW_ERR_PUBLICATION,
                     "publication \"%s\" publishes the partitions of %s.%s under their own names",
                     publication->name, table->schema, table->name);
        return walrow__hint(
            err,
            "ALTER PUBLICATION \"%s\" SET (publish_via_partition_root = true); or choose another name "
            "with --publication",
            publication->name);
    }
    return WALROW_OK;
}

static void
warn_of_filter(const walrow__publication *publication, const walrow__found *table)
{
    const walrow__published_table *entry = walrow__publication_entry(publication, table->relid);
    if (entry != NULL && (entry->filters_rows || entry->limits_columns))
        walrow__log(WALROW_LOG_WARN, "publication \"%s\" publishes only some %s of %s.%s", publication->name,
                    entry->filters_rows ? "rows" : "columns", table->schema, table->name);
}

/* An existing publication: does it fit, or may it be made to? */
static walrow_code
check_existing(const plan *plan, const walrow__publication *publication, walrow_error *err)
{
    bool may_add = publication->made_by_walrow && !plan->options->no_setup;
    for (size_t i = 0; i < plan->found->count; i++) {
        const walrow__found *table = &plan->found->items[i];
        if (!belongs(plan, i, publication))
            continue;
        if (!walrow__publication_covers(publication, table)) {
            if (may_add)
                continue;
            return fail_uncovered(plan, publication, table, err);
        }
        WALROW_TRY(check_root(publication, table, err));
        warn_of_filter(publication, table);
    }
    if (publication == &plan->whole &&
        !(publication->inserts && publication->updates && publication->deletes))
        walrow__log(WALROW_LOG_WARN,
                    "publication \"%s\" does not publish every kind of change:%s%s%s are missing",
                    publication->name, publication->inserts ? "" : " inserts",
                    publication->updates ? "" : " updates", publication->deletes ? "" : " deletes");
    return WALROW_OK;
}

/* ---- putting it together ---- */

static walrow_code
plan_publication(plan *plan, const walrow__publication *publication, walrow_error *err)
{
    if (!publication->exists) {
        if (plan->options->no_setup || plan->slot_exists)
            return fail_missing(plan, publication, err);
        return add_create(plan, publication, err);
    }
    WALROW_TRY(check_existing(plan, publication, err));
    if (publication->made_by_walrow && !plan->options->no_setup)
        return add_missing_tables(plan, publication, err);
    return walrow__actions_add(plan->actions, "create publication", publication->name, "", err);
}

/* The second publication is made as soon as --insert-only is given: later, it would be younger than the slot.
 */
static bool
wants_inserts(const plan *plan)
{
    bool wanted = plan->options->insert_only.count > 0 && plan->inserts.exists == false;
    for (size_t i = 0; i < plan->found->count && !wanted; i++)
        wanted = plan->treatments[i] == LIST_INSERTS;
    return wanted;
}

static walrow_code
plan_all(plan *plan, walrow__texts *refused, walrow_error *err)
{
    WALROW_TRY(treat_all(plan, refused, err));
    WALROW_TRY(add_identities(plan, err));
    if (!plan->publishes)
        return WALROW_OK;
    WALROW_TRY(plan_publication(plan, &plan->whole, err));
    return wants_inserts(plan) ? plan_publication(plan, &plan->inserts, err) : WALROW_OK;
}

static walrow_code
look_around(plan *plan, walrow_error *err)
{
    char inserts[64];
    walrow__slot slot;
    WALROW_TRY(walrow__slot_get(plan->conn, plan->options->slot, &slot, err));
    plan->slot_exists = slot.exists;
    plan->publishes = walrow__slot_has_publications(&slot, plan->options);
    WALROW_TRY(walrow__patterns_parse_list(&plan->options->insert_only,
                                           walrow__patterns_search_path(plan->found->patterns),
                                           &plan->insert_only, err));
    if (!plan->publishes)
        return WALROW_OK;
    if (!walrow__publication_inserts_name(plan->options, inserts)) {
        if (plan->options->insert_only.count > 0)
            return walrow__fail(err, WALROW_ERR_USAGE,
                                "--publication: the name is too long for a second one, %s_inserts",
                                plan->options->publication);
        inserts[0] = '\0';
    }
    WALROW_TRY(walrow__publication_get(plan->conn, plan->options->publication, &plan->whole, err));
    return walrow__publication_get(plan->conn, inserts, &plan->inserts, err);
}

walrow_code
walrow__publication_ensure(PGconn *conn, const walrow_options *options, const walrow__discovery *found,
                           bool dry_run, walrow_actions *actions, walrow__texts *refused, walrow_error *err)
{
    plan plan = {.conn = conn, .options = options, .found = found, .actions = actions};
    size_t first = actions->count;
    walrow_code code = look_around(&plan, err);
    if (code == WALROW_OK)
        code = plan_all(&plan, refused, err);
    if (code == WALROW_OK && !dry_run)
        code = walrow__actions_run(conn, actions, first, WALROW_ERR_PUBLICATION, err);
    walrow__publication_release(&plan.whole);
    walrow__publication_release(&plan.inserts);
    walrow_patterns_free(plan.insert_only);
    free(plan.treatments);
    return code;
}
