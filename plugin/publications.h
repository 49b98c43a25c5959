/*
 * publications.h
 *	  Which operations of a relation are published, and as which table: the answer pgoutput gives.
 */
#ifndef WAL2ARROW_PUBLICATIONS_H
#define WAL2ARROW_PUBLICATIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/rel.h"

typedef struct publications {
    List *names;           /* of char * */
    List *loaded;          /* of Publication *, in a context of their own */
    bool valid;            /* loaded is what the catalog says */
    MemoryContext context; /* of loaded */
} publications;

typedef struct publishing {
    int operations; /* 0: not published */
    Oid relid;      /* the relation's own, or of the ancestor as which it is published */
} publishing;

extern void publications_init(publications *publications, List *names);
/* May raise errors: a publication that is missing, or has what wal2arrow cannot do. */
extern publishing publications_find(publications *publications, Relation relation);

#endif
