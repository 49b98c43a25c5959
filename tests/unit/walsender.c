#include "walsender_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 5000, UNIX_PORT = 5432 };

int64_t
walsender_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
walsender_must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "walsender: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- listening ---- */

static void
greet_connection(walsender *w, int fd)
{
    walsender_must(w->n_talks < MAX_TALKS, "too many connections");
    talk *t = calloc(1, sizeof *t);
    walsender_must(t != NULL, "calloc");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* a Unix socket has none: fine */
    pthread_mutex_lock(&w->lock);
    *t = (talk){.server = w,
                .fd = fd,
                .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                .cut_at = w->cut_at,
                .close_after = w->close_after,
                .drip_ms = w->drip_ms};
    w->talks[w->n_talks++] = t;
    walsender_must(pthread_create(&t->thread, NULL, talk_main, t) == 0, "pthread_create");
    pthread_mutex_unlock(&w->lock);
}

static void *
listen_main(void *arg)
{
    walsender *w = arg;
    int fd;
    while ((fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        greet_connection(w, fd);
    return NULL;
}

static void
listen_tcp(walsender *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    w->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    walsender_must(bind(w->listen_fd, (struct sockaddr *)&address, size) == 0, "bind");
    walsender_must(getsockname(w->listen_fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
    snprintf(w->source, sizeof w->source, "host=127.0.0.1 port=%d dbname=app user=tester sslmode=disable",
             ntohs(address.sin_port));
}

static void
listen_unix(walsender *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(w->directory, "/tmp/walsender.XXXXXX");
    walsender_must(mkdtemp(w->directory) != NULL, "mkdtemp");
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%d", w->directory, UNIX_PORT);
    w->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    walsender_must(bind(w->listen_fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    snprintf(w->source, sizeof w->source, "host=%s port=%d dbname=app user=tester", w->directory, UNIX_PORT);
}

walsender *
walsender_new(walsender_network network)
{
    walsender *w = calloc(1, sizeof *w);
    walsender_must(w != NULL, "calloc");
    w->close_after = SIZE_MAX;
    w->drip_ms = -1;
    w->scripting = 1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (network == WALSENDER_TCP)
        listen_tcp(w);
    else
        listen_unix(w);
    walsender_must(listen(w->listen_fd, 64) == 0, "listen");
    walsender_must(pthread_create(&w->thread, NULL, listen_main, w) == 0, "pthread_create");
    return w;
}

static void
end_talks(walsender *w)
{
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    for (int i = 0; i < w->n_talks; i++) {
        if (w->talks[i]->fd >= 0)
            shutdown(w->talks[i]->fd, SHUT_RDWR);
        (void)eventfd_write(w->talks[i]->wake_fd, 1);
    }
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->n_talks; i++) {
        pthread_join(w->talks[i]->thread, NULL);
        close(w->talks[i]->wake_fd);
        free(w->talks[i]);
    }
}

void
walsender_free(walsender *w)
{
    shutdown(w->listen_fd, SHUT_RDWR);
    pthread_join(w->thread, NULL);
    close(w->listen_fd);
    end_talks(w);
    while (w->steps != NULL) {
        step *gone = w->steps;
        w->steps = gone->next;
        free(gone->frame.bytes);
        free(gone);
    }
    if (w->directory[0] != '\0') {
        char path[96];
        snprintf(path, sizeof path, "%s/.s.PGSQL.%d", w->directory, UNIX_PORT);
        unlink(path);
        rmdir(w->directory);
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

const char *
walsender_source(const walsender *w)
{
    return w->source;
}

/* ---- the script ---- */

void
walsender_greet(walsender *w, walsender_greeting greeting)
{
    pthread_mutex_lock(&w->lock);
    walsender_must(w->n_greetings < MAX_GREETINGS, "too many greetings");
    greeting.times = greeting.times == 0 ? -1 : greeting.times;
    w->greetings[w->n_greetings++] = greeting;
    pthread_mutex_unlock(&w->lock);
}

/* A setting is one word written under the lock. */
#define SET(w, field, value)                                                                                 \
    do {                                                                                                     \
        pthread_mutex_lock(&(w)->lock);                                                                      \
        (w)->field = value;                                                                                  \
        pthread_mutex_unlock(&(w)->lock);                                                                    \
    } while (0)

void
walsender_answers(walsender *w, const walsender_answer *answers)
{
    SET(w, answers, answers);
}

void
walsender_cut(walsender *w, size_t at)
{
    SET(w, cut_at, at);
}

void
walsender_close_after(walsender *w, size_t bytes)
{
    SET(w, close_after, bytes);
}

void
walsender_drip(walsender *w, int pause_ms)
{
    SET(w, drip_ms, pause_ms);
}

void
walsender_durable(walsender *w, uint64_t lsn)
{
    SET(w, durable_lsn, lsn);
}

void
walsender_goes_on(walsender *w)
{
    SET(w, goes_on, true);
}

void
walsender_next_session(walsender *w)
{
    SET(w, scripting, w->scripting + 1);
}

/* Takes the frame. */
static void
add_step(walsender *w, step step_)
{
    step *added = malloc(sizeof *added);
    walsender_must(added != NULL, "malloc");
    *added = step_;
    pthread_mutex_lock(&w->lock);
    added->session = w->scripting;
    step **end = &w->steps;
    while (*end != NULL)
        end = &(*end)->next;
    *end = added;
    for (int i = 0; i < w->n_talks; i++)
        (void)eventfd_write(w->talks[i]->wake_fd, 1);
    pthread_mutex_unlock(&w->lock);
}

void
walsender_raw(walsender *w, const void *bytes, size_t size)
{
    buffer frame = {0};
    buffer_add(&frame, bytes, size);
    add_step(w, (step){.kind = STEP_SEND, .frame = frame});
}

void
walsender_copy(walsender *w, const void *bytes, size_t size)
{
    buffer frame = {0};
    size_t at = buffer_begin_message(&frame, 'd');
    buffer_add(&frame, bytes, size);
    buffer_end_message(&frame, at);
    add_step(w, (step){.kind = STEP_SEND, .frame = frame});
}

void
walsender_data(walsender *w, uint64_t lsn, const void *bytes, size_t size)
{
    buffer frame = {0};
    size_t at = buffer_begin_message(&frame, 'd');
    buffer_add(&frame, "w", 1);
    buffer_add_uint(&frame, lsn, 8);
    buffer_add_uint(&frame, lsn, 8);
    buffer_add_uint(&frame, 0, 8);
    buffer_add(&frame, bytes, size);
    buffer_end_message(&frame, at);
    add_step(w, (step){.kind = STEP_SEND, .frame = frame});
}

void
walsender_keepalive(walsender *w, uint64_t lsn, bool wants_reply)
{
    buffer content = {0};
    buffer_add(&content, "k", 1);
    buffer_add_uint(&content, lsn, 8);
    buffer_add_uint(&content, 0, 8);
    buffer_add_uint(&content, wants_reply, 1);
    walsender_copy(w, content.bytes, content.size);
    free(content.bytes);
}

void
walsender_ends_copy(walsender *w)
{
    buffer frame = {0};
    buffer_end_message(&frame, buffer_begin_message(&frame, 'c'));
    size_t at = buffer_begin_message(&frame, 'C');
    buffer_add_text(&frame, "COPY 0");
    buffer_end_message(&frame, at);
    buffer_add_ready(&frame);
    add_step(w, (step){.kind = STEP_SEND, .frame = frame});
    add_step(w, (step){.kind = STEP_LEAVE});
}

void
walsender_fails(walsender *w, walsender_error error)
{
    buffer frame = {0};
    buffer_add_error(&frame, &error);
    if (!error.fatal)
        buffer_add_ready(&frame);
    add_step(w, (step){.kind = STEP_SEND, .frame = frame});
    add_step(w, (step){.kind = error.fatal ? STEP_HANG_UP : STEP_LEAVE});
}

void
walsender_refuses_start(walsender *w, walsender_error error)
{
    buffer frame = {0};
    if (error.sqlstate != NULL)
        buffer_add_error(&frame, &error);
    else
        buffer_add_rows(&frame, "");
    if (!error.fatal)
        buffer_add_ready(&frame);
    add_step(w, (step){.kind = STEP_REFUSE_START, .frame = frame});
}

void
walsender_ignores_start(walsender *w)
{
    add_step(w, (step){.kind = STEP_REFUSE_START});
}

void
walsender_pauses(walsender *w, int ms)
{
    add_step(w, (step){.kind = STEP_PAUSE, .count = ms});
}

void
walsender_awaits_flush(walsender *w, uint64_t lsn)
{
    add_step(w, (step){.kind = STEP_AWAIT_FLUSH, .lsn = lsn});
}

void
walsender_awaits_statuses(walsender *w, int at_least)
{
    add_step(w, (step){.kind = STEP_AWAIT_STATUSES, .count = at_least});
}

void
walsender_hangs_up(walsender *w)
{
    add_step(w, (step){.kind = STEP_HANG_UP});
}

void
walsender_resets(walsender *w)
{
    add_step(w, (step){.kind = STEP_RESET});
}

void
walsender_hang_up(walsender *w)
{
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < w->n_talks; i++)
        if (w->talks[i]->is_replication && w->talks[i]->fd >= 0)
            shutdown(w->talks[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&w->lock);
}

/* ---- what is known of it ---- */

#define GETTER(type, name, expression)                                                                       \
    type walsender_##name(walsender *w)                                                                      \
    {                                                                                                        \
        pthread_mutex_lock(&w->lock);                                                                        \
        type value = expression;                                                                             \
        pthread_mutex_unlock(&w->lock);                                                                      \
        return value;                                                                                        \
    }

GETTER(size_t, sent, w->n_talks == 0 ? 0 : w->talks[w->n_talks - 1]->sent)
GETTER(int, violations, w->violations)
GETTER(uint64_t, flushed, w->most_flushed_lsn)
GETTER(walsender_status, last_status, w->status)
GETTER(int, statuses, w->n_statuses)
GETTER(int, sessions, w->n_sessions)
GETTER(int, goodbyes, w->n_goodbyes)
GETTER(int, connections, w->n_talks)
GETTER(const char *, command, w->command)

typedef bool (*condition_fn)(const walsender *w, uint64_t wanted);

static bool
wait_until(walsender *w, condition_fn condition, uint64_t wanted)
{
    int64_t at_ms = walsender_now_ms() + WAIT_MS;
    struct timespec deadline = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};
    pthread_mutex_lock(&w->lock);
    int outcome = 0;
    while (!condition(w, wanted) && outcome == 0)
        outcome = pthread_cond_timedwait(&w->changed, &w->lock, &deadline);
    bool met = condition(w, wanted);
    pthread_mutex_unlock(&w->lock);
    return met;
}

static bool
has_flushed(const walsender *w, uint64_t lsn)
{
    return w->most_flushed_lsn >= lsn;
}

static bool
has_statuses(const walsender *w, uint64_t at_least)
{
    return (uint64_t)w->n_statuses >= at_least;
}

static bool
has_sessions(const walsender *w, uint64_t at_least)
{
    return (uint64_t)w->n_sessions >= at_least;
}

static bool
has_said(const walsender *w, uint64_t ignored)
{
    (void)ignored;
    for (const step *each = w->steps; each != NULL; each = each->next)
        if (!each->done)
            return false;
    return true;
}

bool
walsender_wait_flush(walsender *w, uint64_t lsn)
{
    return wait_until(w, has_flushed, lsn);
}

bool
walsender_wait_statuses(walsender *w, int at_least)
{
    return wait_until(w, has_statuses, (uint64_t)at_least);
}

bool
walsender_wait_sessions(walsender *w, int at_least)
{
    return wait_until(w, has_sessions, (uint64_t)at_least);
}

bool
walsender_wait_said(walsender *w)
{
    return wait_until(w, has_said, 0);
}
