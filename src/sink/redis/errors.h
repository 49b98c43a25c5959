/*
 * sink/redis/errors.h
 *	  What went wrong with Redis, and what to do about it. Retryable is what waiting may heal.
 */
#ifndef WALROW_SINK_REDIS_ERRORS_H
#define WALROW_SINK_REDIS_ERRORS_H

#include "sink/redis/client.h"

walrow_code walrow__redis_fail_connect(const walrow__redis *redis, walrow_error *err) WALROW_MUST_CHECK;
/** @param n  what reading or writing returned: 0 the end, else errno has it */
walrow_code walrow__redis_fail_lost(const walrow__redis *redis, ssize_t n,
                                    walrow_error *err) WALROW_MUST_CHECK;
/** An answer was an error. */
walrow_code walrow__redis_fail_refused(const walrow__redis *redis, walrow_error *err) WALROW_MUST_CHECK;

#endif
