/*
 * compat.h
 *	  What differs between the servers the plugin is built for, 13 to 18.
 */
#ifndef WAL2ARROW_COMPAT_H
#define WAL2ARROW_COMPAT_H

#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#if PG_VERSION_NUM >= 150000
#include "access/xlogrecovery.h"
#endif
#include "catalog/partition.h"
#include "catalog/pg_publication.h"
#include "libpq/pqcomm.h"
#include "miscadmin.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"
#include "replication/reorderbuffer.h"
#include "replication/slot.h"
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

/* ---- what the procedure asks of the server ---- */

/* An update_progress callback's; 15 and newer say whether a transaction was skipped. */
#if PG_VERSION_NUM >= 150000
#define UPDATE_PROGRESS_ARGUMENTS                                                                            \
    LogicalDecodingContext *ctx pg_attribute_unused(), XLogRecPtr lsn pg_attribute_unused(),                 \
        TransactionId xid pg_attribute_unused(), bool skipped pg_attribute_unused()
#else
#define UPDATE_PROGRESS_ARGUMENTS                                                                            \
    LogicalDecodingContext *ctx pg_attribute_unused(), XLogRecPtr lsn pg_attribute_unused(),                 \
        TransactionId xid pg_attribute_unused()
#endif

#if PG_VERSION_NUM < 140000
extern PGDLLIMPORT ProtocolVersion FrontendProtocol; /* its header needs those of GSSAPI */
#endif

/* Protocol 2, which 13 still speaks, has another COPY. */
static inline bool
client_can_copy(void)
{
#if PG_VERSION_NUM >= 140000
    return true;
#else
    return PG_PROTOCOL_MAJOR(FrontendProtocol) >= 3;
#endif
}

static inline void
check_slot_permissions(void)
{
#if PG_VERSION_NUM >= 150000
    CheckSlotPermissions();
#else
    if (!superuser() && !has_rolreplication(GetUserId()))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("must be superuser or replication role to use replication slots")));
#endif
}

/* An error if it is somebody else's at the moment. */
static inline void
slot_acquire(const char *name)
{
#if PG_VERSION_NUM >= 180000
    ReplicationSlotAcquire(name, true, true);
#elif PG_VERSION_NUM >= 140000
    ReplicationSlotAcquire(name, true);
#else
    (void)ReplicationSlotAcquire(name, SAB_Error);
#endif
}

/* Its WAL is gone, or what it needed of the catalogs. */
static inline bool
slot_is_lost(void)
{
#if PG_VERSION_NUM >= 160000
    if (MyReplicationSlot->data.invalidated != RS_INVAL_NONE)
        return true;
#endif
    return XLogRecPtrIsInvalid(MyReplicationSlot->data.restart_lsn);
}

static inline TransactionId
next_transaction_id(void)
{
#if PG_VERSION_NUM >= 140000
    return ReadNextTransactionId();
#else
    return ReadNewTransactionId();
#endif
}

/* Up to where WAL can be decoded. Standbys decode from 16 on; before, asking for it has failed by now. */
static inline XLogRecPtr
decodable_lsn(void)
{
    if (RecoveryInProgress())
        return GetXLogReplayRecPtr(NULL);
#if PG_VERSION_NUM >= 150000
    return GetFlushRecPtr(NULL);
#else
    return GetFlushRecPtr();
#endif
}

/* 17 and newer know standbys that must have what logical clients are given. */
static inline void
wait_for_standbys(XLogRecPtr lsn)
{
#if PG_VERSION_NUM >= 170000
    WaitForStandbyConfirmation(lsn);
#else
    (void)lsn;
#endif
}

#endif
