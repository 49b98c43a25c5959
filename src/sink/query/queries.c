#include "sink/query/queries.h"

#include "base/error.h"
#include "base/log.h"
#include "sink/query/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what DuckDB says ---- */

/* Its first line, after the query's name. */
static walrow_code
tell(const walrow__query *query, walrow_code code, walrow_error *err)
{
    if (err == NULL)
        return code;
    walrow_error said = *err;
    said.message[strcspn(said.message, "\n")] = '\0';
    walrow__fail(err, code, "query %s: %.400s", query->text->name, said.message);
    return said.hint[0] == '\0' ? code : walrow__hint(err, "%s", said.hint);
}

/* Its tables are not there, or not yet. */
static bool
lacks_table(const walrow_error *err)
{
    return err->code == WALROW_ERR_SINK && strstr(err->message, "Catalog Error: Table with name") != NULL;
}

static void
say_waits(walrow__query *query)
{
    if (!query->said)
        walrow__log(WALROW_LOG_INFO, "query %s has no result yet: not all of its tables had a change",
                    query->text->name);
    query->said = true;
}

/* ---- which tables a query refers to ---- */

static walrow_code
binds(walrow__queries *queries, const walrow__query *query, bool *yes, walrow_error *err)
{
    walrow__result result;
    walrow_error why = {0};
    walrow_code code =
        walrow__result_describe(queries->duckdb, query->text->name, query->text->sql, &result, &why);
    walrow__result_release(&result);
    *yes = code == WALROW_OK;
    if (code == WALROW_OK || lacks_table(&why))
        return WALROW_OK;
    *err = why;
    return code;
}

/* To all of them, and those to come: through `events`. */
static walrow_code
find_whether_all(walrow__queries *queries, walrow__query *query, walrow_error *err)
{
    bool without;
    WALROW_TRY(walrow__kept_hide_events(&queries->kept, err));
    WALROW_TRY(binds(queries, query, &without, err));
    query->refers_to_all = !without;
    return walrow__kept_make_events(&queries->kept, err);
}

/* DuckDB knows and does not tell: to the tables without which it cannot be understood. */
static walrow_code
find_references(walrow__queries *queries, walrow__query *query, walrow_error *err)
{
    walrow__kept *kept = &queries->kept;
    WALROW_TRY(find_whether_all(queries, query, err));
    free(query->refers);
    query->refers = calloc(kept->n_tables + 1, sizeof *query->refers);
    query->n_refers = kept->n_tables;
    if (query->refers == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < kept->n_tables; i++) {
        bool without;
        WALROW_TRY(walrow__kept_hide(kept, kept->tables[i], err));
        WALROW_TRY(binds(queries, query, &without, err));
        WALROW_TRY(walrow__kept_make_view(kept, kept->tables[i], err));
        query->refers[i] = !without;
    }
    return WALROW_OK;
}

static bool
refers_to(const walrow__query *query, size_t table)
{
    return query->refers_to_all || (table < query->n_refers && query->refers[table]);
}

static bool
is_wanted(const walrow__queries *queries, size_t table)
{
    for (size_t i = 0; i < queries->n; i++)
        if (queries->items[i].result.table == NULL || refers_to(&queries->items[i], table))
            return true;
    return false;
}

static walrow_code
ignore_unwanted(walrow__queries *queries, walrow_error *err)
{
    walrow__kept *kept = &queries->kept;
    for (size_t i = 0; i < kept->n_tables; i++)
        if (kept->tables[i]->wanted && !is_wanted(queries, i))
            WALROW_TRY(walrow__kept_ignore(kept, kept->tables[i], err));
    return WALROW_OK;
}

/* ---- binding ---- */

static walrow_code
bind(walrow__queries *queries, walrow__query *query, walrow_error *err)
{
    walrow__result result;
    walrow_error why = {0};
    walrow_code code =
        walrow__result_describe(queries->duckdb, query->text->name, query->text->sql, &result, &why);
    if (code != WALROW_OK && query->result.table == NULL && lacks_table(&why))
        return WALROW_OK;
    if (code != WALROW_OK) {
        *err = why;
        tell(query, code, err);
        return err->hint[0] == '\0'
                   ? walrow__hint(err, "its tables are as they were at the last change; mend the "
                                       "query and start again: nothing is lost")
                   : code;
    }
    bool first = query->result.table == NULL;
    walrow__result_release(&query->result);
    query->result = result;
    return first ? find_references(queries, query, err) : WALROW_OK;
}

/* A table has another schema than before, or none before. */
static walrow_code
bind_all(walrow__queries *queries, const walrow__kept_table *changed, walrow_error *err)
{
    size_t at = 0;
    while (queries->kept.tables[at] != changed)
        at++;
    WALROW_TRY(walrow__kept_show(&queries->kept, err)); /* a view of what is forgotten cannot be read */
    WALROW_TRY(walrow__kept_make_events(&queries->kept, err));
    for (size_t i = 0; i < queries->n; i++) {
        walrow__query *query = &queries->items[i];
        if (query->result.table == NULL || refers_to(query, at))
            WALROW_TRY(bind(queries, query, err));
    }
    return ignore_unwanted(queries, err);
}

walrow_code
walrow__queries_take(walrow__queries *queries, const walrow_batch *batch, int64_t start, int64_t n,
                     walrow_error *err)
{
    walrow__kept_layout *layout;
    bool is_new;
    if (n == 0)
        return WALROW_OK;
    WALROW_TRY(walrow__kept_learn(&queries->kept, batch, &layout, &is_new, err));
    if (is_new)
        WALROW_TRY(bind_all(queries, layout->table, err));
    return layout->table->wanted ? walrow__kept_add(&queries->kept, layout, &batch->array, start, n, err)
                                 : WALROW_OK;
}

/* ---- running ---- */

static walrow_code
run(walrow__queries *queries, walrow__query *query, const walrow__window *window, uint32_t *seq,
    walrow_batch *out, walrow_error *err)
{
    const walrow__table *table = query->result.table;
    *out = (walrow_batch){.schema_name = table->schema_name,
                          .table_name = table->name,
                          .relid = table->relid,
                          .epoch = table->epoch,
                          .schema = &table->schema};
    walrow_code code = walrow__result_run(&query->result, queries->duckdb, window, seq, &out->array, err);
    return code == WALROW_OK ? code : tell(query, code, err);
}

walrow_code
walrow__queries_run(walrow__queries *queries, const walrow__window *window, walrow_batch *batches,
                    size_t *n_batches, walrow_error *err)
{
    uint32_t seq = 0;
    *n_batches = 0;
    WALROW_TRY(walrow__kept_show(&queries->kept, err));
    for (size_t i = 0; i < queries->n; i++) {
        walrow_batch *batch = &batches[*n_batches];
        if (queries->items[i].result.table == NULL) {
            say_waits(&queries->items[i]);
            continue;
        }
        WALROW_TRY(run(queries, &queries->items[i], window, &seq, batch, err));
        *n_batches += batch->array.release != NULL;
    }
    return WALROW_OK;
}

/* ---- beginning and end ---- */

/* Its plans and sorted rows beside what is kept, which may be larger there than in Arrow. */
static walrow_code
limit_memory(walrow__queries *queries, int64_t retain_bytes, walrow_error *err)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SET memory_limit = '%" PRId64 " MiB'", 2 * (retain_bytes >> 20) + 128);
    WALROW_TRY(walrow__duckdb_query(queries->duckdb, sql, NULL, NULL, err));
    /* a query's ORDER BY is the order of its rows in the result */
    return walrow__duckdb_query(queries->duckdb, "SET preserve_insertion_order = true", NULL, NULL, err);
}

/* With no table known, it must lack one, or need none. */
static walrow_code
check(walrow__queries *queries, walrow__query *query, walrow_error *err)
{
    bool yes;
    walrow_code code = binds(queries, query, &yes, err);
    if (code == WALROW_OK && yes) {
        walrow__fail(err, WALROW_ERR_USAGE, "query %s refers to no table", query->text->name);
        return walrow__hint(err, "name the tables it is about with their schema: from public.orders");
    }
    if (code == WALROW_OK)
        return code;
    tell(query, code == WALROW_ERR_SINK ? WALROW_ERR_USAGE : code, err);
    return err->hint[0] == '\0' ? walrow__hint(err, "--sql takes one SELECT in DuckDB's SQL") : err->code;
}

static walrow_code
init(walrow__queries *queries, const walrow__query_settings *settings, walrow_error *err)
{
    queries->items = calloc(settings->n_queries, sizeof *queries->items);
    if (queries->items == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__duckdb_open(&queries->duckdb, err));
    WALROW_TRY(limit_memory(queries, settings->retain_bytes, err));
    WALROW_TRY(walrow__kept_init(&queries->kept, queries->duckdb, err));
    for (; queries->n < settings->n_queries; queries->n++) {
        walrow__query *query = &queries->items[queries->n];
        query->text = &settings->queries[queries->n];
        WALROW_TRY(check(queries, query, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__queries_init(walrow__queries *queries, const walrow__query_settings *settings, walrow_error *err)
{
    memset(queries, 0, sizeof *queries);
    walrow_code code = init(queries, settings, err);
    if (code != WALROW_OK)
        walrow__queries_release(queries);
    return code;
}

void
walrow__queries_release(walrow__queries *queries)
{
    for (size_t i = 0; i < queries->n; i++) {
        walrow__result_release(&queries->items[i].result);
        free(queries->items[i].refers);
    }
    free(queries->items);
    walrow__kept_release(&queries->kept);
    walrow__duckdb_free(queries->duckdb);
    memset(queries, 0, sizeof *queries);
}
