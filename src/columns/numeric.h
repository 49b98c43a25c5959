/*
 * columns/numeric.h
 *	  PostgreSQL's numeric, binary (numeric_send: base-10000 digits, PostgreSQL's
 *	  src/backend/utils/adt/numeric.c) and text, as Arrow decimals and as text.
 */
#ifndef WALROW_COLUMNS_NUMERIC_H
#define WALROW_COLUMNS_NUMERIC_H

#include "columns/column.h"

/* Into a DECIMAL128 or DECIMAL256 column of the type's precision and scale. */
walrow__appended walrow__decimal_append_binary(walrow__column *column, const uint8_t *bytes, size_t size,
                                               const char **reason);
walrow__appended walrow__decimal_append_text(walrow__column *column, const uint8_t *bytes, size_t size,
                                             const char **reason);
/** As numeric_out prints it; false: malformed. */
bool walrow__numeric_print(const uint8_t *bytes, size_t size, walrow__strbuf *out);

#endif
