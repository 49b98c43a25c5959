/*
 * pg/status.h
 *	  Where the slot stands.
 */
#ifndef WALROW_PG_STATUS_H
#define WALROW_PG_STATUS_H

#include "base/options.h"

#include <libpq-fe.h>

/**
 * Fill in the slot. Errors: WALROW_ERR_SLOT (missing).
 * Ownership: walrow_status_release frees the strings, also after an error.
 */
walrow_code walrow__status_slot(PGconn *conn, const walrow_options *options, walrow_slot_status *out,
                                walrow_error *err) WALROW_MUST_CHECK;

#endif
