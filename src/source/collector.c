#include "source/collector.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A list that grows by doubling; items are plain structs. */
typedef struct list {
    void *items;
    size_t count, capacity;
} list;

/* What a change set owns: walrow_changes points into the lists. */
typedef struct walrow__change_set {
    list batches;      /* walrow_batch */
    list tables;       /* walrow__table *, a reference for each batch */
    list transactions; /* walrow_transaction; origin is owned */
    list messages;     /* walrow_message; prefix and content are owned */
    list dead_letters; /* walrow_dead_letter; all strings are owned */
} walrow__change_set;

static void *
list_add(list *l, size_t item_size)
{
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 8 : l->capacity * 2;
        void *items = realloc(l->items, capacity * item_size);
        if (items == NULL)
            return NULL;
        l->items = items;
        l->capacity = capacity;
    }
    return memset((char *)l->items + l->count++ * item_size, 0, item_size);
}

static void
release_dead_letter(walrow_dead_letter *letter)
{
    free((void *)letter->schema_name);
    free((void *)letter->table_name);
    free((void *)letter->column);
    free((void *)letter->pg_type);
    free((void *)letter->text);
    free((void *)letter->reason);
}

static void
free_set(walrow__change_set *set)
{
    walrow_batch *batches = set->batches.items;
    for (size_t i = 0; i < set->batches.count; i++)
        if (batches[i].array.release != NULL)
            batches[i].array.release(&batches[i].array);
    walrow__table **tables = set->tables.items;
    for (size_t i = 0; i < set->tables.count; i++)
        walrow__table_unref(tables[i]);
    walrow_transaction *transactions = set->transactions.items;
    for (size_t i = 0; i < set->transactions.count; i++)
        free((void *)transactions[i].origin);
    walrow_message *messages = set->messages.items;
    for (size_t i = 0; i < set->messages.count; i++) {
        free((void *)messages[i].prefix);
        free((void *)messages[i].content);
    }
    walrow_dead_letter *letters = set->dead_letters.items;
    for (size_t i = 0; i < set->dead_letters.count; i++)
        release_dead_letter(&letters[i]);
    free(set->batches.items);
    free(set->tables.items);
    free(set->transactions.items);
    free(set->messages.items);
    free(set->dead_letters.items);
    free(set);
}

static void
release_changes(walrow_changes *changes)
{
    free_set(changes->private_data);
    memset(changes, 0, sizeof *changes);
}

walrow_code
walrow__collector_init(walrow__collector *collector, bool strict, walrow_error *err)
{
    memset(collector, 0, sizeof *collector);
    collector->strict = strict;
    collector->set = calloc(1, sizeof *collector->set);
    return collector->set == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

void
walrow__collector_release(walrow__collector *collector)
{
    if (collector->set != NULL)
        free_set(collector->set);
    free((void *)collector->transaction.origin);
    memset(collector, 0, sizeof *collector);
}

walrow_code
walrow__feed_new(walrow__table *table, uint64_t from_lsn, walrow__feed **out, walrow_error *err)
{
    walrow__feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__batch_init(&feed->builder, table, ArrowBufferAllocatorDefault(), err);
    if (code != WALROW_OK) {
        free(feed);
        return code;
    }
    feed->from_lsn = from_lsn;
    *out = feed;
    return WALROW_OK;
}

void
walrow__feed_free(walrow__feed *feed)
{
    if (feed == NULL)
        return;
    walrow__batch_release(&feed->builder);
    free(feed);
}

/* A place for a batch of the table in the open change set. */
static walrow_code
list_batch(walrow__collector *collector, walrow__table *table, walrow_batch **out, walrow_error *err)
{
    walrow__table **slot = list_add(&collector->set->tables, sizeof *slot);
    if (slot == NULL)
        return walrow__fail_memory(err);
    *slot = walrow__table_ref(table);
    walrow_batch *batch = list_add(&collector->set->batches, sizeof *batch);
    if (batch == NULL)
        return walrow__fail_memory(err);
    batch->schema_name = table->schema_name;
    batch->table_name = table->name;
    batch->relid = table->relid;
    batch->epoch = table->epoch;
    batch->schema = &table->schema;
    *out = batch;
    return WALROW_OK;
}

/* The feed's rows become a batch of the open change set. */
static walrow_code
finish_feed(walrow__collector *collector, walrow__feed *feed, walrow_error *err)
{
    walrow_batch *batch = NULL;
    WALROW_TRY(list_batch(collector, feed->builder.table, &batch, err));
    return walrow__batch_finish(&feed->builder, &batch->array, err);
}

static void
unlink_open(walrow__collector *collector, walrow__feed *feed)
{
    walrow__feed **link = &collector->first_open, *previous = NULL;
    while (*link != feed) {
        previous = *link;
        link = &(*link)->next_open;
    }
    *link = feed->next_open;
    if (collector->last_open == feed)
        collector->last_open = previous;
}

walrow_code
walrow__collector_drop_feed(walrow__collector *collector, walrow__feed *feed, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    if (feed->open) {
        unlink_open(collector, feed);
        code = finish_feed(collector, feed, err);
    }
    walrow__feed_free(feed);
    return code;
}

/* Commits come in the order of their LSNs. One that does not would be taken for delivered, and dropped. */
static walrow_code
fail_going_back(const walrow__collector *collector, const walrow_transaction *transaction, walrow_error *err)
{
    char commit[WALROW_LSN_SIZE], end[WALROW_LSN_SIZE];
    return walrow__fail(err, WALROW_ERR_PROTOCOL,
                        "transaction %" PRIu32 " commits at %s, before the end of the last one at %s",
                        transaction->xid, walrow_lsn_format(transaction->commit_lsn, commit),
                        walrow_lsn_format(collector->end_lsn, end));
}

walrow_code
walrow__collector_begin(walrow__collector *collector, const walrow_transaction *transaction,
                        walrow_error *err)
{
    if (collector->in_transaction)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "transaction %" PRIu32 " begins inside transaction %" PRIu32, transaction->xid,
                            collector->transaction.xid);
    if (transaction->commit_lsn < collector->end_lsn)
        return fail_going_back(collector, transaction, err);
    free((void *)collector->transaction.origin);
    collector->transaction = *transaction;
    collector->transaction.origin = NULL;
    collector->in_transaction = true;
    collector->transaction_noted = false;
    collector->seq = 0;
    return WALROW_OK;
}

walrow_code
walrow__collector_origin(walrow__collector *collector, const char *name, walrow_error *err)
{
    free((void *)collector->transaction.origin);
    collector->transaction.origin = strdup(name);
    return collector->transaction.origin == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__collector_list(walrow__collector *collector, const walrow_transaction *transaction, walrow_error *err)
{
    walrow_transaction *copy = list_add(&collector->set->transactions, sizeof *copy);
    if (copy == NULL)
        return walrow__fail_memory(err);
    *copy = *transaction;
    if (copy->origin == NULL)
        return WALROW_OK;
    copy->origin = strdup(copy->origin);
    return copy->origin == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__collector_commit(walrow__collector *collector, uint64_t end_lsn, walrow_error *err)
{
    if (!collector->in_transaction)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "commit without a transaction");
    collector->in_transaction = false;
    collector->transaction.end_lsn = collector->end_lsn = end_lsn;
    return collector->transaction_noted ? walrow__collector_list(collector, &collector->transaction, err)
                                        : WALROW_OK;
}

/* Its position is all it brings. */
static bool
is_heartbeat(const walrow_message *message)
{
    return !message->transactional && strcmp(message->prefix, WALROW__HEARTBEAT) == 0;
}

static walrow_code
add_message(walrow__collector *collector, const walrow_message *message, walrow_error *err)
{
    walrow_message *copy = list_add(&collector->set->messages, sizeof *copy);
    if (copy == NULL)
        return walrow__fail_memory(err);
    *copy = *message;
    copy->prefix = strdup(message->prefix);
    void *content = malloc(message->content_size + 1);
    copy->content = content;
    if (copy->prefix == NULL || content == NULL)
        return walrow__fail_memory(err);
    memcpy(content, message->content, message->content_size);
    collector->bytes += message->content_size;
    return WALROW_OK;
}

walrow_code
walrow__collector_message(walrow__collector *collector, const walrow_message *message, walrow_error *err)
{
    if (message->transactional)
        collector->transaction_noted = true;
    else if (message->lsn > collector->end_lsn)
        collector->end_lsn = message->lsn; /* everything before it has been seen */
    return is_heartbeat(message) ? WALROW_OK : add_message(collector, message, err);
}

bool
walrow__collector_wants(const walrow__collector *collector, const walrow__feed *feed,
                        walrow__position position, bool *noted)
{
    bool wanted =
        position.commit_lsn >= feed->from_lsn && walrow__position_compare(position, collector->delivered) > 0;
    /* where a part of its transaction went out before, its end is news, whether or not more rows are */
    *noted |= wanted || position.commit_lsn == collector->delivered.commit_lsn;
    return wanted;
}

walrow_code
walrow__collector_begin_row(walrow__collector *collector, walrow__feed *feed, char op,
                            walrow__batch_builder **builder, walrow_error *err)
{
    walrow__position position = {collector->transaction.commit_lsn,
                                 collector->snapshot ? 0 : collector->seq++};
    *builder = NULL;
    if (!walrow__collector_wants(collector, feed, position, &collector->transaction_noted))
        return WALROW_OK;
    *builder = &feed->builder;
    collector->last = position;
    return walrow__batch_begin_row(&feed->builder, op, position, collector->transaction.xid,
                                   collector->transaction.commit_time)
               ? WALROW_OK
               : walrow__fail_memory(err);
}

static void
open_feed(walrow__collector *collector, walrow__feed *feed)
{
    if (feed->open)
        return;
    feed->open = true;
    feed->next_open = NULL;
    if (collector->last_open == NULL)
        collector->first_open = feed;
    else
        collector->last_open->next_open = feed;
    collector->last_open = feed;
}

static void
count_rows(walrow__collector *collector, int64_t n, size_t size)
{
    collector->rows += n;
    collector->bytes += size;
}

walrow_code
walrow__collector_end_row(walrow__collector *collector, walrow__feed *feed, bool old_present, size_t size,
                          walrow_error *err)
{
    if (!walrow__batch_end_row(&feed->builder, old_present))
        return walrow__fail_memory(err);
    open_feed(collector, feed);
    count_rows(collector, 1, size);
    return WALROW_OK;
}

/* The batches of a message each hold positions of its whole range: the last is the greatest. */
static void
raise_last(walrow__collector *collector, walrow__position position)
{
    if (walrow__position_compare(position, collector->last) > 0)
        collector->last = position;
}

void
walrow__collector_count_rows(walrow__collector *collector, walrow__feed *feed, int64_t n,
                             walrow__position last, size_t size)
{
    open_feed(collector, feed);
    raise_last(collector, last);
    count_rows(collector, n, size);
}

walrow_code
walrow__collector_add_batch(walrow__collector *collector, walrow__feed *feed, struct ArrowArray *batch,
                            walrow__position last, size_t size, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    walrow_batch *place = NULL;
    if (feed->open) { /* what came before stays before */
        unlink_open(collector, feed);
        feed->open = false;
        code = finish_feed(collector, feed, err);
    }
    if (code == WALROW_OK)
        code = list_batch(collector, feed->builder.table, &place, err);
    if (code != WALROW_OK) {
        ArrowArrayRelease(batch);
        return code;
    }
    raise_last(collector, last);
    count_rows(collector, batch->length, size);
    ArrowArrayMove(batch, &place->array);
    return WALROW_OK;
}

static void *
copy_bytes(const void *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (copy != NULL) {
        memcpy(copy, bytes, size);
        copy[size] = '\0';
    }
    return copy;
}

walrow_code
walrow__collector_dead_letter(walrow__collector *collector, walrow__feed *feed, int column, bool old, char op,
                              const void *text, size_t size, const char *reason, walrow_error *err)
{
    return walrow__collector_dead_letter_at(collector, feed, collector->last, column, old, op, text, size,
                                            reason, err);
}

walrow_code
walrow__collector_dead_letter_at(walrow__collector *collector, walrow__feed *feed, walrow__position position,
                                 int column, bool old, char op, const void *text, size_t size,
                                 const char *reason, walrow_error *err)
{
    const walrow__table *table = feed->builder.table;
    const walrow__table_column *c = &table->columns[column];
    if (collector->strict) {
        walrow__fail(err, WALROW_ERR_VALUE, "%s.%s.%s: %s: %.*s", table->schema_name, table->name, c->name,
                     reason, (int)(size < 100 ? size : 100), (const char *)text);
        return walrow__hint(
            err,
            "leave out --strict to have such values in the dead letters, or map the column to "
            "text with --type %s.%s.%s=utf8",
            table->schema_name, table->name, c->name);
    }
    walrow_dead_letter *letter = list_add(&collector->set->dead_letters, sizeof *letter);
    if (letter == NULL)
        return walrow__fail_memory(err);
    *letter = (walrow_dead_letter){
        .schema_name = strdup(table->schema_name),
        .table_name = strdup(table->name),
        .column = strdup(c->name),
        .pg_type = strdup(c->type.name),
        .text = copy_bytes(text, size),
        .text_size = size,
        .reason = strdup(reason),
        .op = op,
        .old = old,
        .lsn = position.commit_lsn,
        .seq = position.seq,
        .xid = collector->transaction.xid,
    };
    bool ok = letter->schema_name != NULL && letter->table_name != NULL && letter->column != NULL &&
              letter->pg_type != NULL && letter->text != NULL && letter->reason != NULL;
    collector->bytes += size;
    return ok ? WALROW_OK : walrow__fail_memory(err);
}

bool
walrow__collector_empty(const walrow__collector *collector)
{
    const walrow__change_set *set = collector->set;
    return collector->rows == 0 && set->batches.count == 0 && set->transactions.count == 0 &&
           set->messages.count == 0;
}

bool
walrow__collector_whole(const walrow__collector *collector)
{
    return !collector->in_transaction && !walrow__collector_empty(collector);
}

static void
count_anew(walrow__collector *collector)
{
    collector->rows = 0;
    collector->bytes = 0;
}

walrow_code
walrow__collector_abandon(walrow__collector *collector, walrow_error *err)
{
    for (walrow__feed *feed = collector->first_open; feed != NULL; feed = feed->next_open) {
        feed->open = false;
        walrow__batch_truncate(&feed->builder, 0);
    }
    collector->first_open = collector->last_open = NULL;
    collector->in_transaction = false;
    collector->last = collector->delivered;
    collector->end_lsn = collector->cut_lsn;
    count_anew(collector);
    free_set(collector->set);
    collector->set = calloc(1, sizeof *collector->set);
    return collector->set == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

/* The transaction under way, which goes on in the next change set. */
static walrow_code
list_open_transaction(walrow__collector *collector, walrow_error *err)
{
    walrow_transaction transaction = collector->transaction;
    transaction.end_lsn = 0;
    return walrow__collector_list(collector, &transaction, err);
}

/* Move what is finished into *out and begin anew. */
static walrow_code
hand_over(walrow__collector *collector, walrow_changes *out, walrow_error *err)
{
    bool partial = collector->in_transaction && collector->transaction_noted && !collector->snapshot;
    if (partial)
        WALROW_TRY(list_open_transaction(collector, err));
    walrow__change_set *set = collector->set, *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return walrow__fail_memory(err);
    *out = (walrow_changes){
        .end_lsn = collector->end_lsn,
        .partial = partial,
        .documents = collector->documents,
        .batches = set->batches.items,
        .n_batches = set->batches.count,
        .transactions = set->transactions.items,
        .n_transactions = set->transactions.count,
        .messages = set->messages.items,
        .n_messages = set->messages.count,
        .dead_letters = set->dead_letters.items,
        .n_dead_letters = set->dead_letters.count,
        .release = release_changes,
        .private_data = set,
    };
    collector->set = fresh;
    collector->cut_lsn = collector->end_lsn;
    count_anew(collector);
    return WALROW_OK;
}

walrow_code
walrow__collector_cut(walrow__collector *collector, walrow_changes *out, walrow_error *err)
{
    while (collector->first_open != NULL) {
        walrow__feed *feed = collector->first_open;
        unlink_open(collector, feed);
        feed->open = false;
        WALROW_TRY(finish_feed(collector, feed, err));
    }
    return hand_over(collector, out, err);
}

walrow_code
walrow__collector_cut_feed(walrow__collector *collector, walrow__feed *feed, walrow_changes *out,
                           walrow_error *err)
{
    if (feed->open)
        unlink_open(collector, feed);
    feed->open = false;
    WALROW_TRY(finish_feed(collector, feed, err));
    return hand_over(collector, out, err);
}
