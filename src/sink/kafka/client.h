/*
 * sink/kafka/client.h
 *	  A producer: topics, messages, transactions. It waits for brokers as long as something moves; after timeout_s of
 *	  silence it fails, retryable: who starts over goes on from the position that is stored.
 */
#ifndef WALROW_SINK_KAFKA_CLIENT_H
#define WALROW_SINK_KAFKA_CLIENT_H

#include "sink/kafka/settings.h"

typedef struct walrow__kafka {
    const walrow__kafka_settings *settings; /* borrowed */
    rd_kafka_t *producer;
    bool in_transaction;
    int64_t began_ms;     /* the transaction */
    walrow_error failure; /* a message that was not delivered; code OK: none */
    char trouble[400];    /* what was last heard of the brokers */
    rd_kafka_resp_err_t trouble_code;
    bool answered; /* a broker, ever: what is wrong now is not how it is spoken to */
} walrow__kafka;

typedef struct walrow__kafka_bytes {
    const void *data; /* NULL: none */
    size_t size;
} walrow__kafka_bytes;

/**
 * Connect; exactly once: put an end to whatever an earlier producer of that name had not committed.
 * @param transactional_id  used if settings->exactly_once
 * @param answered          by a broker, with these settings, to a client before this one
 */
walrow_code walrow__kafka_open(walrow__kafka *kafka, const walrow__kafka_settings *settings,
                               const char *transactional_id, bool answered,
                               walrow_error *err) WALROW_MUST_CHECK;
/* What is not committed is aborted, if a broker answers at once. All zeros are fine. */
void walrow__kafka_close(walrow__kafka *kafka);

/**
 * A topic's handle; a topic that is not there is made, compacted or as the broker has it.
 * @param made  it was not there
 * Ownership: rd_kafka_topic_destroy, before walrow__kafka_close
 */
walrow_code walrow__kafka_topic(walrow__kafka *kafka, const char *name, bool compacted,
                                rd_kafka_topic_t **out, bool *made, walrow_error *err) WALROW_MUST_CHECK;

/* All three do nothing about transactions where it is not exactly once; commit then waits for the deliveries. */
walrow_code walrow__kafka_begin(walrow__kafka *kafka, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__kafka_commit(walrow__kafka *kafka, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__kafka_abort(walrow__kafka *kafka, walrow_error *err) WALROW_MUST_CHECK;

/** Copied. partition: RD_KAFKA_PARTITION_UA for the key's. */
walrow_code walrow__kafka_produce(walrow__kafka *kafka, rd_kafka_topic_t *topic, int32_t partition,
                                  walrow__kafka_bytes key, walrow__kafka_bytes value,
                                  walrow_error *err) WALROW_MUST_CHECK;

/** The failure that was heard of, if any: for whoever did not produce for a while. */
walrow_code walrow__kafka_listen(walrow__kafka *kafka, walrow_error *err) WALROW_MUST_CHECK;

typedef walrow_code (*walrow__kafka_record_fn)(void *arg, walrow__kafka_bytes key, walrow__kafka_bytes value,
                                               walrow_error *err);
/** Give all records of a topic's partition 0 that are committed. */
walrow_code walrow__kafka_read(walrow__kafka *kafka, const char *topic, walrow__kafka_record_fn fn, void *arg,
                               walrow_error *err) WALROW_MUST_CHECK;

#endif
