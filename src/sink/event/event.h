/*
 * sink/event/event.h
 *	  Change sets as events, one JSON object a line, in position order over all tables; begin and commit
 * around every transaction that has something in it.
 *
 *	  insert, update, delete, truncate, read
 *	                  {"event_type", "schema", "table", "data", "old_data", "key_data", "lsn", "seq",
 * "timestamp", "transaction_id", "origin"} and, where there are some, "unchanged": [columns] data: the new
 * row; null for delete and truncate. old_data: what is known of the row before: for a delete and an update
 * that brought it; columns that are neither key nor known are left out. schema_change   before a table's
 * first row with another set of columns or key than its last event had:
 *	                  {"event_type", "schema", "table", "data": {column: PostgreSQL type}, "key": [columns],
 * "lsn" ...} begin, commit   {"event_type", "lsn", "timestamp", "transaction_id", "origin"} message
 * {"event_type", "message_prefix", "message_content", "transactional", "lsn" ...}; content that is not UTF-8
 * is null, and in "message_content_base64"
 *
 * What was printed once is not printed again: state says how far that is, and survives where it is stored.
 */
#ifndef WALROW_SINK_EVENT_H
#define WALROW_SINK_EVENT_H

#include "base/strbuf.h"

#include <walrow.h>

typedef struct walrow__event_state {
    uint64_t done_lsn; /* transactions and messages up to it are printed, with their commits */
    uint64_t
        open_lsn; /* commit LSN of the transaction whose begin is printed and its commit is not; 0: none */
    uint32_t next_seq;    /* of it: rows before this one are printed */
    uint64_t message_lsn; /* of it: messages up to this one are printed */
} walrow__event_state;

/* Take buf's text away and clear it; called between events. */
typedef walrow_code (*walrow__event_flush_fn)(void *arg, walrow__strbuf *buf, walrow_error *err);

typedef struct walrow__event_table walrow__event_table;

typedef struct walrow__event_printer {
    walrow__event_state state;
    walrow__event_flush_fn flush;
    void *arg;
    walrow__strbuf buf;
    walrow__event_table *tables;
    /* of the transaction at hand: its texts "lsn" ... and "timestamp" ..., made once */
    uint64_t current_lsn;
    walrow__strbuf lsn_text, tail_text;
} walrow__event_printer;

void walrow__event_init(walrow__event_printer *printer, walrow__event_flush_fn flush, void *arg);
void walrow__event_release(walrow__event_printer *printer);

/** Print a change set, or a snapshot's chunk. Some of it may stay in the buffer: see walrow__event_flush. */
walrow_code walrow__event_print(walrow__event_printer *printer, const walrow_changes *changes,
                                walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__event_flush(walrow__event_printer *printer, walrow_error *err) WALROW_MUST_CHECK;

/** Rows of the table committed before the LSN are in its snapshot: skip them. */
walrow_code walrow__event_skip_below(walrow__event_printer *printer, const char *schema_name,
                                     const char *table_name, uint64_t lsn,
                                     walrow_error *err) WALROW_MUST_CHECK;

/* The tables' epochs as last printed, for storing beside the state. */
typedef walrow_code (*walrow__event_epoch_fn)(void *arg, const char *schema_name, const char *table_name,
                                              uint64_t epoch, walrow_error *err);
walrow_code walrow__event_each_epoch(const walrow__event_printer *printer, walrow__event_epoch_fn fn,
                                     void *arg, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__event_set_epoch(walrow__event_printer *printer, const char *schema_name,
                                    const char *table_name, uint64_t epoch,
                                    walrow_error *err) WALROW_MUST_CHECK;

#endif
