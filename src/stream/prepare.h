/*
 * stream/prepare.h
 *	  Everything before the stream itself: connect, find the tables, publish them, look at the slot, plan.
 */
#ifndef WALROW_STREAM_PREPARE_H
#define WALROW_STREAM_PREPARE_H

#include "stream/upstream.h"

/** Needs options, hooks and keeps_state, the rest zeroed; walrow__upstream_release, whatever the outcome. */
walrow_code walrow__upstream_prepare(walrow__upstream *up, walrow_error *err) WALROW_MUST_CHECK;

#endif
