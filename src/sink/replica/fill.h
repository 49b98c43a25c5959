/*
 * sink/replica/fill.h
 *	  Large values the server did not send because they did not change: found where they are.
 *
 * A row's history in a set may lead over several keys, so each change points to the one before it of the same
 * row, and pointers are doubled until all point to the row's first change. Then a column's value is that of the
 * last change of the row that had it; if none had, and the row was there before, that of the table.
 */
#ifndef WALROW_SINK_REPLICA_FILL_H
#define WALROW_SINK_REPLICA_FILL_H

#include "sink/replica/stage.h"

/**
 * For each column with such values make temp.main.walrow_fill_I (pos, value), I the column's number.
 *
 * Reads temp.main.walrow_events (pos, op, keys after: k1.., keys before: o1..) and walrow_live (pos: the last
 * change of each row alive), and the table as it was before the set.
 * @param filled  by column; set where the table was made
 */
walrow_code walrow__replica_fill(walrow__replica *replica, const walrow__stage *stage, bool *filled,
                                 walrow_error *err) WALROW_MUST_CHECK;

/* "k1, k2": the names of the keys' columns in walrow_events; letter k after the change, o before it. */
void walrow__replica_add_keys(const walrow__stage *stage, char letter, walrow__strbuf *sql);

#endif
