/*
 * source/collector.h
 *	  The change set under construction: decoders put transactions, rows and messages in, whoever drives the
 *	  decoder cuts it into change sets.
 *
 * Rows go into one batch builder per table and epoch. A table whose schema changes has its batch finished at
 *	  once; the others stay open until the cut.
 */
#ifndef WALROW_SOURCE_COLLECTOR_H
#define WALROW_SOURCE_COLLECTOR_H

#include "columns/batch.h"

/* A table's place in the collector: its builder, and what is dropped of it. */
typedef struct walrow__feed {
    walrow__batch_builder builder;
    uint64_t from_lsn; /* rows committed before it are counted, not kept */
    struct walrow__feed *next_open;
    bool open; /* in the list of feeds with rows */
} walrow__feed;

typedef struct walrow__collector {
    bool strict;    /* a value its Arrow type cannot hold is an error */
    bool snapshot;  /* rows of a snapshot: all have ordinal 0 */
    bool documents; /* messages are documents of wal2json's format 1, and there is nothing else */
    bool in_transaction;
    bool transaction_noted;         /* something of it was kept */
    walrow_transaction transaction; /* current; origin malloc'ed */
    uint32_t seq;                   /* of the next change */
    walrow__position delivered;     /* rows at or before it were delivered already: counted, not kept */
    walrow__position last;          /* of the last row kept */
    uint64_t end_lsn;               /* end of the last whole transaction, empty ones included */
    uint64_t cut_lsn;               /* the same when the last change set was cut */
    int64_t rows;                   /* in the open change set */
    size_t bytes;
    walrow__feed *first_open, *last_open;
    struct walrow__change_set *set; /* what is finished of it */
} walrow__collector;

walrow_code walrow__collector_init(walrow__collector *collector, bool strict,
                                   walrow_error *err) WALROW_MUST_CHECK;
void walrow__collector_release(walrow__collector *collector);

walrow_code walrow__feed_new(walrow__table *table, uint64_t from_lsn, walrow__feed **out,
                             walrow_error *err) WALROW_MUST_CHECK;
/** Free it, with the rows in it. NULL is allowed. */
void walrow__feed_free(walrow__feed *feed);
/** Finish the feed's rows into the open change set, then free it. */
walrow_code walrow__collector_drop_feed(walrow__collector *collector, walrow__feed *feed,
                                        walrow_error *err) WALROW_MUST_CHECK;

walrow_code walrow__collector_begin(walrow__collector *collector, const walrow_transaction *transaction,
                                    walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__collector_origin(walrow__collector *collector, const char *name,
                                     walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__collector_commit(walrow__collector *collector, uint64_t end_lsn,
                                     walrow_error *err) WALROW_MUST_CHECK;
/** A whole transaction of which something was kept after its commit; in their order. Copies its origin. */
walrow_code walrow__collector_list(walrow__collector *collector, const walrow_transaction *transaction,
                                   walrow_error *err) WALROW_MUST_CHECK;
/* The prefix of messages that walrow writes itself; they are not handed on. */
#define WALROW__HEARTBEAT "walrow"

walrow_code walrow__collector_message(walrow__collector *collector, const walrow_message *message,
                                      walrow_error *err) WALROW_MUST_CHECK;

/**
 * Begin a row of the feed's table: takes the next ordinal of the transaction.
 * *builder: where to write the row; NULL where it was delivered already or lies in the table's snapshot.
 */
walrow_code walrow__collector_begin_row(walrow__collector *collector, walrow__feed *feed, char op,
                                        walrow__batch_builder **builder, walrow_error *err) WALROW_MUST_CHECK;
/** End it. size: bytes it took on the wire, for the change set's limit. */
walrow_code walrow__collector_end_row(walrow__collector *collector, walrow__feed *feed, bool old_present,
                                      size_t size, walrow_error *err) WALROW_MUST_CHECK;

/**
 * Rows that come as a batch, whose positions the plugin knows: is the one at that position to be kept? Not if it was
 * delivered already or lies in the table's snapshot. *noted: set if its transaction is to be listed.
 */
bool walrow__collector_wants(const walrow__collector *collector, const walrow__feed *feed,
                             walrow__position position, bool *noted);
/** n wanted rows were appended to the feed's builder, the last at that position. size: as above. */
void walrow__collector_count_rows(walrow__collector *collector, walrow__feed *feed, int64_t n,
                                  walrow__position last, size_t size);
/** Wanted rows that are a batch already. Takes *batch whatever the outcome. */
walrow_code walrow__collector_add_batch(walrow__collector *collector, walrow__feed *feed,
                                        struct ArrowArray *batch, walrow__position last, size_t size,
                                        walrow_error *err) WALROW_MUST_CHECK;

/**
 * A value of the row just begun that its column cannot hold: keep it as a dead letter, or fail when strict.
 * @param text, reason  as PostgreSQL prints it, and why; copied
 */
walrow_code walrow__collector_dead_letter(walrow__collector *collector, walrow__feed *feed, int column,
                                          bool old, char op, const void *text, size_t size,
                                          const char *reason, walrow_error *err) WALROW_MUST_CHECK;

/** The same of the row at that place of the transaction. */
walrow_code walrow__collector_dead_letter_at(walrow__collector *collector, walrow__feed *feed,
                                             walrow__position position, int column, bool old, char op,
                                             const void *text, size_t size, const char *reason,
                                             walrow_error *err) WALROW_MUST_CHECK;

/** There is nothing in the open change set. */
bool walrow__collector_empty(const walrow__collector *collector);
/** There is something, and all of it is of whole transactions. */
bool walrow__collector_whole(const walrow__collector *collector);
/** Forget all that was not cut, as if it had never come: it will come again. For a connection that broke. */
walrow_code walrow__collector_abandon(walrow__collector *collector, walrow_error *err) WALROW_MUST_CHECK;
/** Move what there is into *out: a change set; partial if a transaction is under way and part of it is
 * inside. */
walrow_code walrow__collector_cut(walrow__collector *collector, walrow_changes *out,
                                  walrow_error *err) WALROW_MUST_CHECK;

/** The same with one batch, the feed's, be it empty: a chunk of a snapshot. */
walrow_code walrow__collector_cut_feed(walrow__collector *collector, walrow__feed *feed, walrow_changes *out,
                                       walrow_error *err) WALROW_MUST_CHECK;

#endif
