/*
 * relation.h
 *	  What becomes of a relation's changes: whether they are captured, as which table, and where each of its
 *	  columns is. Kept per relation until the catalogs say that something changed.
 */
#ifndef WAL2ARROW_RELATION_H
#define WAL2ARROW_RELATION_H

#include "postgres.h"

#include "layout.h"
#include "publications.h"
#include "transaction.h"
#include "utils/hsearch.h"

typedef struct route {
    Oid relid;         /* hash key */
    bool resolved;     /* what follows is what the catalogs say */
    int operations;    /* that are captured; 0: none, and `as` is NULL */
    struct route *as;  /* the table as which it is published: itself, or a partition's root */
    layout *layout;    /* where that table's columns are in this relation's tuples */
    uint64 epoch_seen; /* as->epoch_number for which it was made */

    /* only of what is published as itself */
    bool fresh; /* table is what the catalogs say */
    published *table;
    uint64 epoch_number; /* one more for each table opened here */
} route;

typedef struct relations {
    const plugin_options *options;
    transaction *transaction; /* rows of a table that changes go there */
    publications publications;
    HTAB *routes;
    route *latest; /* most changes are of the relation of the change before */
    int n_stale;   /* routes that were invalidated, counted since the last tidying */
    MemoryContext context;
    struct relations *next_live; /* see relation.c */
    MemoryContextCallback forget;
} relations;

/* Memory: the current context, with which it ends. */
extern void relations_init(relations *relations, const plugin_options *options, transaction *transaction);

/* May raise errors, and write out rows of the table that the catalogs no longer describe. */
extern route *relations_refresh(relations *relations, Relation relation);

/* Between transactions: free what belongs to relations that are gone, and memory that has piled up. */
extern void relations_tidy(relations *relations);

static inline bool
route_is_current(const route *route)
{
    return route->resolved &&
           (route->as == NULL || (route->as->fresh && route->epoch_seen == route->as->epoch_number));
}

static inline route *
relations_find(relations *relations, Relation relation)
{
    route *latest = relations->latest;
    if (likely(latest != NULL && latest->relid == RelationGetRelid(relation) && route_is_current(latest)))
        return latest;
    return relations_refresh(relations, relation);
}

#endif
