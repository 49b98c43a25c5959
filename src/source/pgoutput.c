/*
 * source/pgoutput.c
 *	  PostgreSQL's own output plugin, protocol 1 (PostgreSQL documentation, "Logical Replication Message
 *	  Formats").
 */
#include "source/announced.h"
#include "source/decoder.h"
#include "source/tuple.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct pgoutput {
    walrow__decoder base;
    walrow__announced relations;
    walrow__tuple new, old; /* of the row being read */
} pgoutput;

/* Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's clock begins. */
#define POSTGRES_EPOCH_US INT64_C(946684800000000)

static int64_t
read_time(walrow__cursor *cursor)
{
    return (int64_t)(walrow__read_u64(cursor) + (uint64_t)POSTGRES_EPOCH_US);
}

static walrow_code
broken(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "%s", what);
}

static walrow_code
read_begin(pgoutput *p, walrow__cursor *cursor, walrow_error *err)
{
    walrow_transaction transaction = {0};
    transaction.commit_lsn = walrow__read_u64(cursor);
    transaction.commit_time = read_time(cursor);
    transaction.xid = walrow__read_u32(cursor);
    if (cursor->failed)
        return broken("short begin message", err);
    if (p->base.stop_lsn != 0 && transaction.commit_lsn >= p->base.stop_lsn) {
        p->base.stopped = true;
        return WALROW_OK;
    }
    return walrow__collector_begin(p->base.collector, &transaction, err);
}

static walrow_code
read_commit(pgoutput *p, walrow__cursor *cursor, walrow_error *err)
{
    walrow__read_u8(cursor); /* flags, unused */
    uint64_t commit_lsn = walrow__read_u64(cursor);
    uint64_t end_lsn = walrow__read_u64(cursor);
    walrow__read_u64(cursor); /* commit time: Begin said it */
    if (cursor->failed)
        return broken("short commit message", err);
    const walrow__collector *collector = p->base.collector;
    if (collector->in_transaction && collector->transaction.commit_lsn != commit_lsn)
        return broken("commit of another transaction than the one begun", err);
    if (end_lsn <= commit_lsn)
        return broken("commit that ends before it begins", err);
    return walrow__collector_commit(p->base.collector, end_lsn, err);
}

static walrow_code
read_origin(pgoutput *p, walrow__cursor *cursor, walrow_error *err)
{
    walrow__read_u64(cursor); /* the commit's LSN on the origin */
    const char *name = walrow__read_string(cursor);
    if (cursor->failed)
        return broken("short origin message", err);
    return walrow__collector_origin(p->base.collector, name, err);
}

static walrow_code
read_message(pgoutput *p, walrow__cursor *cursor, walrow_error *err)
{
    const walrow__collector *collector = p->base.collector;
    walrow_message message = {0};
    message.transactional = (walrow__read_u8(cursor) & 1) != 0;
    message.lsn = walrow__read_u64(cursor);
    message.prefix = walrow__read_string(cursor);
    message.content_size = walrow__read_u32(cursor);
    message.content = walrow__read_bytes(cursor, message.content_size);
    if (cursor->failed)
        return broken("short logical message", err);
    if (message.transactional && !collector->in_transaction)
        return broken("transactional message outside a transaction", err);
    message.commit_lsn = message.transactional ? collector->transaction.commit_lsn : message.lsn;
    message.seq = message.transactional ? collector->seq : 0;
    message.xid = message.transactional ? collector->transaction.xid : 0;
    return walrow__collector_message(p->base.collector, &message, err);
}

static walrow_code
read_relation_message(const uint8_t *bytes, size_t size, walrow__relation_message *out, walrow_error *err)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    walrow__read_u8(&cursor); /* 'R' */
    out->relid = walrow__read_u32(&cursor);
    out->schema = walrow__read_string(&cursor);
    if (out->schema[0] == '\0')
        out->schema = "pg_catalog"; /* pgoutput leaves it out */
    out->name = walrow__read_string(&cursor);
    out->identity = (char)walrow__read_u8(&cursor);
    out->n_columns = walrow__read_u16(&cursor);
    out->columns = NULL;
    if (cursor.failed || out->n_columns > WALROW__MAX_COLUMNS)
        return broken("malformed relation message", err);
    out->columns = calloc((size_t)out->n_columns + 1, sizeof *out->columns);
    if (out->columns == NULL)
        return walrow__fail_memory(err);
    for (int i = 0; i < out->n_columns; i++) {
        walrow__column_spec *column = &out->columns[i];
        column->is_key = (walrow__read_u8(&cursor) & 1) != 0;
        column->name = walrow__read_string(&cursor);
        column->oid = walrow__read_u32(&cursor);
        column->typmod = (int32_t)walrow__read_u32(&cursor);
    }
    if (!cursor.failed)
        return WALROW_OK;
    free(out->columns);
    out->columns = NULL;
    return broken("short relation message", err);
}

walrow_code
walrow__pgoutput_read_relation(const uint8_t *bytes, size_t size, uint64_t lsn, walrow__relation_message *out,
                               walrow_error *err)
{
    return walrow__decoder_locate("pgoutput", read_relation_message(bytes, size, out, err), lsn, err);
}

static walrow_code
read_relation(pgoutput *p, const uint8_t *bytes, size_t size, walrow_error *err)
{
    walrow__relation_message message;
    WALROW_TRY(read_relation_message(bytes, size, &message, err));
    walrow_code code = walrow__announced_announce(&p->relations, &p->base, &message, err);
    free(message.columns);
    return code;
}

/* The relation a change is of. Outside a transaction there are no changes. */
static walrow_code
find_relation(pgoutput *p, walrow__cursor *cursor, walrow__announced_table **out, walrow_error *err)
{
    uint32_t relid = walrow__read_u32(cursor);
    if (cursor->failed)
        return broken("short change message", err);
    if (!p->base.collector->in_transaction)
        return broken("change outside a transaction", err);
    *out = walrow__announced_find(&p->relations, relid);
    if (*out == NULL)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "change of relation %" PRIu32 ", never announced",
                            relid);
    return WALROW_OK;
}

static walrow_code
add_row(pgoutput *p, walrow__announced_table *relation, char op, const walrow__tuple *values,
        const walrow__tuple *old, size_t size, walrow_error *err)
{
    walrow__collector *collector = p->base.collector;
    walrow__batch_builder *builder;
    WALROW_TRY(walrow__collector_begin_row(collector, relation->feed, op, &builder, err));
    if (builder == NULL)
        return WALROW_OK;
    WALROW_TRY(walrow__tuple_append(collector, relation->feed, values, op, false, err));
    if (old != NULL) {
        walrow__batch_begin_old(builder);
        WALROW_TRY(walrow__tuple_append(collector, relation->feed, old, op, true, err));
    }
    return walrow__collector_end_row(collector, relation->feed, old != NULL, size, err);
}

/* Insert and delete: one tuple, whose values are the row's. */
static walrow_code
add_plain_row(pgoutput *p, walrow__announced_table *relation, char op, walrow__cursor *cursor, size_t size,
              walrow_error *err)
{
    walrow__batch_builder *builder;
    bool malformed;
    WALROW_TRY(walrow__collector_begin_row(p->base.collector, relation->feed, op, &builder, err));
    if (builder == NULL)
        return WALROW_OK;
    WALROW_TRY(walrow__tuple_read_append(cursor, p->base.collector, relation->feed, op, &malformed, err));
    if (malformed)
        return broken(op == 'I' ? "malformed insert" : "malformed delete", err);
    return walrow__collector_end_row(p->base.collector, relation->feed, false, size, err);
}

static walrow_code
read_insert(pgoutput *p, walrow__cursor *cursor, size_t size, walrow_error *err)
{
    walrow__announced_table *relation;
    WALROW_TRY(find_relation(p, cursor, &relation, err));
    if (relation->feed == NULL)
        return WALROW_OK;
    if (walrow__read_u8(cursor) != 'N')
        return broken("malformed insert", err);
    return add_plain_row(p, relation, 'I', cursor, size, err);
}

static walrow_code
read_update(pgoutput *p, walrow__cursor *cursor, size_t size, walrow_error *err)
{
    walrow__announced_table *relation;
    WALROW_TRY(find_relation(p, cursor, &relation, err));
    if (relation->feed == NULL)
        return WALROW_OK;
    const walrow__tuple *old = NULL;
    uint8_t part = walrow__read_u8(cursor);
    if (part == 'K' || part == 'O') {
        if (!walrow__read_tuple(cursor, relation->n_columns, &p->old))
            return broken("malformed old tuple of an update", err);
        old = &p->old;
        part = walrow__read_u8(cursor);
    }
    if (part != 'N' || !walrow__read_tuple(cursor, relation->n_columns, &p->new))
        return broken("malformed update", err);
    if (old != NULL) {
        walrow__tuple_fill_unchanged(&p->new, old);
        const walrow__table *table = relation->feed->builder.table;
        if (relation->identity != 'f' && walrow__tuple_says_nothing_new(table, old, &p->new))
            old = NULL;
    }
    return add_row(p, relation, 'U', &p->new, old, size, err);
}

static walrow_code
read_delete(pgoutput *p, walrow__cursor *cursor, size_t size, walrow_error *err)
{
    walrow__announced_table *relation;
    WALROW_TRY(find_relation(p, cursor, &relation, err));
    if (relation->feed == NULL)
        return WALROW_OK;
    uint8_t part = walrow__read_u8(cursor);
    if (part != 'K' && part != 'O')
        return broken("malformed delete", err);
    return add_plain_row(p, relation, 'D', cursor, size, err);
}

/* Each captured table of the list is a change of its own, a row of nulls. */
static walrow_code
read_truncate(pgoutput *p, walrow__cursor *cursor, size_t size, walrow_error *err)
{
    uint32_t n = walrow__read_u32(cursor);
    walrow__read_u8(cursor); /* options: CASCADE, RESTART IDENTITY */
    if (cursor->failed || n > walrow__cursor_left(cursor) / 4)
        return broken("malformed truncate", err);
    while (n-- > 0) {
        walrow__announced_table *relation;
        WALROW_TRY(find_relation(p, cursor, &relation, err));
        if (relation->feed == NULL)
            continue;
        p->new.n_fields = relation->n_columns;
        for (int i = 0; i < relation->n_columns; i++)
            p->new.fields[i].kind = 'n';
        WALROW_TRY(add_row(p, relation, 'T', &p->new, NULL, size, err));
    }
    return WALROW_OK;
}

static walrow_code
read_any(pgoutput *p, const uint8_t *bytes, size_t size, walrow_error *err)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint8_t kind = walrow__read_u8(&cursor);
    if (cursor.failed)
        return broken("empty message", err);
    switch (kind) {
    case 'I':
        return read_insert(p, &cursor, size, err);
    case 'U':
        return read_update(p, &cursor, size, err);
    case 'D':
        return read_delete(p, &cursor, size, err);
    case 'B':
        return read_begin(p, &cursor, err);
    case 'C':
        return read_commit(p, &cursor, err);
    case 'R':
        return read_relation(p, bytes, size, err);
    case 'T':
        return read_truncate(p, &cursor, size, err);
    case 'M':
        return read_message(p, &cursor, err);
    case 'O':
        return read_origin(p, &cursor, err);
    case 'Y': /* names of types: the catalogue knows more */
        return WALROW_OK;
    default:
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "unknown message 0x%02X", kind);
    }
}

static walrow_code
feed(walrow__decoder *decoder, const uint8_t *bytes, size_t size, uint64_t lsn, walrow_error *err)
{
    if (decoder->stopped || decoder->needs_text)
        return WALROW_OK;
    walrow_code code = read_any((pgoutput *)decoder, bytes, size, err);
    /* most messages come without an LSN of their own; their transaction's says where to look */
    return walrow__decoder_locate("pgoutput", code,
                                  lsn != 0 ? lsn : decoder->collector->transaction.commit_lsn, err);
}

static void
free_pgoutput(walrow__decoder *decoder)
{
    pgoutput *p = (pgoutput *)decoder;
    walrow__announced_release(&p->relations);
    free(p);
}

walrow_code
walrow__pgoutput_new(walrow__collector *collector, walrow__catalog *catalog, walrow__capture capture,
                     walrow__decoder **out, walrow_error *err)
{
    pgoutput *p = calloc(1, sizeof *p);
    if (p == NULL)
        return walrow__fail_memory(err);
    p->base = (walrow__decoder){
        .collector = collector, .catalog = catalog, .capture = capture, .feed = feed, .free = free_pgoutput};
    *out = &p->base;
    return WALROW_OK;
}
