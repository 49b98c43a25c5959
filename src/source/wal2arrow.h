/*
 * source/wal2arrow.h
 *	  Parts of the decoder of wal2arrow's messages, internal to it.
 */
#ifndef WALROW_SOURCE_WAL2ARROW_H
#define WALROW_SOURCE_WAL2ARROW_H

#include "columns/wire.h"
#include "source/announced.h"

/** The table that a schema frame announces. The caller unrefs it. */
walrow_code walrow__wal2arrow_read_table(walrow__wire_bytes payload, walrow__table **out,
                                         walrow_error *err) WALROW_MUST_CHECK;

#endif
