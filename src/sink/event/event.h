/*
 * sink/event/event.h
 *	  Change sets as lines of JSON, in position order over all tables; begin and commit around every transaction
 *	  that has something in it. What is in a line is the style's: plain.c has events, wal2json.c what wal2json prints.
 *
 * What was printed once is not printed again: state says how far that is, and survives where it is stored.
 */
#ifndef WALROW_SINK_EVENT_H
#define WALROW_SINK_EVENT_H

#include "base/strbuf.h"
#include "sink/event/letters.h"
#include "sink/event/options.h"

typedef struct walrow__event_state {
    uint64_t done_lsn; /* transactions and messages up to it are printed, with their commits */
    uint64_t
        open_lsn; /* commit LSN of the transaction whose begin is printed and its commit is not; 0: none */
    uint32_t next_seq; /* of it: rows before this one are printed */
    /* messages up to this one are printed: of the open transaction; where there is none, those outside of any */
    uint64_t message_lsn;
} walrow__event_state;

/* Take buf's text away and clear it; called between events, or after each: see flush_bytes. */
typedef walrow_code (*walrow__event_flush_fn)(void *arg, walrow__strbuf *buf, walrow_error *err);

typedef struct walrow__event_table walrow__event_table;
typedef struct walrow__event_style walrow__event_style;

/* What the last event is of, for who takes them one by one. */
typedef struct walrow__event_subject {
    const walrow__event_table *table; /* NULL: no row's */
    int64_t row;
    const walrow_message *message; /* NULL: no message's */
    size_t split;                  /* a change of key as two events: where the second begins; else 0 */
} walrow__event_subject;

typedef struct walrow__event_printer {
    walrow__event_state state;
    walrow__event_flush_fn flush;
    void *arg;
    size_t flush_bytes; /* flushed when there is as much; 1: each event by itself */
    walrow__event_subject subject;
    walrow__strbuf buf;
    walrow__event_table *tables;
    walrow__event_options options;
    const walrow__event_style *style;
    walrow__event_letters letters; /* of the change set at hand; wal2json prints what is in them */
    walrow__strbuf value;          /* one value, before it is escaped */
    /* of the transaction at hand: texts that all its lines have, made once */
    uint64_t current_lsn;
    walrow__strbuf lsn_text, tail_text;
    walrow__strbuf source_text; /* what all lines have, if the style wants it: set once by the sink */
} walrow__event_printer;

/** options: initialised, and moved from. */
void walrow__event_init(walrow__event_printer *printer, walrow__event_options *options,
                        walrow__event_flush_fn flush, void *arg);
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
