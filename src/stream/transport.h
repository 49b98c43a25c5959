/*
 * stream/transport.h
 *	  Which way a session's changes come, and going over to the other: pulled while far behind, pushed near the
 *	  WAL's end; what cannot be pulled is pushed. Why, the log and the state say.
 */
#ifndef WALROW_STREAM_TRANSPORT_H
#define WALROW_STREAM_TRANSPORT_H

#include "stream/receiver.h"

/**
 * Connect, and begin what becomes receiver->source.
 * Errors: as walrow__push_start and walrow__pull_start
 */
walrow_code walrow__transport_open(walrow__receiver *receiver, const walrow__source_options *options,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** The session failed with err: is that no reason to wait, because the other way may do? Before its source is closed. */
bool walrow__transport_gives_way(walrow__receiver *receiver, const walrow_error *err);
/** Now and then: is it time to go over? *over: then end the session, come again at once. */
walrow_code walrow__transport_look(walrow__receiver *receiver, int64_t now, bool *over,
                                   walrow_error *err) WALROW_MUST_CHECK;

#endif
