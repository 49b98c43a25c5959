/*
 * columns/numeric.h
 *	  PostgreSQL's numeric, binary (numeric_send: base-10000 digits, PostgreSQL's
 *	  src/backend/utils/adt/numeric.c) and text, as Arrow decimals and as text.
 */
#ifndef WALROW_COLUMNS_NUMERIC_H
#define WALROW_COLUMNS_NUMERIC_H

#include "columns/column.h"

/* As on the wire; in numeric.c too, but for what it packs. */
enum {
    WALROW__NUMERIC_POSITIVE = 0x0000,
    WALROW__NUMERIC_NEGATIVE = 0x4000,
    WALROW__NUMERIC_NAN = 0xC000,
    WALROW__NUMERIC_PLUS_INFINITY = 0xD000,
    WALROW__NUMERIC_MINUS_INFINITY = 0xF000
};

typedef struct walrow__numeric {
    int n_groups; /* digits of base 10000 */
    int weight;   /* of the first group, in groups */
    uint16_t sign;
    int scale;             /* digits after the point, for printing */
    const uint8_t *groups; /* n_groups int16, wherever they lie */
    bool swapped;          /* in network byte order, not the machine's */
} walrow__numeric;

/* Into a DECIMAL128 or DECIMAL256 column of the type's precision and scale. */
walrow__appended walrow__decimal_append_binary(walrow__column *column, const uint8_t *bytes, size_t size,
                                               const char **reason);
walrow__appended walrow__decimal_append(walrow__column *column, const walrow__numeric *value,
                                        const char **reason);
walrow__appended walrow__decimal_append_text(walrow__column *column, const uint8_t *bytes, size_t size,
                                             const char **reason);
/** As numeric_out prints it; false: malformed. */
bool walrow__numeric_print(const uint8_t *bytes, size_t size, walrow__strbuf *out);

#endif
