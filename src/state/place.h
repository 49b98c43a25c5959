/*
 * state/place.h
 *	  The directory a slot's state is in, and that one process at a time has it.
 *
 *	  DIR/lock   held by flock as long as the process runs; its content says which
 *	  DIR/db/    the store
 */
#ifndef WALROW_STATE_PLACE_H
#define WALROW_STATE_PLACE_H

#include "base/options.h"

#define WALROW__PLACE_STORE "db"
#define WALROW__PLACE_NEW "db.new" /* while it is being made */

/** --state, else $XDG_STATE_HOME/walrow/SLOT, else ~/.local/state/walrow/SLOT; malloc'ed. */
walrow_code walrow__state_place(const walrow_options *options, char **out,
                                walrow_error *err) WALROW_MUST_CHECK;
/** --state off: nothing is kept. */
bool walrow__state_is_off(const walrow_options *options);

/** Make the directory if it is not there and take it. Errors: WALROW_ERR_STATE, naming the process that has it. */
walrow_code walrow__place_lock(const char *path, int *fd, walrow_error *err) WALROW_MUST_CHECK;
/** Is there a store in it? */
bool walrow__place_is_used(const char *path);
/** Remove what is left of a store that was being made; give one that was made its name. Errors: WALROW_ERR_STATE */
walrow_code walrow__place_clear_new(const char *path, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__place_keep_new(const char *path, walrow_error *err) WALROW_MUST_CHECK;
/** Remove the state, if there is one. Errors: WALROW_ERR_STATE (in use, or cannot) */
walrow_code walrow__place_remove(const char *path, walrow_error *err) WALROW_MUST_CHECK;

#endif
