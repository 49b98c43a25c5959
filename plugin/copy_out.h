/*
 * copy_out.h
 *	  What a procedure sends its client as COPY … TO STDOUT would: messages as walsender shapes them (PROTOCOL.md,
 *	  "The procedure").
 *
 * From copy_out_begin on only an error or copy_out_end may end the statement.
 */
#ifndef WAL2ARROW_COPY_OUT_H
#define WAL2ARROW_COPY_OUT_H

#include "postgres.h"

#include "compat.h"

/* Also a LogicalDecodingContext's output_writer_private. */
typedef struct copy_out {
    Size unsent; /* bytes that wait for others in the server's buffer */
} copy_out;

extern void copy_out_begin(copy_out *out);
/* All that was decoded up to here has been sent. */
extern void copy_out_position(copy_out *out, XLogRecPtr lsn);
extern void copy_out_end(void);

/* A decoding context's callbacks: a message of the output plugin is one of the copy's. */
extern void copy_out_prepare(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool last_write);
extern void copy_out_write(LogicalDecodingContext *ctx, XLogRecPtr lsn, TransactionId xid, bool last_write);

#endif
