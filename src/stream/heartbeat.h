/*
 * stream/heartbeat.h
 *	  A logical message now and then while nothing of the publication comes: its arrival is a position that can be
 *	  confirmed, where keepalives are too rare, or are swallowed by what is in between.
 */
#ifndef WALROW_STREAM_HEARTBEAT_H
#define WALROW_STREAM_HEARTBEAT_H

#include "stream/receiver.h"

/** Write a heartbeat if it is time for one. What the server refuses is only said. */
walrow_code walrow__receiver_beat(walrow__receiver *receiver, int64_t now,
                                  walrow_error *err) WALROW_MUST_CHECK;

#endif
