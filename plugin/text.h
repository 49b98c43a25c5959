/*
 * text.h
 *	  format=text: a line for each thing that happens, for people and for tests. Rows go through the columns all
 *	  the same, so that what shows here is what the other formats would send.
 */
#ifndef WAL2ARROW_TEXT_H
#define WAL2ARROW_TEXT_H

#include "postgres.h"

#include "row.h"

extern void text_schema(transaction *transaction, const published *table);
/* The row under way; old: NULL if it has no `_old`. */
extern void text_row(transaction *transaction, const published *table, const int16 *attributes, char op,
                     const tuple_values *row, const tuple_values *old);
extern void text_dead_letter(transaction *transaction, const walrow__table *table,
                             const walrow__wire_dead_letter *letter);
extern void text_message(transaction *transaction, const walrow__wire_message *message);
/* Only of a transaction that began with one of the above. */
extern void text_commit(transaction *transaction);

#endif
