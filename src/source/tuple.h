/*
 * source/tuple.h
 *	  A row on pgoutput's wire (PostgreSQL documentation, "Logical Replication Message Formats", TupleData),
 *	  and its way into the columns. The values are borrowed from the message; nothing is copied before its column.
 */
#ifndef WALROW_SOURCE_TUPLE_H
#define WALROW_SOURCE_TUPLE_H

#include "base/cursor.h"
#include "source/announced.h"

enum { WALROW__MAX_COLUMNS = 1664 }; /* MaxTupleAttributeNumber in PostgreSQL's htup_details.h */

typedef struct walrow__field {
    const uint8_t *bytes;
    uint32_t size;
    uint8_t kind; /* 'n' null, 'u' unchanged TOAST, 't' text, 'b' binary */
} walrow__field;

typedef struct walrow__tuple {
    int n_fields;
    walrow__field fields[WALROW__MAX_COLUMNS];
} walrow__tuple;

/** Read a tuple of n_columns; false: it does not have that many, a length passes the end, an unknown kind. */
bool walrow__read_tuple(walrow__cursor *cursor, int n_columns, walrow__tuple *out);

/**
 * Does the old tuple of an update say nothing the new one does not? Then `_old` is null (some sources send
 * such a tuple, some do not).
 */
bool walrow__tuple_says_nothing_new(const walrow__table *table, const walrow__tuple *old,
                                    const walrow__tuple *new);

/* Fill unchanged TOAST values of the new tuple from the old one, where that came with them. */
void walrow__tuple_fill_unchanged(walrow__tuple *new, const walrow__tuple *old);

/* Write one field into the row's column, as its new value or (old) as a field of `_old`. */
walrow_code walrow__field_append(walrow__collector *collector, walrow__feed *feed, int column,
                                 const walrow__field *field, char op, bool old,
                                 walrow_error *err) WALROW_MUST_CHECK;
/* Read a tuple that needs no second look and write its new values as they come. *malformed: as
 * walrow__read_tuple. */
walrow_code walrow__tuple_read_append(walrow__cursor *cursor, walrow__collector *collector,
                                      walrow__feed *feed, char op, bool *malformed,
                                      walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__tuple_append(walrow__collector *collector, walrow__feed *feed, const walrow__tuple *tuple,
                                 char op, bool old, walrow_error *err) WALROW_MUST_CHECK;

#endif
