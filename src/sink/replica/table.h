/*
 * sink/replica/table.h
 *	  A table of the DuckDB file, made and changed after the schemas of what comes for it.
 *
 * PostgreSQL adds columns at the end and never moves one. So a new name before an old one is a column renamed;
 * at the end it may be one added while another was dropped, and if their types are equal nobody can tell: an
 * error says how to decide. A table of mode append only grows: columns dropped stay, a renamed one is new.
 */
#ifndef WALROW_SINK_REPLICA_TABLE_H
#define WALROW_SINK_REPLICA_TABLE_H

#include "sink/replica/stage.h"

/**
 * Make or change the stage's table so that it takes what the stage has, inside of a transaction.
 *
 * @param table  of walrow__replica_find; afterwards it has the stage's names, relid and epoch, and is saved. A
 * table with another relid was dropped and made anew: so is ours, except in mode append
 * Errors: WALROW_ERR_SINK: DuckDB cannot change it that way; says what to do
 */
walrow_code walrow__replica_prepare(walrow__replica *replica, walrow__replica_table *table,
                                    const walrow__stage *stage, walrow_error *err) WALROW_MUST_CHECK;

/* "_walrow loading NAME": where a snapshot's rows wait, in the table's schema. malloc'ed. */
char *walrow__replica_loading_name(const char *table_name);
/** Begin such a table anew, with what is gathered in the stage. */
walrow_code walrow__replica_begin_loading(walrow__replica *replica, walrow__stage *stage,
                                          walrow_error *err) WALROW_MUST_CHECK;
/** Add what is gathered. */
walrow_code walrow__replica_load_more(walrow__replica *replica, walrow__stage *stage,
                                      walrow_error *err) WALROW_MUST_CHECK;
/**
 * The table is whole: it takes the place of the one there was; in mode append its rows join the log. One
 * transaction. The table's point is the caller's to set before.
 */
walrow_code walrow__replica_end_loading(walrow__replica *replica, walrow__replica_table *table,
                                        walrow__stage *stage, walrow_error *err) WALROW_MUST_CHECK;

#endif
