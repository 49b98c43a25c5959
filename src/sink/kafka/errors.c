#include "sink/kafka/errors.h"

#include "base/clock.h"
#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char other_protocol[] =
    "does security.protocol= say what that port speaks: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL?";

/* What librdkafka and OpenSSL have no code for. The first that matches counts: guesses come last. */
static const struct refusal {
    const char *part;
    bool is_guess; /* a proxy hangs up, too, while the broker behind it is down */
    const char *way_out;
} refusals[] = {
    {"certificate verify failed", false,
     "ssl.ca.location= names the certificate of who signed the broker's, "
     "which has to be for the host that the URI names and the brokers advertise"},
    {"SSL alert", false,
     "the broker wants another certificate of walrow, or any: see ssl.certificate.location= and "
     "ssl.key.location="},
    {"security.protocol", true, other_protocol},
    {"PLAINTEXT broker listener", true, other_protocol},
    {"unexpected eof", true, other_protocol},
    {"SSL transport error", true, other_protocol},
};

/* Before it a nonce is repeated, which brokers of Kafka 4 take for a wrong password (librdkafka's #4895). */
#define SCRAM_AS_KAFKA_4_WANTS_IT 0x020601ff

static const char *
way_out(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "grant this user to describe, create and write topics that begin with PREFIX, or make them by "
               "hand";
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "grant this user IdempotentWrite on the cluster";
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        return "grant this user to describe and write transactional ids that begin with PREFIX, or use "
               "?exactly_once=false";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__SSL:
        return "see security.protocol=, sasl.mechanism=, sasl.username= and sasl.password=, and the ssl.* "
               "settings of librdkafka";
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        return "lower ?transaction.timeout.ms=, or raise the broker's transaction.max.timeout.ms";
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
        return "there are fewer brokers than that: see ?replication=";
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return "a compacted topic takes no records without a key: give the table a primary key, or the topic "
               "cleanup.policy=delete";
    default:
        return "see the broker's log";
    }
}

walrow_code
walrow__kafka_fail(walrow_error *err, rd_kafka_resp_err_t code, const char *why, const char *what)
{
    walrow__fail(err, WALROW_ERR_SINK, "%s: %s", what, why == NULL ? rd_kafka_err2str(code) : why);
    return walrow__hint(err, "%s", way_out(code));
}

static const struct refusal *
find_refusal(const walrow__kafka *kafka)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strstr(kafka->trouble, refusals[i].part) != NULL)
            return &refusals[i];
    return NULL;
}

static bool
is_authentication(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

/* What to do about it where waiting does not help; NULL: it may. */
static const char *
way_out_of_trouble(const walrow__kafka *kafka)
{
    const struct refusal *refusal = find_refusal(kafka);
    if (refusal != NULL)
        return refusal->is_guess && kafka->answered ? NULL : refusal->way_out;
    if (strstr(kafka->trouble, "mechanism SCRAM") != NULL && rd_kafka_version() < SCRAM_AS_KAFKA_4_WANTS_IT)
        return "is the password wrong? if not: Kafka 4 takes SCRAM from librdkafka 2.6.1 on, and this one "
               "is older: use sasl.mechanism=PLAIN with TLS, or a newer librdkafka";
    bool no_ssl = kafka->trouble_code == RD_KAFKA_RESP_ERR__SSL && !kafka->answered;
    return is_authentication(kafka->trouble_code) || no_ssl ? way_out(kafka->trouble_code) : NULL;
}

/* A password or a certificate, which the next attempt will not have either. */
static bool
is_refused(const walrow__kafka *kafka)
{
    const struct refusal *refusal = find_refusal(kafka);
    return is_authentication(kafka->trouble_code) || (refusal != NULL && !refusal->is_guess);
}

walrow_code
walrow__kafka_check_let_in(const walrow__kafka *kafka, walrow_error *err)
{
    if (kafka->answered || !is_refused(kafka))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SINK, "Kafka at %s does not let walrow in: %s", kafka->settings->brokers,
                 kafka->trouble);
    return walrow__hint(err, "%s", way_out_of_trouble(kafka));
}

walrow_code
walrow__kafka_fail_silent(const walrow__kafka *kafka, walrow_error *err)
{
    const walrow__kafka_settings *settings = kafka->settings;
    walrow__fail(err, WALROW_ERR_SINK, "Kafka at %s did not answer for %" PRIu64 " s%s%s", settings->brokers,
                 settings->timeout_s, kafka->trouble[0] == '\0' ? "" : ": ", kafka->trouble);
    const char *hint = way_out_of_trouble(kafka);
    if (hint != NULL)
        return walrow__hint(err, "%s", hint);
    walrow__hint(err, "are the brokers up, and can they be reached under the names they advertise?");
    if (err != NULL)
        err->retryable = true;
    return WALROW_ERR_SINK;
}

walrow_code
walrow__kafka_fail_size(walrow_error *err, const char *topic, size_t size,
                        const walrow__kafka_settings *settings, bool by_broker)
{
    if (by_broker) {
        walrow__fail(err, WALROW_ERR_SINK, "topic \"%s\" does not take a message of %zu bytes", topic, size);
        return walrow__hint(
            err,
            "raise the topic's max.message.bytes (kafka-configs.sh --alter --add-config), and start again");
    }
    walrow__fail(err, WALROW_ERR_SINK, "a message of %zu bytes for topic \"%s\" is more than the %zu allowed",
                 size, topic, walrow__kafka_settings_max_bytes(settings));
    return walrow__hint(err, "raise ?message.max.bytes=, and the topic's max.message.bytes, and start again");
}

/* ---- transactions ---- */

static bool
is_fenced(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

static int64_t
transaction_timeout_ms(const walrow__kafka *kafka)
{
    char text[32] = "";
    size_t size = sizeof text;
    if (rd_kafka_conf_get(kafka->settings->conf, "transaction.timeout.ms", text, &size) != RD_KAFKA_CONF_OK)
        return INT64_MAX;
    return strtoll(text, NULL, 10);
}

/* The broker aborts what takes too long, and then the producer is fenced as by another. */
static walrow_code
fail_fenced(const walrow__kafka *kafka, walrow_error *err)
{
    int64_t took_ms = kafka->in_transaction ? walrow__now_ms() - kafka->began_ms : 0;
    if (took_ms >= transaction_timeout_ms(kafka)) {
        walrow__fail(err, WALROW_ERR_SINK,
                     "Kafka gave up a transaction after %" PRId64
                     " s: it took longer than transaction.timeout.ms",
                     took_ms / 1000);
        walrow__hint(err, "raise ?transaction.timeout.ms= and the broker's transaction.max.timeout.ms");
        if (err != NULL)
            err->retryable = true;
        return WALROW_ERR_SINK;
    }
    walrow__fail(err, WALROW_ERR_SINK, "another walrow writes to kafka://%s/%s for this slot",
                 kafka->settings->brokers, kafka->settings->prefix);
    return walrow__hint(err,
                        "it took over when it started, and nothing is lost: stop one of the two for good");
}

walrow_code
walrow__kafka_fail_fatal(const walrow__kafka *kafka, walrow_error *err)
{
    char why[256] = "";
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(kafka->producer, why, sizeof why);
    return is_fenced(code) ? fail_fenced(kafka, err)
                           : walrow__kafka_fail(err, code, why, "Kafka's producer gave up");
}

walrow_code
walrow__kafka_fail_transaction(const walrow__kafka *kafka, rd_kafka_error_t *error, const char *what,
                               walrow_error *err)
{
    char why[256];
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    bool passing = rd_kafka_error_txn_requires_abort(error) || rd_kafka_error_is_retriable(error);
    snprintf(why, sizeof why, "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    if (rd_kafka_fatal_error(kafka->producer, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return walrow__kafka_fail_fatal(kafka, err);
    if (is_fenced(code))
        return fail_fenced(kafka, err);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        return walrow__kafka_fail_silent(kafka, err);
    walrow_code failed = walrow__kafka_fail(err, code, why, what);
    if (err != NULL)
        err->retryable = passing;
    return failed;
}
