/*
 * state/pack.h
 *	  Bytes into a zstd frame and out of it, a piece at a time, so that they are never in memory as a whole
 *	  beside what they are made of.
 */
#ifndef WALROW_STATE_PACK_H
#define WALROW_STATE_PACK_H

#include "base/strbuf.h"

#include <walrow.h>
#include <zstd.h>

typedef struct walrow__packer {
    ZSTD_CCtx *zstd;
    walrow__strbuf *out; /* borrowed */
} walrow__packer;

/** Append a frame to *out. */
walrow_code walrow__packer_init(walrow__packer *packer, walrow__strbuf *out,
                                walrow_error *err) WALROW_MUST_CHECK;
void walrow__packer_release(walrow__packer *packer);
/* A walrow__ipc_write_fn; arg is the packer. */
walrow_code walrow__pack(void *arg, const void *bytes, size_t size, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__pack_finish(walrow__packer *packer, walrow_error *err) WALROW_MUST_CHECK;

typedef struct walrow__unpacker {
    ZSTD_DCtx *zstd;
    ZSTD_inBuffer in;
    bool ended;
} walrow__unpacker;

/** What a frame holds; bytes are borrowed until release. */
walrow_code walrow__unpacker_init(walrow__unpacker *unpacker, const void *bytes, size_t size,
                                  walrow_error *err) WALROW_MUST_CHECK;
void walrow__unpacker_release(walrow__unpacker *unpacker);
/* The next size bytes; returns how many there were, fewer at the frame's end or where it is damaged. */
size_t walrow__unpack(walrow__unpacker *unpacker, void *out, size_t size);
/* Was the frame read to its end, and is nothing behind it? */
bool walrow__unpack_is_done(walrow__unpacker *unpacker);

#endif
