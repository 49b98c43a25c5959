#include "sink/replica/fill.h"

#include "base/error.h"

#include <string.h>

void
walrow__replica_add_keys(const walrow__stage *stage, char letter, walrow__strbuf *sql)
{
    for (int i = 1; i <= stage->n_keys; i++)
        walrow__strbuf_addf(sql, "%s%c%d", i > 1 ? ", " : "", letter, i);
}

/* ---- each row's first change ---- */

/*
 * A change touches the key it finds its row under and the key it leaves it under. The touch before the former
 * is the row's change before.
 */
static walrow_code
begin_chain(walrow__replica *replica, const walrow__stage *stage, walrow__strbuf *sql, walrow_error *err)
{
    walrow__strbuf_add_text(sql,
                            "CREATE OR REPLACE TEMP TABLE walrow_chain AS SELECT pos, CASE WHEN op = 'I' "
                            "THEN pos ELSE coalesce(before, pos) END AS root FROM (SELECT pos, op, "
                            "finds, lag(pos) OVER (PARTITION BY ");
    walrow__replica_add_keys(stage, 'k', sql);
    walrow__strbuf_add_text(sql, " ORDER BY pos) AS before FROM (SELECT ");
    walrow__replica_add_keys(stage, 'k', sql);
    walrow__strbuf_add_text(sql,
                            ", pos, op, NOT moves AS finds FROM temp.main.walrow_events UNION ALL SELECT ");
    walrow__replica_add_keys(stage, 'o', sql);
    walrow__strbuf_add_text(sql, ", pos, op, true FROM temp.main.walrow_events WHERE moves)) WHERE finds");
    return walrow__replica_run(replica, sql, err);
}

static walrow_code
follow_chain(walrow__replica *replica, walrow__strbuf *sql, walrow_error *err)
{
    for (;;) {
        int64_t n_left;
        walrow__strbuf_add_text(sql, "SELECT count(*) FROM temp.main.walrow_chain c JOIN "
                                     "temp.main.walrow_chain p ON p.pos = c.root WHERE p.root <> c.root");
        WALROW_TRY(walrow__replica_numbers(replica, sql, &n_left, 1, err));
        if (n_left == 0)
            return WALROW_OK;
        walrow__strbuf_add_text(sql, "CREATE OR REPLACE TEMP TABLE walrow_chain AS SELECT c.pos, p.root FROM "
                                     "temp.main.walrow_chain c JOIN temp.main.walrow_chain p ON p.pos = "
                                     "c.root");
        WALROW_TRY(walrow__replica_run(replica, sql, err));
    }
}

/* ---- a column's values ---- */

static void
add_not_sent(const walrow__stage *stage, int column, walrow__strbuf *sql)
{
    walrow__strbuf_add_text(sql, "coalesce(list_contains(s.");
    walrow__duckdb_add_name(sql, stage->columns[WALROW__UNCHANGED].name);
    walrow__strbuf_add_text(sql, ", ");
    walrow__duckdb_add_text(sql, stage->columns[column].pg_name);
    walrow__strbuf_add_text(sql, "), false)");
}

/* t: the table's row under the key the row's first change found it under */
static void
add_join_table(const walrow__stage *stage, walrow__strbuf *sql)
{
    walrow__strbuf_add_text(sql, " LEFT JOIN ");
    walrow__replica_add_name(sql, stage->schema_name, stage->table_name);
    walrow__strbuf_add_text(sql, " t ON ");
    for (int i = WALROW__N_META, key = 0; i < stage->n_columns; i++) {
        if (!stage->columns[i].is_key)
            continue;
        walrow__strbuf_addf(sql, "%sr.o%d = t.", key > 0 ? " AND " : "", key + 1);
        walrow__duckdb_add_name(sql, stage->columns[i].target);
        key++;
    }
}

static walrow_code
fill_column(walrow__replica *replica, const walrow__stage *stage, int column, walrow__strbuf *sql,
            walrow_error *err)
{
    walrow__strbuf_addf(sql,
                        "CREATE OR REPLACE TEMP TABLE walrow_fill_%d AS SELECT c.pos, CASE WHEN g.sent THEN "
                        "g.value WHEN r.op = 'U' THEN t.",
                        column);
    walrow__duckdb_add_name(sql, stage->columns[column].target);
    walrow__strbuf_add_text(sql,
                            " END AS value FROM temp.main.walrow_live l JOIN temp.main.walrow_chain c ON "
                            "c.pos = l.pos JOIN (SELECT root, bool_or(NOT absent) AS sent, "
                            "arg_max_null(value, pos) FILTER (NOT absent) AS value FROM (SELECT c.root, "
                            "c.pos, s.");
    walrow__duckdb_add_name(sql, stage->columns[column].name);
    walrow__strbuf_add_text(sql, " AS value, ");
    add_not_sent(stage, column, sql);
    walrow__strbuf_addf(sql,
                        " AS absent FROM %s s JOIN temp.main.walrow_chain c ON c.pos = s.rowid) GROUP BY "
                        "root) g ON g.root = c.root JOIN %s s ON s.rowid = c.pos JOIN "
                        "temp.main.walrow_events r ON r.pos = c.root",
                        stage->table, stage->table);
    add_join_table(stage, sql);
    walrow__strbuf_add_text(sql, " WHERE ");
    add_not_sent(stage, column, sql);
    return walrow__replica_run(replica, sql, err);
}

/* ---- which columns ---- */

typedef struct columns {
    const walrow__stage *stage;
    bool *filled;
} columns;

static walrow_code
take_column(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    columns *out = arg;
    (void)n_cells, (void)err;
    for (int i = WALROW__N_META; i < out->stage->n_columns; i++) {
        const char *name = out->stage->columns[i].pg_name;
        if (cells[0].data != NULL && strlen(name) == (size_t)cells[0].size_bytes &&
            memcmp(name, cells[0].data, strlen(name)) == 0)
            out->filled[i] = true;
    }
    return WALROW_OK;
}

static walrow_code
find_columns(walrow__replica *replica, const walrow__stage *stage, bool *filled, walrow__strbuf *sql,
             walrow_error *err)
{
    columns out = {stage, filled};
    walrow__strbuf_add_text(sql, "SELECT DISTINCT unnest(s.");
    walrow__duckdb_add_name(sql, stage->columns[WALROW__UNCHANGED].name);
    walrow__strbuf_addf(sql, ") FROM %s s JOIN temp.main.walrow_live l ON l.pos = s.rowid", stage->table);
    if (sql->failed)
        return walrow__fail_memory(err);
    walrow_code code =
        walrow__duckdb_query(replica->duckdb, walrow__strbuf_text(sql), take_column, &out, err);
    walrow__strbuf_clear(sql);
    return walrow__replica_explain(code, err);
}

static walrow_code
fill(walrow__replica *replica, const walrow__stage *stage, bool *filled, walrow__strbuf *sql,
     walrow_error *err)
{
    bool any = false;
    WALROW_TRY(find_columns(replica, stage, filled, sql, err));
    for (int i = WALROW__N_META; i < stage->n_columns; i++) {
        if (!filled[i])
            continue;
        if (!any) {
            WALROW_TRY(begin_chain(replica, stage, sql, err));
            WALROW_TRY(follow_chain(replica, sql, err));
            any = true;
        }
        WALROW_TRY(fill_column(replica, stage, i, sql, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__replica_fill(walrow__replica *replica, const walrow__stage *stage, bool *filled, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow_code code = fill(replica, stage, filled, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}
