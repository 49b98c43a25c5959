/*
 * sink/identity.h
 *	  Does what a sink has stored belong to this server, database and slot?
 */
#ifndef WALROW_SINK_IDENTITY_H
#define WALROW_SINK_IDENTITY_H

#include "sink/sink.h"

/**
 * Compare what is stored with what this run has; timelines may differ (base/timelines.h).
 * @param place  what it belongs to, for the message
 * Errors: WALROW_ERR_STATE, with both identities and the way out
 */
walrow_code walrow__identity_compare(const walrow__identity *stored, const walrow__identity *now,
                                     const char *place, walrow_error *err) WALROW_MUST_CHECK;

#endif
