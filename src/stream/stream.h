/*
 * stream/stream.h
 *	  A stream from the inside: what walrow_open makes, and what walrow_run needs of it.
 */
#ifndef WALROW_STREAM_STREAM_H
#define WALROW_STREAM_STREAM_H

#include "stream/receiver.h"

struct walrow_stream {
    walrow__upstream upstream;
    walrow__receiver receiver;
    struct walrow__router *router; /* NULL: it has no readers */
    walrow_error failed;           /* a change set could not be filtered: none after it is handed on */
};

walrow_code walrow__stream_open(const walrow_options *options, const walrow__stream_hooks *hooks,
                                walrow_stream **out, walrow_error *err) WALROW_MUST_CHECK;
/** The next change set, of what is to be handed on. bytes: as it came, may be NULL. As walrow_next otherwise. */
walrow_code walrow__stream_take(walrow_stream *stream, walrow_changes *out, size_t *bytes, int timeout_ms,
                                walrow_error *err) WALROW_MUST_CHECK;
/** End the stream at the next whole transaction: walrow_next gives what is left, then WALROW_END. */
void walrow__stream_stop(walrow_stream *stream);

#endif
