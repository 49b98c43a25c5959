/*
 * sink/part.h
 *	  One file under its staged name: small batches gathered into larger record batches, then closed, whole
 * and durable. What it is called in the end is the caller's affair.
 */
#ifndef WALROW_SINK_PART_H
#define WALROW_SINK_PART_H

#include "columns/batch.h"
#include "kernels/rows.h"
#include "sink/format.h"

enum {
    WALROW__RECORD_BATCH_ROWS = 64 * 1024,
    WALROW__RECORD_BATCH_BYTES = 4 * 1024 * 1024,
    WALROW__RECORD_BATCH_DIRECT = 16 * 1024 /* rows of a batch that is written as it comes */
};

typedef struct walrow__part {
    bool open;
    const walrow__table_format *format;
    void *shared; /* of the format; borrowed */
    char *path;   /* staged */
    uint32_t relid;
    uint64_t epoch;
    struct ArrowSchema schema;
    walrow__rows rows; /* not with the writer yet */
    int64_t gathered;  /* bytes in rows */
    walrow__table_writer
        *writer; /* NULL until the first record batch: a small file costs no descriptor till then */
    walrow__position first, last; /* of changes */
    int64_t n_rows;
    uint64_t before_lsn; /* everything up to here was written before its first row came */
} walrow__part;

/** Begin a file for batches like this one. path: taken over, freed with the part (even on an error). */
walrow_code walrow__part_open(walrow__part *part, const walrow__table_format *format, void *shared,
                              char *path, const walrow_batch *batch, walrow_error *err) WALROW_MUST_CHECK;
/** Can rows of the batch go into the file: the same relation and schema? */
bool walrow__part_takes(const walrow__part *part, const walrow_batch *batch);
walrow_code walrow__part_append(walrow__part *part, const struct ArrowArray *batch, int64_t start, int64_t n,
                                walrow_error *err) WALROW_MUST_CHECK;
int64_t walrow__part_bytes(const walrow__part *part);
/** Write what is gathered as a record batch. */
walrow_code walrow__part_flush(walrow__part *part, walrow_error *err) WALROW_MUST_CHECK;
/** End the file; it stays under its staged name. */
walrow_code walrow__part_close(walrow__part *part, walrow_error *err) WALROW_MUST_CHECK;
/* Forget the part; its file, if there is one, is left to the caller. */
void walrow__part_release(walrow__part *part);

#endif
