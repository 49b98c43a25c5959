/*
 * walsender.h
 *	  A PostgreSQL server by script: start-up, authentication, SQL from a table of answers, and a walsender that
 *	  says what the test says, when the test says it (PostgreSQL documentation, "Frontend/Backend Protocol" and
 *	  "Streaming Replication Protocol").
 *
 * Every connection has a thread of its own. What a connection meets at start-up is told by the greetings, what
 *	  a replication session sends by the steps, which may be added before the session begins or while it runs.
 *	  After the last step the session stays open and silent, and goes on listening.
 */
#ifndef WALROW_TEST_WALSENDER_H
#define WALROW_TEST_WALSENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct walsender walsender;

typedef enum walsender_network { WALSENDER_UNIX, WALSENDER_TCP } walsender_network;

/** Listens when it returns; "source" of walrow's options is walsender_source. Ends the test if it cannot. */
walsender *walsender_new(walsender_network network);
/** Hangs up on everybody. */
void walsender_free(walsender *server);
/** "host=... port=... dbname=app user=tester sslmode=disable", but for a network whose sslmode the test adds. */
const char *walsender_source(const walsender *server);

/* ---- errors ---- */

typedef struct walsender_error {
    const char *sqlstate, *message;
    const char *detail, *hint;   /* NULL: none */
    const char *file, *function; /* of the server's source; NULL: none is sent */
    bool fatal;                  /* hangs up after it */
} walsender_error;

/* ---- start-up ---- */

typedef enum walsender_manner {
    WALSENDER_WELCOMES,
    WALSENDER_REFUSES,        /* with the error */
    WALSENDER_ASKS_CLEARTEXT, /* ... and then, if there is an error, refuses */
    WALSENDER_ASKS_MD5,
    WALSENDER_ASKS_SCRAM,
    WALSENDER_ASKS_UNKNOWN, /* an authentication method of the future */
    WALSENDER_SAYS_NOTHING,
    WALSENDER_TALKS_NONSENSE,
    WALSENDER_HANGS_UP
} walsender_manner;

/* How the next connections are met. The first greeting that fits and is not used up counts; else: welcome. */
typedef struct walsender_greeting {
    walsender_manner manner;
    walsender_error error;
    char encryption; /* the answer to SSLRequest and GSSENCRequest; 0: 'N' */
    bool only_replication, only_sql;
    int times; /* 0: for ever */
} walsender_greeting;

void walsender_greet(walsender *server, walsender_greeting greeting);

/* ---- SQL ---- */

/* The first answer whose words are in the query counts; a query that none knows has no rows. */
typedef struct walsender_answer {
    const char *words;
    const char *rows;             /* cells end with '|', rows with '\n'; a cell "~" is NULL */
    const walsender_error *error; /* instead of rows; one without SQLSTATE: no answer at all */
} walsender_answer;

/** Answers are borrowed; the last one has no words. */
void walsender_answers(walsender *server, const walsender_answer *answers);

/* ---- how bytes are sent, of connections to come ---- */

/** Each connection pauses after this many bytes, so that a frame is cut there; 0: it does not. */
void walsender_cut(walsender *server, size_t at);
/** Each connection is closed after this many bytes were sent; SIZE_MAX, as at first: it is not. */
void walsender_close_after(walsender *server, size_t bytes);
/** A pause after every byte; negative: none, as at first. */
void walsender_drip(walsender *server, int pause_ms);
/** Bytes sent on the connection that was opened last. */
size_t walsender_sent(walsender *server);

/* ---- what replication sessions send: each call adds a step ---- */

void walsender_data(walsender *server, uint64_t lsn, const void *bytes, size_t size); /* XLogData */
void walsender_keepalive(walsender *server, uint64_t lsn, bool wants_reply);
void walsender_copy(walsender *server, const void *bytes, size_t size); /* CopyData with any content */
void walsender_raw(walsender *server, const void *bytes, size_t size);  /* bytes as they are */
void walsender_ends_copy(walsender *server);                            /* CopyDone, the command's end */
void walsender_fails(walsender *server, walsender_error error);         /* ErrorResponse */
void walsender_pauses(walsender *server, int ms);
void walsender_awaits_flush(walsender *server, uint64_t lsn);    /* until the client confirmed it */
void walsender_awaits_statuses(walsender *server, int at_least); /* of this session */
void walsender_hangs_up(walsender *server);                      /* an orderly close of the socket */
void walsender_resets(walsender *server);                        /* RST */
/** Now, on every replication connection. */
void walsender_hang_up(walsender *server);
/** As the first step: START_REPLICATION is answered with the error; without an SQLSTATE: with no rows. */
void walsender_refuses_start(walsender *server, walsender_error error);
/** As the first step: ... is not answered. */
void walsender_ignores_start(walsender *server);
/** Answers CopyDone with its own, and does not end the command: as in the middle of a transaction. */
void walsender_goes_on(walsender *server);
/** What follows belongs to the next START_REPLICATION. */
void walsender_next_session(walsender *server);

/* ---- what the client said ---- */

typedef struct walsender_status {
    uint64_t written_lsn, flushed_lsn, applied_lsn;
    bool wants_reply;
} walsender_status;

/** Flush positions up to this one may be confirmed from now on: say it before it becomes true. */
void walsender_durable(walsender *server, uint64_t lsn);
/** How many status updates confirmed more than that. */
int walsender_violations(walsender *server);
/** The most that was confirmed. */
uint64_t walsender_flushed(walsender *server);
/** The last status update, zero if there was none. */
walsender_status walsender_last_status(walsender *server);
int walsender_statuses(walsender *server);
/** Sessions begun; sessions the client ended with CopyDone. */
int walsender_sessions(walsender *server);
int walsender_goodbyes(walsender *server);
int walsender_connections(walsender *server);
/** The last START_REPLICATION; "" if there was none. Borrowed until the next one. */
const char *walsender_command(walsender *server);

/** false: not within five seconds. */
bool walsender_wait_flush(walsender *server, uint64_t lsn);
bool walsender_wait_statuses(walsender *server, int at_least);
bool walsender_wait_sessions(walsender *server, int at_least);
bool walsender_wait_said(walsender *server); /* every step was carried out */

#endif
