/*
 * kernels/unite.h
 *	  Change batches of several tables as those of one: their columns by name, their rows in position order, and a
 *	  last column with the table's name.
 */
#ifndef WALROW_KERNELS_UNITE_H
#define WALROW_KERNELS_UNITE_H

#include "kernels/rows.h"

typedef struct walrow__union_column {
    struct ArrowSchema field;
    char *table; /* the first that had it */
} walrow__union_column;

typedef struct walrow__union {
    walrow__union_column *columns;
    int n_columns;
    bool prefixed;             /* a table has a column with the name of one of ours */
    struct ArrowSchema sample; /* a table's; release is NULL: there was none yet */
    struct ArrowSchema schema; /* of all; release is NULL: it is to be made */
    walrow__rows rows;         /* of that schema */
} walrow__union;

/* Some rows of a table; all is borrowed. */
typedef struct walrow__part {
    const char *table; /* "schema.table" */
    const struct ArrowSchema *schema;
    const struct ArrowArray *array; /* without an offset */
} walrow__part;

void walrow__union_release(walrow__union *united);
/**
 * Add the parts' tables; united->schema is made anew if that changes anything (release is NULL until then).
 * Errors: WALROW_ERR_USAGE: columns of one name and different types
 */
walrow_code walrow__union_add(walrow__union *united, const walrow__part *parts, size_t n,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Their rows, in position order; of one position in the order of the parts. */
walrow_code walrow__union_rows(walrow__union *united, const walrow__part *parts, size_t n,
                               struct ArrowArray *out, walrow_error *err) WALROW_MUST_CHECK;

#endif
