/*
 * state/codec.h
 *	  A change set as bytes, for the buffer, and back: its batches as Arrow IPC streams, the rest as plain
 *	  fields, all of it in one zstd frame.
 *
 * Layout: "WCS1", u64 size of what is compressed, the frame. Integers in network byte order, text with its
 * terminating zero.
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
