/*
 * value.h
 *	  A Datum's way into an Arrow column: straight where server and Arrow agree on the bytes, through the type's
 *	  output function where not, so that the bits are those that pgoutput's client makes.
 */
#ifndef WAL2ARROW_VALUE_H
#define WAL2ARROW_VALUE_H

#include "postgres.h"

#include "access/htup_details.h" /* includes varatt.h, from 16 on */
#include "columns/append_pg.h"
#include "fmgr.h"

typedef struct value_writer value_writer;

typedef walrow__appended (*value_append_fn)(value_writer *writer, walrow__column *column, Datum value,
                                            const char **reason);

/* How the values of one column travel: decided once per schema epoch. */
struct value_writer {
    value_append_fn append;   /* of kinds that value_append knows no shorter way for */
    const walrow__type *type; /* borrowed from the table */
    FmgrInfo output;
    int16 typlen;
    bool typbyval;
    char typalign;
    bool image_decides;     /* values that differ in their bytes print differently */
    value_writer *children; /* of an array's element or a composite's fields */
};

/* May ereport (lookup of functions). Memory: the current context, as long as the writer. */
extern void value_writer_init(value_writer *writer, const walrow__type *type);

/*
 * Append a value that is not null and not an unchanged external TOAST pointer. Detoasts and prints into the
 * current context, which the caller resets; may ereport. What comes back: see columns/column.h; the column is as
 * before unless WALROW__APPENDED. kind: of the writer's type; a caller that has it at hand spares most values the
 * look there.
 */
static inline walrow__appended
value_append(value_writer *writer, walrow__kind kind, walrow__column *column, Datum value,
             const char **reason)
{
    switch (kind) {
    case WALROW__BOOL:
        return walrow__append_bool(column, DatumGetBool(value));
    case WALROW__INT16:
        return walrow__append_word(column, value, 2);
    case WALROW__INT32:
    case WALROW__UINT32:
        return walrow__append_word(column, value, 4);
    case WALROW__INT64:
        return walrow__append_word(column, (uint64)DatumGetInt64(value), 8);
    case WALROW__TIMESTAMP:
    case WALROW__TIMESTAMPTZ:
        return walrow__append_pg_timestamp(column, DatumGetInt64(value), reason);
    default:
        return writer->append(writer, column, value, reason);
    }
}

/* As the type's output function prints it, in UTF-8 where the database's encoding has one; palloc'ed. */
extern char *value_print(value_writer *writer, Datum value);

/* What pgoutput's client would see of them is the same. */
extern bool value_equal(value_writer *writer, Datum a, Datum b);

/* ---- between value*.c ---- */

/* A varlena that is neither compressed nor elsewhere; copied only if it was. */
static inline struct varlena *
value_detoast(Datum value)
{
    struct varlena *varlena = (struct varlena *)DatumGetPointer(value);
    return VARATT_IS_4B_U(varlena) || (VARATT_IS_1B(varlena) && !VARATT_IS_1B_E(varlena))
               ? varlena
               : pg_detoast_datum_packed(varlena);
}

extern walrow__appended value_append_decimal(value_writer *writer, walrow__column *column, Datum value,
                                             const char **reason);
extern walrow__appended value_append_array(value_writer *writer, walrow__column *column, Datum value,
                                           const char **reason);
extern walrow__appended value_append_composite(value_writer *writer, walrow__column *column, Datum value,
                                               const char **reason);

#endif
