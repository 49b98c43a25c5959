#include "query/projection.h"

#include "base/error.h"
#include "base/nearest.h"
#include "base/parse.h"
#include "columns/column.h"
#include "kernels/slice.h"
#include "kernels/take.h"
#include "pg/patterns.h"
#include "query/rules.h"

#include <stdlib.h>
#include <string.h>

/* ---- which columns ---- */

static int
find_column(const walrow__table *table, const char *name)
{
    int i = 0;
    while (i < table->n_columns && strcmp(table->columns[i].name, name) != 0)
        i++;
    return i;
}

typedef struct choice {
    const walrow__rules *rules;
    const walrow__rule *rule; /* the one that is read */
    const walrow__table *table;
    bool *wanted; /* of each column */
    bool any;
} choice;

static walrow_code
want(choice *self, const char *name, walrow_error *err)
{
    const walrow__table *table = self->table;
    int column = find_column(table, name);
    if (column < table->n_columns) {
        self->wanted[column] = self->any = true;
        return WALROW_OK;
    }
    char near[256];
    walrow__nearest nearest;
    walrow__nearest_init(&nearest, name);
    for (int i = 0; i < table->n_columns; i++)
        walrow__nearest_offer(&nearest, table->columns[i].name);
    walrow__rule_fail(self->rules, self->rule, err, "table %s.%s has no column \"%s\"", table->schema_name,
                      table->name, name);
    if (nearest.count == 0)
        return walrow__hint(err, "\"walrow tables --columns\" lists what there is");
    return walrow__hint(err, "did you mean %s?", walrow__nearest_text(&nearest, near, sizeof near));
}

static walrow_code
want_item(choice *self, const char *item, walrow_error *err)
{
    char *name = NULL;
    const char *rest = walrow__parse_names(item, &name, 1);
    walrow_code code;
    if (rest != NULL && *rest == '\0')
        code = want(self, name, err);
    else {
        walrow__rule_fail(self->rules, self->rule, err, "\"%s\" is not a column's name", item);
        code = walrow__hint(err, "names are separated by commas; quote odd ones as in SQL: id,\"Odd, Name\"");
    }
    free(name);
    return code;
}

/* The first item of a list without the blanks around it. */
static char *
copy_item(const char *list, size_t size)
{
    size_t start = strspn(list, " \t\n");
    while (size > start && strchr(" \t\n", list[size - 1]) != NULL)
        size--;
    return strndup(list + start, size > start ? size - start : 0);
}

static walrow_code
want_list(choice *self, const char *list, walrow_error *err)
{
    for (;;) {
        size_t size = walrow__patterns_span(list, ',');
        char *item = copy_item(list, size);
        walrow_code code = item == NULL ? walrow__fail_memory(err) : want_item(self, item, err);
        free(item);
        if (code != WALROW_OK || list[size] == '\0')
            return code;
        list += size + 1;
    }
}

static bool
key_is_everything(const walrow__table *table)
{
    for (int i = 0; i < table->n_columns; i++)
        if (!table->columns[i].is_key)
            return false;
    return true;
}

static walrow_code
check_key(const choice *self, walrow_error *err)
{
    const walrow__table *table = self->table;
    if (key_is_everything(table))
        return WALROW_OK;
    for (int i = 0; i < table->n_columns; i++)
        if (table->columns[i].is_key && !self->wanted[i]) {
            walrow__rule_fail(self->rules, self->rule, err, "column \"%s\" is of the key of %s.%s",
                              table->columns[i].name, table->schema_name, table->name);
            return walrow__hint(err,
                                "add it: without the whole key nobody can tell which row a change is of");
        }
    return WALROW_OK;
}

static walrow_code
choose(choice *self, walrow_error *err)
{
    const walrow__rule *matching = NULL;
    for (size_t i = 0; i < self->rules->count; i++) {
        self->rule = &self->rules->items[i];
        if (!walrow__rule_matches(self->rule, self->table->schema_name, self->table->name))
            continue;
        WALROW_TRY(want_list(self, self->rule->text, err));
        matching = self->rule;
    }
    self->rule = matching;
    return matching == NULL ? WALROW_OK : check_key(self, err);
}

/* ---- life ---- */

static walrow_code
make(const walrow__table *table, const bool *wanted, walrow__projection *out, walrow_error *err)
{
    int n = 0;
    out->columns = calloc((size_t)table->n_columns + 1, sizeof *out->columns);
    if (out->columns == NULL)
        return walrow__fail_memory(err);
    for (int i = 0; i < table->n_columns; i++)
        if (wanted[i])
            out->columns[n++] = i;
    return walrow__table_project(table, out->columns, n, &out->table, err);
}

static walrow_code
new_projection(const walrow__table *table, const bool *wanted, walrow__projection **out, walrow_error *err)
{
    walrow__projection *projection = calloc(1, sizeof *projection);
    if (projection == NULL)
        return walrow__fail_memory(err);
    walrow_code code = make(table, wanted, projection, err);
    if (code == WALROW_OK)
        *out = projection;
    else
        walrow__projection_free(projection);
    return code;
}

walrow_code
walrow__projection_new(const walrow__rules *rules, const walrow__table *table, walrow__projection **out,
                       walrow_error *err)
{
    choice self = {.rules = rules, .table = table};
    *out = NULL;
    self.wanted = calloc((size_t)table->n_columns + 1, sizeof *self.wanted);
    if (self.wanted == NULL)
        return walrow__fail_memory(err);
    walrow_code code = choose(&self, err);
    if (code == WALROW_OK && self.any)
        code = new_projection(table, self.wanted, out, err);
    free(self.wanted);
    return code;
}

void
walrow__projection_free(walrow__projection *projection)
{
    if (projection == NULL)
        return;
    walrow__table_unref(projection->table);
    free(projection->columns);
    free(projection);
}

bool
walrow__projection_has(const walrow__projection *projection, const char *column)
{
    return find_column(projection->table, column) < projection->table->n_columns;
}

/* ---- _unchanged without the names of columns that are gone ---- */

static bool
append_name(const walrow__projection *projection, const struct ArrowArray *names, int64_t i, bool *any,
            walrow__column *out)
{
    const int32_t *offsets = (const int32_t *)names->buffers[1] + names->offset;
    const char *text = (const char *)names->buffers[2] + offsets[i];
    size_t size = (size_t)(offsets[i + 1] - offsets[i]);
    for (int c = 0; c < projection->table->n_columns; c++) {
        const char *name = projection->table->columns[c].name;
        if (strlen(name) != size || memcmp(name, text, size) != 0)
            continue;
        *any = true;
        return walrow__column_append_utf8(out, text, size) == WALROW__APPENDED;
    }
    return true;
}

static bool
append_names(const walrow__projection *projection, const struct ArrowArray *lists, int64_t row,
             walrow__column *out)
{
    const int32_t *offsets = (const int32_t *)lists->buffers[1] + lists->offset;
    bool any = false, good = true;
    bool is_null = walrow__may_have_nulls(lists) && !ArrowBitGet(lists->buffers[0], lists->offset + row);
    for (int32_t i = offsets[row]; good && !is_null && i < offsets[row + 1]; i++)
        good = append_name(projection, lists->children[0], i, &any, &out->children[0]);
    if (good && any)
        return walrow__column_append_nested(out) == WALROW__APPENDED;
    walrow__column_append_nulls(out, 1);
    return good;
}

static walrow_code
project_unchanged(const walrow__projection *projection, struct ArrowArray *lists, walrow_error *err)
{
    walrow__column column;
    struct ArrowArray fresh;
    if (lists->null_count == lists->length)
        return WALROW_OK;
    WALROW_TRY(
        walrow__column_init(&column, walrow__table_unchanged_type(), ArrowBufferAllocatorDefault(), err));
    bool good = true;
    for (int64_t row = 0; good && row < lists->length; row++)
        good = append_names(projection, lists, row, &column);
    walrow_code code = good ? walrow__column_finish(&column, &fresh, err) : walrow__fail_memory(err);
    walrow__column_release(&column);
    WALROW_TRY(code);
    ArrowArrayRelease(lists);
    ArrowArrayMove(&fresh, lists);
    return WALROW_OK;
}

/* ---- batches ---- */

static walrow_code
keep_columns(const walrow__projection *projection, struct ArrowArray *batch, walrow_error *err)
{
    int n = projection->table->n_columns;
    int *children = malloc((size_t)(WALROW__N_META + n) * sizeof *children);
    if (children == NULL)
        return walrow__fail_memory(err);
    for (int i = 0; i < WALROW__N_META; i++)
        children[i] = i;
    for (int i = 0; i < n; i++)
        children[WALROW__N_META + i] = WALROW__N_META + projection->columns[i];
    walrow__slice_keep(batch, children, WALROW__N_META + n);
    walrow__slice_keep(batch->children[WALROW__OLD], projection->columns, n);
    free(children);
    return project_unchanged(projection, batch->children[WALROW__UNCHANGED], err);
}

walrow_code
walrow__projection_apply(const walrow__projection *projection, struct ArrowArray *batch, walrow_error *err)
{
    struct ArrowArray slice;
    int64_t length = batch->length;
    walrow__shared *shared = walrow__shared_new(batch);
    if (shared == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__slice(shared, 0, length, &slice, err);
    walrow__shared_unref(shared);
    WALROW_TRY(code);
    ArrowArrayMove(&slice, batch);
    return keep_columns(projection, batch, err);
}
