/*
 * sink/replica/apply.h
 *	  What a stage has becomes the state of its table: set by set, in SQL, inside of a transaction.
 *
 * By key: the last state of each key wins. Keys that were updated or deleted leave the table, and the last
 * row of each key that is alive comes in. Where a large value was not sent, it is that of the row's last change
 * that had it, across changes of the key, else the table's own.
 *
 * Where the key is all columns (REPLICA IDENTITY FULL, or no others) rows may be equal, and only their number
 * counts: each distinct row's number changes by what came less what went.
 *
 * Without a key: inserts and truncates only. In mode append everything is added as it came.
 */
#ifndef WALROW_SINK_REPLICA_APPLY_H
#define WALROW_SINK_REPLICA_APPLY_H

#include "sink/replica/stage.h"

/**
 * @param stage  flushed; its table takes its columns (walrow__replica_prepare)
 * Errors: WALROW_ERR_SINK: an update or delete without a key, a key its Arrow type cannot hold; says what to do
 */
walrow_code walrow__replica_apply(walrow__replica *replica, const walrow__stage *stage,
                                  walrow_error *err) WALROW_MUST_CHECK;

#endif
