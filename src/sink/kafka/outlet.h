/*
 * sink/kafka/outlet.h
 *	  What goes where: the topics a sink writes, and a change as a message of one.
 *
 *	  a table's changes      {prefix}.{schema}.{table}, or as ?topic= says
 *	  logical messages       PREFIX.walrow.messages
 *	  dead letters           PREFIX.walrow.dead_letters
 */
#ifndef WALROW_SINK_KAFKA_OUTLET_H
#define WALROW_SINK_KAFKA_OUTLET_H

#include "sink/event/event.h"
#include "sink/kafka/client.h"

typedef struct walrow__kafka_outlet walrow__kafka_outlet;

typedef struct walrow__kafka_outlets {
    walrow__kafka *kafka; /* borrowed */
    walrow__kafka_outlet *outlets, *last;
    walrow__strbuf key, value; /* of the message at hand */
} walrow__kafka_outlets;

void walrow__kafka_outlets_init(walrow__kafka_outlets *outlets, walrow__kafka *kafka);
/* Before the client is closed. */
void walrow__kafka_outlets_release(walrow__kafka_outlets *outlets);

/** An event as it was printed: of a row by its key, or a logical message. */
walrow_code walrow__kafka_send_event(walrow__kafka_outlets *outlets, const walrow__event_subject *subject,
                                     const walrow__strbuf *text, walrow_error *err) WALROW_MUST_CHECK;
/** Rows of a batch from the given one on, as Arrow IPC streams of as many rows as a message can have. */
walrow_code walrow__kafka_send_rows(walrow__kafka_outlets *outlets, const walrow_batch *batch, int64_t start,
                                    walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__kafka_send_dead_letter(walrow__kafka_outlets *outlets, const walrow_dead_letter *letter,
                                           walrow_error *err) WALROW_MUST_CHECK;

#endif
