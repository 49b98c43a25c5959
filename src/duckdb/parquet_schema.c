#include "duckdb/parquet_schema.h"

#include "base/error.h"
#include "base/json.h"
#include "columns/ipc.h"

#include <stdio.h>
#include <string.h>

typedef enum conversion {
    KEEP,
    DECIMAL_TO_TEXT,
    RAISE_PRECISION,
    INTERVAL_TO_STRUCT,
    EMPTY_TO_BOOL,
    MEND_INFINITY
} conversion;

enum { MAX_PRECISION = 38 }; /* of DuckDB's DECIMAL */

static walrow_code
fail(ArrowErrorCode code, const struct ArrowSchema *schema, const struct ArrowError *error, walrow_error *err)
{
    if (code == ENOMEM)
        return walrow__fail_memory(err);
    return walrow__fail(err, WALROW_ERR_UNEXPECTED, "cannot adapt column \"%s\" (%s) for Parquet: %s",
                        schema->name == NULL ? "" : schema->name, schema->format, error->message);
}

static conversion
conversion_of_decimal(const struct ArrowSchemaView *view)
{
    if (view->type == NANOARROW_TYPE_DECIMAL256 || view->decimal_scale < 0 ||
        view->decimal_scale > MAX_PRECISION)
        return DECIMAL_TO_TEXT;
    return view->decimal_scale > view->decimal_precision ? RAISE_PRECISION : KEEP;
}

static walrow_code
find_conversion(walrow__adapt_for target, const struct ArrowSchema *schema, struct ArrowSchemaView *view,
                conversion *out, walrow_error *err)
{
    struct ArrowError error = {.message = ""};
    ArrowErrorCode code = ArrowSchemaViewInit(view, schema, &error);
    if (code != NANOARROW_OK)
        return fail(code, schema, &error, err);
    *out = KEEP;
    if (view->type == NANOARROW_TYPE_DECIMAL128 || view->type == NANOARROW_TYPE_DECIMAL256)
        *out = conversion_of_decimal(view);
    else if (view->type == NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO && target == WALROW__FOR_PARQUET)
        *out = INTERVAL_TO_STRUCT;
    else if (view->type == NANOARROW_TYPE_STRUCT && schema->n_children == 0)
        *out = EMPTY_TO_BOOL;
    else if (target == WALROW__FOR_TABLE &&
             (view->type == NANOARROW_TYPE_DATE32 || view->type == NANOARROW_TYPE_TIMESTAMP))
        *out = MEND_INFINITY;
    return WALROW_OK;
}

/* ---- the schema ---- */

static ArrowErrorCode
set_interval_struct(struct ArrowSchema *schema)
{
    static const struct {
        const char *name;
        enum ArrowType type;
    } fields[] = {
        {"months", NANOARROW_TYPE_INT32},
        {"days", NANOARROW_TYPE_INT32},
        {"microseconds", NANOARROW_TYPE_INT64},
    };
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeStruct(schema, 3));
    for (int i = 0; i < 3; i++) {
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetType(schema->children[i], fields[i].type));
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(schema->children[i], fields[i].name));
    }
    return NANOARROW_OK;
}

/* schema is our own deep copy, made by nanoarrow */
static walrow_code
convert_schema(walrow__adapt_for target, struct ArrowSchema *schema, walrow_error *err)
{
    struct ArrowSchemaView view;
    conversion what = KEEP;
    WALROW_TRY(find_conversion(target, schema, &view, &what, err));
    ArrowErrorCode code = NANOARROW_OK;
    int32_t scale = view.decimal_scale;
    switch (what) {
    case KEEP:
    case MEND_INFINITY:
        break;
    case DECIMAL_TO_TEXT:
        code = ArrowSchemaSetType(schema, NANOARROW_TYPE_STRING);
        break;
    case RAISE_PRECISION:
        code = ArrowSchemaSetTypeDecimal(schema, NANOARROW_TYPE_DECIMAL128, scale, scale);
        break;
    case INTERVAL_TO_STRUCT:
        code = set_interval_struct(schema);
        break;
    case EMPTY_TO_BOOL:
        code = ArrowSchemaSetType(schema, NANOARROW_TYPE_BOOL);
        break;
    }
    if (code != NANOARROW_OK)
        return walrow__fail_memory(err);
    for (int64_t i = 0; what == KEEP && i < schema->n_children; i++)
        WALROW_TRY(convert_schema(target, schema->children[i], err));
    return WALROW_OK;
}

static int
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

/* As DuckDB compares identifiers: only ASCII letters fold. */
static bool
same_identifier(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b))
        a++, b++;
    return lower(*a) == lower(*b);
}

/* A column before the given one, or (among = n_children) any other, has this name. */
static bool
name_taken(const struct ArrowSchema *schema, int64_t column, int64_t among, const char *name)
{
    for (int64_t i = 0; i < among; i++)
        if (i != column && same_identifier(schema->children[i]->name, name))
            return true;
    return false;
}

static walrow_code
make_names_unique(walrow__adapt_for target, struct ArrowSchema *schema, walrow_error *err)
{
    bool is_struct = strcmp(schema->format, "+s") == 0;
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (target == WALROW__FOR_TABLE)
            WALROW_TRY(make_names_unique(target, schema->children[i], err));
        if (!is_struct || !name_taken(schema, i, i, schema->children[i]->name))
            continue;
        char name[256]; /* PostgreSQL's names have up to 63 bytes */
        int suffix = 0;
        do
            snprintf(name, sizeof name, "%.200s_%d", schema->children[i]->name, ++suffix);
        while (name_taken(schema, i, schema->n_children, name));
        if (ArrowSchemaSetName(schema->children[i], name) != NANOARROW_OK)
            return walrow__fail_memory(err);
    }
    return WALROW_OK;
}

walrow_code
walrow__parquet_adapt_schema(walrow__adapt_for target, const struct ArrowSchema *schema,
                             struct ArrowSchema *out, walrow_error *err)
{
    if (schema->n_children == 0)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "a Parquet file needs at least one column");
    if (ArrowSchemaDeepCopy(schema, out) != NANOARROW_OK)
        return walrow__fail_memory(err);
    walrow_code code = convert_schema(target, out, err);
    if (code == WALROW_OK)
        code = make_names_unique(target, out, err);
    if (code != WALROW_OK)
        ArrowSchemaRelease(out);
    return code;
}

/* ---- the arrays ---- */

/* nanoarrow can append to a buffer too, but looks for the sign at its first byte: so scratch holds one value
 */
static ArrowErrorCode
append_decimal(struct ArrowArray *out, struct ArrowDecimal *decimal, struct ArrowBuffer *scratch)
{
    scratch->size_bytes = 0;
    NANOARROW_RETURN_NOT_OK(ArrowDecimalAppendStringToBuffer(decimal, scratch));
    /* zero times 100 is 0, not 000 */
    if (decimal->scale < 0 && scratch->data[0] == '0')
        scratch->size_bytes = 1;
    return ArrowArrayAppendString(out,
                                  (struct ArrowStringView){(const char *)scratch->data, scratch->size_bytes});
}

static ArrowErrorCode
append_interval(struct ArrowArray *out, const struct ArrowInterval *interval)
{
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendInt(out->children[0], interval->months));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendInt(out->children[1], interval->days));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendInt(out->children[2], interval->ns / 1000));
    return ArrowArrayFinishElement(out);
}

/* what each row of one array is read with */
typedef struct source {
    struct ArrowArrayView view;
    struct ArrowDecimal decimal;
    struct ArrowInterval interval;
    struct ArrowBuffer scratch;
} source;

static ArrowErrorCode
append_row(struct ArrowArray *out, conversion what, source *source, int64_t row)
{
    if (ArrowArrayViewIsNull(&source->view, row))
        return ArrowArrayAppendNull(out, 1);
    switch (what) {
    case DECIMAL_TO_TEXT:
        ArrowArrayViewGetDecimalUnsafe(&source->view, row, &source->decimal);
        return append_decimal(out, &source->decimal, &source->scratch);
    case INTERVAL_TO_STRUCT:
        ArrowArrayViewGetIntervalUnsafe(&source->view, row, &source->interval);
        return append_interval(out, &source->interval);
    case EMPTY_TO_BOOL:
        return ArrowArrayAppendInt(out, 1);
    case KEEP:
    case RAISE_PRECISION:
    case MEND_INFINITY:
        break;
    }
    return EINVAL;
}

static ArrowErrorCode
build_rows(struct ArrowArray *out, const struct ArrowSchema *schema, conversion what, source *source,
           struct ArrowError *error)
{
    struct ArrowSchema type;
    NANOARROW_RETURN_NOT_OK(ArrowSchemaDeepCopy(schema, &type));
    /* what is replaced becomes the same for whatever it is */
    ArrowErrorCode code =
        convert_schema(WALROW__FOR_PARQUET, &type, NULL) == WALROW_OK ? NANOARROW_OK : ENOMEM;
    if (code == NANOARROW_OK)
        code = ArrowArrayInitFromSchema(out, &type, error);
    ArrowSchemaRelease(&type);
    NANOARROW_RETURN_NOT_OK(code);

    NANOARROW_RETURN_NOT_OK(ArrowArrayStartAppending(out));
    NANOARROW_RETURN_NOT_OK(ArrowArrayReserve(out, source->view.length));
    for (int64_t row = 0; row < source->view.length; row++)
        NANOARROW_RETURN_NOT_OK(append_row(out, what, source, row));
    return ArrowArrayFinishBuildingDefault(out, error);
}

static walrow_code
replace(const struct ArrowSchema *schema, const struct ArrowSchemaView *type, conversion what,
        struct ArrowArray *array, walrow_error *err)
{
    struct ArrowArray made = {.release = NULL};
    struct ArrowError error = {.message = ""};
    source source = {.view.storage_type = NANOARROW_TYPE_UNINITIALIZED};
    ArrowBufferInit(&source.scratch);
    ArrowDecimalInit(&source.decimal, type->decimal_bitwidth, type->decimal_precision, type->decimal_scale);
    ArrowIntervalInit(&source.interval, NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO);

    ArrowErrorCode code = ArrowArrayViewInitFromSchema(&source.view, schema, &error);
    if (code == NANOARROW_OK)
        code = ArrowArrayViewSetArray(&source.view, array, &error);
    if (code == NANOARROW_OK)
        code = build_rows(&made, schema, what, &source, &error);
    ArrowArrayViewReset(&source.view);
    ArrowBufferReset(&source.scratch);
    if (code == NANOARROW_OK) {
        ArrowArrayRelease(array);
        ArrowArrayMove(&made, array);
        return WALROW_OK;
    }
    if (made.release != NULL)
        ArrowArrayRelease(&made);
    return fail(code, schema, &error, err);
}

static void
mend_infinity(struct ArrowArray *array, bool is_date)
{
    int64_t end = array->offset + array->length;
    int32_t *days = (int32_t *)array->buffers[1];
    int64_t *times = (int64_t *)array->buffers[1];
    for (int64_t i = array->offset; i < end; i++)
        if (is_date && days[i] == INT32_MIN)
            days[i] = -INT32_MAX;
        else if (!is_date && times[i] == INT64_MIN)
            times[i] = -INT64_MAX;
}

walrow_code
walrow__parquet_adapt_array(walrow__adapt_for target, const struct ArrowSchema *schema,
                            struct ArrowArray *batch, walrow_error *err)
{
    struct ArrowSchemaView view;
    conversion what = KEEP;
    WALROW_TRY(find_conversion(target, schema, &view, &what, err));
    if (what == MEND_INFINITY)
        mend_infinity(batch, view.type == NANOARROW_TYPE_DATE32);
    else if (what != KEEP && what != RAISE_PRECISION)
        return replace(schema, &view, what, batch, err);
    /* DuckDB 1.5 forgets a struct's offset for the structs inside it, and would write other rows' values */
    if (view.type == NANOARROW_TYPE_STRUCT && batch->offset != 0)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED,
                            "a struct with an offset cannot be written as Parquet");
    for (int64_t i = 0; i < schema->n_children; i++)
        WALROW_TRY(walrow__parquet_adapt_array(target, schema->children[i], batch->children[i], err));
    return WALROW_OK;
}

/* ---- the file's metadata ---- */

static bool
starts_with(struct ArrowStringView text, const char *prefix)
{
    size_t size = strlen(prefix);
    return (size_t)text.size_bytes >= size && memcmp(text.data, prefix, size) == 0;
}

/* ,"pg.type":"..." for each: false if the field has none, and is therefore none of the table's columns */
static bool
add_pg_metadata(walrow__strbuf *json, const struct ArrowSchema *field)
{
    struct ArrowMetadataReader reader;
    struct ArrowStringView key, value;
    bool found = false;
    ArrowMetadataReaderInit(&reader, field->metadata);
    while (ArrowMetadataReaderRead(&reader, &key, &value) == NANOARROW_OK) {
        if (!starts_with(key, "pg."))
            continue;
        found = true;
        walrow__strbuf_add_char(json, ',');
        walrow__json_add_string(json, key.data, (size_t)key.size_bytes);
        walrow__strbuf_add_char(json, ':');
        walrow__json_add_string(json, value.data, (size_t)value.size_bytes);
    }
    return found;
}

static void
add_columns(walrow__strbuf *json, const struct ArrowSchema *schema, const struct ArrowSchema *adapted)
{
    walrow__strbuf_add_char(json, '[');
    for (int64_t i = 0; i < schema->n_children; i++) {
        size_t before = json->size;
        walrow__strbuf_add_text(json, before > 1 ? ",{" : "{");
        walrow__json_add_key(json, "column");
        walrow__json_add_text(json, adapted->children[i]->name);
        walrow__strbuf_add_char(json, ',');
        walrow__json_add_key(json, "name");
        walrow__json_add_text(json, schema->children[i]->name);
        if (add_pg_metadata(json, schema->children[i]))
            walrow__strbuf_add_char(json, '}');
        else
            json->size = before;
    }
    walrow__strbuf_add_char(json, ']');
}

static walrow_code
keep_bytes(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    (void)err;
    walrow__strbuf_add(arg, bytes, size);
    return WALROW_OK;
}

static walrow_code
add_arrow_schema(walrow__strbuf *base64, const struct ArrowSchema *adapted, walrow_error *err)
{
    walrow__ipc_writer writer;
    walrow__strbuf message;
    walrow__strbuf_init(&message);
    walrow_code code = walrow__ipc_open(&writer, WALROW__IPC_STREAM, adapted, keep_bytes, &message, err);
    if (code == WALROW_OK) {
        walrow__ipc_release(&writer);
        walrow__json_add_base64(base64, message.data, message.size);
        base64->failed |= message.failed;
    }
    walrow__strbuf_release(&message);
    return code;
}

walrow_code
walrow__parquet_metadata(const struct ArrowSchema *schema, const struct ArrowSchema *adapted,
                         walrow__parquet_pair_fn fn, void *arg, walrow_error *err)
{
    struct ArrowMetadataReader reader;
    struct ArrowStringView key, value;
    ArrowMetadataReaderInit(&reader, schema->metadata);
    while (ArrowMetadataReaderRead(&reader, &key, &value) == NANOARROW_OK)
        fn(arg, key, value);

    walrow__strbuf columns, arrow_schema;
    walrow__strbuf_init(&columns);
    walrow__strbuf_init(&arrow_schema);
    add_columns(&columns, schema, adapted);
    walrow_code code = add_arrow_schema(&arrow_schema, adapted, err);
    if (code == WALROW_OK && (columns.failed || arrow_schema.failed))
        code = walrow__fail_memory(err);
    if (code == WALROW_OK) {
        fn(arg, ArrowCharView("pg.columns"), (struct ArrowStringView){columns.data, (int64_t)columns.size});
        /* without the quotes that JSON puts around it */
        fn(arg, ArrowCharView("ARROW:schema"),
           (struct ArrowStringView){arrow_schema.data + 1, (int64_t)arrow_schema.size - 2});
    }
    walrow__strbuf_release(&columns);
    walrow__strbuf_release(&arrow_schema);
    return code;
}
