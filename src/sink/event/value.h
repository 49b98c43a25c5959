/*
 * sink/event/value.h
 *	  One column of a batch, printed as JSON row by row, straight from its Arrow buffers. How a column is
 * printed is decided once for a schema; a batch is then only bound to it.
 */
#ifndef WALROW_SINK_VALUE_H
#define WALROW_SINK_VALUE_H

#include "base/strbuf.h"

#include <walrow.h>

typedef struct walrow__value walrow__value;

typedef void (*walrow__value_print_fn)(const walrow__value *value, int64_t row, walrow__strbuf *buf);

struct walrow__value {
    walrow__value_print_fn print;      /* of a value that is not null, as JSON */
    walrow__value_print_fn print_text; /* of the same, as PostgreSQL's output function has it */
    char *key;                         /* "name": with its quotes and colon */
    size_t key_size;
    int bits, scale; /* decimals */
    bool with_zone;
    char delimiter; /* between a list's elements in PostgreSQL's text */
    walrow__value *children;
    int n_children;
    /* of the batch that is bound */
    const struct ArrowArray *array;
    const uint8_t *validity; /* NULL: nothing is null */
};

/** Decide from the field's format; schema is borrowed for the call. */
walrow_code walrow__value_init(walrow__value *value, const struct ArrowSchema *schema,
                               walrow_error *err) WALROW_MUST_CHECK;
void walrow__value_release(walrow__value *value);
/** From now on print as Debezium and Flink have it: timestamps with a zone end in Z, bytes are base64. */
void walrow__value_use_debezium(walrow__value *value);
/* The array is borrowed as long as it is bound. */
void walrow__value_bind(walrow__value *value, const struct ArrowArray *array);

static inline bool
walrow__value_is_null(const walrow__value *value, int64_t row)
{
    int64_t bit = row + value->array->offset;
    return value->validity != NULL && (value->validity[bit / 8] >> bit % 8 & 1) == 0;
}

static inline void
walrow__value_print_key(const walrow__value *value, walrow__strbuf *buf)
{
    walrow__strbuf_add(buf, value->key, value->key_size);
}

/* Of a number as PostgreSQL prints it: false for NaN and the infinities. */
static inline bool
walrow__is_finite_text(const char *text)
{
    char first = text[text[0] == '-'];
    return first >= '0' && first <= '9';
}

static inline void
walrow__value_print(const walrow__value *value, int64_t row, walrow__strbuf *buf)
{
    if (walrow__value_is_null(value, row))
        walrow__strbuf_add(buf, "null", 4);
    else
        value->print(value, row, buf);
}

#endif
