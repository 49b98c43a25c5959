/*
 * stream/handout.h
 *	  A change set divided among the readers of a router: each batch to its table's reader, all of it as events to
 *	  whoever reads those; into memory, or past a reader's bound onto disk.
 */
#ifndef WALROW_STREAM_HANDOUT_H
#define WALROW_STREAM_HANDOUT_H

#include "stream/router.h"

/** Waits for room. Arrays are moved out of the change set; releasing it stays the caller's. */
walrow_code walrow__hand_out(walrow__router *router, walrow_changes *changes, size_t bytes,
                             walrow_error *err) WALROW_MUST_CHECK;

#endif
