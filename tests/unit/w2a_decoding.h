/*
 * w2a_decoding.h
 *	  A decoder of wal2arrow's messages, and the server that makes them: a frame after the other, until they are sent.
 */
#ifndef WALROW_TEST_W2A_DECODING_H
#define WALROW_TEST_W2A_DECODING_H

#include "w2a.h"
#include "wire.h"

enum { AT = 0xABC }; /* where messages say they come from */

typedef struct fixture {
    walrow__collector collector;
    walrow__decoder *decoder;
    walrow_changes changes;
    walrow_error err;
    uint64_t from_lsn; /* of the table "copied" */
    /* the server's side */
    walrow__table *t, *copied, *other; /* relations 1, 2 and 3; nobody wants the last */
    walrow__strbuf message;
    walrow__wire_out out;
    uint64_t commit_lsn; /* of the transaction under way */
    /* who feeds */
    uint8_t *bytes; /* the message, until it is taken */
    int taken, freed;
} fixture;

static uint64_t
from_lsn(void *arg, const char *schema, const char *table)
{
    (void)schema;
    return strcmp(table, "copied") == 0 ? ((fixture *)arg)->from_lsn : 0;
}

UNUSED_FN static int
set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    walrow__capture capture = {.arg = f, .matches = all_but_other, .from_lsn = from_lsn};
    ASSERT_OK(walrow__collector_init(&f->collector, false, &f->err), f->err);
    ASSERT_OK(walrow__wal2arrow_new(&f->collector, NULL, capture, &f->decoder, &f->err), f->err);
    f->t = simple_table("t", 1);
    f->copied = simple_table("copied", 2);
    f->other = simple_table("other", 3);
    walrow__strbuf_init(&f->message);
    f->out = out_to(&f->message);
    *state = f;
    return 0;
}

UNUSED_FN static int
tear_down(void **state)
{
    fixture *f = *state;
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    f->decoder->free(f->decoder);
    walrow__collector_release(&f->collector);
    walrow__table_unref(f->t);
    walrow__table_unref(f->copied);
    walrow__table_unref(f->other);
    walrow__strbuf_release(&f->message);
    free(f);
    return 0;
}

/* ---- the server's side: frames into the message, until it is sent ---- */

UNUSED_FN static void
head(fixture *f)
{
    if (f->message.size == 0)
        assert_true(walrow__wire_write_head(&f->out));
}

/* A transaction's id is its commit LSN here, and its end LSN that + 8. */
UNUSED_FN static void
begin(fixture *f, uint64_t commit_lsn)
{
    walrow__wire_begin frame = {.xid = (uint32_t)commit_lsn, .commit_lsn = commit_lsn, .commit_time = NOON};
    f->commit_lsn = commit_lsn;
    head(f);
    assert_true(walrow__wire_write_begin(&f->out, &frame));
}

UNUSED_FN static void
commit(fixture *f)
{
    walrow__wire_commit frame = {f->commit_lsn, f->commit_lsn + 8};
    head(f);
    assert_true(walrow__wire_write_commit(&f->out, &frame));
}

UNUSED_FN static void
schema(fixture *f, const walrow__table *table)
{
    head(f);
    ASSERT_OK(walrow__wire_write_schema(&f->out, table, &f->err), f->err);
}

/* Inserts with that text, one at each position; a negative ordinal ends the list. */
typedef struct place {
    uint64_t lsn;
    int seq;
} place;

UNUSED_FN static void
places(fixture *f, walrow__table *table, const place *at, const char *text)
{
    walrow__batch_builder batch;
    ASSERT_OK(walrow__batch_init(&batch, table, ArrowBufferAllocatorDefault(), &f->err), f->err);
    for (; at->seq >= 0; at++) {
        char id[16];
        snprintf(id, sizeof id, "%d", at->seq);
        put_row(&batch, 'I', at->lsn, (uint32_t)at->seq, NOON, ROW(id, text), NULL);
    }
    head(f);
    assert_true(walrow__wire_write_batch(&f->out, &batch));
    walrow__batch_release(&batch);
}

#define PLACES(f, table, text, ...) places(f, table, (const place[]){__VA_ARGS__, {0, -1}}, text)

/* The same in the transaction under way, for each ordinal. */
UNUSED_FN static void
rows(fixture *f, walrow__table *table, const int *seqs, const char *text)
{
    size_t n = 0;
    while (seqs[n] >= 0)
        n++;
    place *at = calloc(n + 1, sizeof *at);
    for (size_t i = 0; i <= n; i++)
        at[i] = (place){f->commit_lsn, seqs[i]};
    places(f, table, at, text);
    free(at);
}

#define ROWS(f, table, text, ...) rows(f, table, (const int[]){__VA_ARGS__, -1}, text)

UNUSED_FN static void
dead_letter(fixture *f, const walrow__table *table, uint32_t seq)
{
    walrow__wire_dead_letter frame = {
        table->relid, 1, table->epoch, seq, 'I', false, text_bytes("not UTF-8"), text_bytes("\xff")};
    assert_true(walrow__wire_write_dead_letter(&f->out, &frame));
}

UNUSED_FN static void
message(fixture *f, bool transactional, uint32_t seq)
{
    walrow__wire_message frame = {0x90, transactional, seq, text_bytes("prefix"), text_bytes("content")};
    head(f);
    assert_true(walrow__wire_write_message(&f->out, &frame));
}

/* ---- acts ---- */

UNUSED_FN static void
free_taken(struct ArrowBufferAllocator *allocator, uint8_t *ptr, int64_t size)
{
    fixture *f = allocator->private_data;
    (void)ptr;
    (void)size;
    f->freed++;
    free(f->bytes);
    f->bytes = NULL;
}

UNUSED_FN static void
take(void *arg, struct ArrowBuffer *out)
{
    fixture *f = arg;
    f->taken++;
    ArrowBufferInit(out);
    out->data = f->bytes;
    out->allocator = ArrowBufferDeallocator(free_taken, f);
}

/* The message as libpq gives it: 25 bytes of XLogData's before, in memory of its own size. */
UNUSED_FN static walrow_code
try_send(fixture *f)
{
    enum { XLOG_DATA = 25 };
    size_t size = f->message.size;
    f->taken = f->freed = 0;
    f->bytes = malloc(XLOG_DATA + size);
    memcpy(f->bytes + XLOG_DATA, f->message.data, size);
    walrow__strbuf_clear(&f->message);
    walrow_code code = f->decoder->feed(f->decoder, f->bytes + XLOG_DATA, size, AT, &f->err);
    if (f->taken == 0)
        free(f->bytes);
    return code;
}

UNUSED_FN static void
send_message(fixture *f)
{
    ASSERT_OK(try_send(f), f->err);
}

UNUSED_FN static const walrow_changes *
cut(fixture *f)
{
    if (f->changes.release != NULL)
        f->changes.release(&f->changes);
    ASSERT_OK(walrow__collector_cut(&f->collector, &f->changes, &f->err), f->err);
    return &f->changes;
}

UNUSED_FN static const char *
rows_after_commit(fixture *f)
{
    commit(f);
    send_message(f);
    return rows_of(cut(f));
}

UNUSED_FN static void
assert_refused(fixture *f, const char *why)
{
    assert_int_equal(try_send(f), WALROW_ERR_PROTOCOL);
    if (strstr(f->err.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->err.message, why);
    if (strstr(f->err.message, "wal2arrow at 0/ABC") == NULL)
        fail_msg("\"%s\" does not say where", f->err.message);
}

#endif
