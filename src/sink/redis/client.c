#include "sink/redis/client.h"

#include "base/error.h"
#include "sink/redis/errors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- commands ---- */

void
walrow__redis_add_command(walrow__strbuf *buf, int n_words)
{
    walrow__strbuf_add_char(buf, '*');
    walrow__strbuf_add_integer(buf, n_words);
    walrow__strbuf_add(buf, "\r\n", 2);
}

void
walrow__redis_add_word(walrow__strbuf *buf, const void *bytes, size_t size)
{
    walrow__strbuf_add_char(buf, '$');
    walrow__strbuf_add_integer(buf, (int64_t)size);
    walrow__strbuf_add(buf, "\r\n", 2);
    walrow__strbuf_add(buf, bytes, size);
    walrow__strbuf_add(buf, "\r\n", 2);
}

void
walrow__redis_add_text(walrow__strbuf *buf, const char *text)
{
    walrow__redis_add_word(buf, text, strlen(text));
}

/* ---- answers: hiredis's reader makes objects of them by these, and here it needs none ---- */

static void
keep_text(char *to, size_t capacity, const char *text, size_t size)
{
    size_t n = size < capacity ? size : capacity - 1;
    memcpy(to, text, n);
    to[n] = '\0';
}

/* SCAN answers [cursor, [key, ...]]. */
static void
hear_found(walrow__redis_found *found, const redisReadTask *task, const char *text, size_t size)
{
    if (task->parent == NULL)
        return;
    if (task->parent->parent == NULL) {
        keep_text(found->cursor, sizeof found->cursor, text, size);
        return;
    }
    walrow__redis_add_command(&found->commands, 2);
    walrow__redis_add_text(&found->commands, "UNLINK");
    walrow__redis_add_word(&found->commands, text, size);
    found->n++;
}

static void *
hear_text(const redisReadTask *task, char *text, size_t size)
{
    walrow__redis *redis = task->privdata;
    if (task->type == REDIS_REPLY_ERROR && redis->refusal[0] == '\0')
        keep_text(redis->refusal, sizeof redis->refusal, text, size);
    else if (redis->found != NULL)
        hear_found(redis->found, task, text, size);
    return redis;
}

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

static void *
hear_array(const redisReadTask *task, array_size n)
{
    (void)n;
    return task->privdata;
}

static void *
hear_integer(const redisReadTask *task, long long value)
{
    (void)value;
    return task->privdata;
}

static void *
hear_nil(const redisReadTask *task)
{
    return task->privdata;
}

static void
forget(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions hearing = {
    .createString = hear_text,
    .createArray = hear_array,
    .createInteger = hear_integer,
    .createNil = hear_nil,
    .freeObject = forget,
};

/* ---- bytes ---- */

static ssize_t
receive(walrow__redis *redis, void *bytes, size_t size)
{
    ssize_t n;
    do
        n = redis->tls != NULL ? walrow__redis_tls_read(redis->tls, bytes, size)
                               : recv(redis->context->fd, bytes, size, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t
transmit(walrow__redis *redis, const void *bytes, size_t size)
{
    ssize_t n;
    do
        n = redis->tls != NULL ? walrow__redis_tls_write(redis->tls, bytes, size)
                               : send(redis->context->fd, bytes, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

static walrow_code
transmit_all(walrow__redis *redis, const walrow__strbuf *commands, walrow_error *err)
{
    for (size_t done = 0; done < commands->size;) {
        ssize_t n = transmit(redis, commands->data + done, commands->size - done);
        if (n <= 0)
            return walrow__redis_fail_lost(redis, n, err);
        done += (size_t)n;
    }
    return WALROW_OK;
}

static walrow_code
fail_reader(const walrow__redis *redis, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_SINK, "what answers at %s is no Redis: %s", redis->settings->place,
                 redis->reader->errstr);
    return walrow__hint(err, "is it the port for TLS? then write rediss://");
}

/* The answers among the bytes that are there. */
static walrow_code
take_answers(walrow__redis *redis, walrow_error *err)
{
    void *answer = redis;
    while (answer != NULL) {
        answer = NULL;
        if (redisReaderGetReply(redis->reader, &answer) != REDIS_OK)
            return fail_reader(redis, err);
        if (answer == NULL)
            break;
        if (redis->refusal[0] != '\0')
            return walrow__redis_fail_refused(redis, err);
        if (redis->awaited == 0)
            return walrow__fail(err, WALROW_ERR_SINK, "Redis at %s answers what it was not asked",
                                redis->settings->place);
        redis->awaited--;
    }
    return WALROW_OK;
}

walrow_code
walrow__redis_await(walrow__redis *redis, walrow_error *err)
{
    char bytes[16 * 1024];
    while (redis->awaited > 0) {
        ssize_t n = receive(redis, bytes, sizeof bytes);
        if (n <= 0)
            return walrow__redis_fail_lost(redis, n, err);
        if (redisReaderFeed(redis->reader, bytes, (size_t)n) != REDIS_OK)
            return fail_reader(redis, err);
        WALROW_TRY(take_answers(redis, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__redis_send(walrow__redis *redis, const walrow__strbuf *commands, uint64_t n, walrow_error *err)
{
    if (commands->failed)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__redis_await(redis, err));
    redis->awaited += n;
    return transmit_all(redis, commands, err);
}

/* ---- deleting what is like a pattern ---- */

static walrow_code
scan(walrow__redis *redis, const walrow__strbuf *pattern, walrow__strbuf *command, walrow_error *err)
{
    walrow__redis_found *found = redis->found;
    walrow__strbuf_clear(command);
    walrow__redis_add_command(command, 6);
    walrow__redis_add_text(command, "SCAN");
    walrow__redis_add_text(command, found->cursor);
    walrow__redis_add_text(command, "MATCH");
    walrow__redis_add_word(command, pattern->data, pattern->size);
    walrow__redis_add_text(command, "COUNT");
    walrow__redis_add_text(command, "1000");
    found->cursor[0] = '\0';
    WALROW_TRY(walrow__redis_send(redis, command, 1, err));
    WALROW_TRY(walrow__redis_await(redis, err));
    if (found->cursor[0] == '\0')
        return walrow__fail(err, WALROW_ERR_SINK, "Redis at %s does not know SCAN", redis->settings->place);
    return WALROW_OK;
}

static walrow_code
unlink_found(walrow__redis *redis, walrow__redis_found *found, walrow_error *err)
{
    redis->found = NULL;
    walrow_code code = walrow__redis_send(redis, &found->commands, found->n, err);
    if (code == WALROW_OK)
        code = walrow__redis_await(redis, err);
    walrow__strbuf_clear(&found->commands);
    found->n = 0;
    redis->found = found;
    return code;
}

walrow_code
walrow__redis_unlink_matching(walrow__redis *redis, const walrow__strbuf *pattern, walrow_error *err)
{
    walrow__redis_found found = {.cursor = "0"};
    walrow__strbuf command;
    WALROW_TRY(walrow__redis_await(redis, err)); /* what those commands are answered is not of SCAN */
    walrow__strbuf_init(&found.commands);
    walrow__strbuf_init(&command);
    walrow_code code;
    redis->found = &found;
    do {
        code = scan(redis, pattern, &command, err);
        if (code == WALROW_OK)
            code = unlink_found(redis, &found, err);
    } while (code == WALROW_OK && strcmp(found.cursor, "0") != 0);
    redis->found = NULL;
    walrow__strbuf_release(&found.commands);
    walrow__strbuf_release(&command);
    return code;
}

/* ---- open and close ---- */

static walrow_code
connect_to(walrow__redis *redis, walrow_error *err)
{
    const walrow__redis_settings *settings = redis->settings;
    const struct timeval timeout = {.tv_sec = (time_t)settings->timeout_s};
    redis->context = settings->host[0] == '/'
                         ? redisConnectUnixWithTimeout(settings->host, timeout)
                         : redisConnectWithTimeout(settings->host, settings->port, timeout);
    if (redis->context == NULL)
        return walrow__fail_memory(err);
    if (redis->context->err != 0)
        return walrow__redis_fail_connect(redis, err);
    if (redisSetTimeout(redis->context, timeout) != REDIS_OK)
        return walrow__redis_fail_connect(redis, err);
    redis->reader = redisReaderCreateWithFunctions(&hearing);
    if (redis->reader == NULL)
        return walrow__fail_memory(err);
    redis->reader->privdata = redis;
    return settings->has_tls ? walrow__redis_tls_open(settings, redis->context->fd, &redis->tls, err)
                             : WALROW_OK;
}

/* PING last: a server that wants a password, or loads its data, says so now. */
static uint64_t
write_greeting(const walrow__redis_settings *settings, walrow__strbuf *buf)
{
    uint64_t n = 1;
    char db[24];
    if (settings->password != NULL) {
        walrow__redis_add_command(buf, settings->user == NULL ? 2 : 3);
        walrow__redis_add_text(buf, "AUTH");
        if (settings->user != NULL)
            walrow__redis_add_text(buf, settings->user);
        walrow__redis_add_text(buf, settings->password);
        n++;
    }
    if (settings->db != 0) {
        snprintf(db, sizeof db, "%" PRId64, settings->db);
        walrow__redis_add_command(buf, 2);
        walrow__redis_add_text(buf, "SELECT");
        walrow__redis_add_text(buf, db);
        n++;
    }
    walrow__redis_add_command(buf, 1);
    walrow__redis_add_text(buf, "PING");
    return n;
}

walrow_code
walrow__redis_open(walrow__redis *redis, const walrow__redis_settings *settings, walrow_error *err)
{
    walrow__strbuf greeting;
    memset(redis, 0, sizeof *redis);
    redis->settings = settings;
    WALROW_TRY(connect_to(redis, err));
    walrow__strbuf_init(&greeting);
    uint64_t n = write_greeting(settings, &greeting);
    walrow_code code = walrow__redis_send(redis, &greeting, n, err);
    walrow__strbuf_release(&greeting);
    return code == WALROW_OK ? walrow__redis_await(redis, err) : code;
}

void
walrow__redis_close(walrow__redis *redis)
{
    walrow__redis_tls_free(redis->tls);
    if (redis->reader != NULL)
        redisReaderFree(redis->reader);
    if (redis->context != NULL)
        redisFree(redis->context);
    memset(redis, 0, sizeof *redis);
}
