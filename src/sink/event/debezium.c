/*
 * sink/event/debezium.c
 *	  Debezium's envelopes without their schema (its documentation, "PostgreSQL connector", "Data change events"), as
 *	  Flink's debezium-json and others read them:
 *
 *	  {"before":{...}|null,"after":{...}|null,"source":{"version","connector","name","db","schema","table","snapshot",
 *	      "ts_ms","txId","lsn","seq"},"op":"c"|"u"|"d"|"r"|"t","ts_ms"}
 *	  {"source":{...},"op":"m","ts_ms","message":{"prefix","content": base64}}
 *
 *	  A change of key is two of them, as Debezium has it: the delete of the old key and the insert of the new.
 */
#include "base/json.h"
#include "columns/column.h"
#include "sink/event/style.h"

#include <inttypes.h>
#include <time.h>

/* What Debezium has for a large value that did not change and was not sent. */
#define UNAVAILABLE "__debezium_unavailable_value"

static int64_t
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
transaction(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time)
{
    walrow__strbuf *buf = &printer->lsn_text;
    walrow__strbuf_add_text(buf, ",\"ts_ms\":");
    if (has_time)
        walrow__strbuf_add_integer(buf, facts->commit_time / 1000);
    else
        walrow__strbuf_add_text(buf, "null");
    walrow__strbuf_addf(buf, ",\"txId\":%" PRIu32 ",\"lsn\":%" PRIu64, facts->xid, facts->commit_lsn);
    walrow__strbuf_addf(&printer->tail_text, ",\"ts_ms\":%" PRId64, now_ms());
}

/* ---- rows ---- */

static void
add_unavailable(const walrow__event_column *column, walrow__strbuf *buf)
{
    enum { BYTEA_OID = 17 }; /* pg_type.dat */
    if (column->oid == BYTEA_OID)
        walrow__json_add_base64(buf, UNAVAILABLE, strlen(UNAVAILABLE));
    else
        walrow__strbuf_add_text(buf, "\"" UNAVAILABLE "\"");
}

static void
add_columns(const walrow__event_table *table, bool of_old, int64_t row, walrow__strbuf *buf)
{
    for (int i = 0; i < table->n_columns; i++) {
        const walrow__event_column *column = &table->columns[i];
        const walrow__value *value = of_old ? &column->old : &column->value;
        walrow__strbuf_add_char(buf, i == 0 ? '{' : ',');
        walrow__value_print_key(value, buf);
        if (column->is_skipped && !of_old)
            add_unavailable(column, buf);
        else
            walrow__value_print(value, row, buf);
    }
    walrow__strbuf_add_text(buf, table->n_columns == 0 ? "{}" : "}");
}

typedef enum side { NOTHING, OLD, NEW } side;

static void
add_side(const walrow__event_table *table, side side, int64_t row, walrow__strbuf *buf)
{
    if (side == NOTHING)
        walrow__strbuf_add_text(buf, "null");
    else
        add_columns(table, side == OLD, row, buf);
}

static void
envelope(walrow__event_printer *printer, const walrow__event_table *table, int64_t row, uint32_t seq, char op,
         side before, side after)
{
    walrow__strbuf *buf = &printer->buf;
    walrow__strbuf_add_text(buf, "{\"before\":");
    add_side(table, before, row, buf);
    walrow__strbuf_add_text(buf, ",\"after\":");
    add_side(table, after, row, buf);
    walrow__strbuf_add_char(buf, ',');
    walrow__strbuf_add(buf, printer->source_text.data, printer->source_text.size);
    walrow__strbuf_add_text(buf, table->names);
    walrow__strbuf_add_text(buf, op == 'r' ? ",\"snapshot\":\"true\"" : ",\"snapshot\":\"false\"");
    walrow__strbuf_add(buf, printer->lsn_text.data, printer->lsn_text.size);
    walrow__strbuf_add_text(buf, ",\"seq\":");
    walrow__strbuf_add_integer(buf, seq);
    walrow__strbuf_add_text(buf, "},\"op\":\"");
    walrow__strbuf_add_char(buf, op);
    walrow__strbuf_add_char(buf, '"');
    walrow__strbuf_add(buf, printer->tail_text.data, printer->tail_text.size);
}

/* A key that is the whole row says nothing new of a change: before and after do. */
static bool
key_changed(walrow__event_printer *printer, const walrow__event_table *table, int64_t row)
{
    walrow__strbuf *keys = &printer->value;
    if (!table->has_key || table->key_is_all)
        return false;
    walrow__strbuf_clear(keys);
    walrow__event_table_add_key(table, row, true, keys);
    size_t old_size = keys->size;
    walrow__event_table_add_key(table, row, false, keys);
    return !keys->failed &&
           (keys->size != 2 * old_size || memcmp(keys->data, keys->data + old_size, old_size) != 0);
}

static void
updated(walrow__event_printer *printer, const walrow__event_table *table, int64_t row, uint32_t seq)
{
    if (!walrow__event_table_has_old(table, row)) {
        envelope(printer, table, row, seq, 'u', NOTHING, NEW);
        return;
    }
    if (!key_changed(printer, table, row)) {
        envelope(printer, table, row, seq, 'u', OLD, NEW);
        return;
    }
    envelope(printer, table, row, seq, 'd', OLD, NOTHING);
    walrow__strbuf_add_text(&printer->buf, walrow__event_debezium.end);
    printer->subject.split = printer->buf.size;
    envelope(printer, table, row, seq, 'c', NOTHING, NEW);
}

static void
row(walrow__event_printer *printer, walrow__event_table *table, int64_t row, walrow__position position)
{
    switch (walrow__event_op(table->bound, row)) {
    case 'U':
        updated(printer, table, row, position.seq);
        break;
    case 'D':
        envelope(printer, table, row, position.seq, 'd', NEW, NOTHING);
        break;
    case 'T':
        envelope(printer, table, row, position.seq, 't', NOTHING, NOTHING);
        break;
    case 'R':
        envelope(printer, table, row, position.seq, 'r', NOTHING, NEW);
        break;
    default:
        envelope(printer, table, row, position.seq, 'c', NOTHING, NEW);
    }
}

static void
message(walrow__event_printer *printer, const walrow_message *message)
{
    walrow__strbuf *buf = &printer->buf;
    walrow__strbuf_add_char(buf, '{');
    walrow__strbuf_add(buf, printer->source_text.data, printer->source_text.size);
    walrow__strbuf_add_text(buf, ",\"snapshot\":\"false\"");
    walrow__strbuf_add(buf, printer->lsn_text.data, printer->lsn_text.size);
    walrow__strbuf_add_text(buf, "},\"op\":\"m\"");
    walrow__strbuf_add(buf, printer->tail_text.data, printer->tail_text.size);
    walrow__strbuf_add_text(buf, ",\"message\":{\"prefix\":");
    walrow__json_add_text(buf, message->prefix);
    walrow__strbuf_add_text(buf, ",\"content\":");
    walrow__json_add_base64(buf, message->content, message->content_size);
    walrow__strbuf_add_char(buf, '}');
}

const walrow__event_style walrow__event_debezium = {
    .end = "}",
    .transaction = transaction,
    .row = row,
    .message = message,
};
