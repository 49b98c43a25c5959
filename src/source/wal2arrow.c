/*
 * source/wal2arrow.c
 *	  The plugin wal2arrow, format compact (PROTOCOL.md). What reaches the collector is what pgoutput's decoder
 *	  would give it.
 *
 * The plugin counts `_seq` over all tables it publishes, walrow over those that match: a message is read twice,
 *	  first to learn which of its ordinals are of tables nobody wants, then to take the rest, renumbered.
 */
#include "source/wal2arrow.h"

#include "base/error.h"
#include "base/utf8.h"
#include "columns/wire_rows.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    VERSION = 1,
    WRAP_BYTES = 64 << 10 /* from this size on a batch stays in its message; smaller ones are joined */
};

typedef struct wal2arrow {
    walrow__decoder base;
    walrow__announced tables;
    uint32_t dropped_before; /* ordinals dropped in earlier messages of the transaction */
    uint32_t *dropped;       /* those of this message, ascending */
    size_t n_dropped, dropped_capacity;
    struct ArrowBuffer message; /* this one's memory, shared; empty until it was taken */
} wal2arrow;

static walrow_code
broken(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "%s", what);
}

/* ---- what is dropped ---- */

static walrow_code
drop_rows(wal2arrow *w, const walrow__wire_rows *rows, walrow_error *err)
{
    size_t needed = w->n_dropped + (size_t)rows->n;
    if (needed > w->dropped_capacity) {
        size_t capacity = needed > 2 * w->dropped_capacity ? needed : 2 * w->dropped_capacity;
        uint32_t *dropped = realloc(w->dropped, capacity * sizeof *dropped);
        if (dropped == NULL)
            return walrow__fail_memory(err);
        w->dropped = dropped;
        w->dropped_capacity = capacity;
    }
    for (int64_t i = 0; i < rows->n; i++)
        w->dropped[w->n_dropped++] = walrow__wire_seq(rows, i);
    return WALROW_OK;
}

static walrow_code
open_rows(const walrow__wire_batch *batch, walrow__wire_rows *out, walrow_error *err)
{
    const char *reason;
    if (!walrow__wire_open_rows(batch, out, &reason))
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "batch of relation %" PRIu32 ": %s", batch->relid,
                            reason);
    return WALROW_OK;
}

static walrow_code
scan_batch(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__wire_batch batch;
    walrow__wire_rows rows;
    if (!walrow__wire_read_batch(payload, &batch))
        return broken("short batch", err);
    const walrow__announced_table *relation = walrow__announced_find(&w->tables, batch.relid);
    if (relation == NULL || relation->wanted)
        return WALROW_OK;
    WALROW_TRY(open_rows(&batch, &rows, err));
    return drop_rows(w, &rows, err);
}

static walrow_code
scan_schema(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__table *table;
    WALROW_TRY(walrow__wal2arrow_read_table(payload, &table, err));
    walrow__announced_table *relation = walrow__announced_find_or_add(&w->tables, table->relid);
    if (relation != NULL)
        relation->wanted = walrow__announced_wants(&w->base, table->schema_name, table->name);
    walrow__table_unref(table);
    return relation == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static int
compare_seqs(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The first reading. */
static walrow_code
scan_frames(wal2arrow *w, walrow__cursor cursor, walrow_error *err)
{
    w->n_dropped = 0;
    while (walrow__cursor_left(&cursor) > 0) {
        walrow__wire_frame frame;
        if (!walrow__wire_read_frame(&cursor, &frame))
            return broken("a frame passes the message's end", err);
        if (frame.type == WALROW__WIRE_SCHEMA)
            WALROW_TRY(scan_schema(w, frame.payload, err));
        if (frame.type == WALROW__WIRE_BATCH)
            WALROW_TRY(scan_batch(w, frame.payload, err));
    }
    if (w->n_dropped > 0)
        qsort(w->dropped, w->n_dropped, sizeof *w->dropped, compare_seqs);
    return WALROW_OK;
}

/* The ordinal among those of tables that are wanted. */
static uint32_t
renumber(const wal2arrow *w, uint32_t seq)
{
    size_t low = 0, high = w->n_dropped;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->dropped[middle] < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return seq - w->dropped_before - (uint32_t)low;
}

static bool
renumbers(const wal2arrow *w)
{
    return w->n_dropped > 0 || w->dropped_before > 0;
}

/* ---- transactions ---- */

static walrow_code
read_origin(wal2arrow *w, walrow__wire_bytes name, walrow_error *err)
{
    if (name.size == 0)
        return WALROW_OK;
    char *text = malloc(name.size + 1);
    if (text == NULL)
        return walrow__fail_memory(err);
    memcpy(text, name.bytes, name.size);
    text[name.size] = '\0';
    walrow_code code = walrow__utf8_valid(name.bytes, name.size)
                           ? walrow__collector_origin(w->base.collector, text, err)
                           : broken("an origin's name that is not UTF-8", err);
    free(text);
    return code;
}

static walrow_code
read_begin(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__wire_begin begin;
    if (!walrow__wire_read_begin(payload, &begin))
        return broken("short begin", err);
    if (w->base.stop_lsn != 0 && begin.commit_lsn >= w->base.stop_lsn) {
        w->base.stopped = true;
        return WALROW_OK;
    }
    walrow_transaction transaction = {
        .xid = begin.xid, .commit_lsn = begin.commit_lsn, .commit_time = begin.commit_time};
    w->dropped_before = 0;
    WALROW_TRY(walrow__collector_begin(w->base.collector, &transaction, err));
    return read_origin(w, begin.origin, err);
}

static walrow_code
read_commit(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__wire_commit commit;
    const walrow__collector *collector = w->base.collector;
    if (!walrow__wire_read_commit(payload, &commit))
        return broken("short commit", err);
    if (collector->in_transaction && collector->transaction.commit_lsn != commit.commit_lsn)
        return broken("commit of another transaction than the one begun", err);
    if (commit.end_lsn <= commit.commit_lsn)
        return broken("commit that ends before it begins", err);
    return walrow__collector_commit(w->base.collector, commit.end_lsn, err);
}

static walrow_code
add_message(wal2arrow *w, const walrow__wire_message *in, const char *prefix, walrow_error *err)
{
    const walrow__collector *collector = w->base.collector;
    bool inside = in->transactional;
    walrow_message message = {
        .prefix = prefix,
        .content = in->content.bytes,
        .content_size = in->content.size,
        .transactional = inside,
        .lsn = in->lsn,
        .commit_lsn = inside ? collector->transaction.commit_lsn : in->lsn,
        .seq = inside ? renumber(w, in->seq) : 0,
        .xid = inside ? collector->transaction.xid : 0,
    };
    return walrow__collector_message(w->base.collector, &message, err);
}

static walrow_code
read_message(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__wire_message message;
    if (!walrow__wire_read_message(payload, &message))
        return broken("short logical message", err);
    if (message.transactional && !w->base.collector->in_transaction)
        return broken("transactional message outside a transaction", err);
    if (memchr(message.prefix.bytes, 0, message.prefix.size) != NULL)
        return broken("a message's prefix with a zero byte", err);
    char *prefix = malloc(message.prefix.size + 1);
    if (prefix == NULL)
        return walrow__fail_memory(err);
    memcpy(prefix, message.prefix.bytes, message.prefix.size);
    prefix[message.prefix.size] = '\0';
    walrow_code code = add_message(w, &message, prefix, err);
    free(prefix);
    return code;
}

/* ---- tables and rows ---- */

static walrow_code
read_schema(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__table *table;
    WALROW_TRY(walrow__wal2arrow_read_table(payload, &table, err));
    walrow_code code = walrow__announced_take(&w->tables, &w->base, table, err);
    walrow__table_unref(table);
    return code;
}

/* The feed of a batch's or dead letter's table; NULL: nobody wants it. */
static walrow_code
find_feed(wal2arrow *w, uint32_t relid, uint64_t epoch, walrow__feed **out, walrow_error *err)
{
    const walrow__announced_table *relation = walrow__announced_find(&w->tables, relid);
    if (!w->base.collector->in_transaction)
        return broken("change outside a transaction", err);
    if (relation == NULL)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "change of relation %" PRIu32 ", never announced",
                            relid);
    *out = relation->feed;
    if (*out != NULL && (*out)->builder.table->epoch != epoch)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "change of relation %" PRIu32 " in an epoch that is not its latest", relid);
    return WALROW_OK;
}

static bool
is_of_transaction(const walrow__wire_rows *rows, const walrow_transaction *transaction)
{
    bool same = true;
    for (int64_t i = 0; i < rows->n; i++) {
        uint64_t lsn;
        uint32_t xid;
        int64_t time;
        memcpy(&lsn, rows->commit_lsns.data + 8 * i, 8);
        memcpy(&xid, rows->xids.data + 4 * i, 4);
        memcpy(&time, rows->commit_times.data + 8 * i, 8);
        same &= lsn == transaction->commit_lsn && xid == transaction->xid && time == transaction->commit_time;
    }
    return same;
}

/* The message's memory becomes ours, if its owner gives it away. */
static bool
take_message(wal2arrow *w)
{
    struct ArrowBuffer buffer;
    if (w->message.data != NULL)
        return true;
    if (w->base.take == NULL)
        return false;
    w->base.take(w->base.take_arg, &buffer);
    if (ArrowSharedBufferInit(&w->message, &buffer) == NANOARROW_OK)
        return true;
    w->message = buffer; /* not shared, but its bytes are needed to the end */
    return false;
}

static bool
may_stay(wal2arrow *w, const walrow__wire_batch *batch, int64_t start)
{
    return start == 0 && batch->body.size >= WRAP_BYTES && (uintptr_t)batch->body.bytes % 8 == 0 &&
           !renumbers(w) && take_message(w);
}

static void
renumber_rows(const wal2arrow *w, walrow__batch_builder *builder, int64_t from)
{
    uint32_t *seqs = (uint32_t *)builder->seqs.data;
    for (int64_t i = from; i < builder->rows; i++)
        seqs[i] = renumber(w, seqs[i]);
}

static walrow_code
add_rows(wal2arrow *w, walrow__feed *feed, const walrow__wire_batch *batch, const walrow__wire_rows *rows,
         walrow_error *err)
{
    walrow__collector *collector = w->base.collector;
    uint32_t last = renumber(w, walrow__wire_seq(rows, rows->n - 1));
    int64_t start = 0, before = feed->builder.rows;
    while (start < rows->n &&
           !walrow__collector_wants(collector, feed, renumber(w, walrow__wire_seq(rows, start))))
        start++;
    if (start == rows->n)
        return WALROW_OK;
    if (may_stay(w, batch, start)) {
        struct ArrowArray array;
        WALROW_TRY(walrow__wire_wrap_rows(rows, feed->builder.table, &w->message, &array, err));
        return walrow__collector_add_batch(collector, feed, &array, last, batch->body.size, err);
    }
    WALROW_TRY(walrow__wire_append_rows(rows, start, &feed->builder, err));
    if (renumbers(w))
        renumber_rows(w, &feed->builder, before);
    walrow__collector_count_rows(collector, feed, rows->n - start, last, batch->body.size);
    return WALROW_OK;
}

static walrow_code
read_batch(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__wire_batch batch;
    walrow__wire_rows rows;
    walrow__feed *feed;
    if (!walrow__wire_read_batch(payload, &batch))
        return broken("short batch", err);
    WALROW_TRY(find_feed(w, batch.relid, batch.epoch, &feed, err));
    if (feed == NULL)
        return WALROW_OK;
    WALROW_TRY(open_rows(&batch, &rows, err));
    if (!is_of_transaction(&rows, &w->base.collector->transaction))
        return broken("rows of another transaction", err);
    return add_rows(w, feed, &batch, &rows, err);
}

static walrow_code
read_dead_letter(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__wire_dead_letter letter;
    walrow__feed *feed = NULL;
    walrow__collector *collector = w->base.collector;
    if (!walrow__wire_read_dead_letter(payload, &letter))
        return broken("short dead letter", err);
    WALROW_TRY(find_feed(w, letter.relid, letter.epoch, &feed, err));
    walrow__position position = {collector->transaction.commit_lsn, renumber(w, letter.seq)};
    if (feed == NULL || !walrow__collector_wants(collector, feed, position.seq))
        return WALROW_OK;
    char reason[200];
    if (letter.column >= (uint32_t)feed->builder.table->n_columns || letter.reason.size >= sizeof reason ||
        !walrow__utf8_valid(letter.reason.bytes, letter.reason.size) || memchr("IUD", letter.op, 3) == NULL)
        return broken("malformed dead letter", err);
    memcpy(reason, letter.reason.bytes, letter.reason.size);
    reason[letter.reason.size] = '\0';
    return walrow__collector_dead_letter_at(collector, feed, position, (int)letter.column, letter.old,
                                            letter.op, letter.text.bytes, letter.text.size, reason, err);
}

/* ---- messages ---- */

static walrow_code
read_frame(wal2arrow *w, const walrow__wire_frame *frame, walrow_error *err)
{
    switch (frame->type) {
    case WALROW__WIRE_BEGIN:
        return read_begin(w, frame->payload, err);
    case WALROW__WIRE_COMMIT:
        return read_commit(w, frame->payload, err);
    case WALROW__WIRE_SCHEMA:
        return read_schema(w, frame->payload, err);
    case WALROW__WIRE_BATCH:
        return read_batch(w, frame->payload, err);
    case WALROW__WIRE_DEAD_LETTER:
        return read_dead_letter(w, frame->payload, err);
    case WALROW__WIRE_MESSAGE:
        return read_message(w, frame->payload, err);
    default:
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "unknown frame 0x%02X", frame->type);
    }
}

/* The second reading. A message is of one transaction: it begins first if it does, and ends last. */
static walrow_code
read_frames(wal2arrow *w, walrow__cursor cursor, walrow_error *err)
{
    const uint8_t *first = cursor.at;
    while (walrow__cursor_left(&cursor) > 0 && !w->base.stopped) {
        walrow__wire_frame frame;
        bool is_first = cursor.at == first;
        if (!walrow__wire_read_frame(&cursor, &frame))
            return broken("a frame passes the message's end", err);
        if (frame.type == WALROW__WIRE_BEGIN && !is_first)
            return broken("a begin in the middle of a message", err);
        WALROW_TRY(read_frame(w, &frame, err));
        if (frame.type == WALROW__WIRE_COMMIT && walrow__cursor_left(&cursor) > 0)
            return broken("frames behind a commit", err);
    }
    w->dropped_before += (uint32_t)w->n_dropped;
    return WALROW_OK;
}

static walrow_code
read_head(walrow__cursor *cursor, walrow_error *err)
{
    uint8_t version;
    if (!walrow__wire_read_head(cursor, &version)) {
        broken("not a message of wal2arrow in format compact", err);
        return walrow__hint(err, "the slot's plugin must be wal2arrow");
    }
    if (version == VERSION)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_PROTOCOL, "protocol version %d, and this walrow reads version %d", version,
                 VERSION);
    return walrow__hint(err, "install the wal2arrow that came with this walrow on the server");
}

static walrow_code
feed_message(wal2arrow *w, const uint8_t *bytes, size_t size, walrow_error *err)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    WALROW_TRY(read_head(&cursor, err));
    WALROW_TRY(scan_frames(w, cursor, err));
    return read_frames(w, cursor, err);
}

static walrow_code
feed(walrow__decoder *decoder, const uint8_t *bytes, size_t size, uint64_t lsn, walrow_error *err)
{
    wal2arrow *w = (wal2arrow *)decoder;
    if (decoder->stopped)
        return WALROW_OK;
    walrow_code code = feed_message(w, bytes, size, err);
    ArrowBufferReset(&w->message);
    return walrow__decoder_locate("wal2arrow", code,
                                  lsn != 0 ? lsn : decoder->collector->transaction.commit_lsn, err);
}

static void
free_wal2arrow(walrow__decoder *decoder)
{
    wal2arrow *w = (wal2arrow *)decoder;
    walrow__announced_release(&w->tables);
    free(w->dropped);
    free(w);
}

walrow_code
walrow__wal2arrow_new(walrow__collector *collector, walrow__catalog *catalog, walrow__capture capture,
                      walrow__decoder **out, walrow_error *err)
{
    wal2arrow *w = calloc(1, sizeof *w);
    if (w == NULL)
        return walrow__fail_memory(err);
    w->base = (walrow__decoder){
        .collector = collector, .catalog = catalog, .capture = capture, .feed = feed, .free = free_wal2arrow};
    ArrowBufferInit(&w->message);
    *out = &w->base;
    return WALROW_OK;
}
