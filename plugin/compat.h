/*
 * compat.h
 *	  What differs between the servers the plugin is built for, 13 to 18.
 */
#ifndef WAL2ARROW_COMPAT_H
#define WAL2ARROW_COMPAT_H

#include "postgres.h"

#include "catalog/partition.h"
#include "catalog/pg_publication.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"
#include "replication/reorderbuffer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 130000
#error "wal2arrow needs PostgreSQL 13 or newer"
#endif

/* 18's way to say it, before the declaration */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 17 took the struct around a decoded tuple away. */
static inline HeapTuple
change_new_tuple(const ReorderBufferChange *change)
{
#if PG_VERSION_NUM >= 170000
    return change->data.tp.newtuple;
#else
    return change->data.tp.newtuple == NULL ? NULL : &change->data.tp.newtuple->tuple;
#endif
}

static inline HeapTuple
change_old_tuple(const ReorderBufferChange *change)
{
#if PG_VERSION_NUM >= 170000
    return change->data.tp.oldtuple;
#else
    return change->data.tp.oldtuple == NULL ? NULL : &change->data.tp.oldtuple->tuple;
#endif
}

static inline TimestampTz
transaction_commit_time(const ReorderBufferTXN *txn)
{
#if PG_VERSION_NUM >= 150000
    return txn->xact_time.commit_time;
#else
    return txn->commit_time;
#endif
}

/* 16 and newer do it themselves inside a transaction; before, each plugin has to. */
#define PLUGIN_REPORTS_PROGRESS (PG_VERSION_NUM < 160000)

/* skipped: nothing of the transaction was sent. Known to the server from 15 on. */
static inline void
update_progress(LogicalDecodingContext *ctx, bool skipped)
{
#if PG_VERSION_NUM >= 150000
    OutputPluginUpdateProgress(ctx, skipped);
#else
    (void)skipped;
    OutputPluginUpdateProgress(ctx);
#endif
}

/* The columns of the replica identity, offset by FirstLowInvalidHeapAttributeNumber; not for FULL. */
static inline Bitmapset *
identity_columns(Relation relation)
{
#if PG_VERSION_NUM >= 140000
    return RelationGetIdentityKeyBitmap(relation);
#else
    return RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_IDENTITY_KEY);
#endif
}

/* Publications FOR TABLES IN SCHEMA came with 15. */
static inline List *
schema_publications(Oid schema)
{
#if PG_VERSION_NUM >= 150000
    return GetSchemaPublications(schema);
#else
    (void)schema;
    return NIL;
#endif
}

/* The topmost of the ancestors (nearest first) that the publication names, and how far up it is, from 1; or 0. */
static inline Oid
published_ancestor(Oid publication, List *ancestors, int *level)
{
#if PG_VERSION_NUM >= 150000
    return GetTopMostAncestorInPublication(publication, ancestors, level);
#else
    Oid topmost = InvalidOid;
    int at = 0;
    ListCell *cell;
    foreach (cell, ancestors) {
        at++;
        if (list_member_oid(GetRelationPublications(lfirst_oid(cell)), publication)) {
            topmost = lfirst_oid(cell);
            *level = at;
        }
    }
    return topmost;
#endif
}

#endif
