/*
 * stream/queue.h
 *	  Change sets on their way from the receiving thread to the caller's, bounded in bytes.
 *
 * The receiver never blocks here: it asks whether there is room before it reads on, and sleeps in poll() with
 * wake_fd, which the caller's side makes readable when it took something or begins to wait.
 */
#ifndef WALROW_STREAM_QUEUE_H
#define WALROW_STREAM_QUEUE_H

#include "stream/signal.h"

#include <pthread.h>
#include <walrow.h>

typedef struct walrow__queue_item {
    walrow_changes changes;
    size_t bytes;
    struct walrow__queue_item *next;
} walrow__queue_item;

typedef struct walrow__queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    walrow__queue_item *first, *last;
    size_t bytes, max_bytes;
    bool waiting; /* the caller waits and there is nothing for it */
    bool ended;
    walrow_error end;     /* why, when ended: WALROW_END or an error */
    int wake_fd;          /* eventfd */
    walrow__signal ready; /* there is something to be taken, or an end; for walrow_stream_fd */
    bool polled;          /* the caller looks at that: it waits whenever there is nothing */
} walrow__queue;

walrow_code walrow__queue_init(walrow__queue *queue, size_t max_bytes, walrow_error *err) WALROW_MUST_CHECK;
void walrow__queue_release(walrow__queue *queue);

/* The receiver's side. */
bool walrow__queue_has_room(walrow__queue *queue);
bool walrow__queue_is_awaited(walrow__queue *queue); /* the caller waits: what there is should go now */
/** Takes the change set, whatever the outcome. */
walrow_code walrow__queue_put(walrow__queue *queue, walrow_changes *changes, size_t bytes,
                              walrow_error *err) WALROW_MUST_CHECK;
void walrow__queue_end(walrow__queue *queue, const walrow_error *why);
void walrow__queue_sleep_over(walrow__queue *queue); /* read wake_fd empty */

/* Until the caller took something, waits or stops the stream; at most timeout_ms. */
void walrow__queue_wait(walrow__queue *queue, int timeout_ms);

/* The caller's side. timeout_ms as in walrow_next; bytes: as they were put, may be NULL. */
walrow_code walrow__queue_take(walrow__queue *queue, walrow_changes *out, size_t *bytes, int timeout_ms,
                               walrow_error *err) WALROW_MUST_CHECK;
int walrow__queue_fd(walrow__queue *queue);
void walrow__queue_wake(walrow__queue *queue);

#endif
