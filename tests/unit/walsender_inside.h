/*
 * walsender_inside.h
 *	  What walsender.c (the script and what is known of it) and walsender_talk.c (one connection) share.
 */
#ifndef WALROW_TEST_WALSENDER_INSIDE_H
#define WALROW_TEST_WALSENDER_INSIDE_H

#include "walsender.h"

#include <pthread.h>

enum { MAX_GREETINGS = 8, MAX_TALKS = 2048 };

/* ---- messages of the server ---- */

typedef struct buffer {
    uint8_t *bytes;
    size_t size;
} buffer;

void buffer_add(buffer *b, const void *bytes, size_t size);
void buffer_add_uint(buffer *b, uint64_t value, int size);
void buffer_add_text(buffer *b, const char *text); /* with its zero */
/** A message of a type: the length is filled in by buffer_end_message(b, what this returned). */
size_t buffer_begin_message(buffer *b, char type);
void buffer_end_message(buffer *b, size_t at);
void buffer_add_error(buffer *b, const walsender_error *error);
void buffer_add_rows(buffer *b, const char *rows);
void buffer_add_ready(buffer *b);

/* ---- the script ---- */

typedef enum step_kind {
    STEP_SEND,
    STEP_PAUSE,
    STEP_AWAIT_FLUSH,
    STEP_AWAIT_STATUSES,
    STEP_HANG_UP,
    STEP_RESET,
    STEP_LEAVE, /* the command has ended, the connection takes the next */
    STEP_REFUSE_START
} step_kind;

typedef struct step {
    step_kind kind;
    int session;
    buffer frame;
    uint64_t lsn;
    int count; /* milliseconds, statuses */
    bool done;
    struct step *next;
} step;

/* ---- one connection ---- */

typedef struct talk {
    walsender *server;
    pthread_t thread;
    int fd;      /* -1: closed */
    int wake_fd; /* eventfd: there may be new steps */
    size_t sent, cut_at, close_after;
    int drip_ms;
    bool is_replication;
    bool broken; /* nothing more is said or heard */
    char query[8192];
    int session, statuses;
    int64_t pause_until; /* 0: no pause */
} talk;

void *talk_main(void *arg);

struct walsender {
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t changed;
    pthread_t thread;
    int listen_fd;
    char directory[64], source[160];
    bool closing, goes_on;
    size_t cut_at, close_after;
    int drip_ms;
    walsender_greeting greetings[MAX_GREETINGS];
    int n_greetings;
    const walsender_answer *answers;
    step *steps;
    int scripting; /* the session steps are added to */
    talk *talks[MAX_TALKS];
    int n_talks;

    uint64_t durable_lsn, most_flushed_lsn;
    int violations, n_statuses, n_sessions, n_goodbyes;
    walsender_status status;
    char command[8192];
};

int64_t walsender_now_ms(void);
/** Or the test ends: what failed, with errno. */
void walsender_must(bool ok, const char *what);

#endif
