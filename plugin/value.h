/*
 * value.h
 *	  A Datum's way into an Arrow column: straight where server and Arrow agree on the bytes, through the type's
 *	  send or output function where not, so that the bits are those that pgoutput's client makes.
 */
#ifndef WAL2ARROW_VALUE_H
#define WAL2ARROW_VALUE_H

#include "postgres.h"

#include "columns/column.h"
#include "fmgr.h"

typedef struct value_writer value_writer;

typedef walrow__appended (*value_append_fn)(value_writer *writer, walrow__column *column, Datum value,
                                            const char **reason);

/* How the values of one column travel: decided once per schema epoch. */
struct value_writer {
    value_append_fn append;
    const walrow__type *type; /* borrowed from the table */
    FmgrInfo function;        /* send or output, where append needs one */
    FmgrInfo output;          /* the type's output function: dead letters */
    bool is_varlena;          /* to be detoasted before append */
};

/* May ereport (lookup of functions). Memory: the current context, as long as the writer. */
extern void value_writer_init(value_writer *writer, const walrow__type *type);

/*
 * Append a value that is not null and not an unchanged external TOAST pointer. Detoasts into the current
 * context, which the caller resets; may ereport. What comes back: see columns/column.h; the column is as before unless
 * WALROW__APPENDED.
 */
extern walrow__appended value_append(value_writer *writer, walrow__column *column, Datum value,
                                     const char **reason);

/* As the type's output function prints it, in UTF-8 where the database's encoding has one; palloc'ed. */
extern char *value_print(value_writer *writer, Datum value);

/* What pgoutput's client would see of them is the same. */
extern bool value_equal(value_writer *writer, Datum a, Datum b);

#endif
