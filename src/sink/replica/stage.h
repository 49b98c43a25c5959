/*
 * sink/replica/stage.h
 *	  The changes of one table at one schema, on their way into the DuckDB file: gathered in memory, then in a
 * temporary table, in the order they came (its rowid counts them). Temporary tables spill to disk, so a
 * transaction of any size can wait here for its commit.
 */
#ifndef WALROW_SINK_REPLICA_STAGE_H
#define WALROW_SINK_REPLICA_STAGE_H

#include "kernels/rows.h"
#include "sink/replica/state.h"

typedef struct walrow__stage_column {
    char *pg_name; /* in PostgreSQL, as `_unchanged` names it */
    char *name;    /* in the stage: differs where DuckDB takes two names for one */
    char *target;  /* in the table it goes to */
    char *type;    /* DuckDB's, once the temporary table is there */
    bool is_key;
} walrow__stage_column;

typedef struct walrow__stage {
    char *schema_name, *table_name;
    uint32_t relid;
    uint64_t epoch;
    struct ArrowSchema schema;
    walrow__stage_column *columns; /* walrow's seven, then the table's own */
    int n_columns;
    int first; /* of the columns the table takes: 0 in mode append, else the first of its own */
    int n_keys;
    char table[48]; /* temp.main.walrow_stage_1 */
    bool created;
    walrow__rows rows; /* not in it yet */
    struct walrow__stage *next;
} walrow__stage;

walrow_code walrow__stage_new(const walrow__replica *replica, const walrow_batch *batch, uint64_t number,
                              walrow__stage **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__stage_free(walrow__stage *stage); /* NULL is allowed; the temporary table stays */

bool walrow__stage_is_of(const walrow__stage *stage, const walrow_batch *batch);
/* Of it, and at the same schema. */
bool walrow__stage_takes(const walrow__stage *stage, const walrow_batch *batch);

/** What is gathered goes into the temporary table, which is there afterwards. */
walrow_code walrow__stage_flush(walrow__stage *stage, walrow__replica *replica,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Learn the columns' types from a table that has them. database: "temp", or the file's */
walrow_code walrow__stage_read_types(walrow__stage *stage, walrow__replica *replica, const char *database,
                                     const char *schema_name, const char *table_name,
                                     walrow_error *err) WALROW_MUST_CHECK;

/* The columns the table takes: "a" AS "b", ... */
void walrow__stage_add_select(const walrow__stage *stage, walrow__strbuf *sql);

#endif
