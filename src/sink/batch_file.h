/*
 * sink/batch_file.h
 *	  Batches on their way into a file that somebody else writes in one go: they wait in an Arrow IPC stream, in
 *	  a nameless file, and can be read while more of them come. What waits is gone with the process.
 *
 * One thread appends and ends, one reads; memory is bounded by a record batch. Of a single batch, the last, there
 *	  is no file.
 */
#ifndef WALROW_SINK_BATCH_FILE_H
#define WALROW_SINK_BATCH_FILE_H

#include "columns/ipc.h"

#include <pthread.h>

typedef struct walrow__batch_file {
    const struct ArrowSchema *schema; /* borrowed */
    const char *path;                 /* borrowed: of the file that all this is for; it waits beside */
    int fd;                           /* -1: there is none */
    walrow__ipc_writer writer;

    pthread_mutex_t lock; /* of these four */
    pthread_cond_t grew;
    int64_t size; /* bytes that may be read: whole batches */
    bool ended, abandoned;

    struct ArrowArray last; /* written before `ended`, read after it */
    /* the reader's own */
    int64_t read;
    struct ArrowArrayStream waiting;
} walrow__batch_file;

void walrow__batch_file_init(walrow__batch_file *file, const struct ArrowSchema *schema, const char *path);
/** A struct array without offset, borrowed for the call. */
walrow_code walrow__batch_file_append(walrow__batch_file *file, const struct ArrowArray *batch,
                                      walrow_error *err) WALROW_MUST_CHECK;
/** Nothing more comes but this one, taken over whatever the outcome; or released already: none. */
walrow_code walrow__batch_file_end(walrow__batch_file *file, struct ArrowArray *last,
                                   walrow_error *err) WALROW_MUST_CHECK;
/* Reading fails from now on. */
void walrow__batch_file_abandon(walrow__batch_file *file);
/* The appending thread's: bytes written so far. */
int64_t walrow__batch_file_bytes(const walrow__batch_file *file);
/**
 * All the batches, in order; get_next waits for those that are still to come. To be read once, by one thread.
 * @param out  valid while the file is; need not be released
 */
void walrow__batch_file_stream(walrow__batch_file *file, struct ArrowArrayStream *out);
/* Nobody reads any more. */
void walrow__batch_file_release(walrow__batch_file *file);

#endif
