/*
 * layout.h
 *	  Where the values of a table's columns are in a relation's tuples, looked at from either side.
 */
#ifndef WAL2ARROW_LAYOUT_H
#define WAL2ARROW_LAYOUT_H

#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "access/tupmacs.h"
#include "columns/table.h"

/* An attribute as it lies in a tuple (PostgreSQL, "Database Page Layout"), and the column of the table that it is. */
typedef struct stored_attribute {
    int16 column;     /* -1: none */
    int16 length;     /* of a value in bytes; -1: a varlena, -2: a C string */
    uint8 align_mask; /* bits not set where a value begins, unless it is a varlena of a short header */
    bool by_value;
    uint8 kind; /* walrow__kind of the column */
} stored_attribute;

typedef struct layout {
    int16 *attributes; /* for each column its index in the tuple; -1: it has none */
    bool whole;        /* each has one */
    int n_stored;
    stored_attribute stored[FLEXIBLE_ARRAY_MEMBER]; /* in the tuple's order */
} layout;

/* Of a relation's tuples, for the columns that `as` has of the relation described by `table`, which may be the same.
 * One chunk of the context. */
extern layout *layout_make(MemoryContext context, TupleDesc tuples, TupleDesc table, const walrow__table *as);

/* Whether every column has its attribute in the tuple: one written before a column was added lacks that. */
static inline bool
layout_fits(const layout *layout, HeapTuple tuple)
{
    return layout->whole && HeapTupleHeaderGetNatts(tuple->t_data) >= layout->n_stored;
}

/* A value that is not null and comes behind one that ended at *offset, where it leaves its own end. */
static inline Datum
stored_value(const stored_attribute *attribute, const char *values, uint32 *offset)
{
    uint32 at = *offset;
    if (attribute->length != -1 || VARATT_NOT_PAD_BYTE(values + at) == 0)
        at = (at + attribute->align_mask) & ~(uint32)attribute->align_mask;
    *offset = att_addlength_pointer(at, attribute->length, values + at);
    return fetch_att(values + at, attribute->by_value, attribute->length);
}

#endif
