/*
 * wal2arrow.c
 *	  A logical decoding output plugin that sends changes as Apache Arrow record batches (PROTOCOL.md says how).
 *
 * The way of a change: relation.c says as which table it is captured, row.c puts its values into the table's
 *	  columns, transaction.c writes what has collected when the transaction commits or a message is full.
 */
#include "wal2arrow.h"

#include "compat.h"
#include "fmgr.h"
#include "options.h"
#include "relation.h"
#include "replication/origin.h"
#include "row.h"
#include "transaction.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks *callbacks);

/* One decoding session. All of it is in a context below the session's own, with which it ends. */
typedef struct wal2arrow {
    plugin_options options;
    transaction transaction;
    relations relations;
    row_writer rows;
    MemoryContext change_context; /* what one change needs */
    int silent_changes;           /* since progress was last reported */
} wal2arrow;

static wal2arrow *
start(LogicalDecodingContext *ctx)
{
    wal2arrow *session = palloc0(sizeof *session);
    options_read(ctx->output_plugin_options, &session->options);
    transaction_init(&session->transaction, ctx, &session->options);
    relations_init(&session->relations, &session->options, &session->transaction);
    session->rows.transaction = &session->transaction;
    session->change_context =
        AllocSetContextCreate(CurrentMemoryContext, "wal2arrow change", ALLOCSET_DEFAULT_SIZES);
    return session;
}

/* is_init: a slot is being made. Origins are asked about then, too, and there are no options. */
static void
on_startup(LogicalDecodingContext *ctx, OutputPluginOptions *opt, bool is_init)
{
    (void)is_init;
    MemoryContext caller =
        MemoryContextSwitchTo(AllocSetContextCreate(ctx->context, "wal2arrow", ALLOCSET_DEFAULT_SIZES));
    wal2arrow *session = start(ctx);
    MemoryContextSwitchTo(caller);
    opt->output_type =
        session->options.format == FORMAT_TEXT ? OUTPUT_PLUGIN_TEXTUAL_OUTPUT : OUTPUT_PLUGIN_BINARY_OUTPUT;
    ctx->output_plugin_private = session;
}

/* The decoding context takes everything along when it is deleted, which an error does, too. */
static void
on_shutdown(LogicalDecodingContext *ctx)
{
    ctx->output_plugin_private = NULL;
}

static bool
on_origin(LogicalDecodingContext *ctx, RepOriginId origin)
{
    const wal2arrow *session = ctx->output_plugin_private;
    return session->options.local_only && origin != InvalidRepOriginId;
}

static void
on_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
    wal2arrow *session = ctx->output_plugin_private;
    transaction_begin(&session->transaction, txn);
}

static void
on_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
    wal2arrow *session = ctx->output_plugin_private;
    MemoryContext caller = MemoryContextSwitchTo(session->change_context);
    (void)commit_lsn;
    bool captured = transaction_commit(&session->transaction, txn->end_lsn);
    session->silent_changes = 0;
    update_progress(ctx, !captured);
    if (!transaction_waits(&session->transaction))
        relations_tidy(&session->relations);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(session->change_context);
}

/* So that the client's position moves and its connection does not time out, whatever is captured. */
static void
report_progress(LogicalDecodingContext *ctx, wal2arrow *session)
{
    if (PLUGIN_REPORTS_PROGRESS && ++session->silent_changes >= 100) {
        session->silent_changes = 0;
        update_progress(ctx, false);
    }
}

static int
operation_of(const ReorderBufferChange *change)
{
    switch (change->action) {
    case REORDER_BUFFER_CHANGE_INSERT:
        return OPERATION_INSERT;
    case REORDER_BUFFER_CHANGE_UPDATE:
        return OPERATION_UPDATE;
    case REORDER_BUFFER_CHANGE_DELETE:
        return OPERATION_DELETE;
    default:
        return 0;
    }
}

static void
write_change(wal2arrow *session, const route *route, Relation relation, const ReorderBufferChange *change)
{
    HeapTuple new = change_new_tuple(change), old = change_old_tuple(change);
    int operation = operation_of(change);
    if ((route->operations & operation) == 0)
        return;
    if ((operation == OPERATION_DELETE ? old : new) == NULL)
        return; /* the replica identity gives nothing: no plugin sends such a change */
    if ((session->options.actions & operation) == 0)
        transaction_skip_row(&session->transaction);
    else if (operation == OPERATION_INSERT)
        row_insert(&session->rows, route, relation, new);
    else if (operation == OPERATION_UPDATE)
        row_update(&session->rows, route, relation, new, old);
    else
        row_delete(&session->rows, route, relation, old);
}

static void
on_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, Relation relation, ReorderBufferChange *change)
{
    wal2arrow *session = ctx->output_plugin_private;
    (void)txn;
    report_progress(ctx, session);
    MemoryContext caller = MemoryContextSwitchTo(session->change_context);
    write_change(session, relations_find(&session->relations, relation), relation, change);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(session->change_context);
}

/* The partitions of a table that is published as one are not truncated one by one. */
static bool
is_truncated_as_itself(const route *route)
{
    return (route->operations & OPERATION_TRUNCATE) != 0 && route->as == route;
}

static void
on_truncate(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, int n, Relation relations[],
            ReorderBufferChange *change)
{
    wal2arrow *session = ctx->output_plugin_private;
    (void)txn;
    (void)change;
    report_progress(ctx, session);
    MemoryContext caller = MemoryContextSwitchTo(session->change_context);
    for (int i = 0; i < n; i++) {
        const route *route = relations_find(&session->relations, relations[i]);
        if (!is_truncated_as_itself(route))
            continue;
        if ((session->options.actions & OPERATION_TRUNCATE) == 0)
            transaction_skip_row(&session->transaction);
        else
            row_truncate(&session->rows, route);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextReset(session->change_context);
}

static void
on_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn, bool transactional,
           const char *prefix, Size size, const char *content)
{
    wal2arrow *session = ctx->output_plugin_private;
    (void)txn;
    if (!session->options.messages || !options_match_prefix(&session->options, prefix))
        return;
    walrow__wire_message message = {
        .lsn = lsn,
        .transactional = transactional,
        .seq = transactional ? session->transaction.next.seq : 0,
        .prefix = {.bytes = (const uint8_t *)prefix, .size = strlen(prefix)},
        .content = {.bytes = (const uint8_t *)content, .size = size},
    };
    MemoryContext caller = MemoryContextSwitchTo(session->change_context);
    transaction_message(&session->transaction, &message);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(session->change_context);
}

/* ---- transactions that share messages ---- */

void
wal2arrow_group(LogicalDecodingContext *ctx, int64 bytes)
{
    if (ctx->callbacks.commit_cb != on_commit)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("wal2arrow.stream's option \"group\" is for slots of the plugin wal2arrow")));
    wal2arrow *session = ctx->output_plugin_private;
    if (session->options.format != FORMAT_TEXT)
        session->transaction.group_bytes = bytes;
}

void
wal2arrow_send_group(LogicalDecodingContext *ctx, XLogRecPtr lsn)
{
    if (ctx->callbacks.commit_cb != on_commit)
        return;
    wal2arrow *session = ctx->output_plugin_private;
    if (!transaction_waits(&session->transaction))
        return;
    MemoryContext caller = MemoryContextSwitchTo(session->change_context);
    ctx->accept_writes = true; /* as around a callback */
    ctx->write_xid = InvalidTransactionId;
    ctx->write_location = lsn;
    transaction_send_waiting(&session->transaction);
    ctx->accept_writes = false;
    relations_tidy(&session->relations);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(session->change_context);
}

void
_PG_output_plugin_init(OutputPluginCallbacks *callbacks)
{
    callbacks->startup_cb = on_startup;
    callbacks->begin_cb = on_begin;
    callbacks->change_cb = on_change;
    callbacks->truncate_cb = on_truncate;
    callbacks->commit_cb = on_commit;
    callbacks->message_cb = on_message;
    callbacks->filter_by_origin_cb = on_origin;
    callbacks->shutdown_cb = on_shutdown;
}
