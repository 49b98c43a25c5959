#include "sink/event/event.h"

#include "base/error.h"
#include "columns/batch.h"
#include "sink/event/style.h"

#include <stdlib.h>
#include <string.h>

enum { FLUSH_BYTES = 256 * 1024 };

/* ---- life ---- */

void
walrow__event_init(walrow__event_printer *printer, walrow__event_options *options,
                   walrow__event_flush_fn flush, void *arg)
{
    memset(printer, 0, sizeof *printer);
    printer->options = *options;
    memset(options, 0, sizeof *options);
    printer->style = printer->options.wal2json ? &walrow__event_wal2json : &walrow__event_plain;
    printer->flush = flush;
    printer->flush_bytes = FLUSH_BYTES;
    printer->arg = arg;
    walrow__strbuf_init(&printer->buf);
    walrow__strbuf_init(&printer->value);
    walrow__strbuf_init(&printer->lsn_text);
    walrow__strbuf_init(&printer->tail_text);
    walrow__strbuf_init(&printer->source_text);
}

void
walrow__event_release(walrow__event_printer *printer)
{
    while (printer->tables != NULL) {
        walrow__event_table *table = printer->tables;
        printer->tables = table->next;
        walrow__event_table_free(table);
    }
    walrow__event_options_release(&printer->options);
    walrow__strbuf_release(&printer->buf);
    walrow__strbuf_release(&printer->value);
    walrow__strbuf_release(&printer->lsn_text);
    walrow__strbuf_release(&printer->tail_text);
    walrow__strbuf_release(&printer->source_text);
}

walrow_code
walrow__event_flush(walrow__event_printer *printer, walrow_error *err)
{
    if (printer->buf.failed)
        return walrow__fail_memory(err);
    return printer->buf.size == 0 ? WALROW_OK : printer->flush(printer->arg, &printer->buf, err);
}

static walrow_code
end_event(walrow__event_printer *printer, walrow_error *err)
{
    walrow__strbuf_add_text(&printer->buf, printer->style->end);
    return printer->buf.size < printer->flush_bytes ? WALROW_OK : walrow__event_flush(printer, err);
}

/* ---- tables ---- */

static walrow_code
find_table(walrow__event_printer *printer, const char *schema_name, const char *table_name,
           walrow__event_table **out, walrow_error *err)
{
    for (walrow__event_table *table = printer->tables; table != NULL; table = table->next)
        if (strcmp(table->table_name, table_name) == 0 && strcmp(table->schema_name, schema_name) == 0) {
            *out = table;
            return WALROW_OK;
        }
    WALROW_TRY(walrow__event_table_new(schema_name, table_name, &printer->options, out, err));
    (*out)->next = printer->tables;
    printer->tables = *out;
    return WALROW_OK;
}

walrow_code
walrow__event_skip_below(walrow__event_printer *printer, const char *schema_name, const char *table_name,
                         uint64_t lsn, walrow_error *err)
{
    walrow__event_table *table;
    WALROW_TRY(find_table(printer, schema_name, table_name, &table, err));
    table->below_lsn = lsn;
    return WALROW_OK;
}

walrow_code
walrow__event_set_epoch(walrow__event_printer *printer, const char *schema_name, const char *table_name,
                        uint64_t epoch, walrow_error *err)
{
    walrow__event_table *table;
    WALROW_TRY(find_table(printer, schema_name, table_name, &table, err));
    table->epoch = epoch;
    table->epoch_known = true;
    return WALROW_OK;
}

walrow_code
walrow__event_each_epoch(const walrow__event_printer *printer, walrow__event_epoch_fn fn, void *arg,
                         walrow_error *err)
{
    for (const walrow__event_table *table = printer->tables; table != NULL; table = table->next)
        if (table->epoch_known)
            WALROW_TRY(fn(arg, table->schema_name, table->table_name, table->epoch, err));
    return WALROW_OK;
}

/* ---- transactions ---- */

static const walrow_transaction *
find_transaction(const walrow_changes *changes, uint64_t commit_lsn)
{
    size_t low = 0, high = changes->n_transactions;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (changes->transactions[middle].commit_lsn < commit_lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low < changes->n_transactions && changes->transactions[low].commit_lsn == commit_lsn
               ? &changes->transactions[low]
               : NULL;
}

static void
make_texts(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time)
{
    walrow__strbuf_clear(&printer->lsn_text);
    walrow__strbuf_clear(&printer->tail_text);
    printer->style->transaction(printer, facts, has_time);
    printer->current_lsn = facts->commit_lsn;
}

static walrow_code
print_boundary(walrow__event_printer *printer, bool is_commit, walrow_error *err)
{
    if (!printer->options.has[WALROW__EVENT_TRANSACTION] || printer->style->boundary == NULL)
        return WALROW_OK;
    printer->style->boundary(printer, is_commit);
    return end_event(printer, err);
}

/* The open transaction ended: print its commit. */
static walrow_code
print_commit(walrow__event_printer *printer, const walrow_changes *changes, walrow_error *err)
{
    walrow__event_state *state = &printer->state;
    const walrow_transaction *known = find_transaction(changes, state->open_lsn);
    if (printer->current_lsn != state->open_lsn || known != NULL)
        make_texts(printer, known == NULL ? &(walrow_transaction){.commit_lsn = state->open_lsn} : known,
                   known != NULL);
    WALROW_TRY(print_boundary(printer, true, err));
    state->done_lsn = state->open_lsn;
    state->open_lsn = 0;
    return WALROW_OK;
}

/* Something of the transaction is about to be printed; what is known of it: from the row or message, or
 * listed. */
static walrow_code
enter(walrow__event_printer *printer, const walrow_changes *changes, uint64_t lsn, const int64_t *time,
      uint32_t xid, walrow_error *err)
{
    walrow__event_state *state = &printer->state;
    if (state->open_lsn != 0 && state->open_lsn < lsn)
        WALROW_TRY(print_commit(printer, changes, err));
    if (printer->current_lsn != lsn) {
        const walrow_transaction *known = find_transaction(changes, lsn);
        walrow_transaction facts = {.commit_lsn = lsn, .xid = xid, .commit_time = time == NULL ? 0 : *time};
        make_texts(printer, known == NULL ? &facts : known, known != NULL || time != NULL);
    }
    if (state->open_lsn == lsn)
        return WALROW_OK;
    state->open_lsn = lsn;
    state->next_seq = 0;
    state->message_lsn = 0;
    return print_boundary(printer, false, err);
}

/* ---- rows ---- */

typedef struct cursor {
    const walrow_batch *batch;
    walrow__event_table *table;
    const uint64_t *commit_lsns;
    const uint32_t *seqs;
    int64_t row;
} cursor;

static walrow__position
position_of(const cursor *cursor)
{
    return (walrow__position){.commit_lsn = cursor->commit_lsns[cursor->row],
                              .seq = cursor->seqs[cursor->row]};
}

static walrow_code
init_cursor(walrow__event_printer *printer, const walrow_batch *batch, cursor *cursor, walrow_error *err)
{
    cursor->batch = batch;
    cursor->commit_lsns = batch->array.children[WALROW__COMMIT_LSN]->buffers[1];
    cursor->seqs = batch->array.children[WALROW__SEQ]->buffers[1];
    cursor->row = 0;
    WALROW_TRY(find_table(printer, batch->schema_name, batch->table_name, &cursor->table, err));
    cursor->table->bound = NULL;
    return WALROW_OK;
}

/* Bind the table to the cursor's batch, and say so if its schema is another than before. */
static walrow_code
bind(walrow__event_printer *printer, cursor *cursor, walrow__position position, walrow_error *err)
{
    walrow__event_table *table = cursor->table;
    bool changed = table->epoch_known && table->epoch != cursor->batch->epoch;
    WALROW_TRY(walrow__event_table_bind(table, &printer->options, cursor->batch, err));
    if (!changed || printer->style->schema_change == NULL)
        return WALROW_OK;
    printer->style->schema_change(printer, table, position);
    return end_event(printer, err);
}

static walrow_code
print_bound_row(walrow__event_printer *printer, cursor *cursor, walrow__position position, walrow_error *err)
{
    if (cursor->table->bound != cursor->batch)
        WALROW_TRY(bind(printer, cursor, position, err));
    walrow__event_table_skip_unchanged(cursor->table, cursor->row, true);
    printer->subject = (walrow__event_subject){.table = cursor->table, .row = cursor->row};
    printer->style->row(printer, cursor->table, cursor->row, position);
    walrow__event_table_skip_unchanged(cursor->table, cursor->row, false);
    return end_event(printer, err);
}

static bool
is_wanted(const walrow__event_printer *printer, const cursor *cursor)
{
    return printer->options.actions == NULL ||
           walrow__event_options_want_op(&printer->options, walrow__event_op(cursor->batch, cursor->row));
}

static int64_t
commit_time_of(const cursor *cursor)
{
    return ((const int64_t *)cursor->batch->array.children[WALROW__COMMIT_TIME]->buffers[1])[cursor->row];
}

static uint32_t
xid_of(const cursor *cursor)
{
    return ((const uint32_t *)cursor->batch->array.children[WALROW__XID]->buffers[1])[cursor->row];
}

static walrow_code
print_row(walrow__event_printer *printer, const walrow_changes *changes, cursor *cursor, walrow_error *err)
{
    walrow__event_state *state = &printer->state;
    walrow__position position = position_of(cursor);
    uint64_t lsn = position.commit_lsn;
    if (lsn <= state->done_lsn || lsn < cursor->table->below_lsn ||
        (lsn == state->open_lsn && position.seq < state->next_seq) || !is_wanted(printer, cursor))
        return WALROW_OK;
    if (lsn != state->open_lsn || lsn != printer->current_lsn) {
        int64_t time = commit_time_of(cursor);
        WALROW_TRY(enter(printer, changes, lsn, &time, xid_of(cursor), err));
    }
    WALROW_TRY(print_bound_row(printer, cursor, position, err));
    state->next_seq = position.seq + 1;
    return WALROW_OK;
}

/* ---- messages ---- */

static walrow_code
print_message_text(walrow__event_printer *printer, const walrow_message *message, walrow_error *err)
{
    printer->subject = (walrow__event_subject){.message = message};
    printer->style->message(printer, message);
    return end_event(printer, err);
}

/*
 * The LSN of a message outside of transactions is the end of its record, where the commit record of a transaction may
 * begin: the message comes first.
 */
static bool
was_printed(const walrow__event_state *state, const walrow_message *message)
{
    uint64_t lsn = message->commit_lsn;
    if (lsn <= state->done_lsn)
        return true;
    if (message->transactional)
        return lsn == state->open_lsn && message->lsn <= state->message_lsn;
    return lsn <= (state->open_lsn != 0 ? state->open_lsn : state->message_lsn);
}

static walrow_code
print_lone_message(walrow__event_printer *printer, const walrow_changes *changes,
                   const walrow_message *message, walrow_error *err)
{
    walrow__event_state *state = &printer->state;
    if (state->open_lsn != 0)
        WALROW_TRY(print_commit(printer, changes, err));
    make_texts(printer, &(walrow_transaction){.commit_lsn = message->lsn}, false);
    printer->current_lsn = 0; /* those of no transaction */
    state->done_lsn = message->lsn - 1;
    state->message_lsn = message->lsn;
    return print_message_text(printer, message, err);
}

static walrow_code
print_message(walrow__event_printer *printer, const walrow_changes *changes, const walrow_message *message,
              walrow_error *err)
{
    if (was_printed(&printer->state, message) ||
        !walrow__event_options_want_prefix(&printer->options, message->prefix))
        return WALROW_OK;
    if (!message->transactional)
        return print_lone_message(printer, changes, message, err);
    WALROW_TRY(enter(printer, changes, message->commit_lsn, NULL, message->xid, err));
    printer->state.message_lsn = message->lsn;
    return print_message_text(printer, message, err);
}

/* Does it come before the row at the position? Its ordinal is the number of changes before it. */
static bool
message_is_before(const walrow_message *message, walrow__position position)
{
    return message->commit_lsn != position.commit_lsn ? message->commit_lsn < position.commit_lsn
                                                      : message->seq <= position.seq;
}

/* ---- change sets ---- */

/* The open transaction ends with this change set unless the rest of it follows. */
static walrow_code
close_ended(walrow__event_printer *printer, const walrow_changes *changes, walrow_error *err)
{
    const walrow_transaction *open = find_transaction(changes, printer->state.open_lsn);
    return open != NULL && open->end_lsn != 0 ? print_commit(printer, changes, err) : WALROW_OK;
}

/* The cursors that have rows left, as a heap: the one whose row is next first. */
typedef struct merge {
    cursor **heap;
    size_t n;
} merge;

static bool
is_after(const merge *merge, size_t a, size_t b)
{
    return walrow__position_compare(position_of(merge->heap[a]), position_of(merge->heap[b])) > 0;
}

static void
sift_down(merge *merge, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < merge->n; i = child) {
        if (child + 1 < merge->n && is_after(merge, child, child + 1))
            child++;
        if (!is_after(merge, i, child))
            return;
        cursor *cursor = merge->heap[i];
        merge->heap[i] = merge->heap[child];
        merge->heap[child] = cursor;
    }
}

static void
begin_merge(merge *merge, cursor *cursors, size_t n)
{
    merge->n = 0;
    for (size_t i = 0; i < n; i++)
        if (cursors[i].batch->array.length > 0)
            merge->heap[merge->n++] = &cursors[i];
    for (size_t i = merge->n / 2; i-- > 0;)
        sift_down(merge, i);
}

/* The first cursor's row was printed: on to the next row of all. */
static void
advance(merge *merge)
{
    cursor *first = merge->heap[0];
    if (++first->row == first->batch->array.length)
        merge->heap[0] = merge->heap[--merge->n];
    sift_down(merge, 0);
}

static walrow_code
print_merged(walrow__event_printer *printer, const walrow_changes *changes, merge *merge, walrow_error *err)
{
    const walrow_message *message = changes->messages, *end = message + changes->n_messages;
    while (merge->n > 0 || message < end) {
        if (message < end && (merge->n == 0 || message_is_before(message, position_of(merge->heap[0])))) {
            WALROW_TRY(print_message(printer, changes, message++, err));
            continue;
        }
        WALROW_TRY(print_row(printer, changes, merge->heap[0], err));
        advance(merge);
    }
    return close_ended(printer, changes, err);
}

static walrow_code
print_snapshot(walrow__event_printer *printer, const walrow_changes *changes, cursor *cursors,
               walrow_error *err)
{
    for (size_t i = 0; i < changes->n_batches; i++) {
        cursor *cursor = &cursors[i];
        for (; cursor->row < cursor->batch->array.length; cursor->row++) {
            if (cursor->row == 0) { /* the rows of a chunk are read in one transaction */
                walrow_transaction facts = {.commit_lsn = position_of(cursor).commit_lsn,
                                            .commit_time = commit_time_of(cursor),
                                            .xid = xid_of(cursor)};
                make_texts(printer, &facts, true);
            }
            if (is_wanted(printer, cursor))
                WALROW_TRY(print_bound_row(printer, cursor, position_of(cursor), err));
        }
    }
    printer->current_lsn = 0;
    return WALROW_OK;
}

static walrow_code
print_cursors(walrow__event_printer *printer, const walrow_changes *changes, cursor *cursors, merge *merge,
              walrow_error *err)
{
    if (printer->options.wal2json)
        WALROW_TRY(walrow__event_letters_find(&printer->letters, changes, err));
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(init_cursor(printer, &changes->batches[i], &cursors[i], err));
    if (changes->snapshot)
        return print_snapshot(printer, changes, cursors, err);
    begin_merge(merge, cursors, changes->n_batches);
    return print_merged(printer, changes, merge, err);
}

walrow_code
walrow__event_print(walrow__event_printer *printer, const walrow_changes *changes, walrow_error *err)
{
    size_t n = changes->n_batches;
    if (changes->documents)
        printer->style = &walrow__event_documents;
    cursor *cursors = calloc(n + 1, sizeof *cursors);
    merge merge = {.heap = calloc(n + 1, sizeof *merge.heap)};
    walrow_code code = cursors == NULL || merge.heap == NULL
                           ? walrow__fail_memory(err)
                           : print_cursors(printer, changes, cursors, &merge, err);
    for (size_t i = 0; cursors != NULL && i < n; i++)
        if (cursors[i].table != NULL)
            cursors[i].table->bound = NULL;
    walrow__event_letters_release(&printer->letters);
    free(cursors);
    free(merge.heap);
    if (code == WALROW_OK && printer->buf.failed)
        code = walrow__fail_memory(err);
    return code;
}
