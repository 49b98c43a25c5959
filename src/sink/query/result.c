#include "sink/query/result.h"

#include "base/error.h"
#include "base/hash.h"
#include "kernels/take.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { N_BOUNDS = 2, CHUNK_ROWS = 2048, NUMERIC_OID = 1700, TEXT_OID = 25, TIMESTAMPTZ_OID = 1184 };

/* ---- types ---- */

/* What DuckDB calls a type, and PostgreSQL's of the same values: oid, name, output function. */
static const struct type_row {
    const char *duckdb;
    uint32_t oid;
    const char *name, *output;
    const char *cast; /* to DuckDB's type with the Arrow layout of PostgreSQL's */
} types[] = {
    {"BOOLEAN", 16, "boolean", "boolout", "BOOLEAN"},
    {"TINYINT", 21, "smallint", "int2out", "SMALLINT"},
    {"UTINYINT", 21, "smallint", "int2out", "SMALLINT"},
    {"SMALLINT", 21, "smallint", "int2out", "SMALLINT"},
    {"USMALLINT", 23, "integer", "int4out", "INTEGER"},
    {"INTEGER", 23, "integer", "int4out", "INTEGER"},
    {"UINTEGER", 20, "bigint", "int8out", "BIGINT"},
    {"BIGINT", 20, "bigint", "int8out", "BIGINT"},
    {"UBIGINT", NUMERIC_OID, "numeric(38,0)", "numeric_out", "DECIMAL(38,0)"},
    {"HUGEINT", NUMERIC_OID, "numeric(38,0)", "numeric_out", "DECIMAL(38,0)"},
    {"FLOAT", 700, "real", "float4out", "FLOAT"},
    {"DOUBLE", 701, "double precision", "float8out", "DOUBLE"},
    {"BLOB", 17, "bytea", "byteaout", "BLOB"},
    {"JSON", 114, "json", "json_out", "VARCHAR"},
    {"DATE", 1082, "date", "date_out", "DATE"},
    {"TIME", 1083, "time without time zone", "time_out", "TIME"},
    {"TIMESTAMP", 1114, "timestamp without time zone", "timestamp_out", "TIMESTAMP"},
    {"TIMESTAMP_S", 1114, "timestamp without time zone", "timestamp_out", "TIMESTAMP"},
    {"TIMESTAMP_MS", 1114, "timestamp without time zone", "timestamp_out", "TIMESTAMP"},
    {"TIMESTAMP_NS", 1114, "timestamp without time zone", "timestamp_out", "TIMESTAMP"},
    {"TIMESTAMP WITH TIME ZONE", TIMESTAMPTZ_OID, "timestamp with time zone", "timestamptz_out",
     "TIMESTAMPTZ"},
    {"INTERVAL", 1186, "interval", "interval_out", "INTERVAL"},
    {NULL, TEXT_OID, "text", "textout", "VARCHAR"},
};

static const struct type_row *
find_type(const char *duckdb)
{
    const struct type_row *row = types;
    while (row->duckdb != NULL && strcmp(row->duckdb, duckdb) != 0)
        row++;
    return row;
}

/* PostgreSQL's numeric.c: precision and scale in a typmod. */
static int32_t
numeric_typmod(int precision, int scale)
{
    return (precision << 16 | scale) + 4;
}

/* The few types above, as the type table asks for them. */
typedef struct catalog {
    walrow__catalog base;
    walrow__pg_type type;
    char name[32];
} catalog;

static walrow_code
catalog_type(walrow__catalog *base, uint32_t oid, const walrow__pg_type **out, walrow_error *err)
{
    catalog *self = (catalog *)base;
    (void)err;
    const struct type_row *row = types;
    while (row->oid != oid)
        row++;
    self->type = (walrow__pg_type){
        .oid = oid, .kind = 'b', .name = (char *)row->name, .output = (char *)row->output, .delimiter = ','};
    *out = &self->type;
    return WALROW_OK;
}

static walrow_code
catalog_format(walrow__catalog *base, uint32_t oid, int32_t typmod, const char **out, walrow_error *err)
{
    catalog *self = (catalog *)base;
    const walrow__pg_type *type;
    WALROW_TRY(catalog_type(base, oid, &type, err));
    if (oid == NUMERIC_OID)
        snprintf(self->name, sizeof self->name, "numeric(%d,%d)", (typmod - 4) >> 16, (typmod - 4) & 0x7FF);
    *out = oid == NUMERIC_OID ? self->name : type->name;
    return WALROW_OK;
}

/* ---- describing ---- */

typedef struct description {
    walrow__column_spec *specs; /* those of the query follow the bounds; names are the spec's own */
    int n;
    walrow__strbuf sql;
} description;

static walrow_code
check_column(const char *name, walrow_error *err)
{
    if (strcasecmp(name, "window_start") != 0 && strcasecmp(name, "window_end") != 0)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "column \"%s\" is one that every result has from walrow", name);
    return walrow__hint(err, "give it another name: ... AS my_%s", name);
}

static void
add_cast(description *d, const char *name, const char *cast)
{
    walrow__strbuf_add_text(&d->sql, d->n == N_BOUNDS ? "CAST(" : ", CAST(");
    walrow__duckdb_add_name(&d->sql, name);
    walrow__strbuf_addf(&d->sql, " AS %s)", cast);
}

/* One row of DESCRIBE: the column's name and type. */
static walrow_code
add_column(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    description *d = arg;
    int precision, scale;
    (void)n_cells;
    char *name = strndup(cells[0].data, (size_t)cells[0].size_bytes);
    char *type = strndup(cells[1].data, (size_t)cells[1].size_bytes);
    walrow__column_spec *specs = realloc(d->specs, (size_t)(d->n + 1) * sizeof *specs);
    d->specs = specs == NULL ? d->specs : specs;
    if (name == NULL || type == NULL || specs == NULL) {
        free(name);
        free(type);
        return walrow__fail_memory(err);
    }
    bool is_decimal = sscanf(type, "DECIMAL(%d,%d)", &precision, &scale) == 2;
    const struct type_row *row = find_type(is_decimal ? "HUGEINT" : type);
    int32_t typmod = is_decimal                ? numeric_typmod(precision, scale)
                     : row->oid == NUMERIC_OID ? numeric_typmod(38, 0)
                                               : -1;
    add_cast(d, name, is_decimal ? type : row->cast);
    specs[d->n++] = (walrow__column_spec){.name = name, .oid = row->oid, .typmod = typmod};
    free(type);
    return check_column(name, err);
}

static walrow_code
describe(walrow__duckdb *duckdb, const char *sql, description *d, walrow_error *err)
{
    walrow__strbuf ask;
    walrow__strbuf_init(&ask);
    /* only what gives rows can stand there */
    walrow__strbuf_addf(&ask, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM (\n%s\n))", sql);
    walrow__strbuf_add_text(&d->sql, "SELECT ");
    walrow_code code =
        ask.failed ? walrow__fail_memory(err) : walrow__duckdb_query(duckdb, ask.data, add_column, d, err);
    walrow__strbuf_release(&ask);
    walrow__strbuf_addf(&d->sql, " FROM (\n%s\n)", sql);
    return code == WALROW_OK && d->sql.failed ? walrow__fail_memory(err) : code;
}

static walrow_code
init_bounds(description *d, walrow_error *err)
{
    static const char *const names[N_BOUNDS] = {"window_start", "window_end"};
    d->specs = calloc(N_BOUNDS, sizeof *d->specs);
    if (d->specs == NULL)
        return walrow__fail_memory(err);
    for (; d->n < N_BOUNDS; d->n++) {
        char *name = strdup(names[d->n]);
        if (name == NULL)
            return walrow__fail_memory(err);
        d->specs[d->n] = (walrow__column_spec){.name = name, .oid = TIMESTAMPTZ_OID, .typmod = -1};
    }
    return WALROW_OK;
}

/* Nothing in the server has a number as large, and no two names the same one. */
static uint32_t
relid_of(const char *name)
{
    return (uint32_t)walrow__hash_finish(walrow__hash_text(WALROW__HASH_START, name)) | UINT32_C(1) << 31;
}

static walrow_code
make_result(walrow__duckdb *duckdb, const char *name, const char *sql, description *d, walrow__result *out,
            walrow_error *err)
{
    catalog types_known = {.base = {.type = catalog_type, .format = catalog_format}};
    WALROW_TRY(init_bounds(d, err));
    WALROW_TRY(describe(duckdb, sql, d, err));
    WALROW_TRY(walrow__table_new(&types_known.base, "sql", name, relid_of(name), 'n', d->specs, d->n,
                                 &out->table, err));
    out->sql = walrow__strbuf_take(&d->sql);
    return out->sql == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__result_describe(walrow__duckdb *duckdb, const char *name, const char *sql, walrow__result *out,
                        walrow_error *err)
{
    description d = {.n = 0};
    *out = (walrow__result){.table = NULL};
    walrow__strbuf_init(&d.sql);
    walrow_code code = make_result(duckdb, name, sql, &d, out, err);
    for (int i = 0; i < d.n; i++)
        free((char *)d.specs[i].name);
    free(d.specs);
    walrow__strbuf_release(&d.sql);
    if (code != WALROW_OK)
        walrow__result_release(out);
    return code;
}

void
walrow__result_release(walrow__result *result)
{
    walrow__table_unref(result->table);
    free(result->sql);
    *result = (walrow__result){.table = NULL};
}

/* ---- running ---- */

typedef struct running {
    walrow__batch_builder batch;
    const walrow__window *window;
    uint32_t *seq;
} running;

/* PostgreSQL's timestamptz_send: eight bytes, microseconds since 2000-01-01. */
static bool
append_time(walrow__column *column, int64_t us)
{
    const char *reason;
    uint64_t since_2000 = (uint64_t)(us - INT64_C(946684800000000));
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(since_2000 >> (56 - 8 * i));
    return walrow__column_append_binary(column, bytes, sizeof bytes, &reason) == WALROW__APPENDED;
}

static bool
append_meta(running *r)
{
    walrow__position position = {.commit_lsn = r->window->commit_lsn, .seq = *r->seq};
    *r->seq += 1;
    return walrow__batch_begin_row(&r->batch, 'I', position, r->window->xid, r->window->commit_time) &&
           append_time(&r->batch.values[0], r->window->start_us) &&
           append_time(&r->batch.values[1], r->window->end_us) && walrow__batch_end_row(&r->batch, false);
}

/* DuckDB says how many bits a decimal has; those it has anyway. */
static bool
has_layout(const char *got, const char *wanted)
{
    size_t size = strlen(wanted);
    return strncmp(got, wanted, size) == 0 && (got[size] == '\0' || strcmp(got + size, ",128") == 0);
}

static walrow_code
check_columns(const walrow__table *table, const struct ArrowSchema *schema, walrow_error *err)
{
    if (schema->n_children != table->n_columns - N_BOUNDS)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED,
                            "DuckDB gives more columns than it described, or fewer");
    for (int64_t i = 0; i < schema->n_children; i++) {
        const struct ArrowSchema *got = schema->children[i];
        const struct ArrowSchema *wanted = table->schema.children[WALROW__N_META + N_BOUNDS + i];
        if (!has_layout(got->format, wanted->format))
            return walrow__fail(err, WALROW_ERR_UNEXPECTED,
                                "column \"%s\" comes from DuckDB as %s, not as %s", wanted->name, got->format,
                                wanted->format);
    }
    return WALROW_OK;
}

static walrow_code
append_chunk(running *r, const struct ArrowArray *rows, int64_t start, int64_t n, walrow_error *err)
{
    uint32_t numbers[CHUNK_ROWS];
    for (int64_t i = 0; i < n; i++) {
        numbers[i] = (uint32_t)(start + i);
        if (!append_meta(r))
            return walrow__fail_memory(err);
    }
    for (int64_t i = 0; i < rows->n_children; i++)
        if (walrow__column_take(&r->batch.values[N_BOUNDS + i], rows->children[i], numbers, n) !=
            WALROW__APPENDED)
            return walrow__fail_memory(err);
    return WALROW_OK;
}

static walrow_code
append_rows(void *arg, const struct ArrowSchema *schema, const struct ArrowArray *rows, walrow_error *err)
{
    running *r = arg;
    WALROW_TRY(check_columns(r->batch.table, schema, err));
    for (int64_t start = 0; start < rows->length; start += CHUNK_ROWS) {
        int64_t left = rows->length - start;
        WALROW_TRY(append_chunk(r, rows, start, left < CHUNK_ROWS ? left : CHUNK_ROWS, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__result_run(const walrow__result *result, walrow__duckdb *duckdb, const walrow__window *window,
                   uint32_t *seq, struct ArrowArray *out, walrow_error *err)
{
    running r = {.window = window, .seq = seq};
    out->release = NULL;
    WALROW_TRY(walrow__batch_init(&r.batch, result->table, ArrowBufferAllocatorDefault(), err));
    walrow_code code = walrow__duckdb_query_arrow(duckdb, result->sql, append_rows, &r, err);
    if (code == WALROW_OK && r.batch.rows > 0)
        code = walrow__batch_finish(&r.batch, out, err);
    walrow__batch_release(&r.batch);
    return code;
}
