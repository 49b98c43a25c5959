/*
 * stream/lane.h
 *	  One sink behind the buffer: its thread takes change sets by number, writes and syncs them, and knows the
 *	  first that is not durable.
 */
#ifndef WALROW_STREAM_LANE_H
#define WALROW_STREAM_LANE_H

#include "sink/sink.h"
#include "state/buffer.h"

#include <pthread.h>

typedef enum walrow__lane_goal {
    WALROW__LANE_RUN,
    WALROW__LANE_DRAIN,  /* take what is there, then finish the sink */
    WALROW__LANE_FINISH, /* finish the sink with what it took */
    WALROW__LANE_DROP    /* end at once */
} walrow__lane_goal;

typedef struct walrow__lane {
    walrow__buffer *buffer;        /* borrowed */
    walrow__sink *sink;            /* borrowed; the thread's own while it runs */
    const walrow_options *options; /* borrowed */
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* of the rest */
    walrow__lane_goal goal;
    uint64_t cursor;      /* the first entry that is not durable in the sink */
    uint64_t durable_lsn; /* what the sink said */
    walrow_error outcome; /* code OK while all is well */

    /* the thread's own */
    uint64_t next;               /* to be taken */
    struct walrow__taken *taken; /* cursor to next - 1, by number */
    size_t capacity;
} walrow__lane;

walrow_code walrow__lane_init(walrow__lane *lane, walrow__buffer *buffer, walrow__sink *sink, uint64_t cursor,
                              const walrow_options *options, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__lane_start(walrow__lane *lane, walrow_error *err) WALROW_MUST_CHECK;
void walrow__lane_end(walrow__lane *lane, walrow__lane_goal goal);
void walrow__lane_join(walrow__lane *lane);
void walrow__lane_release(walrow__lane *lane);

/* From any thread. */
uint64_t walrow__lane_cursor(walrow__lane *lane);
uint64_t walrow__lane_durable_lsn(walrow__lane *lane);
/** What the sink failed with; WALROW_END: it cannot go on, and says that is fine. */
walrow_code walrow__lane_outcome(walrow__lane *lane, walrow_error *err) WALROW_MUST_CHECK;

#endif
