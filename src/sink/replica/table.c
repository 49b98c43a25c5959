#include "sink/replica/table.h"

#include "base/error.h"
#include "sink/replica/evolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and changing ---- */

static void
add_create(const walrow__stage *stage, walrow__strbuf *sql)
{
    walrow__strbuf_add_text(sql, "CREATE SCHEMA IF NOT EXISTS " WALROW__REPLICA ".");
    walrow__duckdb_add_name(sql, stage->schema_name);
    walrow__strbuf_add_text(sql, "; CREATE TABLE ");
    walrow__replica_add_name(sql, stage->schema_name, stage->table_name);
    for (int i = stage->first; i < stage->n_columns; i++) {
        walrow__strbuf_add_text(sql, i == stage->first ? " (" : ", ");
        walrow__duckdb_add_name(sql, stage->columns[i].target);
        walrow__strbuf_addf(sql, " %s", stage->columns[i].type);
    }
    walrow__strbuf_add_text(sql, ");");
}

static void
add_drop(const char *schema_name, const char *table_name, walrow__strbuf *sql)
{
    walrow__strbuf_add_text(sql, "DROP TABLE IF EXISTS ");
    walrow__replica_add_name(sql, schema_name, table_name);
    walrow__strbuf_add_char(sql, ';');
}

/* The source renamed the table: it has a row under its old name. */
static walrow_code
move(walrow__replica *replica, walrow__replica_table *table, const walrow__stage *stage, walrow__strbuf *sql,
     walrow_error *err)
{
    char *schema_name = strdup(stage->schema_name), *table_name = strdup(stage->table_name);
    if (schema_name == NULL || table_name == NULL) {
        free(schema_name);
        free(table_name);
        return walrow__fail_memory(err);
    }
    walrow__strbuf_add_text(sql, "CREATE SCHEMA IF NOT EXISTS " WALROW__REPLICA ".");
    walrow__duckdb_add_name(sql, schema_name);
    walrow__strbuf_add_text(sql, "; CREATE TABLE "); /* DuckDB cannot move a table to another schema */
    walrow__replica_add_name(sql, schema_name, table_name);
    walrow__strbuf_add_text(sql, " AS FROM ");
    walrow__replica_add_name(sql, table->schema_name, table->table_name);
    walrow__strbuf_add_char(sql, ';');
    add_drop(table->schema_name, table->table_name, sql);
    free(table->schema_name);
    free(table->table_name);
    table->schema_name = schema_name;
    table->table_name = table_name;
    return walrow__replica_run(replica, sql, err);
}

static walrow_code
explain_evolution(walrow_code code, const walrow__stage *stage, walrow_error *err)
{
    if (code != WALROW_ERR_SINK || err == NULL)
        return code;
    char reason[256];
    snprintf(reason, sizeof reason, "%.255s", err->message);
    walrow__fail(err, code, "%s.%s: its new columns cannot be had in the DuckDB file: %s", stage->schema_name,
                 stage->table_name, reason);
    return walrow__replica_hint_anew(stage, "", err);
}

static walrow_code
make_or_change(walrow__replica *replica, const walrow__stage *stage, walrow__strbuf *sql, walrow_error *err)
{
    walrow__replica_columns has;
    WALROW_TRY(walrow__replica_read_columns(replica, stage->schema_name, stage->table_name, &has, err));
    walrow_code code = WALROW_OK;
    bool is_there = has.n > 0;
    if (!is_there)
        add_create(stage, sql);
    else
        code = walrow__replica_evolve(replica, stage, &has, sql, err);
    walrow__replica_columns_release(&has);
    if (code != WALROW_OK || sql->size == 0)
        return code;
    code = walrow__replica_run(replica, sql, err);
    return is_there ? explain_evolution(code, stage, err) : code;
}

static walrow_code
prepare(walrow__replica *replica, walrow__replica_table *table, const walrow__stage *stage,
        walrow__strbuf *sql, walrow_error *err)
{
    bool renamed = strcmp(table->schema_name, stage->schema_name) != 0 ||
                   strcmp(table->table_name, stage->table_name) != 0;
    if (renamed)
        WALROW_TRY(move(replica, table, stage, sql, err));
    if (table->relid != 0 && table->relid != stage->relid && !replica->append) {
        add_drop(stage->schema_name, stage->table_name, sql);
        WALROW_TRY(walrow__replica_run(replica, sql, err));
    }
    if (table->relid != stage->relid)
        table->point = 0;
    WALROW_TRY(make_or_change(replica, stage, sql, err));
    table->relid = stage->relid;
    table->epoch = stage->epoch;
    return walrow__replica_save_table(replica, table, err);
}

static bool
is_ready(const walrow__replica_table *table, const walrow__stage *stage)
{
    return table->relid == stage->relid && table->epoch == stage->epoch &&
           strcmp(table->schema_name, stage->schema_name) == 0 &&
           strcmp(table->table_name, stage->table_name) == 0;
}

walrow_code
walrow__replica_prepare(walrow__replica *replica, walrow__replica_table *table, const walrow__stage *stage,
                        walrow_error *err)
{
    if (is_ready(table, stage))
        return WALROW_OK;
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow_code code = prepare(replica, table, stage, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

/* ---- snapshots ---- */

char *
walrow__replica_loading_name(const char *table_name)
{
    char *name;
    return asprintf(&name, "_walrow loading %s", table_name) < 0 ? NULL : name;
}

/* what, the loading table, as, the columns FROM the stage, which is empty then */
static walrow_code
load(walrow__replica *replica, walrow__stage *stage, walrow__strbuf *sql, const char *what, const char *as,
     walrow_error *err)
{
    WALROW_TRY(walrow__stage_flush(stage, replica, err));
    char *name = walrow__replica_loading_name(stage->table_name);
    if (name == NULL)
        return walrow__fail_memory(err);
    walrow__strbuf_add_text(sql, what);
    walrow__replica_add_name(sql, stage->schema_name, name);
    walrow__strbuf_add_text(sql, as);
    walrow__stage_add_select(stage, sql);
    walrow__strbuf_addf(sql, " FROM %s; DROP TABLE %s", stage->table, stage->table);
    free(name);
    stage->created = false;
    return walrow__replica_run(replica, sql, err);
}

walrow_code
walrow__replica_begin_loading(walrow__replica *replica, walrow__stage *stage, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "CREATE SCHEMA IF NOT EXISTS " WALROW__REPLICA ".");
    walrow__duckdb_add_name(&sql, stage->schema_name);
    walrow_code code = walrow__replica_run(replica, &sql, err);
    if (code == WALROW_OK)
        code = load(replica, stage, &sql, "CREATE OR REPLACE TABLE ", " AS SELECT ", err);
    walrow__strbuf_release(&sql);
    return code;
}

walrow_code
walrow__replica_load_more(walrow__replica *replica, walrow__stage *stage, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow_code code = load(replica, stage, &sql, "INSERT INTO ", " SELECT ", err);
    walrow__strbuf_release(&sql);
    return code;
}

static void
add_begin(walrow__strbuf *sql)
{
    walrow__strbuf_add_text(sql, "BEGIN");
}

static walrow_code
replace_table(walrow__replica *replica, walrow__replica_table *table, const walrow__stage *stage,
              const char *loading, walrow__strbuf *sql, walrow_error *err)
{
    add_drop(table->schema_name, table->table_name, sql); /* under its old name if it was renamed */
    add_drop(stage->schema_name, stage->table_name, sql);
    walrow__strbuf_add_text(sql, "ALTER TABLE ");
    walrow__replica_add_name(sql, stage->schema_name, loading);
    walrow__strbuf_add_text(sql, " RENAME TO ");
    walrow__duckdb_add_name(sql, stage->table_name);
    WALROW_TRY(walrow__replica_run(replica, sql, err));
    char *schema_name = strdup(stage->schema_name), *table_name = strdup(stage->table_name);
    if (schema_name == NULL || table_name == NULL) {
        free(schema_name);
        free(table_name);
        return walrow__fail_memory(err);
    }
    free(table->schema_name);
    free(table->table_name);
    table->schema_name = schema_name;
    table->table_name = table_name;
    table->relid = stage->relid;
    table->epoch = stage->epoch;
    return walrow__replica_save_table(replica, table, err);
}

static walrow_code
join_log(walrow__replica *replica, walrow__replica_table *table, walrow__stage *stage, const char *loading,
         walrow__strbuf *sql, walrow_error *err)
{
    uint64_t point = table->point;
    WALROW_TRY(walrow__stage_read_types(stage, replica, WALROW__REPLICA, stage->schema_name, loading, err));
    WALROW_TRY(walrow__replica_prepare(replica, table, stage, err));
    table->point = point; /* another relid has forgotten it */
    WALROW_TRY(walrow__replica_save_table(replica, table, err));
    walrow__strbuf_add_text(sql, "INSERT INTO ");
    walrow__replica_add_name(sql, stage->schema_name, stage->table_name);
    walrow__strbuf_add_text(sql, " BY NAME FROM ");
    walrow__replica_add_name(sql, stage->schema_name, loading);
    walrow__strbuf_add_char(sql, ';');
    add_drop(stage->schema_name, loading, sql);
    return walrow__replica_run(replica, sql, err);
}

walrow_code
walrow__replica_end_loading(walrow__replica *replica, walrow__replica_table *table, walrow__stage *stage,
                            walrow_error *err)
{
    walrow__strbuf sql;
    char *loading = walrow__replica_loading_name(stage->table_name);
    walrow__strbuf_init(&sql);
    add_begin(&sql);
    walrow_code code = loading == NULL ? walrow__fail_memory(err) : walrow__replica_run(replica, &sql, err);
    if (code == WALROW_OK)
        code = replica->append ? join_log(replica, table, stage, loading, &sql, err)
                               : replace_table(replica, table, stage, loading, &sql, err);
    walrow__strbuf_add_text(&sql, "COMMIT");
    if (code == WALROW_OK)
        code = walrow__replica_run(replica, &sql, err);
    free(loading);
    walrow__strbuf_release(&sql);
    return code;
}
