/*
 * sink/event/table.h
 *	  How the rows of one table are printed as events: decided for a schema epoch, bound to a batch.
 */
#ifndef WALROW_SINK_EVENT_TABLE_H
#define WALROW_SINK_EVENT_TABLE_H

#include "sink/event/options.h"
#include "sink/event/value.h"

/* Where a value of the row at hand comes from. */
typedef struct walrow__event_column {
    walrow__value value, old; /* of the new row and of _old */
    char *name;
    uint32_t oid;
    char *head; /* of wal2json: {"name": ... ,"value": */
    bool is_key;
    bool is_skipped; /* of the row at hand: unchanged, not sent */
} walrow__event_column;

typedef struct walrow__event_table walrow__event_table;
struct walrow__event_table {
    char *schema_name, *table_name;
    char *names;      /* ,"schema":"public","table":"t" */
    bool epoch_known; /* something of the table was printed: another epoch is a change of schema */
    uint64_t epoch;
    uint64_t below_lsn; /* rows committed before it are in the table's snapshot */
    bool built;         /* what follows is for this epoch */
    char *types;        /* ,"types":{...} and ,"type_oids":{...}, if they are asked for */
    const walrow_batch *bound;
    int n_columns;
    walrow__event_column *columns;
    bool has_key;
    bool key_is_all; /* REPLICA IDENTITY FULL, or a key of all columns */
    walrow__event_table *next;
};

walrow_code walrow__event_table_new(const char *schema_name, const char *table_name,
                                    const walrow__event_options *options, walrow__event_table **out,
                                    walrow_error *err) WALROW_MUST_CHECK;
void walrow__event_table_free(walrow__event_table *table);
/** Get ready for the batch's rows; the batch is borrowed until another is bound. */
walrow_code walrow__event_table_bind(walrow__event_table *table, const walrow__event_options *options,
                                     const walrow_batch *batch, walrow_error *err) WALROW_MUST_CHECK;

char walrow__event_op(const walrow_batch *batch, int64_t row);
/* Of a row of the bound batch. */
bool walrow__event_table_has_old(const walrow__event_table *table, int64_t row);
/* Mark, or no more, the columns that the row's _unchanged names. */
void walrow__event_table_skip_unchanged(walrow__event_table *table, int64_t row, bool skip);
/* The i-th of those names; NULL after the last. */
const char *walrow__event_table_unchanged(const walrow__event_table *table, int64_t row, int32_t i,
                                          size_t *size);
/** The key as a JSON object, of a table that has one: as it was before the change (of_old), or is after it. */
void walrow__event_table_add_key(const walrow__event_table *table, int64_t row, bool of_old,
                                 walrow__strbuf *buf);
/* A value of the schema's or a field's metadata; empty if it is not there. */
struct ArrowStringView walrow__event_metadata(const struct ArrowSchema *schema, const char *key);

#endif
