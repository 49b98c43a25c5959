/*
 * stream/snapshots.h
 *	  The tables' rows as they were, into the queue.
 */
#ifndef WALROW_STREAM_SNAPSHOTS_H
#define WALROW_STREAM_SNAPSHOTS_H

#include "stream/receiver.h"

/** Read the snapshots the plan asks for; creates the slot if there is none. */
walrow_code walrow__receiver_snapshot(walrow__receiver *receiver, walrow_error *err) WALROW_MUST_CHECK;

#endif
