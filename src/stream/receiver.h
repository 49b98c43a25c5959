/*
 * stream/receiver.h
 *	  What the receiving thread works on, with the caller's thread at the other end of the queue.
 */
#ifndef WALROW_STREAM_RECEIVER_H
#define WALROW_STREAM_RECEIVER_H

#include "source/pull.h"
#include "source/push.h"
#include "stream/queue.h"
#include "stream/reading.h"
#include "stream/retry.h"
#include "stream/upstream.h"

#include <stdatomic.h>

/* What a stream tells about itself while it runs; read from any thread. */
typedef struct walrow__receiver_figures {
    _Atomic uint64_t bytes;        /* received, rows and envelopes */
    _Atomic uint64_t received_lsn; /* everything before it was received */
    _Atomic uint64_t server_lsn;   /* how far the server said it had read */
    _Atomic uint64_t reconnects;
} walrow__receiver_figures;

/* Which way changes come, and why. */
typedef struct walrow__transport_choice {
    walrow__push push;
    walrow__pull pull;
    int64_t refused_until; /* pulling failed: not again before; milliseconds, 0: it did not */
    int64_t looked_at;     /* how far the server is */
    char why[512];         /* the way in use was taken; "": because it was asked for */
    int64_t patient_until; /* one way was left for the other: a slot that is active still, is waited for */
} walrow__transport_choice;

typedef struct walrow__receiver {
    /* set before start */
    walrow__upstream *up;      /* borrowed */
    _Atomic uint32_t timeline; /* of what comes; the receiver's to change. 0: not known */
    uint64_t start_lsn;        /* 0: where the slot is confirmed */

    walrow__queue queue;
    walrow__signal begun; /* the slot is there, or there was a reason to end */
    _Atomic uint64_t acked_lsn;
    atomic_bool stop;    /* end the stream, keep the connection for the last acknowledgement */
    atomic_bool closing; /* say goodbye */
    atomic_bool outran;  /* ended because the server went on, after a fail-over, without what was handed on */
    atomic_bool sync_wanted; /* the server waits for its changes to be made durable: it shuts down */
    walrow__receiver_figures figures;
    walrow__reading reading;

    /* the thread's own */
    pthread_t thread;
    walrow__collector collector;
    walrow__decoder *decoder;
    walrow__transport_choice transport;
    walrow__source *source; /* what is being read; NULL: no session */
    uint64_t emitted_lsn;   /* end of the last whole transaction that went into the queue */
    uint64_t keepalive_lsn; /* in stream order, outside transactions */
    int64_t opened_at;      /* when the first row of the open change set came; milliseconds, 0: none */
    int64_t status_at;      /* when the last status was sent */
    int64_t heard_at;       /* when the server last said anything */
    int64_t idle_at_us;     /* when there was last nothing more to read, and what had come by then */
    uint64_t idle_at_bytes;
    int flow; /* how often in a row there was something again soon after */
    int64_t discovery_at;
    int64_t quiet_since; /* when something last came, or a heartbeat was written, and what had come by then */
    uint64_t beat_bytes;
    bool no_heartbeat;      /* the server refuses them */
    uint64_t confirmed_lsn; /* the last flush position sent */
    bool reply_wanted;
    walrow__retry retry;
    bool connected_once; /* what fails before that is the user's to know, unless patient */
} walrow__receiver;

#endif
