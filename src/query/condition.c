#include "query/condition.h"

#include "base/error.h"
#include "duckdb/parquet_schema.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Expressions see the position and the operation, and the table's own columns. */
enum { N_VISIBLE_META = WALROW__COMMIT_TIME + 1 };

typedef struct binding {
    walrow__condition *out;
    const walrow__rules *rules;
    const walrow__table *table;
    walrow__duckdb *duckdb;
    struct ArrowSchema visible; /* all columns there are, adapted: with the names that DuckDB knows them by */
    bool *needed;               /* of each of those */
} binding;

static int
batch_column(int visible)
{
    return visible < N_VISIBLE_META ? visible : visible - N_VISIBLE_META + WALROW__N_META;
}

static bool
matches(const binding *self, size_t rule)
{
    return walrow__rule_matches(&self->rules->items[rule], self->table->schema_name, self->table->name);
}

/* ---- what DuckDB says ---- */

const char *
walrow__condition_why(const walrow_error *error, char *buffer, size_t size)
{
    const char *text = error->message;
    size_t n = 0;
    for (; *text != '\0' && strncmp(text, "\n\n", 2) != 0 && strncmp(text, "\nLINE ", 6) != 0 && n + 1 < size;
         text++)
        buffer[n++] = *text == '\n' ? ' ' : *text;
    buffer[n] = '\0';
    return buffer;
}

static walrow_code
hint_columns(const binding *self, walrow_error *err)
{
    walrow__strbuf names;
    walrow__strbuf_init(&names);
    for (int64_t i = N_VISIBLE_META; i < self->visible.n_children + N_VISIBLE_META; i++) {
        walrow__strbuf_add_text(&names, names.size == 0 ? "" : ", ");
        walrow__strbuf_add_text(&names, self->visible.children[i % self->visible.n_children]->name);
    }
    walrow__hint(err, "an expression of DuckDB's SQL over the columns %s", walrow__strbuf_text(&names));
    walrow__strbuf_release(&names);
    return WALROW_ERR_USAGE;
}

static walrow_code
fail_rule(const binding *self, size_t rule, const walrow_error *why, walrow_error *err)
{
    char text[300];
    walrow__rule_fail(self->rules, &self->rules->items[rule], err, "table %s.%s: %s",
                      self->table->schema_name, self->table->name,
                      walrow__condition_why(why, text, sizeof text));
    return hint_columns(self, err);
}

/* ---- an empty table of all columns, to bind expressions against ---- */

static walrow_code
copy_field(const struct ArrowSchema *from, const char *name, struct ArrowSchema *to, walrow_error *err)
{
    if (ArrowSchemaDeepCopy(from, to) != NANOARROW_OK || ArrowSchemaSetName(to, name) != NANOARROW_OK)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

static walrow_code
init_struct(struct ArrowSchema *schema, int64_t n, walrow_error *err)
{
    ArrowSchemaInit(schema);
    if (ArrowSchemaSetFormat(schema, "+s") != NANOARROW_OK ||
        ArrowSchemaAllocateChildren(schema, n) != NANOARROW_OK)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

static walrow_code
init_all(const binding *self, struct ArrowSchema *all, walrow_error *err)
{
    int n = N_VISIBLE_META + self->table->n_columns;
    WALROW_TRY(init_struct(all, n, err));
    for (int i = 0; i < n; i++) {
        const struct ArrowSchema *field = self->table->schema.children[batch_column(i)];
        WALROW_TRY(copy_field(field, field->name, all->children[i], err));
    }
    return WALROW_OK;
}

static walrow_code
make_shape(const binding *self, const struct ArrowSchema *all, walrow_error *err)
{
    struct ArrowArray none;
    if (ArrowArrayInitFromSchema(&none, all, NULL) != NANOARROW_OK)
        return walrow__fail_memory(err);
    if (ArrowArrayStartAppending(&none) != NANOARROW_OK ||
        ArrowArrayFinishBuildingDefault(&none, NULL) != NANOARROW_OK) {
        ArrowArrayRelease(&none);
        return walrow__fail_memory(err);
    }
    return walrow__duckdb_load(self->duckdb, all, &none,
                               "CREATE OR REPLACE TABLE walrow_shape AS SELECT * FROM walrow_input", err);
}

static walrow_code
begin(binding *self, walrow_error *err)
{
    struct ArrowSchema all = {.release = NULL};
    walrow_code code = init_all(self, &all, err);
    if (code == WALROW_OK)
        code = walrow__parquet_adapt_schema(WALROW__FOR_TABLE, &all, &self->visible, err);
    if (code == WALROW_OK)
        code = make_shape(self, &all, err);
    if (all.release != NULL)
        ArrowSchemaRelease(&all);
    WALROW_TRY(code);
    self->needed = calloc((size_t)self->visible.n_children, sizeof *self->needed);
    return self->needed == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

/* ---- binding ---- */

/* As a boolean each, so that it is one in a SELECT, too; rule < count: that one alone. */
static void
add_condition(const binding *self, size_t rule, walrow__strbuf *sql)
{
    bool any = false;
    for (size_t i = 0; i < self->rules->count; i++) {
        if (!matches(self, i) || (rule < self->rules->count && rule != i))
            continue;
        walrow__strbuf_add_text(sql, any ? " AND CAST((" : "CAST((");
        walrow__strbuf_add_text(sql, self->rules->items[i].text);
        walrow__strbuf_add_text(sql, "\n) AS BOOLEAN)"); /* a comment in it ends with its line */
        any = true;
    }
}

/* Does it bind without the columns [start, end)? WHERE allows neither aggregates nor windows. */
static walrow_code
bind(const binding *self, size_t rule, int64_t start, int64_t end, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SELECT 1 FROM (SELECT 1 AS \"walrow's own\"");
    for (int64_t i = 0; i < self->visible.n_children; i++)
        if (i < start || i >= end) {
            walrow__strbuf_add_text(&sql, ", ");
            walrow__duckdb_add_name(&sql, self->visible.children[i]->name);
        }
    walrow__strbuf_add_text(&sql, " FROM walrow_shape) WHERE ");
    add_condition(self, rule, &sql);
    walrow_code code = sql.failed
                           ? walrow__fail_memory(err)
                           : walrow__duckdb_query(self->duckdb, walrow__strbuf_text(&sql), NULL, NULL, err);
    walrow__strbuf_release(&sql);
    return code;
}

/* What does not bind without some columns needs one of them. */
static void
find_needed(binding *self, int64_t start, int64_t end)
{
    if (bind(self, self->rules->count, start, end, NULL) == WALROW_OK)
        return;
    if (end - start == 1) {
        self->needed[start] = true;
        return;
    }
    int64_t middle = start + (end - start) / 2;
    find_needed(self, start, middle);
    find_needed(self, middle, end);
}

static bool
is_mentioned(const binding *self, const char *name)
{
    for (size_t i = 0; i < self->rules->count; i++)
        if (matches(self, i) && strcasestr(self->rules->items[i].text, name) != NULL)
            return true;
    return false;
}

/* A column with the name of a word that means something to DuckDB where there is no such column. */
static void
need_sql_words(binding *self)
{
    static const char *const words[] = {
        "current_catalog", "current_date",      "current_role", "current_schema",
        "current_time",    "current_timestamp", "current_user", "localtime",
        "localtimestamp",  "session_user",      "user",         "rowid",
    };
    for (int64_t c = 0; c < self->visible.n_children; c++)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strcasecmp(words[i], self->visible.children[c]->name) == 0 && is_mentioned(self, words[i]))
                self->needed[c] = true;
}

/* COLUMNS(*) means all columns there are: of it nobody can tell which it needs. */
static bool
has_star(const char *text)
{
    for (const char *at = text; (at = strcasestr(at, "columns")) != NULL;) {
        at += strlen("columns");
        if (at[strspn(at, " \t\n")] == '(')
            return true;
    }
    return false;
}

static walrow_code
bind_rule(const binding *self, size_t rule, walrow_error *err)
{
    walrow_error why = {0};
    if (has_star(self->rules->items[rule].text)) {
        walrow__rule_fail(self->rules, &self->rules->items[rule], err, "COLUMNS(...) cannot be used here");
        return walrow__hint(err, "name the columns");
    }
    walrow_code code = bind(self, rule, 0, 0, &why);
    if (code == WALROW_ERR_MEMORY)
        return walrow__fail_memory(err);
    return code == WALROW_OK ? WALROW_OK : fail_rule(self, rule, &why, err);
}

static walrow_code
bind_rules(binding *self, walrow_error *err)
{
    for (size_t i = 0; i < self->rules->count; i++)
        if (matches(self, i))
            WALROW_TRY(bind_rule(self, i, err));
    find_needed(self, 0, self->visible.n_children);
    need_sql_words(self);
    return walrow__duckdb_query(self->duckdb, "DROP TABLE walrow_shape", NULL, NULL, err);
}

/* ---- the outcome ---- */

static walrow_code
fill_columns(binding *self, walrow_error *err)
{
    walrow__condition *out = self->out;
    int n = 0;
    for (int64_t i = 0; i < self->visible.n_children; i++)
        n += self->needed[i];
    if (n == 0) { /* the input has to have a length */
        self->needed[WALROW__SEQ] = true;
        n = 1;
    }
    out->columns = calloc((size_t)n, sizeof *out->columns);
    if (out->columns == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(init_struct(&out->schema, n, err));
    for (int i = 0; i < self->visible.n_children; i++) {
        if (!self->needed[i])
            continue;
        int column = out->n_columns++;
        out->columns[column] = batch_column(i);
        WALROW_TRY(copy_field(self->table->schema.children[batch_column(i)], self->visible.children[i]->name,
                              out->schema.children[column], err));
    }
    return WALROW_OK;
}

static walrow_code
fill(binding *self, walrow_error *err)
{
    walrow__strbuf sql;
    WALROW_TRY(fill_columns(self, err));
    walrow__strbuf_init(&sql);
    add_condition(self, self->rules->count, &sql);
    self->out->sql = walrow__strbuf_take(&sql);
    return self->out->sql == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
init(binding *self, walrow_error *err)
{
    WALROW_TRY(begin(self, err));
    WALROW_TRY(bind_rules(self, err));
    return fill(self, err);
}

walrow_code
walrow__condition_init(walrow__condition *condition, const walrow__rules *rules, const walrow__table *table,
                       walrow__duckdb *duckdb, walrow_error *err)
{
    binding self = {.out = condition, .rules = rules, .table = table, .duckdb = duckdb};
    bool any = false;
    *condition = (walrow__condition){0};
    for (size_t i = 0; i < rules->count; i++)
        any = any || matches(&self, i);
    if (!any)
        return WALROW_OK;
    walrow_code code = init(&self, err);
    free(self.needed);
    if (self.visible.release != NULL)
        ArrowSchemaRelease(&self.visible);
    if (code != WALROW_OK)
        walrow__condition_release(condition);
    return code;
}

void
walrow__condition_release(walrow__condition *condition)
{
    free(condition->sql);
    free(condition->columns);
    if (condition->schema.release != NULL)
        ArrowSchemaRelease(&condition->schema);
    *condition = (walrow__condition){0};
}
