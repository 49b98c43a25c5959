/*
 * source/wal2arrow.c
 *	  The plugin wal2arrow, format compact (PROTOCOL.md). What reaches the collector is what pgoutput's decoder
 *	  would give it.
 *
 * A message is read twice, first to learn which of its ordinals are of tables nobody wants, then to take the rest,
 *	  renumbered.
 */
#include "source/wal2arrow.h"

#include "base/error.h"
#include "base/utf8.h"
#include "columns/wire_rows.h"
#include "source/wal2arrow_ordinals.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    VERSION = 1,
    WRAP_BYTES = 64 << 10 /* from this size on a batch stays in its message; smaller ones are joined */
};

/* A transaction that has rows in the message. */
typedef struct member {
    walrow_transaction transaction; /* origin: owned; end_lsn 0: it does not end before the rows come */
    bool noted;                     /* something of it was kept */
} member;

typedef struct wal2arrow {
    walrow__decoder base;
    walrow__announced tables;
    walrow__ordinals ordinals;
    member *members; /* of this message, ascending */
    size_t n_members, member_capacity;
    struct ArrowBuffer message; /* this one's memory, shared; empty until it was taken */
} wal2arrow;

static walrow_code
broken(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "%s", what);
}

/* ---- what is dropped ---- */

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
    return walrow__ordinals_drop(&w->ordinals, &rows) ? WALROW_OK : walrow__fail_memory(err);
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

/* The first reading. */
static walrow_code
scan_frames(wal2arrow *w, walrow__cursor cursor, walrow_error *err)
{
    w->ordinals.n = 0;
    while (walrow__cursor_left(&cursor) > 0) {
        walrow__wire_frame frame;
        if (!walrow__wire_read_frame(&cursor, &frame))
            return broken("a frame passes the message's end", err);
        if (frame.type == WALROW__WIRE_SCHEMA)
            WALROW_TRY(scan_schema(w, frame.payload, err));
        if (frame.type == WALROW__WIRE_BATCH)
            WALROW_TRY(scan_batch(w, frame.payload, err));
    }
    walrow__ordinals_sort(&w->ordinals);
    return WALROW_OK;
}

/* ---- transactions ---- */

static void
clear_members(wal2arrow *w)
{
    while (w->n_members > 0)
        free((void *)w->members[--w->n_members].transaction.origin);
}

static walrow_code
add_member(wal2arrow *w, const walrow_transaction *transaction, walrow_error *err)
{
    if (w->n_members == w->member_capacity) {
        size_t capacity = w->member_capacity == 0 ? 16 : 2 * w->member_capacity;
        member *members = realloc(w->members, capacity * sizeof *members);
        if (members == NULL)
            return walrow__fail_memory(err);
        w->members = members;
        w->member_capacity = capacity;
    }
    w->members[w->n_members] = (member){.transaction = *transaction};
    w->members[w->n_members++].transaction.origin = NULL;
    return WALROW_OK;
}

static walrow_code
read_origin(wal2arrow *w, walrow__wire_bytes name, walrow_error *err)
{
    if (name.size == 0)
        return WALROW_OK;
    if (!walrow__utf8_valid(name.bytes, name.size))
        return broken("an origin's name that is not UTF-8", err);
    char *text = malloc(name.size + 1);
    if (text == NULL)
        return walrow__fail_memory(err);
    memcpy(text, name.bytes, name.size);
    text[name.size] = '\0';
    w->members[w->n_members - 1].transaction.origin = text;
    return walrow__collector_origin(w->base.collector, text, err);
}

static walrow_code
read_begin(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    walrow__wire_begin begin;
    if (!walrow__wire_read_begin(payload, &begin))
        return broken("short begin", err);
    if (w->base.stop_lsn != 0 && begin.commit_lsn >= w->base.stop_lsn)
        w->base.stopped = true;
    if (w->base.stopped)
        return WALROW_OK;
    walrow_transaction transaction = {
        .xid = begin.xid, .commit_lsn = begin.commit_lsn, .commit_time = begin.commit_time};
    w->ordinals.n_before = 0;
    WALROW_TRY(walrow__collector_begin(w->base.collector, &transaction, err));
    WALROW_TRY(add_member(w, &transaction, err));
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

/* It has rows in the message, all of which come behind its commit: whether it is to be listed is not known yet. */
static walrow_code
read_early_commit(wal2arrow *w, walrow__wire_bytes payload, walrow_error *err)
{
    if (w->base.stopped)
        return WALROW_OK;
    WALROW_TRY(read_commit(w, payload, err));
    w->members[w->n_members - 1].transaction.end_lsn = w->base.collector->end_lsn;
    return WALROW_OK;
}

/* The message's rows are all read: which transactions they are of is known. */
static walrow_code
list_members(wal2arrow *w, walrow_error *err)
{
    for (const member *member = w->members; member < w->members + w->n_members; member++) {
        if (member->noted && member->transaction.end_lsn != 0)
            WALROW_TRY(walrow__collector_list(w->base.collector, &member->transaction, err));
        else if (member->noted)
            w->base.collector->transaction_noted = true;
    }
    clear_members(w);
    return WALROW_OK;
}

/* Of a change of the transaction under way, its ordinal being the plugin's. */
static walrow__position
place(const wal2arrow *w, uint32_t seq)
{
    walrow__position position = {w->base.collector->transaction.commit_lsn, seq};
    position.seq = walrow__ordinals_renumber(&w->ordinals, position);
    return position;
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
        .seq = inside ? place(w, in->seq).seq : 0,
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
is_of(const walrow__wire_rows *rows, int64_t i, const walrow_transaction *transaction)
{
    uint64_t lsn;
    uint32_t xid;
    int64_t time;
    memcpy(&lsn, rows->commit_lsns.data + 8 * i, 8);
    memcpy(&xid, rows->xids.data + 4 * i, 4);
    memcpy(&time, rows->commit_times.data + 8 * i, 8);
    return lsn == transaction->commit_lsn && xid == transaction->xid && time == transaction->commit_time;
}

/* Those of a batch that are to be kept: before them is what was delivered, behind them what --until leaves out. */
typedef struct range {
    int64_t start, n;
    walrow__position last;
} range;

static walrow_code
choose_rows(wal2arrow *w, const walrow__feed *feed, const walrow__wire_rows *rows, range *out,
            walrow_error *err)
{
    member *member = w->members, *end = w->members + w->n_members;
    *out = (range){0};
    for (int64_t i = 0; i < rows->n; i++) {
        walrow__position position = walrow__wire_position(rows, i);
        if (w->base.stopped && position.commit_lsn >= w->base.stop_lsn)
            break;
        while (member < end && member->transaction.commit_lsn < position.commit_lsn)
            member++;
        if (member == end || !is_of(rows, i, &member->transaction))
            return broken("rows of another transaction", err);
        position.seq = walrow__ordinals_renumber(&w->ordinals, position);
        if (walrow__collector_wants(w->base.collector, feed, position, &member->noted))
            out->n++;
        else
            out->start++;
        out->last = position;
    }
    return WALROW_OK;
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
may_stay(wal2arrow *w, const walrow__wire_batch *batch, const range *range)
{
    return range->n == batch->rows && batch->body.size >= WRAP_BYTES &&
           (uintptr_t)batch->body.bytes % 8 == 0 && !walrow__ordinals_differ(&w->ordinals) && take_message(w);
}

static void
renumber_rows(const wal2arrow *w, walrow__batch_builder *builder, int64_t from)
{
    const uint64_t *lsns = (const uint64_t *)builder->commit_lsns.data;
    uint32_t *seqs = (uint32_t *)builder->seqs.data;
    for (int64_t i = from; i < builder->rows; i++)
        seqs[i] = walrow__ordinals_renumber(&w->ordinals, (walrow__position){lsns[i], seqs[i]});
}

static walrow_code
add_rows(wal2arrow *w, walrow__feed *feed, const walrow__wire_batch *batch, const walrow__wire_rows *rows,
         walrow_error *err)
{
    range range;
    int64_t before = feed->builder.rows;
    WALROW_TRY(choose_rows(w, feed, rows, &range, err));
    if (range.n == 0)
        return WALROW_OK;
    if (may_stay(w, batch, &range)) {
        struct ArrowArray array;
        WALROW_TRY(walrow__wire_wrap_rows(rows, feed->builder.table, &w->message, &array, err));
        return walrow__collector_add_batch(w->base.collector, feed, &array, range.last, batch->body.size,
                                           err);
    }
    WALROW_TRY(walrow__wire_append_rows(rows, range.start, range.n, &feed->builder, err));
    if (walrow__ordinals_differ(&w->ordinals))
        renumber_rows(w, &feed->builder, before);
    walrow__collector_count_rows(w->base.collector, feed, range.n, range.last, batch->body.size);
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
    if (w->n_members == 0)
        return broken("rows outside a transaction", err);
    WALROW_TRY(find_feed(w, batch.relid, batch.epoch, &feed, err));
    if (feed == NULL)
        return WALROW_OK;
    WALROW_TRY(open_rows(&batch, &rows, err));
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
    if (!collector->in_transaction)
        return broken("dead letter outside a transaction", err);
    WALROW_TRY(find_feed(w, letter.relid, letter.epoch, &feed, err));
    walrow__position position = place(w, letter.seq);
    if (feed == NULL || !walrow__collector_wants(collector, feed, position, &collector->transaction_noted))
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
    case WALROW__WIRE_COMMIT:
        WALROW_TRY(list_members(w, err));
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

/*
 * What a message begins with: the begins of its transactions, each but the last with its commit; that of the last is
 * the message's end, if it ends in it. Leaves the cursor at the first frame of another kind.
 */
static walrow_code
read_transactions(wal2arrow *w, walrow__cursor *cursor, walrow_error *err)
{
    walrow__cursor next = *cursor;
    walrow__wire_frame frame;
    clear_members(w);
    if (w->base.collector->in_transaction) /* it goes on */
        return add_member(w, &w->base.collector->transaction, err);
    while (walrow__cursor_left(&next) > 0) {
        if (!walrow__wire_read_frame(&next, &frame))
            return broken("a frame passes the message's end", err);
        bool is_early_commit = frame.type == WALROW__WIRE_COMMIT && walrow__cursor_left(&next) > 0;
        if (frame.type == WALROW__WIRE_BEGIN)
            WALROW_TRY(read_begin(w, frame.payload, err));
        else if (is_early_commit)
            WALROW_TRY(read_early_commit(w, frame.payload, err));
        else
            return WALROW_OK;
        *cursor = next;
    }
    return WALROW_OK;
}

/* Behind where the stream stops there may be rows of transactions before it, of the last transaction all else. */
static bool
is_left_out(const wal2arrow *w, uint8_t type)
{
    return w->base.stopped &&
           (w->n_members == 0 || (type != WALROW__WIRE_BATCH && type != WALROW__WIRE_SCHEMA));
}

/* The second reading. */
static walrow_code
read_frames(wal2arrow *w, walrow__cursor cursor, walrow_error *err)
{
    WALROW_TRY(read_transactions(w, &cursor, err));
    while (walrow__cursor_left(&cursor) > 0) {
        walrow__wire_frame frame;
        if (!walrow__wire_read_frame(&cursor, &frame))
            return broken("a frame passes the message's end", err);
        if (frame.type == WALROW__WIRE_BEGIN)
            return broken("a begin in the middle of a transaction or message", err);
        if (frame.type == WALROW__WIRE_COMMIT && walrow__cursor_left(&cursor) > 0)
            return broken("frames behind a commit", err);
        if (!is_left_out(w, frame.type))
            WALROW_TRY(read_frame(w, &frame, err));
    }
    walrow__ordinals_carry(&w->ordinals, w->base.collector->transaction.commit_lsn);
    return list_members(w, err);
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
    walrow__ordinals_release(&w->ordinals);
    clear_members(w);
    free(w->members);
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
