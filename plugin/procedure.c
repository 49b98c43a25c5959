/*
 * procedure.c
 *	  CALL wal2arrow.stream(slot, upto_lsn, options): what a slot decodes, of any output plugin, sent as a COPY is.
 *
 * Faster than START_REPLICATION, whose sender pays a system call per message and one per WAL record, and than
 * pg_logical_slot_get_changes, whose result is stored before it is sent. PROTOCOL.md says what a client sees.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlogreader.h"
#include "access/xlogutils.h"
#include "compat.h"
#include "copy_out.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "procedure_call.h"
#include "replication/decode.h"
#include "utils/inval.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "wal2arrow.h"

/* Of WAL, between two messages that say how far it is. */
#define POSITION_BYTES (1024 * 1024)

PG_FUNCTION_INFO_V1(wal2arrow_stream);

typedef struct progress {
    copy_out *out;
    XLogRecPtr told; /* everything that committed before this was sent, and the client knows */
    bool confirm;
} progress;

static void
decode_record(LogicalDecodingContext *ctx)
{
    char *problem = NULL;
    XLogRecord *record = XLogReadRecord(ctx->reader, &problem);
    if (record == NULL)
        ereport(ERROR, (errcode_for_file_access(),
                        errmsg("could not read WAL after %X/%X: %s", (uint32)(ctx->reader->EndRecPtr >> 32),
                               (uint32)ctx->reader->EndRecPtr, problem == NULL ? "no record" : problem)));
    LogicalDecodingProcessRecord(ctx, ctx->reader);
}

/* Between two records: whatever committed before lsn has been sent whole. */
static void
tell(LogicalDecodingContext *ctx, progress *progress, XLogRecPtr lsn)
{
    wal2arrow_send_group(ctx, lsn);
    progress->told = lsn;
    copy_out_position(progress->out, lsn);
    if (progress->confirm) {
        LogicalConfirmReceivedLocation(lsn);
        ReplicationSlotMarkDirty();
    }
}

/*
 * Until a record ends at or behind the bound. Reading begins at restart_lsn, which may be long before anything is
 * sent; what is told, and confirmed, begins at confirmed_flush and never goes back.
 */
static void
decode(LogicalDecodingContext *ctx, progress *progress, XLogRecPtr bound)
{
    XLogReaderState *reader = ctx->reader;
    XLogBeginRead(reader, ctx->slot->data.restart_lsn);
    while (progress->told < bound && reader->EndRecPtr < bound) {
        decode_record(ctx);
        if (reader->EndRecPtr > progress->told + POSITION_BYTES)
            tell(ctx, progress, reader->EndRecPtr);
        CHECK_FOR_INTERRUPTS();
    }
    tell(ctx, progress, Max(progress->told, reader->EndRecPtr));
}

/* Plugins report progress in between changes that they do not send. */
static void
on_progress(UPDATE_PROGRESS_ARGUMENTS)
{
    CHECK_FOR_INTERRUPTS();
}

static void
stream(LogicalDecodingContext *ctx, const stream_call *call)
{
    copy_out out;
    progress progress = {
        .out = &out, .told = ctx->slot->data.confirmed_flush, .confirm = stream_confirms(call)};
    ResourceOwner owner = CurrentResourceOwner;
    ctx->output_writer_private = &out;
    if (call->group_bytes > 0)
        wal2arrow_group(ctx, call->group_bytes);
    wait_for_standbys(call->bound);
    copy_out_begin(&out);
    InvalidateSystemCaches(); /* what they have is of now, not of then */
    ForgetPortalSnapshots();  /* of no use to decoding, and a burden to vacuum */
    decode(ctx, &progress, call->bound);
    CurrentResourceOwner = owner; /* decoding leaves another */
    FreeDecodingContext(ctx);
    ReplicationSlotRelease();
    InvalidateSystemCaches();
    copy_out_end();
}

Datum
wal2arrow_stream(PG_FUNCTION_ARGS)
{
    LogicalDecodingContext *volatile ctx = NULL;
    stream_call call;
    stream_call_check(fcinfo);
    stream_call_read(fcinfo, &call);
    slot_acquire(call.slot);
    PG_TRY();
    {
        ctx = CreateDecodingContext(InvalidXLogRecPtr, call.options, false,
                                    XL_ROUTINE(.page_read = read_local_xlog_page,
                                               .segment_open = wal_segment_open,
                                               .segment_close = wal_segment_close),
                                    copy_out_prepare, copy_out_write, on_progress);
        stream(ctx, &call);
    }
    PG_CATCH();
    {
        /* nobody else closes it; slot and memory are given back with the transaction */
        if (ctx != NULL && ctx->reader->seg.ws_file >= 0)
            wal_segment_close(ctx->reader);
        InvalidateSystemCaches();
        PG_RE_THROW();
    }
    PG_END_TRY();
    PG_RETURN_VOID();
}
