/*
 * stream/receiver_thread.h
 *	  The receiving thread: reads snapshots and the stream, decodes, cuts change sets into the queue, answers
 *	  keepalives on its own clock, reconnects. A slow caller makes it stop reading, never stop answering.
 *
 * What is confirmed to the server is what the caller acknowledged; when nothing is pending, what a keepalive
 *	  said.
 */
#ifndef WALROW_STREAM_RECEIVER_THREAD_H
#define WALROW_STREAM_RECEIVER_THREAD_H

#include "stream/receiver.h"

walrow_code walrow__receiver_start(walrow__receiver *receiver, walrow_error *err) WALROW_MUST_CHECK;
/** Wait until changes that are committed from now on come: the slot is there. Or until it ended. */
void walrow__receiver_await(walrow__receiver *receiver);
/** Ask it to end, wait for it, free what is its own. */
void walrow__receiver_stop(walrow__receiver *receiver);

#endif
