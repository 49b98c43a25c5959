/*
 * transaction.h
 *	  The transaction being decoded: what of it is pending, and its way out in as few messages as the limits allow.
 *
 * Rows collect in the batches of their tables. Frames that come before a batch (schemas, dead letters, logical
 *	  messages, batches of a schema that changed meanwhile) collect, written already, in `pending`.
 *
 * Where somebody sees to it that they are sent in the end (procedure.c), small transactions wait for each other and
 *	  share a message and its batches: only their begins and commits are written when they commit.
 */
#ifndef WAL2ARROW_TRANSACTION_H
#define WAL2ARROW_TRANSACTION_H

#include "postgres.h"

#include "columns/wire.h"
#include "lib/stringinfo.h"
#include "published.h"
#include "replication/logical.h"
#include "replication/reorderbuffer.h"

typedef struct transaction {
    LogicalDecodingContext *ctx;
    const plugin_options *options;
    const ReorderBufferTXN *txn;
    bool begun;    /* its begin frame went out */
    bool captured; /* there is something of it to be sent, or was */
    uint32 xid;
    walrow__position next; /* of its next change */
    int64 commit_time;     /* microseconds since 1970 */
    StringInfoData pending;
    published **tables; /* those with rows */
    int n_tables, table_capacity;
    int64 rows;  /* in their batches */
    int64 bytes; /* in their batches, as measured */
    int64 kept;  /* about what the empty buffers of all tables take */

    int64 group_bytes;      /* transactions wait until there is about so much of them; 0: none does */
    StringInfoData waiting; /* begins and commits of those that wait */
    int64 waiting_rows, waiting_bytes; /* of rows, bytes: theirs */
    int64 came;                        /* about how many bytes, for the message at hand */
} transaction;

extern void transaction_init(transaction *transaction, LogicalDecodingContext *ctx,
                             const plugin_options *options);
extern void transaction_begin(transaction *transaction, const ReorderBufferTXN *txn);
/* Send what is pending, and the end; or let it wait. true: something of the transaction was captured. */
extern bool transaction_commit(transaction *transaction, XLogRecPtr end_lsn);

/* Between transactions: send those that wait. */
extern void transaction_send_waiting(transaction *transaction);

/* Transactions wait: rows of theirs are in the batches of their tables. */
static inline bool
transaction_waits(const transaction *transaction)
{
    return transaction->waiting.len > 0;
}

/* A change that has its ordinal but is not sent. */
static inline void
transaction_skip_row(transaction *transaction)
{
    transaction->next.seq++;
}

/* Begin a row of table->batch, with the next ordinal. */
extern void transaction_begin_row(transaction *transaction, published *table, char op);
/* End it. May send what is pending. size: about how many bytes came. */
extern void transaction_end_row(transaction *transaction, published *table, bool old_present, Size size);
/* A value of the row just begun that its column cannot hold. */
extern void transaction_dead_letter(transaction *transaction, published *table, char op, int column, bool old,
                                    const char *reason, const char *text);
/* The table's schema is no longer the one of its rows: they go first. */
extern void transaction_close_table(transaction *transaction, published *table);

/* A logical message; not transactional: a message of its own, at once. */
extern void transaction_message(transaction *transaction, const walrow__wire_message *message);

#endif
