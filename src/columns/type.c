#include "columns/type.h"

#include "base/error.h"
#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_DEPTH = 32,    /* of arrays, composites and domains in each other */
    MAX_TYPES = 16384, /* that one column is made of: composites that hold each other multiply */
    NUMERIC_OID = 1700
};

/* PostgreSQL's own types (src/include/catalog/pg_type.dat) that do not become plain utf8 without a binary
 * form. */
static const struct {
    uint32_t oid;
    walrow__kind kind;
    walrow__wire wire;
} builtin_types[] = {
    {16, WALROW__BOOL, WALROW__WIRE_PLAIN},          /* bool */
    {17, WALROW__BINARY, WALROW__WIRE_PLAIN},        /* bytea */
    {18, WALROW__UTF8, WALROW__WIRE_PRINTED},        /* "char" */
    {19, WALROW__UTF8, WALROW__WIRE_TEXT},           /* name */
    {20, WALROW__INT64, WALROW__WIRE_PLAIN},         /* int8 */
    {21, WALROW__INT16, WALROW__WIRE_PLAIN},         /* int2 */
    {23, WALROW__INT32, WALROW__WIRE_PLAIN},         /* int4 */
    {25, WALROW__UTF8, WALROW__WIRE_TEXT},           /* text */
    {26, WALROW__UINT32, WALROW__WIRE_PLAIN},        /* oid */
    {27, WALROW__UTF8, WALROW__WIRE_PRINTED},        /* tid */
    {28, WALROW__UTF8, WALROW__WIRE_PRINTED},        /* xid */
    {29, WALROW__UTF8, WALROW__WIRE_PRINTED},        /* cid */
    {114, WALROW__JSON, WALROW__WIRE_TEXT},          /* json */
    {600, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* point */
    {601, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* lseg */
    {602, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* path */
    {603, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* box */
    {604, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* polygon */
    {628, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* line */
    {650, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* cidr */
    {700, WALROW__FLOAT32, WALROW__WIRE_PLAIN},      /* float4 */
    {701, WALROW__FLOAT64, WALROW__WIRE_PLAIN},      /* float8 */
    {718, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* circle */
    {774, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* macaddr8 */
    {790, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* money */
    {829, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* macaddr */
    {869, WALROW__UTF8, WALROW__WIRE_PRINTED},       /* inet */
    {1042, WALROW__UTF8, WALROW__WIRE_TEXT},         /* char(n) */
    {1043, WALROW__UTF8, WALROW__WIRE_TEXT},         /* varchar */
    {1082, WALROW__DATE32, WALROW__WIRE_PLAIN},      /* date */
    {1083, WALROW__TIME64, WALROW__WIRE_PLAIN},      /* time */
    {1114, WALROW__TIMESTAMP, WALROW__WIRE_PLAIN},   /* timestamp */
    {1184, WALROW__TIMESTAMPTZ, WALROW__WIRE_PLAIN}, /* timestamptz */
    {1186, WALROW__INTERVAL, WALROW__WIRE_PLAIN},    /* interval */
    {1266, WALROW__UTF8, WALROW__WIRE_TIMETZ},       /* timetz */
    {1560, WALROW__UTF8, WALROW__WIRE_PRINTED},      /* bit */
    {1562, WALROW__UTF8, WALROW__WIRE_PRINTED},      /* varbit */
    {NUMERIC_OID, WALROW__UTF8, WALROW__WIRE_NUMERIC},
    {2950, WALROW__UUID, WALROW__WIRE_PLAIN},   /* uuid */
    {3614, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* tsvector */
    {3802, WALROW__JSON, WALROW__WIRE_JSONB},   /* jsonb */
    {3904, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* int4range */
    {3906, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* numrange */
    {3908, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* tsrange */
    {3910, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* tstzrange */
    {3912, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* daterange */
    {3926, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* int8range */
    {4072, WALROW__UTF8, WALROW__WIRE_JSONB},   /* jsonpath */
    {4451, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* int4multirange */
    {4532, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* nummultirange */
    {4533, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* tsmultirange */
    {4534, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* tstzmultirange */
    {4535, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* datemultirange */
    {4536, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* int8multirange */
    {5069, WALROW__UTF8, WALROW__WIRE_PRINTED}, /* xid8 */
};

static const walrow__type text_type = {
    .kind = WALROW__UTF8, .wire = WALROW__WIRE_TEXT, .oid = 25, .value_oid = 25};

static walrow_code resolve(walrow__catalog *catalog, uint32_t oid, int32_t typmod, int depth, int *n_types,
                           walrow__type *out, walrow_error *err);

/* ---- which type ---- */

static walrow_code
add_children(walrow__type *type, int n, walrow_error *err)
{
    type->children = calloc((size_t)n + 1, sizeof *type->children);
    if (type->children == NULL)
        return walrow__fail_memory(err);
    type->n_children = n;
    return WALROW_OK;
}

/* A parent can be read in binary if all its children can. */
static void
inherit_wire(walrow__type *type)
{
    type->wire = WALROW__WIRE_PLAIN;
    for (int i = 0; i < type->n_children; i++)
        if (type->children[i].wire == WALROW__WIRE_NONE)
            type->wire = WALROW__WIRE_NONE;
}

static walrow_code
resolve_array(walrow__catalog *catalog, const walrow__pg_type *pg, int depth, int *n_types, walrow__type *out,
              walrow_error *err)
{
    const walrow__pg_type *element;
    WALROW_TRY(catalog->type(catalog, pg->element, &element, err));
    out->kind = WALROW__LIST;
    out->delimiter = element->delimiter;
    WALROW_TRY(add_children(out, 1, err));
    /* an array's typmod is its elements' */
    WALROW_TRY(resolve(catalog, pg->element, out->value_typmod, depth + 1, n_types, &out->children[0], err));
    inherit_wire(out);
    return WALROW_OK;
}

static walrow_code
resolve_composite(walrow__catalog *catalog, const walrow__pg_type *pg, int depth, int *n_types,
                  walrow__type *out, walrow_error *err)
{
    out->kind = WALROW__STRUCT;
    out->child_names = calloc((size_t)pg->n_fields + 1, sizeof *out->child_names);
    if (out->child_names == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(add_children(out, pg->n_fields, err));
    for (int i = 0; i < pg->n_fields; i++) {
        const walrow__pg_field *field = &pg->fields[i];
        out->child_names[i] = strdup(field->name);
        if (out->child_names[i] == NULL)
            return walrow__fail_memory(err);
        WALROW_TRY(resolve(catalog, field->oid, field->typmod, depth + 1, n_types, &out->children[i], err));
    }
    inherit_wire(out);
    return WALROW_OK;
}

static walrow_code
resolve_hstore(walrow__type *out, walrow_error *err)
{
    out->kind = WALROW__MAP;
    WALROW_TRY(add_children(out, 2, err));
    out->children[0] = text_type;
    out->children[1] = text_type;
    out->wire = WALROW__WIRE_PLAIN;
    return WALROW_OK;
}

/* numeric's typmod: precision and, in 11 bits with a sign, scale, plus 4 (PostgreSQL's numeric.c) */
static void
resolve_numeric(walrow__type *out)
{
    if (out->value_typmod < 4)
        return;
    int32_t modifier = out->value_typmod - 4;
    int precision = modifier >> 16 & 0xFFFF, scale = ((modifier & 0x7FF) ^ 1024) - 1024;
    if (precision > 76)
        return;
    out->kind = precision <= 38 ? WALROW__DECIMAL128 : WALROW__DECIMAL256;
    out->wire = WALROW__WIRE_PLAIN;
    out->precision = precision;
    out->scale = scale;
}

static void
resolve_builtin(walrow__type *out)
{
    for (size_t i = 0; i < sizeof builtin_types / sizeof *builtin_types; i++)
        if (builtin_types[i].oid == out->value_oid) {
            out->kind = builtin_types[i].kind;
            out->wire = builtin_types[i].wire;
        }
    if (out->value_oid == NUMERIC_OID)
        resolve_numeric(out);
}

bool
walrow__type_builtin(uint32_t oid, walrow__type *out)
{
    *out = (walrow__type){.kind = WALROW__UTF8, .wire = WALROW__WIRE_NONE, .oid = oid, .value_oid = oid};
    out->typmod = out->value_typmod = -1;
    resolve_builtin(out);
    return out->wire != WALROW__WIRE_NONE;
}

static walrow_code
resolve_value(walrow__catalog *catalog, const walrow__pg_type *pg, int depth, int *n_types, walrow__type *out,
              walrow_error *err)
{
    out->kind = WALROW__UTF8;
    out->wire = WALROW__WIRE_NONE;
    if (strcmp(pg->output, "array_out") == 0 && pg->element != 0)
        return resolve_array(catalog, pg, depth, n_types, out, err);
    if (strcmp(pg->output, "hstore_out") == 0)
        return resolve_hstore(out, err);
    if (pg->kind == 'c')
        return resolve_composite(catalog, pg, depth, n_types, out, err);
    if (pg->kind == 'e' || strcmp(pg->output, "citextout") == 0)
        out->wire = WALROW__WIRE_TEXT; /* enum_send, citextsend: the label, the text */
    else if (strcmp(pg->output, "ltree_out") == 0)
        out->wire = WALROW__WIRE_JSONB; /* ltree_send: a version, then text, too */
    else
        resolve_builtin(out);
    return WALROW_OK;
}

static walrow_code
resolve(walrow__catalog *catalog, uint32_t oid, int32_t typmod, int depth, int *n_types, walrow__type *out,
        walrow_error *err)
{
    memset(out, 0, sizeof *out);
    out->oid = out->value_oid = oid;
    out->typmod = out->value_typmod = typmod;
    const char *name;
    WALROW_TRY(catalog->format(catalog, oid, typmod, &name, err));
    out->name = strdup(name);
    if (out->name == NULL)
        return walrow__fail_memory(err);
    const walrow__pg_type *pg;
    WALROW_TRY(catalog->type(catalog, oid, &pg, err));
    while (pg->kind == 'd' && depth++ < MAX_DEPTH) {
        out->value_oid = pg->base;
        out->value_typmod = pg->base_typmod;
        WALROW_TRY(catalog->type(catalog, pg->base, &pg, err));
    }
    if (depth >= MAX_DEPTH)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "type %s is nested deeper than %d levels", name,
                            MAX_DEPTH);
    if (++*n_types > MAX_TYPES)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "type %s: a column made of more than %d types", name,
                            MAX_TYPES);
    return resolve_value(catalog, pg, depth, n_types, out, err);
}

static void
release_children(walrow__type *type)
{
    for (int i = 0; i < type->n_children; i++) {
        walrow__type_release(&type->children[i]);
        if (type->child_names != NULL)
            free(type->child_names[i]);
    }
    free(type->children);
    free(type->child_names);
    type->children = NULL;
    type->child_names = NULL;
    type->n_children = 0;
}

void
walrow__type_release(walrow__type *type)
{
    release_children(type);
    free(type->name);
    memset(type, 0, sizeof *type);
}

/* Anything can be had as its output function prints it; in binary what can be printed by its oid alone. */
static walrow_code
apply_override(walrow__type *type, const char *override, walrow_error *err)
{
    if (strcmp(override, "utf8") != 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "a column of type %s cannot be mapped to %s", type->name,
                     override);
        return walrow__hint(err, "only utf8 can be asked for");
    }
    if (type->wire == WALROW__WIRE_PLAIN)
        type->wire = type->kind < WALROW__LIST ? WALROW__WIRE_PRINTED : WALROW__WIRE_NONE;
    release_children(type);
    type->kind = WALROW__UTF8;
    return WALROW_OK;
}

walrow_code
walrow__type_resolve(walrow__catalog *catalog, uint32_t oid, int32_t typmod, const char *override,
                     walrow__type *out, walrow_error *err)
{
    int n_types = 0;
    walrow_code code = resolve(catalog, oid, typmod, 0, &n_types, out, err);
    if (code == WALROW_OK && override != NULL)
        code = apply_override(out, override, err);
    if (code != WALROW_OK)
        walrow__type_release(out);
    return code;
}

/* ---- its Arrow schema ---- */

static const struct {
    const char *name;
    enum ArrowType type;
} arrow_types[] = {
    [WALROW__BOOL] = {"bool", NANOARROW_TYPE_BOOL},
    [WALROW__INT16] = {"int16", NANOARROW_TYPE_INT16},
    [WALROW__INT32] = {"int32", NANOARROW_TYPE_INT32},
    [WALROW__INT64] = {"int64", NANOARROW_TYPE_INT64},
    [WALROW__UINT32] = {"uint32", NANOARROW_TYPE_UINT32},
    [WALROW__FLOAT32] = {"float32", NANOARROW_TYPE_FLOAT},
    [WALROW__FLOAT64] = {"float64", NANOARROW_TYPE_DOUBLE},
    [WALROW__DECIMAL128] = {"decimal128", NANOARROW_TYPE_DECIMAL128},
    [WALROW__DECIMAL256] = {"decimal256", NANOARROW_TYPE_DECIMAL256},
    [WALROW__UTF8] = {"utf8", NANOARROW_TYPE_STRING},
    [WALROW__BINARY] = {"binary", NANOARROW_TYPE_BINARY},
    [WALROW__DATE32] = {"date32", NANOARROW_TYPE_DATE32},
    [WALROW__TIME64] = {"time64[us]", NANOARROW_TYPE_TIME64},
    [WALROW__TIMESTAMP] = {"timestamp[us]", NANOARROW_TYPE_TIMESTAMP},
    [WALROW__TIMESTAMPTZ] = {"timestamp[us, UTC]", NANOARROW_TYPE_TIMESTAMP},
    [WALROW__INTERVAL] = {"month_day_nano_interval", NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO},
    [WALROW__UUID] = {"uuid", NANOARROW_TYPE_FIXED_SIZE_BINARY},
    [WALROW__JSON] = {"json", NANOARROW_TYPE_STRING},
    [WALROW__LIST] = {"list", NANOARROW_TYPE_LIST},
    [WALROW__STRUCT] = {"struct", NANOARROW_TYPE_STRUCT},
    [WALROW__MAP] = {"map", NANOARROW_TYPE_MAP},
};

static ArrowErrorCode build_schema(const walrow__type *type, struct ArrowSchema *out);

static ArrowErrorCode
set_extension(struct ArrowSchema *schema, const char *name)
{
    struct ArrowBuffer metadata;
    NANOARROW_RETURN_NOT_OK(ArrowMetadataBuilderInit(&metadata, NULL));
    ArrowErrorCode code =
        ArrowMetadataBuilderAppend(&metadata, ArrowCharView("ARROW:extension:name"), ArrowCharView(name));
    if (code == NANOARROW_OK)
        code = ArrowMetadataBuilderAppend(&metadata, ArrowCharView("ARROW:extension:metadata"),
                                          ArrowCharView(""));
    if (code == NANOARROW_OK)
        code = ArrowSchemaSetMetadata(schema, (const char *)metadata.data);
    ArrowBufferReset(&metadata);
    return code;
}

/* format and children; the children ArrowSchemaSetType may have made are released first */
static ArrowErrorCode
set_child(struct ArrowSchema *child, const walrow__type *type, const char *name)
{
    if (child->release != NULL)
        ArrowSchemaRelease(child);
    NANOARROW_RETURN_NOT_OK(build_schema(type, child));
    return ArrowSchemaSetName(child, name);
}

static ArrowErrorCode
build_struct(const walrow__type *type, struct ArrowSchema *out)
{
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeStruct(out, type->n_children));
    for (int i = 0; i < type->n_children; i++)
        NANOARROW_RETURN_NOT_OK(set_child(out->children[i], &type->children[i], type->child_names[i]));
    return NANOARROW_OK;
}

/* Arrow's map: non-null entries of a non-null key and a value */
static ArrowErrorCode
build_map(const walrow__type *type, struct ArrowSchema *out)
{
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetType(out, NANOARROW_TYPE_MAP));
    struct ArrowSchema *entries = out->children[0];
    NANOARROW_RETURN_NOT_OK(set_child(entries->children[0], &type->children[0], "key"));
    NANOARROW_RETURN_NOT_OK(set_child(entries->children[1], &type->children[1], "value"));
    entries->flags &= ~ARROW_FLAG_NULLABLE;
    entries->children[0]->flags &= ~ARROW_FLAG_NULLABLE;
    return NANOARROW_OK;
}

static ArrowErrorCode
build_type(const walrow__type *type, struct ArrowSchema *out)
{
    enum ArrowType arrow = arrow_types[type->kind].type;
    switch (type->kind) {
    case WALROW__DECIMAL128:
    case WALROW__DECIMAL256:
        return ArrowSchemaSetTypeDecimal(out, arrow, type->precision, type->scale);
    case WALROW__TIME64:
    case WALROW__TIMESTAMP:
        return ArrowSchemaSetTypeDateTime(out, arrow, NANOARROW_TIME_UNIT_MICRO, NULL);
    case WALROW__TIMESTAMPTZ:
        return ArrowSchemaSetTypeDateTime(out, arrow, NANOARROW_TIME_UNIT_MICRO, "UTC");
    case WALROW__UUID:
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeFixedSize(out, arrow, 16));
        return set_extension(out, "arrow.uuid");
    case WALROW__JSON:
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetType(out, arrow));
        return set_extension(out, "arrow.json");
    case WALROW__LIST:
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetType(out, arrow));
        return set_child(out->children[0], &type->children[0], "item");
    case WALROW__STRUCT:
        return build_struct(type, out);
    case WALROW__MAP:
        return build_map(type, out);
    default:
        return ArrowSchemaSetType(out, arrow);
    }
}

static ArrowErrorCode
build_schema(const walrow__type *type, struct ArrowSchema *out)
{
    ArrowSchemaInit(out);
    NANOARROW_RETURN_NOT_OK(build_type(type, out));
    out->flags |= ARROW_FLAG_NULLABLE;
    return NANOARROW_OK;
}

walrow_code
walrow__type_schema(const walrow__type *type, struct ArrowSchema *out, walrow_error *err)
{
    if (build_schema(type, out) == NANOARROW_OK)
        return WALROW_OK;
    if (out->release != NULL)
        ArrowSchemaRelease(out);
    return walrow__fail(err, WALROW_ERR_UNEXPECTED, "type %s: no Arrow schema", type->name);
}

static void
add_arrow_name(const walrow__type *type, walrow__strbuf *out)
{
    walrow__strbuf_add_text(out, arrow_types[type->kind].name);
    if (type->kind == WALROW__DECIMAL128 || type->kind == WALROW__DECIMAL256)
        walrow__strbuf_addf(out, "(%d, %d)", type->precision, type->scale);
    if (type->kind != WALROW__LIST && type->kind != WALROW__STRUCT && type->kind != WALROW__MAP)
        return;
    walrow__strbuf_add_char(out, '<');
    for (int i = 0; i < type->n_children; i++) {
        if (i > 0)
            walrow__strbuf_add_text(out, ", ");
        if (type->child_names != NULL)
            walrow__strbuf_addf(out, "%s: ", type->child_names[i]);
        add_arrow_name(&type->children[i], out);
    }
    walrow__strbuf_add_char(out, '>');
}

char *
walrow__type_arrow_name(const walrow__type *type)
{
    walrow__strbuf name;
    walrow__strbuf_init(&name);
    add_arrow_name(type, &name);
    if (name.failed) {
        walrow__strbuf_release(&name);
        return NULL;
    }
    return walrow__strbuf_take(&name);
}
