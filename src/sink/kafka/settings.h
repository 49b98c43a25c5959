/*
 * sink/kafka/settings.h
 *	  What the URI of a Kafka sink says: kafka://broker[:port][,broker[:port]]/PREFIX?parameters. Names with a dot in
 *	  them are settings of librdkafka (its CONFIGURATION.md): TLS, SASL, compression and all else; so are the lines of
 *	  ?config=FILE.
 */
#ifndef WALROW_SINK_KAFKA_SETTINGS_H
#define WALROW_SINK_KAFKA_SETTINGS_H

#include "base/strbuf.h"

#include <librdkafka/rdkafka.h>
#include <walrow.h>

typedef enum walrow__kafka_format {
    WALROW__KAFKA_JSON,     /* events */
    WALROW__KAFKA_DEBEZIUM, /* Debezium's envelopes */
    WALROW__KAFKA_ARROW     /* an IPC stream for each table of a change set */
} walrow__kafka_format;

typedef struct walrow__kafka_settings {
    char *brokers, *prefix;
    char *topic; /* a template */
    walrow__kafka_format format;
    uint64_t exactly_once;
    uint64_t tombstones, truncates; /* of debezium-json */
    uint64_t partitions;            /* of topics that are made; 0: the broker's default */
    uint64_t replication;           /* likewise */
    uint64_t timeout_s;             /* of silence of all brokers */
    rd_kafka_conf_t *conf;          /* everything that is not of one role only */
} walrow__kafka_settings;

/**
 * Read them; no broker is asked.
 * @param path  what follows "kafka:", up to "?"
 * Errors: WALROW_ERR_USAGE
 */
walrow_code walrow__kafka_settings_parse(walrow__kafka_settings *settings, const char *uri, const char *path,
                                         const char *params, walrow_error *err) WALROW_MUST_CHECK;
/* Settings that are all zeros are fine. */
void walrow__kafka_settings_release(walrow__kafka_settings *settings);

/** The bytes a message may have. */
size_t walrow__kafka_settings_max_bytes(const walrow__kafka_settings *settings);

/**
 * The topic of a table, by the template. What a topic cannot be called is replaced, with a hash so that two tables
 * never share one; malloc'ed, NULL: out of memory.
 */
char *walrow__kafka_topic_name(const walrow__kafka_settings *settings, const char *schema_name,
                               const char *table_name);

#endif
