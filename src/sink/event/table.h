/*
 * sink/event/table.h
 *	  How the rows of one table are printed as events: decided for a schema epoch, bound to a batch.
 */
#ifndef WALROW_SINK_EVENT_TABLE_H
#define WALROW_SINK_EVENT_TABLE_H

#include "sink/event/value.h"

struct walrow__event_table {
    char *schema_name, *table_name;
    char *names;      /* ,"schema":"public","table":"t" */
    bool epoch_known; /* something of the table was printed: another epoch is a change of schema */
    uint64_t epoch;
    uint64_t below_lsn; /* rows committed before it are in the table's snapshot */
    bool built;         /* what follows is for this epoch */
    const walrow_batch *bound;
    int n_columns;
    walrow__value *values, *olds; /* of the new row and of _old */
    bool *is_key;
    bool has_key;
    bool *skip; /* of the row at hand: unchanged, not sent */
    struct walrow__event_table *next;
};

typedef struct walrow__event_table walrow__event_table;

walrow_code walrow__event_table_new(const char *schema_name, const char *table_name,
                                    walrow__event_table **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__event_table_free(walrow__event_table *table);
/** Get ready for the batch's rows; the batch is borrowed until another is bound. */
walrow_code walrow__event_table_bind(walrow__event_table *table, const walrow_batch *batch,
                                     walrow_error *err) WALROW_MUST_CHECK;

/* A row of the bound batch: from {"event_type" to key_data's end, ... */
void walrow__event_table_print_row(walrow__event_table *table, int64_t row, walrow__strbuf *buf);
/* ... and ,"unchanged":[...] if it has some. */
void walrow__event_table_print_unchanged(const walrow__event_table *table, int64_t row, walrow__strbuf *buf);
/* From {"event_type":"schema_change" to the key. */
walrow_code walrow__event_table_print_change(const walrow__event_table *table, walrow__strbuf *buf,
                                             walrow_error *err) WALROW_MUST_CHECK;

#endif
