#include "state/pack.h"

#include "base/error.h"

#include <string.h>

enum { LEVEL = 1 }; /* the disk is faster than any higher one */

/* ---- packing ---- */

walrow_code
walrow__packer_init(walrow__packer *packer, walrow__strbuf *out, walrow_error *err)
{
    *packer = (walrow__packer){.zstd = ZSTD_createCCtx(), .out = out};
    if (packer->zstd == NULL)
        return walrow__fail_memory(err);
    size_t set = ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, LEVEL);
    return ZSTD_isError(set)
               ? walrow__fail(err, WALROW_ERR_UNEXPECTED, "cannot compress: %s", ZSTD_getErrorName(set))
               : WALROW_OK;
}

void
walrow__packer_release(walrow__packer *packer)
{
    ZSTD_freeCCtx(packer->zstd);
    packer->zstd = NULL;
}

/* *left: bytes that are still to be written to end the frame. */
static walrow_code
pack_some(walrow__packer *packer, ZSTD_inBuffer *in, ZSTD_EndDirective end, size_t *left, walrow_error *err)
{
    size_t room = ZSTD_CStreamOutSize();
    if (!walrow__strbuf_reserve(packer->out, room))
        return walrow__fail_memory(err);
    ZSTD_outBuffer out = {.dst = packer->out->data + packer->out->size, .size = room};
    *left = ZSTD_compressStream2(packer->zstd, &out, in, end);
    if (ZSTD_isError(*left))
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "cannot compress: %s", ZSTD_getErrorName(*left));
    packer->out->size += out.pos;
    return WALROW_OK;
}

walrow_code
walrow__pack(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    size_t left;
    ZSTD_inBuffer in = {.src = bytes, .size = size};
    while (in.pos < in.size)
        WALROW_TRY(pack_some(arg, &in, ZSTD_e_continue, &left, err));
    return WALROW_OK;
}

walrow_code
walrow__pack_finish(walrow__packer *packer, walrow_error *err)
{
    size_t left;
    ZSTD_inBuffer nothing = {.size = 0};
    do
        WALROW_TRY(pack_some(packer, &nothing, ZSTD_e_end, &left, err));
    while (left > 0);
    return WALROW_OK;
}

/* ---- unpacking ---- */

walrow_code
walrow__unpacker_init(walrow__unpacker *unpacker, const void *bytes, size_t size, walrow_error *err)
{
    *unpacker = (walrow__unpacker){.zstd = ZSTD_createDCtx(), .in = {.src = bytes, .size = size}};
    return unpacker->zstd == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

void
walrow__unpacker_release(walrow__unpacker *unpacker)
{
    ZSTD_freeDCtx(unpacker->zstd);
    unpacker->zstd = NULL;
}

size_t
walrow__unpack(walrow__unpacker *unpacker, void *bytes, size_t size)
{
    ZSTD_outBuffer out = {.dst = bytes, .size = size};
    while (out.pos < size && !unpacker->ended) {
        size_t in_before = unpacker->in.pos, out_before = out.pos;
        size_t left = ZSTD_decompressStream(unpacker->zstd, &out, &unpacker->in);
        unpacker->ended = left == 0;
        if (ZSTD_isError(left) || (unpacker->in.pos == in_before && out.pos == out_before))
            break;
    }
    return out.pos;
}

bool
walrow__unpack_is_done(walrow__unpacker *unpacker)
{
    char more;
    return walrow__unpack(unpacker, &more, 1) == 0 && unpacker->ended &&
           unpacker->in.pos == unpacker->in.size;
}
