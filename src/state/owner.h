/*
 * state/owner.h
 *	  Whose a state is, as JSON under its key "identity": server, timeline, database and slot. The timeline may
 *	  move on, the rest may not.
 */
#ifndef WALROW_STATE_OWNER_H
#define WALROW_STATE_OWNER_H

#include "base/identity.h"
#include "state/store.h"

#include <jansson.h>

/** *out NULL: missing, or not what was written. Ownership: json_decref(*out) */
walrow_code walrow__owner_get(walrow__store *store, json_t **out, walrow_error *err) WALROW_MUST_CHECK;
uint32_t walrow__owner_timeline(const json_t *owner);
/**
 * @param path  of the state, for the message
 * Errors: WALROW_ERR_STATE: another's
 */
walrow_code walrow__owner_check(const json_t *owner, const walrow__identity *identity, const char *path,
                                walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__owner_put(walrow__store_write *write, const walrow__identity *identity,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Its server is on another timeline now. */
walrow_code walrow__owner_move(json_t *owner, uint32_t timeline, walrow__store_write *write,
                               walrow_error *err) WALROW_MUST_CHECK;

#endif
