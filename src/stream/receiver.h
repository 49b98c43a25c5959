/*
 * stream/receiver.h
 *	  The receiving thread: reads snapshots and the stream, decodes, cuts change sets into the queue, answers
 *	  keepalives on its own clock, reconnects. A slow caller makes it stop reading, never stop answering.
 *
 * What is confirmed to the server is what the caller acknowledged; when nothing is pending, what a keepalive
 *	  said.
 */
#ifndef WALROW_STREAM_RECEIVER_H
#define WALROW_STREAM_RECEIVER_H

#include "base/clock.h"
#include "state/state.h"
#include "stream/dialect.h"
#include "stream/plan.h"
#include "stream/queue.h"
#include "stream/reading.h"
#include "stream/retry.h"
#include "stream/transport.h"

#include <stdatomic.h>

/* What a stream tells about itself while it runs; read from any thread. */
typedef struct walrow__receiver_figures {
    _Atomic uint64_t bytes;        /* received, rows and envelopes */
    _Atomic uint64_t received_lsn; /* everything before it was received */
    _Atomic uint64_t server_lsn;   /* how far the server said it had read */
    _Atomic uint64_t reconnects;
} walrow__receiver_figures;

struct walrow__receiver {
    /* set before start */
    const walrow_options *options;
    walrow__plan *plan;       /* the receiver's from start to end */
    walrow__catalog *catalog; /* likewise */
    PGconn *sql;              /* likewise: discovery and who-blocks-us questions */
    char **publications;      /* NULL-terminated */
    const char *plugin;
    const walrow__dialect *dialect; /* the plugin's */
    walrow__state *state;           /* written before anything is confirmed; NULL: none is kept */
    int server_version;
    uint64_t system_identifier; /* of the server the stream began with; 0: not known */
    _Atomic uint32_t timeline;  /* of what comes; the receiver's to change. 0: not known */
    uint64_t reached_lsn;       /* the end of what was handed on, now or before; likewise */
    bool slot_exists;
    bool binary;
    bool patient;       /* what fails before the first connection is tried again, too */
    bool eager;         /* a caller who waits gets what there is at once, not when the delay is over */
    uint64_t start_lsn; /* 0: where the slot is confirmed */
    uint64_t until_lsn; /* 0: for ever */
    int shares;         /* of batch_bytes, one for a change set: see walrow__batch_share */

    walrow__queue queue;
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
    char tables_token[64];  /* of the last discovery; see walrow__discover_token */
    uint64_t confirmed_lsn; /* the last flush position sent */
    bool reply_wanted;
    walrow__retry retry;
    bool connected_once; /* what fails before that is the user's to know, unless patient */
    bool sql_stale;      /* a connection broke: the SQL one is likely to be broken, too */
};

walrow_code walrow__receiver_start(walrow__receiver *receiver, walrow_error *err) WALROW_MUST_CHECK;
/** Ask it to end, wait for it, free what is its own. */
void walrow__receiver_stop(walrow__receiver *receiver);

/* ---- parts, for receiver.c ---- */

typedef enum walrow__session_end {
    WALROW__SESSION_FAILED,     /* the error says whether to come again */
    WALROW__SESSION_STOPPED,    /* as asked, or --until was reached */
    WALROW__SESSION_NEEDS_TEXT, /* come again, in text */
    WALROW__SESSION_GOES_OVER,  /* come again at once, the other way */
    WALROW__SESSION_NEW_TABLES  /* tables appeared that match: read them, come again */
} walrow__session_end;

/** One replication connection, from START_REPLICATION to its end; leaves it open only when stopped. */
walrow__session_end walrow__session_run(walrow__receiver *receiver, walrow_error *err);
/** After it was stopped: answer and confirm until closing, then say goodbye. */
void walrow__session_linger(walrow__receiver *receiver);

/** A connection to the server the stream goes on with; replication: a walsender. */
walrow_code walrow__session_connect(walrow__receiver *receiver, bool replication, PGconn **out,
                                    walrow_error *err) WALROW_MUST_CHECK;
/**
 * A new connection may be to another server: was what was received and handed on part of its past? After a
 * fail-over, the stream and its state follow it.
 * Errors: WALROW_ERR_SERVER, WALROW_ERR_STATE, WALROW_ERR_SLOT: it is not, and why
 */
walrow_code walrow__receiver_check_server(walrow__receiver *receiver, PGconn *conn, bool replication,
                                          walrow_error *err) WALROW_MUST_CHECK;

/** Connect the SQL connection anew if it is stale. */
walrow_code walrow__receiver_refresh_sql(walrow__receiver *receiver, walrow_error *err) WALROW_MUST_CHECK;
/** Read the snapshots the plan asks for; creates the slot if there is none. */
walrow_code walrow__receiver_snapshot(walrow__receiver *receiver, walrow_error *err) WALROW_MUST_CHECK;
/** Plan the table that was met in the stream without being planned, if there is one. */
walrow_code walrow__receiver_plan_met(walrow__receiver *receiver, walrow_error *err) WALROW_MUST_CHECK;
/** Tables that match and were not planned yet: plan them, publish them. *found: there are some. */
walrow_code walrow__receiver_discover(walrow__receiver *receiver, bool *found,
                                      walrow_error *err) WALROW_MUST_CHECK;

/** Write a heartbeat if it is time for one. What the server refuses is only said. */
walrow_code walrow__receiver_beat(walrow__receiver *receiver, int64_t now,
                                  walrow_error *err) WALROW_MUST_CHECK;

#endif
