#include "sink/replica/evolve.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NOT_THERE = -1 };

/* ---- what there is ---- */

static walrow_code
take_column(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    walrow__replica_columns *columns = arg;
    (void)n_cells;
    size_t n = (size_t)columns->n;
    char **names = realloc(columns->names, (n + 1) * sizeof *names);
    columns->names = names == NULL ? columns->names : names;
    char **types = realloc(columns->types, (n + 1) * sizeof *types);
    columns->types = types == NULL ? columns->types : types;
    if (names == NULL || types == NULL)
        return walrow__fail_memory(err);
    names[n] = strndup(cells[0].data, (size_t)cells[0].size_bytes);
    types[n] = strndup(cells[1].data, (size_t)cells[1].size_bytes);
    columns->n++;
    return names[n] == NULL || types[n] == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__replica_read_columns(walrow__replica *replica, const char *schema_name, const char *table_name,
                             walrow__replica_columns *out, walrow_error *err)
{
    walrow__strbuf sql;
    *out = (walrow__replica_columns){0};
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name "
                                  "= '" WALROW__REPLICA "' AND schema_name = ");
    walrow__duckdb_add_text(&sql, schema_name);
    walrow__strbuf_add_text(&sql, " AND table_name = ");
    walrow__duckdb_add_text(&sql, table_name);
    walrow__strbuf_add_text(&sql, " ORDER BY column_index");
    walrow_code code = sql.failed ? walrow__fail_memory(err)
                                  : walrow__duckdb_query(replica->duckdb, sql.data, take_column, out, err);
    walrow__strbuf_release(&sql);
    if (code != WALROW_OK)
        walrow__replica_columns_release(out);
    return walrow__replica_explain(code, err);
}

void
walrow__replica_columns_release(walrow__replica_columns *columns)
{
    for (int i = 0; i < columns->n; i++) {
        free(columns->names[i]);
        free(columns->types[i]);
    }
    free(columns->names);
    free(columns->types);
    *columns = (walrow__replica_columns){0};
}

walrow_code
walrow__replica_hint_anew(const walrow__stage *stage, const char *besides, walrow_error *err)
{
    return walrow__hint(err,
                        "%sin the file, DELETE FROM _walrow.tables WHERE schema_name = '%s' AND table_name "
                        "= '%s' and start again: its rows are read anew",
                        besides, stage->schema_name, stage->table_name);
}

/* ---- pairing the columns ---- */

/* For each column the table has, the wanted column it is or becomes. */
typedef struct pairing {
    const walrow__stage *stage;
    const walrow__replica_columns *has;
    int *wanted;  /* by what it has; NOT_THERE: dropped */
    bool *paired; /* by wanted */
} pairing;

static int
find_wanted(const walrow__stage *stage, const char *name)
{
    for (int i = stage->first; i < stage->n_columns; i++)
        if (strcasecmp(stage->columns[i].target, name) == 0)
            return i;
    return NOT_THERE;
}

static void
pair(pairing *p, int has, int wanted)
{
    p->wanted[has] = wanted;
    p->paired[wanted] = true;
}

static walrow_code
fail_ambiguous(const pairing *p, int has, int wanted, walrow_error *err)
{
    const char *before = p->has->names[has], *now = p->stage->columns[wanted].target;
    walrow__fail(err, WALROW_ERR_SINK,
                 "%s.%s: was column \"%s\" renamed to \"%s\", or dropped and the other added? nothing says",
                 p->stage->schema_name, p->stage->table_name, before, now);
    return walrow__replica_hint_anew(p->stage, "rename or drop it in the DuckDB file yourself, or, ", err);
}

/*
 * Columns [has, has_end) are not wanted by name, and [wanted, wanted_end) are not there by name, between two
 * columns that are (or the ends).
 */
static walrow_code
pair_gap(pairing *p, int has, int has_end, int wanted, int wanted_end, bool at_end, walrow_error *err)
{
    int n_gone = has_end - has, n_new = wanted_end - wanted;
    if (n_gone == 0 || n_new == 0)
        return WALROW_OK;
    if (!at_end && n_gone == n_new) {
        for (int i = 0; i < n_gone; i++)
            pair(p, has + i, wanted + i);
        return WALROW_OK;
    }
    for (int i = has; i < has_end; i++)
        for (int j = wanted; j < wanted_end; j++)
            if (!at_end || strcmp(p->has->types[i], p->stage->columns[j].type) == 0)
                return fail_ambiguous(p, i, j, err);
    return WALROW_OK;
}

/* A column that stands before one that it stood behind was dropped and added again: it is not the same. */
static walrow_code
pair_in_order(pairing *p, walrow_error *err)
{
    int has = 0, wanted = p->stage->first, gap = wanted;
    for (; wanted < p->stage->n_columns; wanted++) {
        int at = has;
        while (at < p->has->n && strcasecmp(p->has->names[at], p->stage->columns[wanted].target) != 0)
            at++;
        if (at == p->has->n)
            continue;
        WALROW_TRY(pair_gap(p, has, at, gap, wanted, false, err));
        pair(p, at, wanted);
        has = at + 1;
        gap = wanted + 1;
    }
    return pair_gap(p, has, p->has->n, gap, p->stage->n_columns, true, err);
}

static void
pair_by_name(pairing *p)
{
    for (int i = 0; i < p->has->n; i++) {
        int wanted = find_wanted(p->stage, p->has->names[i]);
        if (wanted != NOT_THERE)
            pair(p, i, wanted);
    }
}

/* ---- the statements ---- */

static void
add_alter(const pairing *p, walrow__strbuf *sql)
{
    walrow__strbuf_add_text(sql, "ALTER TABLE ");
    walrow__replica_add_name(sql, p->stage->schema_name, p->stage->table_name);
}

static void
add_column_type(const walrow__stage_column *column, const char *type, walrow__strbuf *sql)
{
    walrow__duckdb_add_name(sql, column->target);
    walrow__strbuf_addf(sql, " %s", type);
}

/* Of the log's `_old`: a struct of all columns its table has had. Without the dropped ones if it is new. */
static char *
old_type(const pairing *p)
{
    walrow__strbuf type;
    walrow__strbuf_init(&type);
    walrow__strbuf_add_text(&type, "STRUCT(");
    for (int i = WALROW__N_META; i < p->stage->n_columns; i++) {
        add_column_type(&p->stage->columns[i], p->stage->columns[i].type, &type);
        walrow__strbuf_add_text(&type, ", ");
    }
    for (int i = 0; i < p->has->n; i++)
        if (p->wanted[i] == NOT_THERE) {
            walrow__duckdb_add_name(&type, p->has->names[i]);
            walrow__strbuf_addf(&type, " %s, ", p->has->types[i]);
        }
    type.size -= 2;
    walrow__strbuf_add_char(&type, ')');
    return walrow__strbuf_take(&type);
}

static bool
add_type_change(const pairing *p, int has, bool append, walrow__strbuf *sql)
{
    int wanted = p->wanted[has];
    const walrow__stage_column *column = &p->stage->columns[wanted];
    bool is_union = append && wanted == WALROW__OLD && p->stage->n_columns > WALROW__N_META;
    char *type = is_union ? old_type(p) : strdup(column->type);
    if (type != NULL && strcmp(p->has->types[has], type) != 0) {
        add_alter(p, sql);
        walrow__strbuf_add_text(sql, " ALTER COLUMN ");
        walrow__duckdb_add_name(sql, column->target);
        walrow__strbuf_addf(sql, " SET DATA TYPE %s;", type);
    }
    free(type);
    return type != NULL;
}

static void
add_drops_and_renames(const pairing *p, bool append, walrow__strbuf *sql)
{
    for (int i = 0; i < p->has->n; i++)
        if (p->wanted[i] == NOT_THERE && !append) {
            add_alter(p, sql);
            walrow__strbuf_add_text(sql, " DROP COLUMN ");
            walrow__duckdb_add_name(sql, p->has->names[i]);
            walrow__strbuf_add_char(sql, ';');
        }
    for (int i = 0; i < p->has->n; i++) {
        const char *now = p->wanted[i] == NOT_THERE ? NULL : p->stage->columns[p->wanted[i]].target;
        if (now == NULL || strcasecmp(p->has->names[i], now) == 0)
            continue;
        add_alter(p, sql);
        walrow__strbuf_add_text(sql, " RENAME COLUMN ");
        walrow__duckdb_add_name(sql, p->has->names[i]);
        walrow__strbuf_add_text(sql, " TO ");
        walrow__duckdb_add_name(sql, now);
        walrow__strbuf_add_char(sql, ';');
    }
}

static walrow_code
add_statements(const pairing *p, bool append, walrow__strbuf *sql, walrow_error *err)
{
    bool ok = true;
    add_drops_and_renames(p, append, sql);
    for (int i = p->stage->first; i < p->stage->n_columns; i++) {
        if (p->paired[i])
            continue;
        add_alter(p, sql);
        walrow__strbuf_add_text(sql, " ADD COLUMN ");
        add_column_type(&p->stage->columns[i], p->stage->columns[i].type, sql);
        walrow__strbuf_add_char(sql, ';');
    }
    for (int i = 0; i < p->has->n; i++)
        if (p->wanted[i] != NOT_THERE)
            ok = add_type_change(p, i, append, sql) && ok;
    return ok && !sql->failed ? WALROW_OK : walrow__fail_memory(err);
}

walrow_code
walrow__replica_evolve(const walrow__replica *replica, const walrow__stage *stage,
                       const walrow__replica_columns *has, walrow__strbuf *sql, walrow_error *err)
{
    pairing p = {.stage = stage, .has = has};
    p.wanted = malloc((size_t)has->n * sizeof *p.wanted);
    p.paired = calloc((size_t)stage->n_columns, sizeof *p.paired);
    walrow_code code = WALROW_OK;
    if (p.wanted == NULL || p.paired == NULL)
        code = walrow__fail_memory(err);
    for (int i = 0; code == WALROW_OK && i < has->n; i++)
        p.wanted[i] = NOT_THERE;
    if (code == WALROW_OK && replica->append)
        pair_by_name(&p);
    else if (code == WALROW_OK)
        code = pair_in_order(&p, err);
    if (code == WALROW_OK)
        code = add_statements(&p, replica->append, sql, err);
    free(p.wanted);
    free(p.paired);
    return code;
}
