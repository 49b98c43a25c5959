/*
 * advance.c
 *	  wal2arrow.advance(slot, upto_lsn, restart_lsn, catalog_xmin): moves a slot without reading WAL.
 *
 * pg_replication_slot_advance reads all of it to find out from where the slot's next reader has to begin. Whoever
 * decoded a copy of the slot knows that already: it is what the copy's row in pg_replication_slots says.
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

PG_FUNCTION_INFO_V1(wal2arrow_advance);

pg_noreturn static void
refuse(const char *what, XLogRecPtr given, XLogRecPtr limit)
{
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("cannot advance replication slot \"%s\": %s %X/%X, and the limit is %X/%X",
                           NameStr(MyReplicationSlot->data.name), what, (uint32)(given >> 32), (uint32)given,
                           (uint32)(limit >> 32), (uint32)limit)));
}

static void
check_slot(void)
{
    const char *name = NameStr(MyReplicationSlot->data.name);
    if (!SlotIsLogical(MyReplicationSlot) || MyReplicationSlot->data.database != MyDatabaseId)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("replication slot \"%s\" is not a logical one of this database", name)));
    if (slot_is_lost())
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("replication slot \"%s\" cannot be advanced", name),
                        errdetail("It has been invalidated.")));
}

/* Whoever decodes next begins there: never behind what is confirmed, and nothing that has not begun. */
static void
move_restart(XLogRecPtr confirmed, XLogRecPtr restart, TransactionId catalog_xmin)
{
    if (restart > confirmed)
        refuse("its restart_lsn would be", restart, confirmed);
    if (!TransactionIdIsNormal(catalog_xmin) || TransactionIdFollows(catalog_xmin, next_transaction_id()))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%u is not the catalog_xmin of a replication slot", catalog_xmin)));
    LogicalIncreaseXminForSlot(confirmed, catalog_xmin);
    LogicalIncreaseRestartDecodingForSlot(confirmed, restart);
}

Datum
wal2arrow_advance(PG_FUNCTION_ARGS)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("wal2arrow.advance's slot and upto_lsn must not be null")));
    check_slot_permissions();
    CheckLogicalDecodingRequirements();
    slot_acquire(NameStr(*PG_GETARG_NAME(0)));
    check_slot();
    XLogRecPtr target = PG_GETARG_LSN(1), limit = decodable_lsn();
    if (target > limit)
        refuse("it would be at", target, limit);
    if (target < MyReplicationSlot->data.confirmed_flush)
        refuse("it would be at", target, MyReplicationSlot->data.confirmed_flush);
    wait_for_standbys(target);
    LogicalConfirmReceivedLocation(target);
    if (!PG_ARGISNULL(2) && !PG_ARGISNULL(3))
        move_restart(target, PG_GETARG_LSN(2), DatumGetTransactionId(PG_GETARG_DATUM(3)));
    ReplicationSlotMarkDirty();
    ReplicationSlotRelease();
    PG_RETURN_VOID();
}
