/*
 * walsender_talk.c
 *	  One connection of the scripted walsender: start-up, SQL, a replication session.
 */
#include "walsender_inside.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CANCEL = 80877102, SSL = 80877103, GSSENC = 80877104, CUT_PAUSE_MS = 1 };

/* ---- bytes ---- */

static void
pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* How many of size bytes may be sent in one go. */
static size_t
piece(const talk *t, size_t size)
{
    size_t n = t->drip_ms >= 0 ? 1 : size;
    if (t->cut_at > t->sent && t->cut_at - t->sent < n)
        n = t->cut_at - t->sent;
    return t->close_after - t->sent < n ? t->close_after - t->sent : n;
}

static bool hear(talk *t, void *bytes, size_t size);
static bool hear_content(talk *t, uint8_t *content, size_t max, size_t *size);
static void take_status(talk *t, const uint8_t *content, size_t size);

/* Like a walsender, go on listening while the client does not read. */
static void
wait_writable(talk *t)
{
    uint8_t content[1024], type = 0;
    size_t size;
    struct pollfd fd = {.fd = t->fd, .events = POLLOUT};
    bool may_be_status = t->session > 0 && recv(t->fd, &type, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && type == 'd';
    if (may_be_status && hear(t, &type, 1) && hear_content(t, content, sizeof content, &size))
        take_status(t, content, size);
    else
        poll(&fd, 1, 5);
}

static bool
send_whole(talk *t, const uint8_t *bytes, size_t size)
{
    while (size > 0 && !t->broken) {
        ssize_t n = send(t->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n < 0)
            wait_writable(t);
        else
            bytes += n, size -= (size_t)n;
    }
    return !t->broken;
}

static void
say(talk *t, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0 && !t->broken) {
        size_t n = piece(t, size);
        pthread_mutex_lock(&t->server->lock); /* before the client can act on it */
        t->sent += n;
        pthread_mutex_unlock(&t->server->lock);
        if (n == 0 || !send_whole(t, at, n)) {
            t->broken = true;
            return;
        }
        at += n;
        size -= n;
        if (t->drip_ms >= 0)
            pause_ms(t->drip_ms);
        else if (t->sent == t->cut_at)
            pause_ms(CUT_PAUSE_MS);
    }
    t->broken = t->broken || t->sent == t->close_after;
}

/* Empties the buffer. */
static void
say_buffer(talk *t, buffer *b)
{
    say(t, b->bytes, b->size);
    free(b->bytes);
    *b = (buffer){0};
}

static bool
hear(talk *t, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    while (size > 0 && !t->broken) {
        ssize_t n = recv(t->fd, at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            t->broken = true;
        else
            at += n, size -= (size_t)n;
    }
    return !t->broken;
}

static uint64_t
read_uint(const uint8_t *bytes, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* A message's content, zero-terminated; what does not fit is read away. */
static bool
hear_content(talk *t, uint8_t *content, size_t max, size_t *size)
{
    uint8_t length[4], rest;
    if (!hear(t, length, sizeof length))
        return false;
    *size = (size_t)read_uint(length, 4) - 4;
    size_t kept = *size < max ? *size : max - 1;
    if (!hear(t, content, kept))
        return false;
    for (size_t i = kept; i < *size; i++)
        if (!hear(t, &rest, 1))
            return false;
    *size = kept;
    content[kept] = 0;
    return true;
}

static void
listen_until_gone(talk *t)
{
    uint8_t byte;
    while (hear(t, &byte, 1))
        ;
}

/* ---- start-up ---- */

static walsender_greeting
pick_greeting(talk *t)
{
    walsender *w = t->server;
    walsender_greeting picked = {.manner = WALSENDER_WELCOMES};
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < w->n_greetings; i++) {
        walsender_greeting *each = &w->greetings[i];
        if (each->times == 0 || (t->is_replication ? each->only_sql : each->only_replication))
            continue;
        each->times -= each->times > 0;
        picked = *each;
        break;
    }
    pthread_mutex_unlock(&w->lock);
    return picked;
}

/* What is said to a client that asks for encryption, before anything else is known of it. */
static char
encryption_answer(talk *t)
{
    walsender *w = t->server;
    char answer = 'N';
    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < w->n_greetings; i++)
        if (w->greetings[i].encryption != 0 && w->greetings[i].times != 0)
            answer = w->greetings[i].encryption;
    pthread_mutex_unlock(&w->lock);
    return answer;
}

static bool
asks_for_replication(const uint8_t *content, size_t size)
{
    for (size_t at = 4; at < size; at += strlen((const char *)content + at) + 1)
        if (strcmp((const char *)content + at, "replication") == 0)
            return true;
    return false;
}

/* The start-up packet, after the requests for encryption that may come before it. */
static bool
hear_startup(talk *t)
{
    uint8_t content[4096];
    size_t size;
    for (;;) {
        if (!hear_content(t, content, sizeof content, &size) || size < 4)
            return false;
        uint64_t code = read_uint(content, 4);
        if (code == CANCEL)
            return false;
        if (code != SSL && code != GSSENC)
            break;
        char answer = encryption_answer(t);
        say(t, &answer, 1);
        if (answer != 'N') { /* a promise this server cannot keep */
            say(t, "but not now", 11);
            return false;
        }
    }
    t->is_replication = asks_for_replication(content, size);
    return true;
}

static void
add_authentication(buffer *b, uint32_t kind, const void *bytes, size_t size)
{
    size_t at = buffer_begin_message(b, 'R');
    buffer_add_uint(b, kind, 4);
    buffer_add(b, bytes, size);
    buffer_end_message(b, at);
}

static void
ask_password(talk *t, uint32_t kind, const void *bytes, size_t size)
{
    uint8_t content[1024], type;
    buffer b = {0};
    add_authentication(&b, kind, bytes, size);
    say_buffer(t, &b);
    if (hear(t, &type, 1))
        (void)hear_content(t, content, sizeof content, &size);
}

static void
add_parameter(buffer *b, const char *name, const char *value)
{
    size_t at = buffer_begin_message(b, 'S');
    buffer_add_text(b, name);
    buffer_add_text(b, value);
    buffer_end_message(b, at);
}

static void
welcome(talk *t)
{
    buffer b = {0};
    add_authentication(&b, 0, NULL, 0);
    add_parameter(&b, "server_version", "15.8");
    add_parameter(&b, "server_encoding", "UTF8");
    add_parameter(&b, "client_encoding", "UTF8");
    add_parameter(&b, "integer_datetimes", "on");
    add_parameter(&b, "standard_conforming_strings", "on");
    size_t at = buffer_begin_message(&b, 'K');
    buffer_add_uint(&b, 4711, 4);
    buffer_add_uint(&b, 42, 4);
    buffer_end_message(&b, at);
    buffer_add_ready(&b);
    say_buffer(t, &b);
}

static void
refuse(talk *t, const walsender_error *error)
{
    buffer b = {0};
    buffer_add_error(&b, error);
    say_buffer(t, &b);
    t->broken = true;
}

/* false: the connection goes no further. */
static bool
start_up(talk *t)
{
    if (t->close_after == 0 || !hear_startup(t))
        return false;
    walsender_greeting greeting = pick_greeting(t);
    switch (greeting.manner) {
    case WALSENDER_WELCOMES:
        break;
    case WALSENDER_REFUSES:
        refuse(t, &greeting.error);
        break;
    case WALSENDER_ASKS_CLEARTEXT:
        ask_password(t, 3, NULL, 0);
        break;
    case WALSENDER_ASKS_MD5:
        ask_password(t, 5, "salt", 4);
        break;
    case WALSENDER_ASKS_SCRAM:
        ask_password(t, 10, "SCRAM-SHA-256\0", 15);
        break;
    case WALSENDER_ASKS_UNKNOWN:
        ask_password(t, 99, NULL, 0);
        break;
    case WALSENDER_SAYS_NOTHING:
        listen_until_gone(t);
        break;
    case WALSENDER_TALKS_NONSENSE:
        say(t, "SSH-2.0-OpenSSH_9.2\r\n", 21);
        listen_until_gone(t);
        break;
    case WALSENDER_HANGS_UP:
        t->broken = true;
        break;
    }
    if (!t->broken && greeting.error.sqlstate != NULL)
        refuse(t, &greeting.error);
    if (!t->broken)
        welcome(t);
    return !t->broken;
}

/* ---- SQL ---- */

static const walsender_answer *
find_answer(talk *t)
{
    static const walsender_answer identity[] = {
        {"IDENTIFY_SYSTEM", "7000000000000000001|1|0/1000|app|\n", NULL},
        {"set_config", "|\n", NULL},
        {NULL, "", NULL},
    };
    pthread_mutex_lock(&t->server->lock);
    const walsender_answer *tables[] = {t->server->answers, identity};
    pthread_mutex_unlock(&t->server->lock);
    for (int i = 0; i < 2; i++)
        for (const walsender_answer *each = tables[i]; each != NULL && each->words != NULL; each++)
            if (strstr(t->query, each->words) != NULL)
                return each;
    return &identity[2];
}

static void
answer_query(talk *t, bool extended)
{
    buffer b = {0};
    const walsender_answer *answer = find_answer(t);
    if (answer->error != NULL && answer->error->sqlstate == NULL)
        return;
    if (answer->error != NULL)
        buffer_add_error(&b, answer->error);
    else {
        if (extended) { /* ParseComplete, BindComplete */
            buffer_end_message(&b, buffer_begin_message(&b, '1'));
            buffer_end_message(&b, buffer_begin_message(&b, '2'));
        }
        buffer_add_rows(&b, answer->rows);
    }
    bool gone = answer->error != NULL && answer->error->fatal;
    if (!gone)
        buffer_add_ready(&b);
    say_buffer(t, &b);
    t->broken = t->broken || gone;
}

/* ---- a replication session ---- */

static step *
next_step(talk *t)
{
    step *found = NULL;
    pthread_mutex_lock(&t->server->lock);
    for (step *each = t->server->steps; each != NULL && found == NULL; each = each->next)
        if (each->session == t->session && !each->done)
            found = each;
    pthread_mutex_unlock(&t->server->lock);
    return found;
}

static void
finish_step(talk *t, step *step)
{
    pthread_mutex_lock(&t->server->lock);
    step->done = true;
    pthread_cond_broadcast(&t->server->changed);
    pthread_mutex_unlock(&t->server->lock);
}

static bool
pause_is_over(talk *t, const step *step)
{
    int64_t now = walsender_now_ms();
    if (t->pause_until == 0)
        t->pause_until = now + step->count;
    if (now < t->pause_until)
        return false;
    t->pause_until = 0;
    return true;
}

/* false: not yet. */
static bool
take_step(talk *t, step *step, bool *left)
{
    switch (step->kind) {
    case STEP_SEND:
        say(t, step->frame.bytes, step->frame.size);
        return true;
    case STEP_PAUSE:
        return pause_is_over(t, step);
    case STEP_AWAIT_FLUSH:
        return walsender_flushed(t->server) >= step->lsn;
    case STEP_AWAIT_STATUSES:
        return t->statuses >= step->count;
    case STEP_RESET:
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
        t->broken = true;
        return true;
    case STEP_HANG_UP:
        t->broken = true;
        return true;
    case STEP_LEAVE:
    case STEP_REFUSE_START:
        *left = true;
        return true;
    }
    return true;
}

static void
take_status(talk *t, const uint8_t *content, size_t size)
{
    walsender *w = t->server;
    if (size < 34 || content[0] != 'r')
        return;
    t->statuses++;
    pthread_mutex_lock(&w->lock);
    w->status = (walsender_status){.written_lsn = read_uint(content + 1, 8),
                                   .flushed_lsn = read_uint(content + 9, 8),
                                   .applied_lsn = read_uint(content + 17, 8),
                                   .wants_reply = content[33] != 0};
    w->n_statuses++;
    w->violations += w->status.flushed_lsn > w->durable_lsn || w->status.applied_lsn > w->durable_lsn;
    if (w->status.flushed_lsn > w->most_flushed_lsn)
        w->most_flushed_lsn = w->status.flushed_lsn;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void
take_goodbye(talk *t, bool *left)
{
    buffer b = {0};
    buffer_end_message(&b, buffer_begin_message(&b, 'c'));
    pthread_mutex_lock(&t->server->lock);
    t->server->n_goodbyes++;
    *left = !t->server->goes_on;
    pthread_cond_broadcast(&t->server->changed);
    pthread_mutex_unlock(&t->server->lock);
    if (*left) {
        size_t at = buffer_begin_message(&b, 'C');
        buffer_add_text(&b, "COPY 0");
        buffer_end_message(&b, at);
        buffer_add_ready(&b);
    }
    say_buffer(t, &b);
}

static void
take_client_message(talk *t, bool *left)
{
    uint8_t content[1024], type;
    size_t size;
    if (!hear(t, &type, 1) || !hear_content(t, content, sizeof content, &size))
        return;
    if (type == 'd')
        take_status(t, content, size);
    else if (type == 'c')
        take_goodbye(t, left);
    else
        t->broken = true; /* Terminate, or what no client says here */
}

/* Until the client says something, the test adds a step, or a pause is over. */
static bool
client_speaks(const talk *t)
{
    int64_t left = t->pause_until == 0 ? 1000 : t->pause_until - walsender_now_ms();
    struct pollfd fds[] = {{.fd = t->fd, .events = POLLIN}, {.fd = t->wake_fd, .events = POLLIN}};
    eventfd_t count;
    poll(fds, 2, left < 0 ? 0 : (int)left);
    (void)eventfd_read(t->wake_fd, &count);
    return fds[0].revents != 0;
}

static void
begin_session(talk *t)
{
    walsender *w = t->server;
    pthread_mutex_lock(&w->lock);
    t->session = ++w->n_sessions;
    t->statuses = 0;
    snprintf(w->command, sizeof w->command, "%s", t->query);
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void
stream(talk *t)
{
    bool left = false;
    begin_session(t);
    step *step = next_step(t);
    if (step != NULL && step->kind == STEP_REFUSE_START) {
        say(t, step->frame.bytes, step->frame.size);
        finish_step(t, step);
        return;
    }
    say(t, "W\0\0\0\7\0\0\0", 8); /* CopyBothResponse */
    while (!left && !t->broken) {
        while (!left && !t->broken && (step = next_step(t)) != NULL && take_step(t, step, &left))
            finish_step(t, step);
        if (!left && !t->broken && client_speaks(t))
            take_client_message(t, &left);
    }
}

/* ---- all of it ---- */

static void
take_query(talk *t)
{
    if (strncmp(t->query, "START_REPLICATION", 17) == 0)
        stream(t);
    else
        answer_query(t, false);
}

/* Of the extended protocol only Parse and Sync matter: its statement is known by then. */
static void
take_command(talk *t, char type, const char *content)
{
    if (type == 'Q') {
        snprintf(t->query, sizeof t->query, "%s", content);
        take_query(t);
    } else if (type == 'P')
        snprintf(t->query, sizeof t->query, "%s", content + strlen(content) + 1);
    else if (type == 'S')
        answer_query(t, true);
    else if (type == 'X')
        t->broken = true;
}

void *
talk_main(void *arg)
{
    talk *t = arg;
    uint8_t content[8192], type;
    size_t size;
    if (start_up(t))
        while (hear(t, &type, 1) && hear_content(t, content, sizeof content, &size))
            take_command(t, (char)type, (const char *)content);
    pthread_mutex_lock(&t->server->lock);
    close(t->fd);
    t->fd = -1;
    pthread_cond_broadcast(&t->server->changed);
    pthread_mutex_unlock(&t->server->lock);
    return NULL;
}
