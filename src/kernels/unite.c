#include "kernels/unite.h"

#include "base/error.h"
#include "columns/batch.h"
#include "kernels/take.h"

#include <stdlib.h>

/* ---- the schema ---- */

static void
drop_schema(walrow__union *united)
{
    walrow__rows_release(&united->rows);
    if (united->schema.release != NULL)
        ArrowSchemaRelease(&united->schema);
}

void
walrow__union_release(walrow__union *united)
{
    drop_schema(united);
    if (united->sample.release != NULL)
        ArrowSchemaRelease(&united->sample);
    for (int i = 0; i < united->n_columns; i++) {
        if (united->columns[i].field.release != NULL)
            ArrowSchemaRelease(&united->columns[i].field);
        free(united->columns[i].table);
    }
    free(united->columns);
    memset(united, 0, sizeof *united);
}

static int
find_column(const walrow__union *united, const char *name)
{
    for (int i = 0; i < united->n_columns; i++)
        if (strcmp(united->columns[i].field.name, name) == 0)
            return i;
    return -1;
}

static const char *
type_of(const struct ArrowSchema *field, char *buffer, size_t size)
{
    ArrowSchemaToString(field, buffer, (int64_t)size, true);
    return buffer;
}

static walrow_code
fail_of_conflict(const walrow__union_column *has, const struct ArrowSchema *field, const char *table,
                 walrow_error *err)
{
    char one[100], other[100];
    walrow__fail(err, WALROW_ERR_USAGE,
                 "%s and %s cannot be merged: column \"%s\" is %s in one and %s in the other", has->table,
                 table, field->name, type_of(&has->field, one, sizeof one),
                 type_of(field, other, sizeof other));
    return walrow__hint(err, "--type %s.%s=utf8 makes a column text, in both tables", table, field->name);
}

static walrow_code
add_column(walrow__union *united, const struct ArrowSchema *field, const char *table, walrow_error *err)
{
    int known = find_column(united, field->name);
    if (known >= 0)
        return walrow__same_type(&united->columns[known].field, field)
                   ? WALROW_OK
                   : fail_of_conflict(&united->columns[known], field, table, err);
    size_t size = ((size_t)united->n_columns + 1) * sizeof *united->columns;
    walrow__union_column *columns = realloc(united->columns, size);
    if (columns == NULL)
        return walrow__fail_memory(err);
    united->columns = columns;
    walrow__union_column *column = &columns[united->n_columns++];
    *column = (walrow__union_column){.table = strdup(table)};
    if (column->table == NULL || ArrowSchemaDeepCopy(field, &column->field) != NANOARROW_OK)
        return walrow__fail_memory(err);
    drop_schema(united);
    return WALROW_OK;
}

static walrow_code
add_table(walrow__union *united, const walrow__part *part, walrow_error *err)
{
    if (united->sample.release == NULL && ArrowSchemaDeepCopy(part->schema, &united->sample) != NANOARROW_OK)
        return walrow__fail_memory(err);
    if (!united->prefixed &&
        strcmp(part->schema->children[WALROW__OP]->name, walrow__meta_name(false, WALROW__OP)) != 0) {
        united->prefixed = true;
        drop_schema(united);
    }
    for (int64_t i = WALROW__N_META; i < part->schema->n_children; i++)
        WALROW_TRY(add_column(united, part->schema->children[i], part->table, err));
    return WALROW_OK;
}

static ArrowErrorCode
replace(struct ArrowSchema *field, const struct ArrowSchema *with)
{
    ArrowSchemaRelease(field);
    return ArrowSchemaDeepCopy(with, field);
}

static ArrowErrorCode
make_old(const walrow__union *united, struct ArrowSchema *field)
{
    ArrowSchemaRelease(field);
    ArrowSchemaInit(field);
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeStruct(field, united->n_columns));
    for (int i = 0; i < united->n_columns; i++)
        NANOARROW_RETURN_NOT_OK(replace(field->children[i], &united->columns[i].field));
    return NANOARROW_OK;
}

static ArrowErrorCode
make_schema(walrow__union *united, struct ArrowSchema *out)
{
    ArrowSchemaInit(out);
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeStruct(out, WALROW__N_META + united->n_columns + 1));
    for (int i = 0; i < WALROW__OLD; i++)
        NANOARROW_RETURN_NOT_OK(replace(out->children[i], united->sample.children[i]));
    NANOARROW_RETURN_NOT_OK(make_old(united, out->children[WALROW__OLD]));
    for (int i = 0; i < WALROW__N_META; i++)
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(out->children[i], walrow__meta_name(united->prefixed, i)));
    for (int i = 0; i < united->n_columns; i++)
        NANOARROW_RETURN_NOT_OK(replace(out->children[WALROW__N_META + i], &united->columns[i].field));
    struct ArrowSchema *table = out->children[WALROW__N_META + united->n_columns];
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetType(table, NANOARROW_TYPE_STRING));
    return ArrowSchemaSetName(table, find_column(united, "_table") < 0 ? "_table" : "_walrow_table");
}

walrow_code
walrow__union_add(walrow__union *united, const walrow__part *parts, size_t n, walrow_error *err)
{
    for (size_t i = 0; i < n; i++)
        WALROW_TRY(add_table(united, &parts[i], err));
    if (united->schema.release != NULL)
        return WALROW_OK;
    if (make_schema(united, &united->schema) != NANOARROW_OK)
        return walrow__fail_memory(err);
    return walrow__rows_init(&united->rows, &united->schema, err);
}

/* ---- the rows ---- */

/* A part as if it had all the columns: nothing is owned but the lists of pointers. */
typedef struct aligned {
    const walrow__part *part;
    int64_t row; /* the next one */
    struct ArrowArray old;
    const struct ArrowArray **columns; /* meta and the union's; of _old the union's */
    struct ArrowArray **old_columns;
} aligned;

/* Any number of nulls: walrow__column_take looks no further. */
static struct ArrowArray nothing = {.length = 1, .null_count = 1};

static struct ArrowArray *
child_named(const struct ArrowArray *array, const struct ArrowSchema *schema, int64_t first, const char *name)
{
    for (int64_t i = first; i < schema->n_children; i++)
        if (strcmp(schema->children[i]->name, name) == 0)
            return array->children[i];
    return &nothing;
}

static walrow_code
align(const walrow__union *united, const walrow__part *part, aligned *out, walrow_error *err)
{
    const struct ArrowSchema *schema = part->schema;
    size_t n = (size_t)united->n_columns;
    *out = (aligned){.part = part, .old = *part->array->children[WALROW__OLD]};
    out->columns = calloc(WALROW__N_META + n, sizeof *out->columns);
    out->old_columns = calloc(n + 1, sizeof *out->old_columns);
    if (out->columns == NULL || out->old_columns == NULL)
        return walrow__fail_memory(err);
    for (int i = 0; i < WALROW__OLD; i++)
        out->columns[i] = part->array->children[i];
    for (size_t i = 0; i < n; i++) {
        const char *name = united->columns[i].field.name;
        out->columns[WALROW__N_META + i] = child_named(part->array, schema, WALROW__N_META, name);
        out->old_columns[i] = child_named(&out->old, schema->children[WALROW__OLD], 0, name);
    }
    out->old.children = out->old_columns;
    out->old.n_children = united->n_columns;
    return WALROW_OK;
}

static bool
is_before(const aligned *a, const aligned *b)
{
    return walrow__position_compare(walrow__batch_position(a->part->array, a->row),
                                    walrow__batch_position(b->part->array, b->row)) < 0;
}

static bool
has_row(const aligned *part)
{
    return part->row < part->part->array->length;
}

/* The part whose row is next; NULL: there are none. */
static aligned *
next_part(aligned *parts, size_t n)
{
    aligned *first = NULL;
    for (size_t i = 0; i < n; i++)
        if (has_row(&parts[i]) && (first == NULL || is_before(&parts[i], first)))
            first = &parts[i];
    return first;
}

static bool
append_run(walrow__union *united, const aligned *from, const uint32_t *rows, int64_t n)
{
    walrow__column *columns = united->rows.column.children;
    for (int i = 0; i < WALROW__N_META + united->n_columns; i++) {
        const struct ArrowArray *src = i == WALROW__OLD ? &from->old : from->columns[i];
        if (walrow__column_take(&columns[i], src, rows, n) != WALROW__APPENDED)
            return false;
    }
    walrow__column *table = &columns[WALROW__N_META + united->n_columns];
    size_t size = strlen(from->part->table);
    for (int64_t i = 0; i < n; i++)
        if (walrow__column_append_utf8(table, from->part->table, size) != WALROW__APPENDED)
            return false;
    united->rows.column.length += n;
    return true;
}

/* rows: 0, 1, 2 ... */
static bool
append_all(walrow__union *united, aligned *parts, size_t n, const uint32_t *rows)
{
    for (aligned *from; (from = next_part(parts, n)) != NULL;) {
        int64_t start = from->row++;
        while (has_row(from) && next_part(parts, n) == from)
            from->row++;
        if (!append_run(united, from, rows + start, from->row - start))
            return false;
    }
    return true;
}

static uint32_t *
numbers_for(const walrow__part *parts, size_t n)
{
    int64_t longest = 0;
    for (size_t i = 0; i < n; i++)
        if (parts[i].array->length > longest)
            longest = parts[i].array->length;
    uint32_t *numbers = malloc((size_t)(longest + 1) * sizeof *numbers);
    for (int64_t i = 0; numbers != NULL && i < longest; i++)
        numbers[i] = (uint32_t)i;
    return numbers;
}

walrow_code
walrow__union_rows(walrow__union *united, const walrow__part *parts, size_t n, struct ArrowArray *out,
                   walrow_error *err)
{
    aligned *from = calloc(n + 1, sizeof *from);
    uint32_t *numbers = numbers_for(parts, n);
    walrow_code code = from == NULL || numbers == NULL ? walrow__fail_memory(err) : WALROW_OK;
    for (size_t i = 0; i < n && code == WALROW_OK; i++)
        code = align(united, &parts[i], &from[i], err);
    if (code == WALROW_OK && !append_all(united, from, n, numbers))
        code = walrow__fail_memory(err);
    if (code == WALROW_OK)
        code = walrow__rows_take(&united->rows, out, err);
    for (size_t i = 0; from != NULL && i < n; i++) {
        free(from[i].columns);
        free(from[i].old_columns);
    }
    free(from);
    free(numbers);
    return code;
}
