/*
 * sink/redis/tls.h
 *	  TLS over a socket that is connected, by OpenSSL: Debian's hiredis comes without.
 */
#ifndef WALROW_SINK_REDIS_TLS_H
#define WALROW_SINK_REDIS_TLS_H

#include "sink/redis/settings.h"

#include <sys/types.h>

typedef struct walrow__redis_tls walrow__redis_tls;

/**
 * Shake hands; the socket is borrowed. It blocks, as long as its time-outs are.
 * Errors: WALROW_ERR_SINK, retryable if the connection broke
 */
walrow_code walrow__redis_tls_open(const walrow__redis_settings *settings, int socket,
                                   walrow__redis_tls **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__redis_tls_free(walrow__redis_tls *tls); /* NULL is allowed; the socket stays open */

/* As recv and send: 0 is the end, -1 sets errno, to EAGAIN when time is up. */
ssize_t walrow__redis_tls_read(walrow__redis_tls *tls, void *bytes, size_t size);
ssize_t walrow__redis_tls_write(walrow__redis_tls *tls, const void *bytes, size_t size);

#endif
