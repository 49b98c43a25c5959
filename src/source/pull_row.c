/*
 * source/pull_row.c
 *	  The framing of a pulled window: binary COPY (PostgreSQL documentation, "COPY", Binary Format), which comes
 *	  a row a message ("Frontend/Backend Protocol", COPY Operations).
 */
#include "source/pull_window.h"

#include "base/cursor.h"
#include "base/error.h"
#include "source/copy.h"

enum { FIELDS = 2, LSN_SIZE = 8 };

static walrow_code
malformed(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "pulled changes: %s", what);
}

static walrow_code
read_fields(walrow__cursor *cursor, walrow__incoming *out, walrow_error *err)
{
    uint32_t lsn_size = walrow__read_u32(cursor);
    if (!cursor->failed && lsn_size != LSN_SIZE)
        return malformed("an LSN of another size than 8 bytes", err);
    out->lsn = walrow__read_u64(cursor);
    uint32_t size = walrow__read_u32(cursor);
    if (!cursor->failed && size == UINT32_MAX)
        return malformed("a row without data", err);
    out->bytes = walrow__read_bytes(cursor, size);
    out->size = size;
    out->kind = WALROW__INCOMING_DATA;
    return WALROW_OK;
}

walrow_code
walrow__pull_read_row(const void *bytes, size_t size, bool *header_read, walrow__incoming *out,
                      walrow_error *err)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    if (!*header_read && !walrow__copy_read_header(&cursor))
        return malformed("not a binary COPY", err);
    *header_read = true;
    uint16_t n_fields = walrow__read_u16(&cursor);
    if (!cursor.failed && n_fields != UINT16_MAX) {
        if (n_fields != FIELDS)
            return malformed("a row with another number of columns", err);
        WALROW_TRY(read_fields(&cursor, out, err));
    }
    if (cursor.failed)
        return malformed("a row that ends too soon", err);
    if (walrow__cursor_left(&cursor) > 0)
        return malformed("bytes after the row", err);
    return WALROW_OK;
}
