/*
 * sink/kafka/position.h
 *	  What a Kafka sink remembers, in the compacted topic PREFIX.walrow.position, written in the transactions of what
 *	  it is about. JSON records of partition 0:
 *
 *	  position               whom the topics belong to, and how far they are (sink/manifest.h, without its snapshots)
 *	  snapshot SCHEMA.TABLE  a table whose snapshot is whole; the name as a directory has it (sink/names.h)
 */
#ifndef WALROW_SINK_KAFKA_POSITION_H
#define WALROW_SINK_KAFKA_POSITION_H

#include "sink/kafka/client.h"
#include "sink/manifest.h"

typedef struct walrow__kafka_position {
    walrow__manifest manifest;
    rd_kafka_topic_t *topic;
} walrow__kafka_position;

/**
 * Read it, and compare the identity, or take it where nothing is stored yet (not saved).
 * Errors: WALROW_ERR_STATE: another's
 */
walrow_code walrow__kafka_position_open(walrow__kafka_position *position, walrow__kafka *kafka,
                                        const walrow__identity *identity,
                                        walrow_error *err) WALROW_MUST_CHECK;
/* Before the client is closed. All zeros are fine. */
void walrow__kafka_position_close(walrow__kafka_position *position);

/** Write the record of the position, or of a table (as the manifest names it), into the transaction at hand. */
walrow_code walrow__kafka_position_put(const walrow__kafka_position *position, walrow__kafka *kafka,
                                       walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__kafka_position_put_snapshot(const walrow__kafka_position *position, walrow__kafka *kafka,
                                                const char *table, walrow_error *err) WALROW_MUST_CHECK;

#endif
