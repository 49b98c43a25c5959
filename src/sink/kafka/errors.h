/*
 * sink/kafka/errors.h
 *	  What went wrong with Kafka, and what to do about it.
 */
#ifndef WALROW_SINK_KAFKA_ERRORS_H
#define WALROW_SINK_KAFKA_ERRORS_H

#include "sink/kafka/client.h"

/** @param what  "cannot make topic \"shop.public.t\"" */
walrow_code walrow__kafka_fail(walrow_error *err, rd_kafka_resp_err_t code, const char *why,
                               const char *what) WALROW_MUST_CHECK;
/** Of a call for transactions; the error is destroyed. */
walrow_code walrow__kafka_fail_transaction(const walrow__kafka *kafka, rd_kafka_error_t *error,
                                           const char *what, walrow_error *err) WALROW_MUST_CHECK;
/** The producer is good for nothing more. */
walrow_code walrow__kafka_fail_fatal(const walrow__kafka *kafka, walrow_error *err) WALROW_MUST_CHECK;
/** At the first word: who is refused now will be refused again, and need not wait. */
walrow_code walrow__kafka_check_let_in(const walrow__kafka *kafka, walrow_error *err) WALROW_MUST_CHECK;
/** No broker answers. */
walrow_code walrow__kafka_fail_silent(const walrow__kafka *kafka, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__kafka_fail_size(walrow_error *err, const char *topic, size_t size,
                                    const walrow__kafka_settings *settings, bool by_broker) WALROW_MUST_CHECK;

#endif
