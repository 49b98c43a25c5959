/*
 * sink/kafka/topics.c
 *	  Topics: found, or made.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "sink/kafka/client.h"
#include "sink/kafka/errors.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_EVERY_MS = 10 };

/* *found: the topic is there, and somebody takes what is for it. */
static walrow_code
look(walrow__kafka *kafka, rd_kafka_topic_t *topic, bool *found, walrow_error *err)
{
    const struct rd_kafka_metadata *metadata;
    char what[320];
    snprintf(what, sizeof what, "cannot ask for topic \"%s\"", rd_kafka_topic_name(topic));
    int timeout_ms = (int)kafka->settings->timeout_s * 1000;
    rd_kafka_resp_err_t code = rd_kafka_metadata(kafka->producer, 0, topic, &metadata, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__TRANSPORT)
        return walrow__kafka_fail_silent(kafka, err);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        rd_kafka_metadata_destroy(metadata);
    }
    *found = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (*found || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return WALROW_OK;
    return walrow__kafka_fail(err, code, NULL, what);
}

static rd_kafka_resp_err_t
outcome(rd_kafka_event_t *event, char *why, size_t size)
{
    size_t n;
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    snprintf(why, size, "%s", rd_kafka_event_error_string(event));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return code;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &n);
    const char *reason = n == 0 ? NULL : rd_kafka_topic_result_error_string(topics[0]);
    code = n == 0 ? RD_KAFKA_RESP_ERR_UNKNOWN : rd_kafka_topic_result_error(topics[0]);
    snprintf(why, size, "%s", reason == NULL ? rd_kafka_err2str(code) : reason);
    return code;
}

/* The answer's error; why: its text. */
static rd_kafka_resp_err_t
ask(walrow__kafka *kafka, rd_kafka_NewTopic_t *topic, char *why, size_t size)
{
    int timeout_ms = (int)kafka->settings->timeout_s * 1000;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->producer);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(kafka->producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, NULL, 0); /* until it is everywhere */
    rd_kafka_CreateTopics(kafka->producer, &topic, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * timeout_ms);
    rd_kafka_resp_err_t code = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : outcome(event, why, size);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    return code;
}

/* A compacted topic is walrow's own: one partition, and small segments, for only what is closed is compacted. */
static rd_kafka_NewTopic_t *
describe(const walrow__kafka *kafka, const char *name, bool compacted, char *why, size_t size)
{
    const walrow__kafka_settings *settings = kafka->settings;
    int partitions = compacted ? 1 : settings->partitions == 0 ? -1 : (int)settings->partitions;
    int replication = settings->replication == 0 ? -1 : (int)settings->replication;
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, replication, why, size);
    if (topic != NULL && compacted) {
        rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
        rd_kafka_NewTopic_set_config(topic, "segment.bytes", "1048576");
    }
    return topic;
}

static walrow_code
make(walrow__kafka *kafka, const char *name, bool compacted, walrow_error *err)
{
    char why[256] = "", what[320];
    snprintf(what, sizeof what, "cannot make topic \"%s\"", name);
    rd_kafka_NewTopic_t *topic = describe(kafka, name, compacted, why, sizeof why);
    if (topic == NULL)
        return walrow__kafka_fail(err, RD_KAFKA_RESP_ERR__INVALID_ARG, why, what);
    rd_kafka_resp_err_t code = ask(kafka, topic, why, sizeof why);
    rd_kafka_NewTopic_destroy(topic);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT)
        return walrow__kafka_fail_silent(kafka, err);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return walrow__kafka_fail(err, code, why, what);
    walrow__log(WALROW_LOG_INFO, "made Kafka topic \"%s\"", name);
    return WALROW_OK;
}

/* Made, it is not known everywhere at once; and the producer looks by itself once a second only. */
static walrow_code
make_and_look(walrow__kafka *kafka, rd_kafka_topic_t *topic, bool compacted, walrow_error *err)
{
    bool found = false;
    int64_t until_ms = walrow__now_ms() + (int64_t)kafka->settings->timeout_s * 1000;
    WALROW_TRY(make(kafka, rd_kafka_topic_name(topic), compacted, err));
    while (!found) {
        WALROW_TRY(look(kafka, topic, &found, err));
        if (!found && walrow__now_ms() >= until_ms)
            return walrow__kafka_fail_silent(kafka, err);
        if (!found)
            rd_kafka_poll(kafka->producer, LOOK_EVERY_MS);
    }
    return WALROW_OK;
}

walrow_code
walrow__kafka_topic(walrow__kafka *kafka, const char *name, bool compacted, rd_kafka_topic_t **out,
                    bool *made, walrow_error *err)
{
    bool found;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka->producer, name, NULL);
    if (topic == NULL)
        return walrow__kafka_fail(err, rd_kafka_last_error(), NULL, "cannot name a topic");
    walrow_code code = look(kafka, topic, &found, err);
    if (code == WALROW_OK && !found)
        code = make_and_look(kafka, topic, compacted, err);
    if (code != WALROW_OK) {
        rd_kafka_topic_destroy(topic);
        return code;
    }
    *made = !found;
    *out = topic;
    return WALROW_OK;
}
