/*
 * sink/event/plain.c
 *	  Events:
 *
 *	  insert, update, delete, truncate, read
 *	      {"event_type", "schema", "table", "data", "old_data", "key_data", "lsn", "seq", "timestamp",
 *	      "transaction_id", "origin"} and, where there are some, "unchanged": [columns]. data: the new row; null for
 *	      delete and truncate. old_data: what is known of the row before: for a delete and an update that brought it;
 *	      columns that are neither key nor known are left out.
 *	  schema_change   before a table's first row with another set of columns or key than its last event had:
 *	      {"event_type", "schema", "table", "data": {column: PostgreSQL type}, "key": [columns], "lsn" ...}
 *	  begin, commit   {"event_type", "lsn", "timestamp", "transaction_id", "origin"}
 *	  message         {"event_type", "message_prefix", "message_content", "transactional", "lsn" ...}; content that is
 *	      not UTF-8 is null, and in "message_content_base64"
 */
#include "base/json.h"
#include "base/utf8.h"
#include "columns/datetime.h"
#include "sink/event/data.h"
#include "sink/event/style.h"
#include "sink/event/value_text.h"

static void
add_text(walrow__event_printer *printer, const walrow__strbuf *text)
{
    walrow__strbuf_add(&printer->buf, text->data, text->size);
}

static void
transaction(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time)
{
    const bool *has = printer->options.has;
    walrow__strbuf *tail = &printer->tail_text;
    char text[WALROW_LSN_SIZE];
    if (has[WALROW__EVENT_LSN]) {
        walrow__strbuf_add_text(&printer->lsn_text, ",\"lsn\":\"");
        walrow__strbuf_add_text(&printer->lsn_text, walrow_lsn_format(facts->commit_lsn, text));
        walrow__strbuf_add_char(&printer->lsn_text, '"');
    }
    if (has[WALROW__EVENT_TIMESTAMP]) {
        walrow__strbuf_add_text(tail, ",\"timestamp\":");
        walrow__strbuf_add_text(tail, has_time ? "\"" : "null");
        if (has_time)
            walrow__print_iso8601(facts->commit_time, tail);
        walrow__strbuf_add_text(tail, has_time ? "\"" : "");
    }
    if (has[WALROW__EVENT_XIDS]) {
        walrow__strbuf_add_text(tail, ",\"transaction_id\":");
        if (facts->xid != 0)
            walrow__strbuf_add_integer(tail, facts->xid);
        else
            walrow__strbuf_add_text(tail, "null");
    }
    if (has[WALROW__EVENT_ORIGIN]) {
        walrow__strbuf_add_text(tail, ",\"origin\":");
        walrow__json_add_text(tail, facts->origin);
    }
}

/* The position, and what follows. */
static void
add_place(walrow__event_printer *printer, const uint32_t *seq)
{
    add_text(printer, &printer->lsn_text);
    if (printer->options.has[WALROW__EVENT_LSN]) {
        walrow__strbuf_add_text(&printer->buf, ",\"seq\":");
        if (seq != NULL)
            walrow__strbuf_add_integer(&printer->buf, *seq);
        else
            walrow__strbuf_add_text(&printer->buf, "null");
    }
    add_text(printer, &printer->tail_text);
}

static void
boundary(walrow__event_printer *printer, bool is_commit)
{
    walrow__strbuf_add_text(&printer->buf,
                            is_commit ? "{\"event_type\":\"commit\"" : "{\"event_type\":\"begin\"");
    add_text(printer, &printer->lsn_text);
    add_text(printer, &printer->tail_text);
}

/* ---- rows ---- */

static const char *
event_type(char op)
{
    switch (op) {
    case 'I':
        return "{\"event_type\":\"insert\"";
    case 'U':
        return "{\"event_type\":\"update\"";
    case 'D':
        return "{\"event_type\":\"delete\"";
    case 'T':
        return "{\"event_type\":\"truncate\"";
    default:
        return "{\"event_type\":\"read\"";
    }
}

static void
add_data(const walrow__event_table *table, char op, bool has_old, int64_t row, walrow__strbuf *buf)
{
    walrow__strbuf_add_text(buf, ",\"data\":");
    if (op == 'D' || op == 'T')
        walrow__strbuf_add_text(buf, "null");
    else
        walrow__event_add_columns(table, WALROW__EVENT_ALL, false, row, buf);
    walrow__strbuf_add_text(buf, ",\"old_data\":");
    if (op == 'D' || has_old)
        walrow__event_add_columns(table, WALROW__EVENT_KNOWN, has_old, row, buf);
    else
        walrow__strbuf_add_text(buf, "null");
}

static void
add_unchanged(const walrow__event_table *table, int64_t row, walrow__strbuf *buf)
{
    const char *name;
    size_t size;
    int32_t i = 0;
    for (; (name = walrow__event_table_unchanged(table, row, i, &size)) != NULL; i++) {
        walrow__strbuf_add_text(buf, i == 0 ? ",\"unchanged\":[" : ",");
        walrow__json_add_string(buf, name, size);
    }
    if (i > 0)
        walrow__strbuf_add_char(buf, ']');
}

static void
row(walrow__event_printer *printer, walrow__event_table *table, int64_t row, walrow__position position)
{
    walrow__strbuf *buf = &printer->buf;
    char op = walrow__event_op(table->bound, row);
    bool has_old = walrow__event_table_has_old(table, row);
    walrow__strbuf_add_text(buf, event_type(op));
    walrow__strbuf_add_text(buf, table->names);
    add_data(table, op, has_old, row, buf);
    if (printer->options.has[WALROW__EVENT_PK]) {
        walrow__strbuf_add_text(buf, ",\"key_data\":");
        if (op == 'T' || !table->has_key)
            walrow__strbuf_add_text(buf, "null");
        else
            walrow__event_add_columns(table, WALROW__EVENT_KEY, has_old, row, buf);
    }
    walrow__strbuf_add_text(buf, table->types);
    add_place(printer, &position.seq);
    add_unchanged(table, row, buf);
}

static void
schema_change(walrow__event_printer *printer, const walrow__event_table *table, walrow__position position)
{
    walrow__strbuf *buf = &printer->buf;
    walrow__strbuf_add_text(buf, "{\"event_type\":\"schema_change\"");
    walrow__strbuf_add_text(buf, table->names);
    walrow__strbuf_add_text(buf, ",\"data\":");
    walrow__event_add_types(table, buf);
    walrow__strbuf_add_text(buf, ",\"key\":");
    walrow__event_add_key(table, buf);
    add_place(printer, &position.seq);
}

/* ---- messages ---- */

static void
message(walrow__event_printer *printer, const walrow_message *message)
{
    walrow__strbuf *buf = &printer->buf;
    walrow__strbuf_add_text(buf, "{\"event_type\":\"message\",\"message_prefix\":");
    walrow__json_add_text(buf, message->prefix);
    if (walrow__utf8_valid(message->content, message->content_size)) {
        walrow__strbuf_add_text(buf, ",\"message_content\":");
        walrow__json_add_string(buf, message->content, message->content_size);
    } else {
        walrow__strbuf_add_text(buf, ",\"message_content\":null,\"message_content_base64\":");
        walrow__json_add_base64(buf, message->content, message->content_size);
    }
    walrow__strbuf_add_text(buf,
                            message->transactional ? ",\"transactional\":true" : ",\"transactional\":false");
    add_place(printer, message->transactional ? &message->seq : NULL);
}

const walrow__event_style walrow__event_plain = {
    .end = "}\n",
    .transaction = transaction,
    .boundary = boundary,
    .row = row,
    .message = message,
    .schema_change = schema_change,
};
