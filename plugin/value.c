#include "postgres.h"

#include "value.h"

#include "encoding.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* ---- the same bits in server and Arrow ---- */

static walrow__appended
append_float32(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    return walrow__append_float(column, DatumGetFloat4(value));
}

static walrow__appended
append_float64(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    return walrow__append_double(column, DatumGetFloat8(value));
}

static walrow__appended
append_uuid(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    return walrow__append_fixed(column, DatumGetPointer(value), UUID_LEN);
}

static walrow__appended
append_bytea(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    struct varlena *bytes = value_detoast(value);
    return walrow__append_bytes(column, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

/* ---- the same, counted from another day ---- */

static walrow__appended
append_date(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    return walrow__append_pg_date(column, DatumGetDateADT(value), reason);
}

static walrow__appended
append_time(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    return walrow__append_pg_time(column, DatumGetTimeADT(value), reason);
}

static walrow__appended
append_interval(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    const Interval *interval = DatumGetIntervalP(value);
    return walrow__append_pg_interval(column, interval->time, interval->day, interval->month, reason);
}

/* ---- text ---- */

/* Types whose values are their text. */
static walrow__appended
append_text(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    struct varlena *text = value_detoast(value);
    return walrow__append_text(column, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text), reason);
}

static walrow__appended
append_name(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    const char *name = NameStr(*DatumGetName(value));
    return walrow__append_text(column, name, strlen(name), reason);
}

/* The same in another encoding. */
static walrow__appended
append_converted(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    struct varlena *text = value_detoast(value);
    size_t size = VARSIZE_ANY_EXHDR(text);
    const char *utf8 = encoding_to_utf8(VARDATA_ANY(text), &size);
    return walrow__append_text(column, utf8, size, reason);
}

/* What only the output function knows to print; the client's own way from there. */
static walrow__appended
append_printed(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    const char *text = OutputFunctionCall(&writer->output, value);
    size_t size = strlen(text);
    text = encoding_to_utf8(text, &size);
    return walrow__column_append_text(column, (const uint8_t *)text, size, reason);
}

/* ---- which way ---- */

/* citext and others of extensions have it, too, under names of their own. */
static bool
prints_as_it_is(const FmgrInfo *output)
{
    return output->fn_addr == textout || output->fn_addr == varcharout || output->fn_addr == bpcharout ||
           output->fn_addr == json_out;
}

static value_append_fn
choose_text(const FmgrInfo *output)
{
    if (prints_as_it_is(output))
        return encoding_converts() ? append_converted : append_text;
    if (output->fn_addr == nameout && !encoding_converts())
        return append_name;
    return append_printed;
}

static value_append_fn
choose_append(const walrow__type *type, const FmgrInfo *output)
{
    switch (type->kind) {
    case WALROW__BOOL:
    case WALROW__INT16:
    case WALROW__INT32:
    case WALROW__UINT32:
    case WALROW__INT64:
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        return NULL; /* value_append itself */
    case WALROW__FLOAT32:
        return append_float32;
    case WALROW__FLOAT64:
        return append_float64;
    case WALROW__DECIMAL128:
    case WALROW__DECIMAL256:
        return value_append_decimal;
    case WALROW__BINARY:
        return append_bytea;
    case WALROW__DATE32:
        return append_date;
    case WALROW__TIME64:
        return append_time;
    case WALROW__INTERVAL:
        return append_interval;
    case WALROW__UUID:
        return append_uuid;
    case WALROW__LIST:
        return value_append_array;
    case WALROW__STRUCT:
        return value_append_composite;
    case WALROW__UTF8:
    case WALROW__JSON:
        return choose_text(output);
    case WALROW__MAP:
        break; /* hstore's layout is the extension's own */
    }
    return append_printed;
}

/* Of these every bit is printed; the bytes of others may differ in padding, in headers, in NaN. */
static bool
image_decides(const walrow__type *type, const FmgrInfo *output)
{
    switch (type->kind) {
    case WALROW__BOOL:
    case WALROW__INT16:
    case WALROW__INT32:
    case WALROW__INT64:
    case WALROW__UINT32:
    case WALROW__BINARY:
    case WALROW__DATE32:
    case WALROW__TIME64:
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
    case WALROW__UUID:
        return true;
    default:
        return prints_as_it_is(output);
    }
}

void
value_writer_init(value_writer *writer, const walrow__type *type)
{
    Oid function;
    bool is_varlena;
    getTypeOutputInfo(type->value_oid, &function, &is_varlena);
    fmgr_info(function, &writer->output);
    get_typlenbyvalalign(type->value_oid, &writer->typlen, &writer->typbyval, &writer->typalign);
    writer->type = type;
    writer->append = choose_append(type, &writer->output);
    writer->image_decides = image_decides(type, &writer->output);
    writer->children = NULL;
    if (type->kind != WALROW__LIST && type->kind != WALROW__STRUCT)
        return;
    writer->children = palloc0(sizeof *writer->children * (type->n_children + 1));
    for (int i = 0; i < type->n_children; i++)
        value_writer_init(&writer->children[i], &type->children[i]);
}

/* ---- for dead letters and old tuples ---- */

char *
value_print(value_writer *writer, Datum value)
{
    char *text = OutputFunctionCall(&writer->output, value);
    size_t size = strlen(text);
    return unconstify(char *, encoding_to_utf8(text, &size));
}

bool
value_equal(value_writer *writer, Datum a, Datum b)
{
    if (datum_image_eq(a, b, writer->typbyval, writer->typlen))
        return true;
    return !writer->image_decides &&
           strcmp(OutputFunctionCall(&writer->output, a), OutputFunctionCall(&writer->output, b)) == 0;
}
