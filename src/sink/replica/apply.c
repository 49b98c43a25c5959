#include "sink/replica/apply.h"

#include "base/error.h"
#include "sink/replica/evolve.h"
#include "sink/replica/fill.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct apply {
    walrow__replica *replica;
    const walrow__stage *stage;
    int64_t truncate;        /* rowid of the last truncate; -1: none. What came before it does not matter */
    int64_t n_inserts;       /* after it, as all that follows */
    int64_t n_other;         /* updates and deletes */
    int64_t n_not_sent;      /* rows with large values that were not sent */
    int64_t n_keys_not_held; /* rows whose key has a null, which no key has in PostgreSQL */
    bool *filled;            /* by column: see sink/replica/fill.h */
    walrow__strbuf sql;
} apply;

static const char *
meta(const apply *a, int column)
{
    return a->stage->columns[column].name;
}

static walrow_code
run(apply *a, walrow_error *err)
{
    return walrow__replica_run(a->replica, &a->sql, err);
}

static void
add_target(apply *a)
{
    walrow__replica_add_name(&a->sql, a->stage->schema_name, a->stage->table_name);
}

/* The column's value before the change: what `_old` says, if there is one. */
static void
add_old(apply *a, int column)
{
    walrow__strbuf_add_text(&a->sql, "CASE WHEN s.");
    walrow__duckdb_add_name(&a->sql, meta(a, WALROW__OLD));
    walrow__strbuf_add_text(&a->sql, " IS NULL THEN s.");
    walrow__duckdb_add_name(&a->sql, a->stage->columns[column].name);
    walrow__strbuf_add_text(&a->sql, " ELSE struct_extract_at(s.");
    walrow__duckdb_add_name(&a->sql, meta(a, WALROW__OLD));
    /* by place, because DuckDB does not tell names of other case apart */
    walrow__strbuf_addf(&a->sql, ", %d) END", column - WALROW__N_META + 1);
}

static void
add_stage(apply *a, const char *condition)
{
    walrow__strbuf_addf(&a->sql, " FROM %s s WHERE s.rowid > %" PRId64 " AND s.", a->stage->table,
                        a->truncate);
    walrow__duckdb_add_name(&a->sql, meta(a, WALROW__OP));
    walrow__strbuf_addf(&a->sql, " %s", condition);
}

static void
add_insert(apply *a)
{
    walrow__strbuf_add_text(&a->sql, "INSERT INTO ");
    add_target(a);
    for (int i = a->stage->first; i < a->stage->n_columns; i++) {
        walrow__strbuf_add_text(&a->sql, i == a->stage->first ? " (" : ", ");
        walrow__duckdb_add_name(&a->sql, a->stage->columns[i].target);
    }
    walrow__strbuf_add_text(&a->sql, ") ");
}

/* ---- what has come ---- */

static bool
has_key(const walrow__stage *stage)
{
    return stage->n_keys > 0;
}

static bool
is_whole_row(const walrow__stage *stage)
{
    return stage->n_keys == stage->n_columns - WALROW__N_META;
}

static walrow_code
find_truncate(apply *a, walrow_error *err)
{
    walrow__strbuf_add_text(&a->sql, "SELECT coalesce(max(s.rowid), -1)");
    add_stage(a, "= 'T'");
    return walrow__replica_numbers(a->replica, &a->sql, &a->truncate, 1, err);
}

static void
add_count_null_keys(apply *a)
{
    walrow__strbuf_add_text(&a->sql, "count(*) FILTER (");
    bool by_key = has_key(a->stage) && !is_whole_row(a->stage);
    for (int i = WALROW__N_META; by_key && i < a->stage->n_columns; i++) {
        if (!a->stage->columns[i].is_key)
            continue;
        walrow__strbuf_add_text(&a->sql, "s.");
        walrow__duckdb_add_name(&a->sql, a->stage->columns[i].name);
        walrow__strbuf_add_text(&a->sql, " IS NULL OR ");
        add_old(a, i);
        walrow__strbuf_add_text(&a->sql, " IS NULL OR ");
    }
    walrow__strbuf_add_text(&a->sql, "false)");
}

static walrow_code
count_changes(apply *a, walrow_error *err)
{
    int64_t counts[4];
    walrow__strbuf_add_text(&a->sql, "SELECT count(*) FILTER (s.");
    walrow__duckdb_add_name(&a->sql, meta(a, WALROW__OP));
    walrow__strbuf_add_text(&a->sql, " = 'I'), count(*) FILTER (s.");
    walrow__duckdb_add_name(&a->sql, meta(a, WALROW__OP));
    walrow__strbuf_add_text(&a->sql, " <> 'I'), count(s.");
    walrow__duckdb_add_name(&a->sql, meta(a, WALROW__UNCHANGED));
    walrow__strbuf_add_text(&a->sql, "), ");
    add_count_null_keys(a);
    add_stage(a, "<> 'T'");
    WALROW_TRY(walrow__replica_numbers(a->replica, &a->sql, counts, 4, err));
    a->n_inserts = counts[0];
    a->n_other = counts[1];
    a->n_not_sent = counts[2];
    a->n_keys_not_held = counts[3];
    return WALROW_OK;
}

static walrow_code
check_changes(const apply *a, walrow_error *err)
{
    const walrow__stage *stage = a->stage;
    if (a->n_keys_not_held > 0) {
        walrow__fail(
            err, WALROW_ERR_SINK,
            "%s.%s: a value of its key is one its Arrow type cannot hold, so its rows cannot be told "
            "apart",
            stage->schema_name, stage->table_name);
        return walrow__hint(err,
                            "map the key's column to text with --type %s.%s.COLUMN=utf8, into a new file",
                            stage->schema_name, stage->table_name);
    }
    if (a->n_other == 0 || has_key(stage))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SINK, "%s.%s has no key: its updates and deletes cannot be applied",
                 stage->schema_name, stage->table_name);
    return walrow__hint(err, "ALTER TABLE %s.%s REPLICA IDENTITY FULL, or keep its changes with ?mode=append",
                        stage->schema_name, stage->table_name);
}

/* ---- by key ---- */

/* pos, op, the keys after (k1...) and before the change (o1...), and whether they differ */
static walrow_code
make_events(apply *a, walrow_error *err)
{
    walrow__strbuf_add_text(&a->sql, "CREATE OR REPLACE TEMP TABLE walrow_events AS SELECT *, ");
    for (int key = 1; key <= a->stage->n_keys; key++)
        walrow__strbuf_addf(&a->sql, "%sk%d IS DISTINCT FROM o%d", key > 1 ? " OR " : "", key, key);
    walrow__strbuf_add_text(&a->sql, " AS moves FROM (SELECT s.rowid AS pos, s.");
    walrow__duckdb_add_name(&a->sql, meta(a, WALROW__OP));
    walrow__strbuf_add_text(&a->sql, " AS op");
    for (int i = WALROW__N_META, key = 0; i < a->stage->n_columns; i++) {
        if (!a->stage->columns[i].is_key)
            continue;
        walrow__strbuf_add_text(&a->sql, ", s.");
        walrow__duckdb_add_name(&a->sql, a->stage->columns[i].name);
        walrow__strbuf_addf(&a->sql, " AS k%d, ", ++key);
        add_old(a, i);
        walrow__strbuf_addf(&a->sql, " AS o%d", key);
    }
    add_stage(a, "<> 'T')");
    return run(a, err);
}

/* The last change of each key, where it leaves a row under it. */
static walrow_code
find_live(apply *a, walrow_error *err)
{
    walrow__strbuf_add_text(
        &a->sql, "CREATE OR REPLACE TEMP TABLE walrow_live AS SELECT max(pos) AS pos FROM (SELECT ");
    walrow__replica_add_keys(a->stage, 'k', &a->sql);
    walrow__strbuf_add_text(&a->sql,
                            ", pos, op <> 'D' AS alive FROM temp.main.walrow_events UNION ALL SELECT ");
    walrow__replica_add_keys(a->stage, 'o', &a->sql);
    walrow__strbuf_add_text(&a->sql, ", pos, false FROM temp.main.walrow_events WHERE moves) GROUP BY ");
    walrow__replica_add_keys(a->stage, 'k', &a->sql);
    walrow__strbuf_add_text(&a->sql, " HAVING arg_max(alive, pos)");
    return run(a, err);
}

static walrow_code
delete_touched(apply *a, walrow_error *err)
{
    walrow__strbuf_add_text(&a->sql, "DELETE FROM ");
    add_target(a);
    walrow__strbuf_add_text(&a->sql, " t USING (SELECT DISTINCT ");
    walrow__replica_add_keys(a->stage, 'o', &a->sql);
    walrow__strbuf_add_text(&a->sql, " FROM temp.main.walrow_events WHERE op <> 'I') e WHERE ");
    for (int i = WALROW__N_META, key = 0; i < a->stage->n_columns; i++) {
        if (!a->stage->columns[i].is_key)
            continue;
        walrow__strbuf_add_text(&a->sql, key > 0 ? " AND t." : "t.");
        walrow__duckdb_add_name(&a->sql, a->stage->columns[i].target);
        walrow__strbuf_addf(&a->sql, " = e.o%d", ++key);
    }
    return run(a, err);
}

static walrow_code
insert_live(apply *a, walrow_error *err)
{
    add_insert(a);
    for (int i = WALROW__N_META; i < a->stage->n_columns; i++) {
        walrow__strbuf_add_text(&a->sql, i == WALROW__N_META ? "SELECT " : ", ");
        if (a->filled[i])
            walrow__strbuf_addf(&a->sql, "CASE WHEN f%d.pos IS NOT NULL THEN f%d.value ELSE ", i, i);
        walrow__strbuf_add_text(&a->sql, "s.");
        walrow__duckdb_add_name(&a->sql, a->stage->columns[i].name);
        if (a->filled[i])
            walrow__strbuf_add_text(&a->sql, " END");
    }
    walrow__strbuf_addf(&a->sql, " FROM %s s JOIN temp.main.walrow_live l ON l.pos = s.rowid",
                        a->stage->table);
    for (int i = WALROW__N_META; i < a->stage->n_columns; i++)
        if (a->filled[i])
            walrow__strbuf_addf(&a->sql, " LEFT JOIN temp.main.walrow_fill_%d f%d ON f%d.pos = s.rowid", i, i,
                                i);
    return run(a, err);
}

static walrow_code
apply_by_key(apply *a, walrow_error *err)
{
    WALROW_TRY(make_events(a, err));
    WALROW_TRY(find_live(a, err));
    if (a->n_not_sent > 0)
        WALROW_TRY(walrow__replica_fill(a->replica, a->stage, a->filled, err));
    WALROW_TRY(delete_touched(a, err));
    WALROW_TRY(insert_live(a, err));
    for (int i = WALROW__N_META; i < a->stage->n_columns; i++)
        if (a->filled[i])
            walrow__strbuf_addf(&a->sql, "DROP TABLE temp.main.walrow_fill_%d;", i);
    walrow__strbuf_add_text(&a->sql, "DROP TABLE IF EXISTS temp.main.walrow_chain;"
                                     "DROP TABLE temp.main.walrow_live; DROP TABLE temp.main.walrow_events");
    return run(a, err);
}

/* ---- by whole row ---- */

/* 1 month and 30 days are equal to DuckDB. (So are 0 and -0, but it does not keep these apart either.) */
static bool
compares_loosely(const walrow__stage_column *column)
{
    return strstr(column->type, "INTERVAL") != NULL;
}

static void
add_rows(apply *a, const char *condition, bool old, int sign)
{
    for (int i = WALROW__N_META; i < a->stage->n_columns; i++) {
        walrow__strbuf_add_text(&a->sql, i == WALROW__N_META ? "SELECT " : ", ");
        if (old) {
            add_old(a, i);
        } else {
            walrow__strbuf_add_text(&a->sql, "s.");
            walrow__duckdb_add_name(&a->sql, a->stage->columns[i].name);
        }
        walrow__strbuf_addf(&a->sql, " AS c%d", i);
    }
    walrow__strbuf_addf(&a->sql, ", %d AS n", sign);
    add_stage(a, condition);
}

/* Each distinct row c7, c8, ... and by how much its number changes, n. */
static walrow_code
make_balance(apply *a, walrow_error *err)
{
    walrow__strbuf_add_text(&a->sql, "CREATE OR REPLACE TEMP TABLE walrow_balance AS SELECT * EXCLUDE n, "
                                     "sum(n)::BIGINT AS n FROM (SELECT *");
    for (int i = WALROW__N_META; i < a->stage->n_columns; i++)
        if (compares_loosely(&a->stage->columns[i]))
            walrow__strbuf_addf(&a->sql, ", c%d::VARCHAR AS x%d", i, i);
    walrow__strbuf_add_text(&a->sql, " FROM (");
    add_rows(a, "IN ('I', 'U')", false, 1);
    walrow__strbuf_add_text(&a->sql, " UNION ALL ");
    add_rows(a, "IN ('U', 'D')", true, -1);
    walrow__strbuf_add_text(&a->sql, ")) GROUP BY ALL HAVING sum(n) <> 0");
    return run(a, err);
}

static walrow_code
delete_surplus(apply *a, walrow_error *err)
{
    walrow__strbuf_add_text(&a->sql, "DELETE FROM ");
    add_target(a);
    walrow__strbuf_add_text(&a->sql, " WHERE rowid IN (SELECT id FROM (SELECT t.rowid AS id, b.n, "
                                     "row_number() OVER (PARTITION BY b.rowid) AS nth FROM ");
    add_target(a);
    walrow__strbuf_add_text(&a->sql, " t JOIN temp.main.walrow_balance b ON b.n < 0");
    for (int i = WALROW__N_META; i < a->stage->n_columns; i++) {
        walrow__strbuf_add_text(&a->sql, " AND t.");
        walrow__duckdb_add_name(&a->sql, a->stage->columns[i].target);
        walrow__strbuf_addf(&a->sql, " IS NOT DISTINCT FROM b.c%d", i);
        if (!compares_loosely(&a->stage->columns[i]))
            continue;
        walrow__strbuf_add_text(&a->sql, " AND t.");
        walrow__duckdb_add_name(&a->sql, a->stage->columns[i].target);
        walrow__strbuf_addf(&a->sql, "::VARCHAR IS NOT DISTINCT FROM b.x%d", i);
    }
    walrow__strbuf_add_text(&a->sql, ") WHERE nth <= -n)");
    return run(a, err);
}

static walrow_code
insert_missing(apply *a, walrow_error *err)
{
    add_insert(a);
    for (int i = WALROW__N_META; i < a->stage->n_columns; i++)
        walrow__strbuf_addf(&a->sql, "%sc%d", i == WALROW__N_META ? "SELECT " : ", ", i);
    walrow__strbuf_add_text(&a->sql,
                            " FROM (SELECT *, unnest(range(n)) FROM temp.main.walrow_balance WHERE n > 0);"
                            "DROP TABLE temp.main.walrow_balance");
    return run(a, err);
}

static walrow_code
apply_whole_rows(apply *a, walrow_error *err)
{
    WALROW_TRY(make_balance(a, err));
    WALROW_TRY(delete_surplus(a, err));
    return insert_missing(a, err);
}

/* ---- the set ---- */

static walrow_code
append_log(apply *a, walrow_error *err)
{
    walrow__strbuf_add_text(&a->sql, "INSERT INTO ");
    add_target(a);
    walrow__strbuf_add_text(&a->sql, " BY NAME SELECT ");
    walrow__stage_add_select(a->stage, &a->sql);
    walrow__strbuf_addf(&a->sql, " FROM %s", a->stage->table);
    return run(a, err);
}

static walrow_code
insert_all(apply *a, walrow_error *err)
{
    add_insert(a);
    walrow__strbuf_add_text(&a->sql, "SELECT ");
    walrow__stage_add_select(a->stage, &a->sql);
    add_stage(a, "= 'I'");
    return run(a, err);
}

static walrow_code
apply_stage(apply *a, walrow_error *err)
{
    if (a->replica->append)
        return append_log(a, err);
    WALROW_TRY(find_truncate(a, err));
    WALROW_TRY(count_changes(a, err));
    WALROW_TRY(check_changes(a, err));
    if (a->truncate >= 0) {
        walrow__strbuf_add_text(&a->sql, "DELETE FROM ");
        add_target(a);
        WALROW_TRY(run(a, err));
    }
    if (a->n_other == 0)
        return a->n_inserts == 0 ? WALROW_OK : insert_all(a, err);
    return is_whole_row(a->stage) ? apply_whole_rows(a, err) : apply_by_key(a, err);
}

walrow_code
walrow__replica_apply(walrow__replica *replica, const walrow__stage *stage, walrow_error *err)
{
    apply a = {.replica = replica, .stage = stage, .truncate = -1};
    a.filled = calloc((size_t)stage->n_columns, sizeof *a.filled);
    if (a.filled == NULL)
        return walrow__fail_memory(err);
    walrow__strbuf_init(&a.sql);
    walrow_code code = apply_stage(&a, err);
    walrow__strbuf_release(&a.sql);
    free(a.filled);
    return code;
}
