/*
 * state/look.h
 *	  A store's files as they are at one moment, in a temporary folder of their own, while another process goes on
 *	  writing and taking files away. The folder holds links to descriptors: what is taken away can still be read,
 *	  nothing is written into the store's directory, which may be another user's, and a look that is killed leaves no
 *	  more behind than names.
 *
 * Threads: one look is used by one thread; several looks do not know of each other.
 */
#ifndef WALROW_STATE_LOOK_H
#define WALROW_STATE_LOOK_H

#include <walrow.h>

typedef struct walrow__look walrow__look;

/** Take it, of the RocksDB store in a directory. Errors: WALROW_ERR_STATE, with the way out. */
walrow_code walrow__look_open(const char *store, walrow__look **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__look_close(walrow__look *look); /* NULL is allowed */

/* Where the files are, until the look is closed; borrowed. */
const char *walrow__look_folder(const walrow__look *look);

#endif
