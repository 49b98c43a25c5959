/*
 * sink/event/wal2json.c
 *	  What wal2json itself prints in its format 2, byte for byte where a batch can say it (docs/wal2json.md lists where
 *	  it cannot):
 *
 *	  {"action":"I","xid":700,"timestamp":"...","schema":"public","table":"t","columns":[{"name":"id","type":"integer",
 *	      "value":1}, ...]}       U and D have "identity":[...] as well, or instead; xid and timestamp if asked for
 *	  {"action":"T", ... "table":"t"}   {"action":"B", ...}   {"action":"C", ...}
 *	  {"action":"M", ... "transactional":true,"prefix":"...","content":"..."}
 *
 *	  And the documents of its format 1, as they came: of such a change set there is nothing else to print.
 */
#include "base/json.h"
#include "columns/datetime.h"
#include "sink/event/style.h"

#include <string.h>

/* ---- values ---- */

enum { /* pg_type.dat */
       BOOL_OID = 16,
       BYTEA_OID = 17,
       INT8_OID = 20,
       INT2_OID = 21,
       INT4_OID = 23,
       OID_OID = 26,
       FLOAT4_OID = 700,
       FLOAT8_OID = 701,
       NUMERIC_OID = 1700
};

/* Domains over these are not among them: they are printed as texts. */
static bool
is_number(uint32_t oid)
{
    switch (oid) {
    case INT8_OID:
    case INT2_OID:
    case INT4_OID:
    case OID_OID:
    case FLOAT4_OID:
    case FLOAT8_OID:
    case NUMERIC_OID:
        return true;
    default:
        return false;
    }
}

/* What the output function prints, as wal2json makes JSON of it. */
static void
add_text(walrow__event_printer *printer, uint32_t oid, const char *text, size_t size)
{
    walrow__strbuf *buf = &printer->buf;
    bool is_bare = is_number(oid) && !printer->options.has[WALROW__EVENT_NUMBERS_AS_TEXT];
    if (is_bare && !walrow__is_finite_text(text))
        walrow__strbuf_add_text(buf, "null");
    else if (is_bare)
        walrow__strbuf_add(buf, text, size);
    else if (oid == BOOL_OID)
        walrow__strbuf_add_text(buf, text[0] == 't' ? "true" : "false");
    else if (oid == BYTEA_OID && size >= 2) /* without the \x */
        walrow__json_add_string(buf, text + 2, size - 2);
    else
        walrow__json_add_string(buf, text, size);
}

static void
add_null(walrow__event_printer *printer, const walrow__event_column *column, bool of_old,
         walrow__position position)
{
    const walrow_dead_letter *letter =
        walrow__event_letters_at(&printer->letters, position.commit_lsn, position.seq, column->name, of_old);
    if (letter == NULL) {
        walrow__strbuf_add_text(&printer->buf, "null");
        return;
    }
    walrow__strbuf_clear(&printer->value);
    walrow__strbuf_add(&printer->value, letter->text, letter->text_size);
    add_text(printer, column->oid, walrow__strbuf_text(&printer->value), printer->value.size);
}

static void
add_value(walrow__event_printer *printer, const walrow__event_column *column, bool of_old, int64_t row,
          walrow__position position)
{
    const walrow__value *value = of_old ? &column->old : &column->value;
    if (walrow__value_is_null(value, row)) {
        add_null(printer, column, of_old, position);
        return;
    }
    walrow__strbuf_clear(&printer->value);
    value->print_text(value, row, &printer->value);
    add_text(printer, column->oid, walrow__strbuf_text(&printer->value), printer->value.size);
    printer->buf.failed |= printer->value.failed;
}

/* ---- rows ---- */

static void
add_columns(walrow__event_printer *printer, const walrow__event_table *table, bool of_key, bool of_old,
            int64_t row, walrow__position position)
{
    walrow__strbuf *buf = &printer->buf;
    const char *separator = "";
    walrow__strbuf_add_text(buf, of_key ? ",\"identity\":[" : ",\"columns\":[");
    for (int i = 0; i < table->n_columns; i++) {
        const walrow__event_column *column = &table->columns[i];
        if ((of_key && !column->is_key) || (!of_old && column->is_skipped))
            continue;
        walrow__strbuf_add_text(buf, separator);
        walrow__strbuf_add_text(buf, column->head);
        add_value(printer, column, of_old, row, position);
        walrow__strbuf_add_char(buf, '}');
        separator = ",";
    }
    walrow__strbuf_add_char(buf, ']');
}

static void
begin_line(walrow__event_printer *printer, char action)
{
    const char head[] = {'{', '"', 'a', 'c', 't', 'i', 'o', 'n', '"', ':', '"', action, '"'};
    walrow__strbuf_add(&printer->buf, head, sizeof head);
    walrow__strbuf_add(&printer->buf, printer->tail_text.data, printer->tail_text.size);
}

/* A row that a snapshot read is an insert, outside of transactions. */
static void
row(walrow__event_printer *printer, walrow__event_table *table, int64_t row, walrow__position position)
{
    char op = walrow__event_op(table->bound, row);
    begin_line(printer, op == 'R' ? 'I' : op);
    walrow__strbuf_add_text(&printer->buf, table->names);
    if (op != 'D' && op != 'T')
        add_columns(printer, table, false, false, row, position);
    if (op == 'U' || op == 'D')
        add_columns(printer, table, true, walrow__event_table_has_old(table, row), row, position);
}

/* ---- the rest ---- */

static void
transaction(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time)
{
    walrow__strbuf *tail = &printer->tail_text;
    if (printer->options.has[WALROW__EVENT_XIDS]) {
        walrow__strbuf_add_text(tail, ",\"xid\":");
        if (facts->xid != 0)
            walrow__strbuf_add_integer(tail, facts->xid);
        else
            walrow__strbuf_add_text(tail, "null");
    }
    if (printer->options.has[WALROW__EVENT_TIMESTAMP]) {
        walrow__strbuf_add_text(tail, ",\"timestamp\":");
        walrow__strbuf_add_text(tail, has_time ? "\"" : "null");
        if (has_time)
            walrow__print_timestamp(facts->commit_time, true, tail);
        walrow__strbuf_add_text(tail, has_time ? "\"" : "");
    }
}

static void
boundary(walrow__event_printer *printer, bool is_commit)
{
    begin_line(printer, is_commit ? 'C' : 'B');
}

/* wal2json takes the content for a C string, and does not ask whether it is UTF-8. */
static void
message(walrow__event_printer *printer, const walrow_message *message)
{
    walrow__strbuf *buf = &printer->buf;
    begin_line(printer, 'M');
    walrow__strbuf_add_text(buf,
                            message->transactional ? ",\"transactional\":true" : ",\"transactional\":false");
    walrow__strbuf_add_text(buf, ",\"prefix\":");
    walrow__json_add_text(buf, message->prefix);
    walrow__strbuf_add_text(buf, ",\"content\":");
    walrow__json_add_string(buf, message->content, strnlen(message->content, message->content_size));
}

const walrow__event_style walrow__event_wal2json = {
    .end = "}\n",
    .transaction = transaction,
    .boundary = boundary,
    .row = row,
    .message = message,
};

/* ---- format 1 ---- */

static void
no_texts(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time)
{
    (void)printer, (void)facts, (void)has_time;
}

static void
document(walrow__event_printer *printer, const walrow_message *message)
{
    walrow__strbuf_add(&printer->buf, message->content, message->content_size);
}

const walrow__event_style walrow__event_documents = {
    .end = "\n", .transaction = no_texts, .message = document};
