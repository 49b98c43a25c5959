#include "kernels/rows.h"

#include "base/error.h"
#include "columns/append.h"
#include "columns/batch.h"

#include <stdlib.h>
#include <string.h>

/*
 * Copying asks only for a type's layout, so any kind of the same layout will do: int64 for the unsigned LSN.
 * Formats: Arrow specification, "The Arrow C data interface", as the type table makes them.
 */
static const struct {
    const char *format;
    bool prefix; /* parameters follow */
    walrow__kind kind;
} formats[] = {
    {"b", false, WALROW__BOOL},        {"s", false, WALROW__INT16},      {"i", false, WALROW__INT32},
    {"I", false, WALROW__UINT32},      {"l", false, WALROW__INT64},      {"L", false, WALROW__INT64},
    {"f", false, WALROW__FLOAT32},     {"g", false, WALROW__FLOAT64},    {"u", false, WALROW__UTF8},
    {"z", false, WALROW__BINARY},      {"tdD", false, WALROW__DATE32},   {"ttu", false, WALROW__TIME64},
    {"tsu:", true, WALROW__TIMESTAMP}, {"tin", false, WALROW__INTERVAL}, {"w:16", false, WALROW__UUID},
    {"d:", true, WALROW__DECIMAL128},  {"+l", false, WALROW__LIST},      {"+m", false, WALROW__MAP},
    {"+s", false, WALROW__STRUCT},
};

static bool
find_kind(const struct ArrowSchema *schema, walrow__kind *out)
{
    const char *format = schema->format;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t size = strlen(formats[i].format);
        if (formats[i].prefix ? strncmp(format, formats[i].format, size) == 0
                              : strcmp(format, formats[i].format) == 0) {
            *out = formats[i].kind;
            size_t all = strlen(format);
            if (*out == WALROW__DECIMAL128 && all > 4 && strcmp(format + all - 4, ",256") == 0)
                *out = WALROW__DECIMAL256;
            return true;
        }
    }
    return false;
}

bool
walrow__same_type(const struct ArrowSchema *a, const struct ArrowSchema *b)
{
    if (strcmp(a->format, b->format) != 0 || a->n_children != b->n_children)
        return false;
    for (int64_t i = 0; i < a->n_children; i++)
        if (!walrow__same_type(a->children[i], b->children[i]))
            return false;
    return true;
}

static walrow_code
init_type(walrow__type *type, const struct ArrowSchema *schema, walrow_error *err)
{
    memset(type, 0, sizeof *type);
    if (schema->dictionary != NULL || !find_kind(schema, &type->kind))
        return walrow__fail(err, WALROW_ERR_UNEXPECTED,
                            "column \"%s\" has an Arrow type walrow does not know: %s%s",
                            schema->name == NULL ? "" : schema->name, schema->format,
                            schema->dictionary == NULL ? "" : ", as a dictionary");
    if (type->kind == WALROW__MAP) /* its one child is the struct of key and value */
        schema = schema->children[0];
    type->children = calloc((size_t)schema->n_children + 1, sizeof *type->children);
    if (type->children == NULL)
        return walrow__fail_memory(err);
    for (int64_t i = 0; i < schema->n_children; i++) {
        type->n_children = (int)i + 1;
        WALROW_TRY(init_type(&type->children[i], schema->children[i], err));
    }
    return WALROW_OK;
}

static void
release_type(walrow__type *type)
{
    for (int i = 0; i < type->n_children; i++)
        release_type(&type->children[i]);
    free(type->children);
}

walrow_code
walrow__rows_init(walrow__rows *rows, const struct ArrowSchema *schema, walrow_error *err)
{
    memset(rows, 0, sizeof *rows);
    walrow_code code = init_type(&rows->type, schema, err);
    if (code == WALROW_OK)
        code = walrow__column_init(&rows->column, &rows->type, ArrowBufferAllocatorDefault(), err);
    if (code != WALROW_OK)
        walrow__rows_release(rows);
    return code;
}

void
walrow__rows_release(walrow__rows *rows)
{
    if (rows->column.type != NULL)
        walrow__column_release(&rows->column);
    release_type(&rows->type);
    memset(rows, 0, sizeof *rows);
}

static bool
fits(const walrow__type *type, const struct ArrowArray *array)
{
    bool is_map = type->kind == WALROW__MAP, has_offsets = walrow__has_offsets(type->kind);
    bool has_data = type->kind < WALROW__LIST;
    if (array->n_buffers != 1 + has_offsets + has_data ||
        array->n_children != (is_map ? 1 : type->n_children))
        return false;
    if (is_map && (array->children[0]->n_buffers != 1 || array->children[0]->n_children != type->n_children))
        return false;
    struct ArrowArray **children = is_map ? array->children[0]->children : array->children;
    for (int i = 0; i < type->n_children; i++)
        if (!fits(&type->children[i], children[i]))
            return false;
    return array->length >= 0 && array->offset >= 0;
}

walrow_code
walrow__rows_check(const walrow__rows *rows, const struct ArrowArray *batch, walrow_error *err)
{
    if (batch->release == NULL || !fits(&rows->type, batch))
        return walrow__fail(err, WALROW_ERR_USAGE, "the batch is not of the schema that came with it");
    return WALROW_OK;
}

walrow_code
walrow__rows_append(walrow__rows *rows, const struct ArrowArray *batch, int64_t start, int64_t n,
                    walrow_error *err)
{
    if (walrow__column_append_range(&rows->column, batch, start, n) != WALROW__APPENDED)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

walrow_code
walrow__rows_take(walrow__rows *rows, struct ArrowArray *out, walrow_error *err)
{
    return walrow__column_finish(&rows->column, out, err);
}

int64_t
walrow__rows_count(const walrow__rows *rows)
{
    return rows->column.length;
}

int64_t
walrow__rows_bytes(const walrow__rows *rows)
{
    return walrow__column_bytes(&rows->column);
}

int64_t
walrow__rows_first_from(const struct ArrowArray *batch, uint64_t lsn)
{
    int64_t low = 0, high = batch->length;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (walrow__batch_position(batch, middle).commit_lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
