/*
 * source/wal2json.c
 *	  The plugin wal2json, format 2: a JSON object per begin, change and commit.
 */
#include "source/wal2json_table.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BYTEA_OID = 17 /* pg_type.dat */ };

typedef struct wal2json {
    walrow__decoder base;
    walrow__wal2json_reader reader;
    walrow__wal2json_tables tables;
    walrow__tuple new, old; /* of the row being read */
    walrow__strbuf hex;     /* the row's bytea values, as they are printed */
} wal2json;

static walrow_code
broken(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "%s", what);
}

/* ---- transactions and messages ---- */

/* The name of its number today; the number, if it was dropped since. */
static walrow_code
read_origin(wal2json *w, uint32_t number, walrow_error *err)
{
    char *name = NULL, text[16];
    WALROW_TRY(w->base.catalog->origin(w->base.catalog, number, &name, err));
    snprintf(text, sizeof text, "%" PRIu32, number);
    walrow_code code = walrow__collector_origin(w->base.collector, name == NULL ? text : name, err);
    free(name);
    return code;
}

static walrow_code
read_begin(wal2json *w, const walrow__wal2json_message *message, walrow_error *err)
{
    if (w->base.stop_lsn != 0 && message->transaction.commit_lsn >= w->base.stop_lsn) {
        w->base.stopped = true;
        return WALROW_OK;
    }
    WALROW_TRY(walrow__collector_begin(w->base.collector, &message->transaction, err));
    return message->origin == 0 ? WALROW_OK : read_origin(w, message->origin, err);
}

static walrow_code
read_commit(wal2json *w, const walrow__wal2json_message *message, walrow_error *err)
{
    const walrow__collector *collector = w->base.collector;
    const walrow_transaction *transaction = &message->transaction;
    if (collector->in_transaction && collector->transaction.commit_lsn != transaction->commit_lsn)
        return broken("commit of another transaction than the one begun", err);
    if (transaction->end_lsn <= transaction->commit_lsn)
        return broken("commit that ends before it begins", err);
    return walrow__collector_commit(w->base.collector, transaction->end_lsn, err);
}

static walrow_code
read_message(wal2json *w, const walrow__wal2json_message *message, walrow_error *err)
{
    const walrow__collector *collector = w->base.collector;
    if (message->transactional && !collector->in_transaction)
        return broken("transactional message outside a transaction", err);
    walrow_message out = {
        .transactional = message->transactional,
        .lsn = message->lsn,
        .prefix = message->prefix.bytes,
        .content = (const uint8_t *)message->content.bytes,
        .content_size = message->content.size,
        .commit_lsn = message->transactional ? collector->transaction.commit_lsn : message->lsn,
        .seq = message->transactional ? collector->seq : 0,
        .xid = message->transactional ? collector->transaction.xid : 0,
    };
    return walrow__collector_message(w->base.collector, &out, err);
}

/* ---- rows ---- */

/* wal2json leaves the \x of a bytea out. There is room for all of them: what is there does not move. */
static void
print_bytea(wal2json *w, const walrow__wal2json_table *table, walrow__tuple *tuple)
{
    for (int i = 0; i < tuple->n_fields; i++) {
        walrow__field *field = &tuple->fields[i];
        if (table->specs[i].oid != BYTEA_OID || field->kind != 't')
            continue;
        size_t at = w->hex.size;
        walrow__strbuf_add_text(&w->hex, "\\x");
        walrow__strbuf_add(&w->hex, field->bytes, field->size);
        field->bytes = (const uint8_t *)w->hex.data + at;
        field->size += 2;
    }
}

static walrow_code
print_byteas(wal2json *w, const walrow__wal2json_table *table, size_t message_size, walrow_error *err)
{
    bool has_bytea = false;
    for (int i = 0; i < table->n_specs && !has_bytea; i++)
        has_bytea = table->specs[i].oid == BYTEA_OID;
    if (!has_bytea)
        return WALROW_OK;
    walrow__strbuf_clear(&w->hex);
    if (!walrow__strbuf_reserve(&w->hex, message_size + 4 * (size_t)table->n_specs))
        return walrow__fail_memory(err);
    print_bytea(w, table, &w->new);
    if (w->old.n_fields >= 0)
        print_bytea(w, table, &w->old);
    return WALROW_OK;
}

/* Every update of a table with a key says the key: DESIGN's rule for `_old` decides whether it says anything. */
static bool
has_old(wal2json *w, const walrow__wal2json_table *table, char op)
{
    if (op != 'U' || w->old.n_fields < 0)
        return false;
    walrow__tuple_fill_unchanged(&w->new, &w->old);
    bool is_full = table->identity == 'f' && table->own_identity == 'f';
    return is_full ||
           !walrow__tuple_says_nothing_new(table->announced->feed->builder.table, &w->old, &w->new);
}

static walrow_code
add_row(wal2json *w, const walrow__wal2json_table *table, char op, size_t size, walrow_error *err)
{
    walrow__feed *feed = table->announced->feed;
    walrow__collector *collector = w->base.collector;
    walrow__batch_builder *builder;
    WALROW_TRY(walrow__collector_begin_row(collector, feed, op, &builder, err));
    if (builder == NULL)
        return WALROW_OK;
    bool old = has_old(w, table, op);
    WALROW_TRY(walrow__tuple_append(collector, feed, &w->new, op, false, err));
    if (old) {
        walrow__batch_begin_old(builder);
        WALROW_TRY(walrow__tuple_append(collector, feed, &w->old, op, true, err));
    }
    return walrow__collector_end_row(collector, feed, old, size, err);
}

/* As publications have it: a partition's is the root's affair, and of a table without identity only inserts count. */
static bool
sends_truncate(const walrow__wal2json_table *table)
{
    bool has_identity = table->identity == 'f';
    for (int i = 0; i < table->n_specs && !has_identity; i++)
        has_identity = table->specs[i].is_key;
    return has_identity && !table->is_partition;
}

static walrow_code
read_change(wal2json *w, const walrow__wal2json_message *change, size_t size, walrow_error *err)
{
    walrow__wal2json_table *table;
    if (!w->base.collector->in_transaction)
        return broken("change outside a transaction", err);
    /* without a replica identity there is nothing to say which row it was; other plugins do not send such a delete */
    if (change->action == 'D' && !change->identity.present)
        return WALROW_OK;
    WALROW_TRY(walrow__wal2json_place(&w->tables, &w->base, change, &w->new, &w->old, &table, err));
    if (table == NULL || (change->action == 'T' && !sends_truncate(table)))
        return WALROW_OK;
    WALROW_TRY(print_byteas(w, table, size, err));
    return add_row(w, table, change->action, size, err);
}

/* ---- any of them ---- */

static walrow_code
read_any(wal2json *w, const uint8_t *bytes, size_t size, walrow_error *err)
{
    const walrow__wal2json_message *message;
    WALROW_TRY(walrow__wal2json_read(&w->reader, bytes, size, &message, err));
    switch (message->action) {
    case 'B':
        return read_begin(w, message, err);
    case 'C':
        return read_commit(w, message, err);
    case 'M':
        return read_message(w, message, err);
    default:
        return read_change(w, message, size, err);
    }
}

static walrow_code
feed(walrow__decoder *decoder, const uint8_t *bytes, size_t size, uint64_t lsn, walrow_error *err)
{
    if (decoder->stopped)
        return WALROW_OK;
    walrow_code code = read_any((wal2json *)decoder, bytes, size, err);
    return walrow__decoder_locate("wal2json", code,
                                  lsn != 0 ? lsn : decoder->collector->transaction.commit_lsn, err);
}

static void
free_wal2json(walrow__decoder *decoder)
{
    wal2json *w = (wal2json *)decoder;
    walrow__wal2json_tables_release(&w->tables);
    walrow__wal2json_reader_release(&w->reader);
    walrow__strbuf_release(&w->hex);
    free(w);
}

walrow_code
walrow__wal2json_new(walrow__collector *collector, walrow__catalog *catalog, walrow__capture capture,
                     walrow__decoder **out, walrow_error *err)
{
    wal2json *w = calloc(1, sizeof *w);
    if (w == NULL)
        return walrow__fail_memory(err);
    w->base = (walrow__decoder){
        .collector = collector, .catalog = catalog, .capture = capture, .feed = feed, .free = free_wal2json};
    walrow__strbuf_init(&w->hex);
    *out = &w->base;
    return WALROW_OK;
}
