/*
 * published.h
 *	  A published table at one schema epoch: its Arrow schema, how each column's values travel, and the rows of
 *	  the transaction at hand that were not sent yet.
 */
#ifndef WAL2ARROW_PUBLISHED_H
#define WAL2ARROW_PUBLISHED_H

#include "postgres.h"

#include "columns/batch.h"
#include "options.h"
#include "utils/rel.h"
#include "value.h"

typedef struct published {
    walrow__batch_builder batch;
    walrow__table *table;  /* the batch's */
    value_writer *writers; /* one a column */
    bool announced;        /* its schema went out in this connection */
    bool has_rows;         /* is in the transaction's list */
    int64 bytes;           /* of the batch, when last measured */
    int64 unmeasured;      /* about what came since */
    int64 kept;            /* about what its empty buffers take */
    const plugin_options *options;
    MemoryContext context; /* all of it; deleting it undoes what was malloc'ed, too */
    MemoryContextCallback release;
} published;

/* The table as the catalogs say now; in a child of the context. May raise errors, leaving nothing behind that the
 * context does not own. */
extern published *published_open(MemoryContext parent, Relation relation, const plugin_options *options);
extern void published_close(published *table);

/* Whether batches of both have the same schema, under the same name. */
extern bool published_same(const published *a, const published *b);

/* Forget the rows, which were sent. Their memory is kept for the next ones, unless it is much. */
extern void published_clear(published *table);
extern void published_give_back(published *table);

/* Whether an attribute is one of the table's columns: not dropped, not generated. */
static inline bool
published_has_attribute(Form_pg_attribute attribute)
{
    return !attribute->attisdropped && attribute->attgenerated == '\0';
}

#endif
