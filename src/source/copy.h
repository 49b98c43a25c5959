/*
 * source/copy.h
 *	  Rows of COPY … TO STDOUT into a batch: binary (PostgreSQL documentation, "COPY", Binary Format) or text.
 *	  Bytes in, rows out, no I/O. A snapshot reads its tables through this.
 */
#ifndef WALROW_SOURCE_COPY_H
#define WALROW_SOURCE_COPY_H

#include "base/cursor.h"
#include "base/strbuf.h"
#include "source/collector.h"

typedef struct walrow__copy {
    walrow__collector *collector; /* borrowed; in the transaction that stands for the snapshot */
    walrow__feed *feed;           /* borrowed; its table's columns are the query's */
    bool binary;
    bool header_read;       /* binary */
    bool ended;             /* binary: the trailer came */
    walrow__strbuf scratch; /* text: a value without its escapes */
} walrow__copy;

void walrow__copy_init(walrow__copy *copy, walrow__collector *collector, walrow__feed *feed, bool binary);
void walrow__copy_release(walrow__copy *copy);
/** One CopyData message: whole rows, with header or trailer where they belong. */
walrow_code walrow__copy_feed(walrow__copy *copy, const uint8_t *bytes, size_t size,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Read a binary COPY's header; false: it is none. */
bool walrow__copy_read_header(walrow__cursor *cursor);

#endif
