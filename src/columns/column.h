/*
 * columns/column.h
 *	  One Arrow column under construction: values from the wire, text or binary, go straight into Arrow
 *	  buffers.
 *
 * The bits are canonical: no validity buffer until there is a null, zeros under nulls, NaN the canonical
 *	  quiet NaN. Nulls at the end are only counted until a value follows, so a column of nulls costs nothing per
 *	  row. No stdio, no globals, memory only from the allocator: this is compiled into the server plugin too.
 */
#ifndef WALROW_COLUMNS_COLUMN_H
#define WALROW_COLUMNS_COLUMN_H

#include "base/strbuf.h"
#include "columns/type.h"

typedef struct walrow__column {
    const walrow__type *type;    /* borrowed */
    int64_t length;              /* slots, trailing nulls included */
    int64_t trailing_nulls;      /* of them, not yet in the buffers */
    int64_t null_count;          /* trailing ones included */
    struct ArrowBuffer validity; /* as far as the last null in the buffers; empty while there is none */
    struct ArrowBuffer
        offsets;             /* int32, UTF8 BINARY JSON LIST MAP; holds length + 1 - trailing_nulls entries */
    struct ArrowBuffer data; /* values; bits for BOOL; bytes for UTF8 ... */
    struct walrow__column *children; /* LIST: 1, STRUCT: n, MAP: 2 (key, value) */
    int n_children;
    walrow__strbuf scratch; /* for values that are rewritten on their way; kept between values */
} walrow__column;

typedef enum walrow__appended {
    WALROW__APPENDED,
    WALROW__UNREPRESENTABLE, /* the Arrow type cannot hold it: append a null and write a dead letter */
    WALROW__MALFORMED,       /* not what the type's send or output function writes: a protocol error */
    WALROW__NO_MEMORY
} walrow__appended;

walrow_code walrow__column_init(walrow__column *column, const walrow__type *type,
                                struct ArrowBufferAllocator allocator, walrow_error *err) WALROW_MUST_CHECK;
void walrow__column_release(walrow__column *column);

static inline void
walrow__column_append_nulls(walrow__column *column, int64_t n)
{
    column->length += n;
    column->trailing_nulls += n;
    column->null_count += n;
}

/*
 * Append one value as the type's send function (binary) or output function (text) wrote it. Unless
 * WALROW__APPENDED comes back the column is as before and *reason a static string that says why.
 */
walrow__appended walrow__column_append_binary(walrow__column *column, const uint8_t *bytes, size_t size,
                                              const char **reason) WALROW_MUST_CHECK;
walrow__appended walrow__column_append_text(walrow__column *column, const uint8_t *bytes, size_t size,
                                            const char **reason) WALROW_MUST_CHECK;
/* A ready UTF-8 value into a UTF8 column. */
walrow__appended walrow__column_append_utf8(walrow__column *column, const char *text,
                                            size_t size) WALROW_MUST_CHECK;

/* STRUCT or LIST or MAP whose children were filled by hand: close the slot. */
walrow__appended walrow__column_append_nested(walrow__column *column) WALROW_MUST_CHECK;

/* What is in its buffers, and its children's. */
int64_t walrow__column_bytes(const walrow__column *column);

/* Forget slots past length (children too): the way back after a value that failed half way. */
void walrow__column_truncate(walrow__column *column, int64_t length);

/** Copy n slots of src, a whole column's array of the same type, from start on. (Gather = one call per run.)
 */
walrow__appended walrow__column_append_range(walrow__column *column, const struct ArrowArray *src,
                                             int64_t start, int64_t n) WALROW_MUST_CHECK;

/** Move the buffers into *out (initialised by this); the column is empty again and can be filled anew. */
walrow_code walrow__column_finish(walrow__column *column, struct ArrowArray *out,
                                  walrow_error *err) WALROW_MUST_CHECK;

/*
 * Print a binary value as the type's output function would, under walrow's session settings (DateStyle ISO,
 * IntervalStyle postgres, TimeZone UTC, extra_float_digits 3, bytea_output hex): for dead letters and utf8
 * overrides. false: malformed, or WIRE_NONE.
 */
bool walrow__print_binary(const walrow__type *type, const uint8_t *bytes, size_t size, walrow__strbuf *out);

#endif
