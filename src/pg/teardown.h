/*
 * pg/teardown.h
 *	  The one place where anything is dropped on a server.
 */
#ifndef WALROW_PG_TEARDOWN_H
#define WALROW_PG_TEARDOWN_H

#include <walrow.h>

/** Drop the slot, then the publications walrow made. dry_run: only list it. */
walrow_code walrow__teardown_server(const walrow_options *options, bool dry_run, walrow_actions *out,
                                    walrow_error *err) WALROW_MUST_CHECK;

#endif
