/*
 * sink/replica/side.h
 *	  What comes beside the rows and goes into tables of "_walrow": logical messages and dead letters.
 */
#ifndef WALROW_SINK_REPLICA_SIDE_H
#define WALROW_SINK_REPLICA_SIDE_H

#include "sink/replica/state.h"

typedef struct walrow__side_table {
    const char *name; /* of the table in _walrow */
    struct ArrowSchema schema;
    struct ArrowArray rows; /* not in its temporary table yet */
    bool staged;            /* the temporary table is there: temp.main.walrow_NAME */
} walrow__side_table;

typedef struct walrow__side {
    walrow__side_table messages, dead_letters;
} walrow__side;

walrow_code walrow__side_init(walrow__side *side, walrow_error *err) WALROW_MUST_CHECK;
void walrow__side_release(walrow__side *side); /* all zeros are fine */

walrow_code walrow__side_add_message(walrow__side *side, const walrow_message *message,
                                     walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__side_add_dead_letter(walrow__side *side, const walrow_dead_letter *letter,
                                         walrow_error *err) WALROW_MUST_CHECK;

/** Outside of transactions: what was added goes into temporary tables. */
walrow_code walrow__side_flush(walrow__side *side, walrow__replica *replica,
                               walrow_error *err) WALROW_MUST_CHECK;
/** Inside of one: from there into the file. */
walrow_code walrow__side_apply(walrow__side *side, walrow__replica *replica,
                               walrow_error *err) WALROW_MUST_CHECK;

#endif
