#include "transaction.h"

#include "compat.h"
#include "encoding.h"
#include "memory.h"
#include "replication/origin.h"
#include "text.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* From 1970, where Arrow's clock begins, to 2000, where PostgreSQL's does. */
#define POSTGRES_EPOCH_US (((int64)POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* A batch is measured when so much has come, or half of what a message may hold: it takes a look at every column. */
enum { MEASURED_ROWS = 64, MEASURED_BYTES = 64 * 1024 };

void
transaction_init(transaction *transaction, LogicalDecodingContext *ctx, const plugin_options *options)
{
    memset(transaction, 0, sizeof *transaction);
    transaction->ctx = ctx;
    transaction->options = options;
    initStringInfo(&transaction->pending);
    initStringInfo(&transaction->waiting);
    transaction->table_capacity = 16;
    transaction->tables = palloc(sizeof *transaction->tables * (Size)transaction->table_capacity);
}

void
transaction_begin(transaction *transaction, const ReorderBufferTXN *txn)
{
    transaction->txn = txn;
    transaction->begun = transaction->captured = false;
    transaction->xid = txn->xid;
    transaction->next = (walrow__position){.commit_lsn = txn->final_lsn, .seq = 0};
    transaction->commit_time = transaction_commit_time(txn) + POSTGRES_EPOCH_US;
}

static bool
is_text(const transaction *transaction)
{
    return transaction->options->format == FORMAT_TEXT;
}

/* ---- frames ---- */

static void
require(bool written)
{
    if (!written)
        report_out_of_memory();
}

static void
require_code(walrow_code code, const walrow_error *err)
{
    if (code != WALROW_OK)
        report_walrow_error(err);
}

static walrow__wire_bytes
bytes_of(const char *text)
{
    return (walrow__wire_bytes){.bytes = (const uint8_t *)text, .size = strlen(text)};
}

static const char *
origin_name(RepOriginId origin)
{
    char *name;
    if (origin == InvalidRepOriginId || !replorigin_by_oid(origin, true, &name))
        return "";
    return encoding_name(name);
}

static void
write_begin(transaction *transaction, walrow__wire_out *out)
{
    walrow__wire_begin begin = {.commit_lsn = transaction->next.commit_lsn,
                                .origin = bytes_of(origin_name(transaction->txn->origin_id))};
    if (transaction->options->xids)
        begin.xid = transaction->xid;
    if (transaction->options->timestamps)
        begin.commit_time = transaction->commit_time;
    require(walrow__wire_write_begin(out, &begin));
}

static void
write_commit(transaction *transaction, walrow__wire_out *out, XLogRecPtr end_lsn)
{
    walrow__wire_commit commit = {.commit_lsn = transaction->next.commit_lsn, .end_lsn = end_lsn};
    require(walrow__wire_write_commit(out, &commit));
}

/* The table's rows; it has none afterwards. */
static void
write_rows(transaction *transaction, published *table, walrow__wire_out *out)
{
    walrow_error err = {0};
    if (transaction->options->format == FORMAT_COMPACT)
        require(walrow__wire_write_batch(out, &table->batch));
    else
        require_code(walrow__wire_write_ipc_batch(out, &table->batch, &err), &err);
    int64 kept = table->kept;
    published_clear(table);
    transaction->kept += table->kept - kept;
}

/* Give back what a large value or many messages needed. */
static void
clear_pending(transaction *transaction)
{
    resetStringInfo(&transaction->pending);
    if (transaction->pending.maxlen <= 1024 * 1024)
        return;
    MemoryContext caller = MemoryContextSwitchTo(GetMemoryChunkContext(transaction->pending.data));
    pfree(transaction->pending.data);
    initStringInfo(&transaction->pending);
    MemoryContextSwitchTo(caller);
}

/* Frames that were written already. */
static void
write_frames(const StringInfoData *frames, walrow__wire_out *out)
{
    if (frames->len == 0)
        return;
    uint8_t *at = out->reserve(out->arg, (size_t)frames->len);
    require(at != NULL);
    memcpy(at, frames->data, (size_t)frames->len);
}

static void
write_pending(transaction *transaction, walrow__wire_out *out)
{
    write_frames(&transaction->pending, out);
    clear_pending(transaction);
    for (int i = 0; i < transaction->n_tables; i++)
        write_rows(transaction, transaction->tables[i], out);
    transaction->n_tables = 0;
    transaction->rows = transaction->bytes = transaction->came = 0;
}

static void
write_waiting(transaction *transaction, walrow__wire_out *out)
{
    write_frames(&transaction->waiting, out);
    resetStringInfo(&transaction->waiting);
    transaction->waiting_rows = transaction->waiting_bytes = 0;
}

/* One message with everything so far; end_lsn: of the transaction at hand, if this is its last. */
static void
send_message(transaction *transaction, XLogRecPtr end_lsn)
{
    LogicalDecodingContext *ctx = transaction->ctx;
    OutputPluginPrepareWrite(ctx, true);
    walrow__wire_out out = write_to(ctx->out);
    require(walrow__wire_write_head(&out));
    write_waiting(transaction, &out);
    if (transaction->txn != NULL && !transaction->begun)
        write_begin(transaction, &out);
    transaction->begun = true;
    write_pending(transaction, &out);
    if (end_lsn != InvalidXLogRecPtr)
        write_commit(transaction, &out, end_lsn);
    OutputPluginWrite(ctx, true);
}

/* What is pending says nothing of whose it is: it is of the message's last transaction. */
static bool
may_wait(const transaction *transaction)
{
    return !transaction->begun && transaction->pending.len == 0 &&
           transaction->rows < transaction->options->max_rows &&
           transaction->came + transaction->waiting.len < transaction->group_bytes;
}

static void
let_wait(transaction *transaction, XLogRecPtr end_lsn)
{
    walrow__wire_out out = write_to(&transaction->waiting);
    write_begin(transaction, &out);
    write_commit(transaction, &out, end_lsn);
    transaction->waiting_rows = transaction->rows;
    transaction->waiting_bytes = transaction->bytes;
}

bool
transaction_commit(transaction *transaction, XLogRecPtr end_lsn)
{
    bool captured = transaction->captured;
    if (captured && is_text(transaction))
        text_commit(transaction);
    else if (captured && may_wait(transaction))
        let_wait(transaction, end_lsn);
    else if (captured)
        send_message(transaction, end_lsn);
    transaction->txn = NULL;
    return captured;
}

void
transaction_send_waiting(transaction *transaction)
{
    if (transaction_waits(transaction))
        send_message(transaction, InvalidXLogRecPtr);
}

/* A transaction is cut where it would be by itself. */
static void
send_if_full(transaction *transaction)
{
    int64 rows = transaction->rows - transaction->waiting_rows;
    int64 bytes = transaction->bytes - transaction->waiting_bytes + transaction->pending.len;
    if (rows >= transaction->options->max_rows || bytes >= transaction->options->max_bytes)
        send_message(transaction, InvalidXLogRecPtr);
}

/* ---- rows ---- */

static void
announce(transaction *transaction, published *table)
{
    walrow_error err = {0};
    walrow__wire_out out = write_to(&transaction->pending);
    table->announced = true;
    if (is_text(transaction))
        text_schema(transaction, table);
    else
        require_code(walrow__wire_write_schema(&out, table->table, &err), &err);
}

static void
add_table(transaction *transaction, published *table)
{
    if (transaction->n_tables == transaction->table_capacity) {
        transaction->table_capacity *= 2;
        transaction->tables =
            repalloc(transaction->tables, sizeof *transaction->tables * (Size)transaction->table_capacity);
    }
    transaction->tables[transaction->n_tables++] = table;
    table->has_rows = true;
}

void
transaction_begin_row(transaction *transaction, published *table, char op)
{
    transaction->captured = true;
    if (!table->announced)
        announce(transaction, table);
    require(walrow__batch_begin_row(&table->batch, op, transaction->next, transaction->xid,
                                    transaction->commit_time));
}

static void
measure(transaction *transaction, published *table)
{
    int64 bytes = walrow__batch_bytes(&table->batch);
    transaction->bytes += bytes - table->bytes;
    table->bytes = bytes;
    table->unmeasured = 0;
}

static bool
is_to_be_measured(const transaction *transaction, const published *table)
{
    return table->batch.rows % MEASURED_ROWS == 0 ||
           table->unmeasured >= Min(MEASURED_BYTES, transaction->options->max_bytes / 2);
}

void
transaction_end_row(transaction *transaction, published *table, bool old_present, Size size)
{
    require(walrow__batch_end_row(&table->batch, old_present));
    transaction->next.seq++;
    if (is_text(transaction)) { /* its line was written */
        published_clear(table);
        return;
    }
    if (!table->has_rows)
        add_table(transaction, table);
    transaction->rows++;
    transaction->came += (int64)size;
    table->unmeasured += (int64)size;
    if (is_to_be_measured(transaction, table))
        measure(transaction, table);
    send_if_full(transaction);
}

void
transaction_dead_letter(transaction *transaction, published *table, char op, int column, bool old,
                        const char *reason, const char *text)
{
    walrow__wire_dead_letter letter = {.relid = table->table->relid,
                                       .column = (uint32_t)column,
                                       .epoch = table->table->epoch,
                                       .seq = transaction->next.seq,
                                       .op = op,
                                       .old = old,
                                       .reason = bytes_of(reason),
                                       .text = bytes_of(text)};
    walrow__wire_out out = write_to(&transaction->pending);
    if (is_text(transaction))
        text_dead_letter(transaction, table->table, &letter);
    else
        require(walrow__wire_write_dead_letter(&out, &letter));
}

void
transaction_close_table(transaction *transaction, published *table)
{
    if (!table->has_rows)
        return;
    int i = 0;
    while (transaction->tables[i] != table)
        i++;
    transaction->tables[i] = transaction->tables[--transaction->n_tables];
    transaction->rows -= table->batch.rows;
    transaction->bytes -= table->bytes;
    walrow__wire_out out = write_to(&transaction->pending);
    write_rows(transaction, table, &out);
}

/* ---- logical messages ---- */

/* Outside of any transaction. */
static void
send_alone(LogicalDecodingContext *ctx, const walrow__wire_message *message)
{
    OutputPluginPrepareWrite(ctx, true);
    walrow__wire_out out = write_to(ctx->out);
    require(walrow__wire_write_head(&out));
    require(walrow__wire_write_message(&out, message));
    OutputPluginWrite(ctx, true);
}

void
transaction_message(transaction *transaction, const walrow__wire_message *message)
{
    walrow__wire_out out = write_to(&transaction->pending);
    transaction->captured |= message->transactional;
    if (is_text(transaction)) {
        text_message(transaction, message);
    } else if (!message->transactional) {
        transaction_send_waiting(transaction); /* they committed before it */
        send_alone(transaction->ctx, message);
    } else {
        require(walrow__wire_write_message(&out, message));
        send_if_full(transaction);
    }
}
