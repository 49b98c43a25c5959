/*
 * transaction.h
 *	  The transaction being decoded: what of it is pending, and its way out in as few messages as the limits allow.
 *
 * Rows collect in the batches of their tables. Frames that come before a batch (schemas, dead letters, logical
 *	  messages, batches of a schema that changed meanwhile) collect, written already, in `pending`.
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
    bool begun; /* its begin frame went out */
    uint32 xid;
    walrow__position next; /* of its next change */
    int64 commit_time;     /* microseconds since 1970 */
    StringInfoData pending;
    published **tables; /* those with rows */
    int n_tables, table_capacity;
    int64 rows;  /* in their batches */
    int64 bytes; /* in their batches, as measured */
    int64 kept;  /* about what the empty buffers of all tables take */
} transaction;

extern void transaction_init(transaction *transaction, LogicalDecodingContext *ctx,
                             const plugin_options *options);
extern void transaction_begin(transaction *transaction, const ReorderBufferTXN *txn);
/* Send what is pending, and the end. true: something of the transaction was sent. */
extern bool transaction_commit(transaction *transaction, XLogRecPtr end_lsn);

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
