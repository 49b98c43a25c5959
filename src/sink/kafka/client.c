#include "sink/kafka/client.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/log.h"
#include "sink/kafka/errors.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

enum { TURN_MS = 100, ABORT_MS = 2000 };

/* ---- what is heard: all of it within calls of this thread ---- */

static void
keep_trouble(walrow__kafka *kafka, rd_kafka_resp_err_t code, const char *why)
{
    kafka->trouble_code = code;
    snprintf(kafka->trouble, sizeof kafka->trouble, "%s", why);
}

static void
hear_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    /* the usual errors are told with what they led to */
    walrow__log(level < LOG_ERR ? WALROW_LOG_WARN : WALROW_LOG_DEBUG, "librdkafka: %s: %s", facility, text);
    /* that a broker hangs up at the first word is no error to librdkafka, and only told here */
    const char *why = strstr(text, "]: "); /* after the thread's name */
    if (level > LOG_ERR && strcmp(facility, "FAIL") == 0)
        keep_trouble(rd_kafka_opaque(rk), RD_KAFKA_RESP_ERR__TRANSPORT, why == NULL ? text : why + 3);
}

static void
hear_trouble(rd_kafka_t *rk, int code, const char *why, void *arg)
{
    walrow__kafka *kafka = arg;
    (void)rk;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        keep_trouble(kafka, code, why);
    else
        walrow__log(WALROW_LOG_WARN, "Kafka at %s is not there: %s", kafka->settings->brokers,
                    kafka->trouble[0] == '\0' ? why : kafka->trouble);
}

/* A message that failed. What was purged by an abort did not. */
static void
hear_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *arg)
{
    walrow__kafka *kafka = arg;
    char what[320];
    (void)rk;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT || kafka->failure.code != WALROW_OK)
        return;
    const char *topic = rd_kafka_topic_name(message->rkt);
    snprintf(what, sizeof what, "a message of %zu bytes for topic \"%s\" was not delivered", message->len,
             topic);
    walrow_code code =
        message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
            ? walrow__kafka_fail_size(&kafka->failure, topic, message->len, kafka->settings, true)
            : walrow__kafka_fail(&kafka->failure, message->err, NULL, what);
    (void)code;
    kafka->failure.retryable =
        message->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || message->err == RD_KAFKA_RESP_ERR__TRANSPORT;
}

static walrow_code
say_failure(const walrow__kafka *kafka, walrow_error *err)
{
    if (rd_kafka_fatal_error(kafka->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return walrow__kafka_fail_fatal(kafka, err);
    if (kafka->failure.code != WALROW_OK && err != NULL)
        *err = kafka->failure;
    return kafka->failure.code;
}

walrow_code
walrow__kafka_listen(walrow__kafka *kafka, walrow_error *err)
{
    rd_kafka_poll(kafka->producer, 0);
    return say_failure(kafka, err);
}

/* ---- waiting ---- */

/* As long as the queue to the brokers gets shorter, somebody is there. */
typedef struct patience {
    int left;
    int64_t until_ms;
} patience;

static patience
new_patience(const walrow__kafka *kafka)
{
    return (patience){.left = rd_kafka_outq_len(kafka->producer),
                      .until_ms = walrow__now_ms() + (int64_t)kafka->settings->timeout_s * 1000};
}

static walrow_code
still_patient(const walrow__kafka *kafka, patience *patience, walrow_error *err)
{
    WALROW_TRY(say_failure(kafka, err));
    int left = rd_kafka_outq_len(kafka->producer);
    if (left < patience->left)
        *patience = new_patience(kafka);
    return walrow__now_ms() < patience->until_ms ? WALROW_OK : walrow__kafka_fail_silent(kafka, err);
}

static walrow_code
flush(walrow__kafka *kafka, walrow_error *err)
{
    patience patience = new_patience(kafka);
    while (rd_kafka_flush(kafka->producer, TURN_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        WALROW_TRY(still_patient(kafka, &patience, err));
    return say_failure(kafka, err);
}

/* ---- transactions ---- */

typedef rd_kafka_error_t *(*transaction_fn)(rd_kafka_t *producer, int timeout_ms);

/*
 * Once: a call that ran out of time may be repeated, says librdkafka's manual, but then it may take the answer to the
 * first for that to the second, and its state is another than it says.
 */
static walrow_code
await(walrow__kafka *kafka, transaction_fn fn, const char *what, walrow_error *err)
{
    rd_kafka_error_t *error = fn(kafka->producer, (int)kafka->settings->timeout_s * 1000);
    if (error == NULL)
        return WALROW_OK;
    rd_kafka_poll(kafka->producer, 0); /* what it was about */
    return walrow__kafka_fail_transaction(kafka, error, what, err);
}

walrow_code
walrow__kafka_begin(walrow__kafka *kafka, walrow_error *err)
{
    if (!kafka->settings->exactly_once || kafka->in_transaction)
        return WALROW_OK;
    rd_kafka_error_t *error = rd_kafka_begin_transaction(kafka->producer);
    if (error != NULL)
        return walrow__kafka_fail_transaction(kafka, error, "cannot begin a transaction", err);
    kafka->in_transaction = true;
    kafka->began_ms = walrow__now_ms();
    return WALROW_OK;
}

walrow_code
walrow__kafka_commit(walrow__kafka *kafka, walrow_error *err)
{
    WALROW_TRY(flush(kafka, err));
    if (!kafka->in_transaction)
        return WALROW_OK;
    WALROW__CRASH_POINT("before-kafka-commit");
    WALROW_TRY(await(kafka, rd_kafka_commit_transaction, "cannot commit a transaction", err));
    WALROW__CRASH_POINT("after-kafka-commit");
    kafka->in_transaction = false;
    return WALROW_OK;
}

walrow_code
walrow__kafka_abort(walrow__kafka *kafka, walrow_error *err)
{
    if (!kafka->in_transaction)
        return WALROW_OK;
    rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    WALROW_TRY(await(kafka, rd_kafka_abort_transaction, "cannot abort a transaction", err));
    kafka->in_transaction = false;
    return WALROW_OK;
}

/* ---- open and close ---- */

static walrow_code
start(walrow__kafka *kafka, rd_kafka_type_t type, const char *const (*own)[2], rd_kafka_t **out,
      walrow_error *err)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(kafka->settings->conf);
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_log_cb(conf, hear_log);
    rd_kafka_conf_set_error_cb(conf, hear_trouble);
    if (type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, hear_delivery);
    for (; (*own)[0] != NULL; own++)
        if (rd_kafka_conf_set(conf, (*own)[0], (*own)[1], why, sizeof why) != RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            return walrow__fail(err, WALROW_ERR_SINK, "cannot set %s of librdkafka: %s", (*own)[0], why);
        }
    *out = rd_kafka_new(type, conf, why, sizeof why);
    if (*out == NULL) {
        rd_kafka_conf_destroy(conf);
        walrow__fail(err, WALROW_ERR_SINK, "librdkafka does not start: %s", why);
        return walrow__hint(err, "see the sink's parameters with a dot, and the files they name");
    }
    rd_kafka_set_log_queue(*out, NULL); /* into the one that is polled */
    return WALROW_OK;
}

/* Is anybody there? What is known of a topic from here on costs no second later. topic: may be NULL */
static walrow_code
greet(walrow__kafka *kafka, rd_kafka_t *client, rd_kafka_topic_t *topic, walrow_error *err)
{
    patience patience = new_patience(kafka);
    const struct rd_kafka_metadata *metadata;
    while (rd_kafka_metadata(client, 0, topic, &metadata, 10 * TURN_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_poll(client, 0);
        WALROW_TRY(walrow__kafka_check_let_in(kafka, err));
        WALROW_TRY(still_patient(kafka, &patience, err));
    }
    rd_kafka_metadata_destroy(metadata);
    kafka->answered = true;
    return WALROW_OK;
}

walrow_code
walrow__kafka_open(walrow__kafka *kafka, const walrow__kafka_settings *settings, const char *transactional_id,
                   bool answered, walrow_error *err)
{
    const char *const own[][2] = {{"enable.idempotence", "true"},
                                  {settings->exactly_once ? "transactional.id" : NULL, transactional_id},
                                  {NULL, NULL}};
    *kafka = (walrow__kafka){.settings = settings, .answered = answered};
    WALROW_TRY(start(kafka, RD_KAFKA_PRODUCER, own, &kafka->producer, err));
    WALROW_TRY(greet(kafka, kafka->producer, NULL, err));
    if (!settings->exactly_once)
        return WALROW_OK;
    return await(kafka, rd_kafka_init_transactions, "cannot begin with transactions", err);
}

void
walrow__kafka_close(walrow__kafka *kafka)
{
    if (kafka->producer == NULL)
        return;
    rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    if (kafka->in_transaction &&
        rd_kafka_fatal_error(kafka->producer, NULL, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_error_t *error = rd_kafka_abort_transaction(kafka->producer, ABORT_MS);
        if (error != NULL)
            rd_kafka_error_destroy(error); /* the next producer of that name will, or the broker's clock */
    }
    rd_kafka_destroy(kafka->producer);
    kafka->producer = NULL;
}

/* ---- messages ---- */

static walrow_code
fail_produce(walrow__kafka *kafka, const char *topic, size_t size, rd_kafka_resp_err_t code,
             walrow_error *err)
{
    char what[320];
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return walrow__kafka_fail_size(err, topic, size, kafka->settings, false);
    WALROW_TRY(walrow__kafka_listen(kafka, err)); /* what it was that failed before */
    snprintf(what, sizeof what, "cannot write to topic \"%s\"", topic);
    walrow_code failed = walrow__kafka_fail(err, code, NULL, what);
    if (err != NULL)
        err->retryable = code == RD_KAFKA_RESP_ERR__STATE; /* the transaction has to be aborted */
    return failed;
}

walrow_code
walrow__kafka_produce(walrow__kafka *kafka, rd_kafka_topic_t *topic, int32_t partition,
                      walrow__kafka_bytes key, walrow__kafka_bytes value, walrow_error *err)
{
    patience patience = {.left = -1};
    /* librdkafka copies both; what it takes as void * it does not write to */
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, (void *)value.data, value.size, key.data,
                            key.size, NULL) != 0) {
        rd_kafka_resp_err_t code = rd_kafka_last_error();
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return fail_produce(kafka, rd_kafka_topic_name(topic), key.size + value.size, code, err);
        if (patience.left < 0)
            patience = new_patience(kafka);
        rd_kafka_poll(kafka->producer, TURN_MS);
        WALROW_TRY(still_patient(kafka, &patience, err));
    }
    return WALROW_OK;
}

/* ---- reading ---- */

static walrow_code
read_all(walrow__kafka *kafka, rd_kafka_t *consumer, rd_kafka_topic_t *topic, walrow__kafka_record_fn fn,
         void *arg, walrow_error *err)
{
    int64_t until_ms = walrow__now_ms() + (int64_t)kafka->settings->timeout_s * 1000;
    walrow_code code = WALROW_OK;
    bool ended = false;
    while (code == WALROW_OK && !ended) {
        rd_kafka_poll(consumer, 0);
        rd_kafka_message_t *message = rd_kafka_consume(topic, 0, TURN_MS);
        if (message == NULL) {
            if (walrow__now_ms() >= until_ms)
                code = walrow__kafka_fail_silent(kafka, err);
            continue;
        }
        ended = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            code = fn(arg, (walrow__kafka_bytes){message->key, message->key_len},
                      (walrow__kafka_bytes){message->payload, message->len}, err);
        else if (!ended)
            code = walrow__kafka_fail(err, message->err, rd_kafka_message_errstr(message),
                                      "cannot read what was delivered");
        rd_kafka_message_destroy(message);
    }
    return code;
}

walrow_code
walrow__kafka_read(walrow__kafka *kafka, const char *name, walrow__kafka_record_fn fn, void *arg,
                   walrow_error *err)
{
    static const char *const own[][2] = {
        {"isolation.level", "read_committed"},
        {"enable.partition.eof", "true"},
        {"fetch.wait.max.ms", "10"}, /* at the end, which is all that is waited for */
        {NULL, NULL}};
    rd_kafka_t *consumer;
    WALROW_TRY(start(kafka, RD_KAFKA_CONSUMER, own, &consumer, err));
    rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, name, NULL);
    walrow_code code = topic == NULL ? WALROW_OK : greet(kafka, consumer, topic, err);
    if (code == WALROW_OK &&
        (topic == NULL || rd_kafka_consume_start(topic, 0, RD_KAFKA_OFFSET_BEGINNING) != 0))
        code = walrow__kafka_fail(err, rd_kafka_last_error(), NULL, "cannot read what was delivered");
    else if (code == WALROW_OK)
        code = read_all(kafka, consumer, topic, fn, arg, err);
    if (topic != NULL) {
        rd_kafka_consume_stop(topic, 0);
        rd_kafka_topic_destroy(topic);
    }
    rd_kafka_destroy(consumer);
    return code;
}
