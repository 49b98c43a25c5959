/*
 * row.h
 *	  A decoded tuple's way into the columns of its table.
 */
#ifndef WAL2ARROW_ROW_H
#define WAL2ARROW_ROW_H

#include "postgres.h"

#include "access/htup.h"
#include "access/htup_details.h"
#include "relation.h"

typedef struct tuple_values {
    Datum values[MaxHeapAttributeNumber];
    bool nulls[MaxHeapAttributeNumber];
} tuple_values;

typedef struct row_writer {
    transaction *transaction;
    tuple_values new, old; /* of the row at hand */
} row_writer;

/* The relation's row of an insert, or an update's, whose old tuple may be NULL. Allocates in the current context. */
extern void row_insert(row_writer *writer, const route *route, Relation relation, HeapTuple new);
extern void row_update(row_writer *writer, const route *route, Relation relation, HeapTuple new,
                       HeapTuple old);
extern void row_delete(row_writer *writer, const route *route, Relation relation, HeapTuple old);
extern void row_truncate(row_writer *writer, const route *route);

#endif
