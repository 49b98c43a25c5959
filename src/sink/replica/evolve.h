/*
 * sink/replica/evolve.h
 *	  From the columns a table has to those it must have: what is kept, renamed, dropped and added.
 */
#ifndef WALROW_SINK_REPLICA_EVOLVE_H
#define WALROW_SINK_REPLICA_EVOLVE_H

#include "sink/replica/stage.h"

typedef struct walrow__replica_columns {
    char **names, **types;
    int n;
} walrow__replica_columns;

/** What a table of the file has; n 0: there is none. */
walrow_code walrow__replica_read_columns(walrow__replica *replica, const char *schema_name,
                                         const char *table_name, walrow__replica_columns *out,
                                         walrow_error *err) WALROW_MUST_CHECK;
void walrow__replica_columns_release(walrow__replica_columns *columns);

/**
 * Add to sql the statements that give the stage's table the stage's columns; nothing if it has them.
 * Errors: WALROW_ERR_SINK: it cannot be told whether a column was renamed
 */
walrow_code walrow__replica_evolve(const walrow__replica *replica, const walrow__stage *stage,
                                   const walrow__replica_columns *has, walrow__strbuf *sql,
                                   walrow_error *err) WALROW_MUST_CHECK;

/* How to have a table read again, for errors nothing else mends. */
walrow_code walrow__replica_hint_anew(const walrow__stage *stage, const char *besides, walrow_error *err);

#endif
