/*
 * state/codec.h
 *	  A change set as bytes, for the buffer, and back. Neither way holds the rows twice: they go through zstd a
 *	  piece at a time.
 *
 * Layout: "WCS2", a zstd frame of: u64 size of the fields, the fields, of each batch its rows as an Arrow IPC
 * stream. Integers in network byte order, text with its terminating zero.
 */
#ifndef WALROW_STATE_CODEC_H
#define WALROW_STATE_CODEC_H

#include "base/strbuf.h"

#include <walrow.h>

/** Append the change set to *out. */
walrow_code walrow__changes_encode(const walrow_changes *changes, walrow__strbuf *out,
                                   walrow_error *err) WALROW_MUST_CHECK;
/**
 * The change set, equal in every bit; bytes may go afterwards.
 * Errors: WALROW_ERR_STATE: not what encode wrote
 */
walrow_code walrow__changes_decode(const void *bytes, size_t size, walrow_changes *out,
                                   walrow_error *err) WALROW_MUST_CHECK;

#endif
