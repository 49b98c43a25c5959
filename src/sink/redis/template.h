/*
 * sink/redis/template.h
 *	  What the key of a row is called: "app:{table}:{id}".
 *
 *	  {schema} {table}   the table's names
 *	  {key}              the values of all key columns, in column order, with ":" between them
 *	  {COLUMN}           the value of a key column: the text PostgreSQL prints, nothing for null
 *	  {{ }}              braces
 */
#ifndef WALROW_SINK_REDIS_TEMPLATE_H
#define WALROW_SINK_REDIS_TEMPLATE_H

#include "sink/event/table.h"

/* Text, or a column's value. */
typedef struct walrow__redis_part {
    int column;  /* of the table's own; -1: text */
    size_t size; /* of the text; the parts' texts follow each other */
} walrow__redis_part;

typedef struct walrow__redis_template {
    walrow__strbuf text;
    walrow__redis_part *parts;
    size_t n_parts;
    bool tells_rows; /* has columns: else all rows have one key */
} walrow__redis_template;

bool walrow__redis_template_is_valid(const char *source, bool with_columns);
/**
 * Make it for a table, at the batch's schema epoch; source is valid.
 * Errors: WALROW_ERR_SINK: a column that is not of the table's key
 */
walrow_code walrow__redis_template_make(walrow__redis_template *template, const char *source,
                                        const walrow_batch *batch, walrow_error *err) WALROW_MUST_CHECK;
/* A template that is all zeros is fine. */
void walrow__redis_template_release(walrow__redis_template *template);

/** As the row of the bound batch has it, or had it before (of_old). */
void walrow__redis_template_print(const walrow__redis_template *template, const walrow__event_table *table,
                                  int64_t row, bool of_old, walrow__strbuf *buf);
/** The pattern of all rows' keys, as Redis's SCAN and PSUBSCRIBE have patterns. */
void walrow__redis_template_print_pattern(const walrow__redis_template *template, walrow__strbuf *buf);

#endif
