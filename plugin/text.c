#include "text.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include <inttypes.h>

/* ---- lines ---- */

static void
write_line(transaction *transaction, const char *utf8)
{
    LogicalDecodingContext *ctx = transaction->ctx;
    /* nothing is known of the encoding of an SQL_ASCII database's text, which may not even be UTF-8 */
    if (GetDatabaseEncoding() != PG_SQL_ASCII)
        utf8 = pg_any_to_server(utf8, (int)strlen(utf8), PG_UTF8);
    OutputPluginPrepareWrite(ctx, true);
    appendStringInfoString(ctx->out, utf8);
    OutputPluginWrite(ctx, true);
}

static void
begin_once(transaction *transaction)
{
    if (transaction->begun)
        return;
    transaction->begun = true;
    if (transaction->options->xids)
        write_line(transaction, psprintf("BEGIN %u", transaction->xid));
    else
        write_line(transaction, "BEGIN");
}

void
text_commit(transaction *transaction)
{
    write_line(transaction, "COMMIT");
}

static void
add_table_name(StringInfo line, const walrow__table *table)
{
    appendStringInfoString(line, quote_qualified_identifier(table->schema_name, table->name));
}

static const char *
operation_name(char op)
{
    switch (op) {
    case 'I':
        return "INSERT";
    case 'U':
        return "UPDATE";
    case 'D':
        return "DELETE";
    default:
        return "TRUNCATE";
    }
}

/* "public.t: INSERT 3" */
static void
begin_change(StringInfo line, const walrow__table *table, char op, uint32 seq)
{
    initStringInfo(line);
    add_table_name(line, table);
    appendStringInfo(line, ": %s %u", operation_name(op), seq);
}

/* ---- schemas ---- */

static void
add_column(StringInfo line, const walrow__table_column *column)
{
    char *type = walrow__type_arrow_name(&column->type);
    appendStringInfo(line, " %s[%s]%s", quote_identifier(column->name), type == NULL ? "?" : type,
                     column->is_key ? "*" : "");
    free(type);
}

void
text_schema(transaction *transaction, const published *published)
{
    const walrow__table *table = published->table;
    StringInfoData line;
    begin_once(transaction);
    initStringInfo(&line);
    add_table_name(&line, table);
    appendStringInfo(&line, ": SCHEMA %016" PRIx64 " identity %c:", table->epoch, table->identity);
    for (int i = 0; i < table->n_columns; i++)
        add_column(&line, &table->columns[i]);
    write_line(transaction, line.data);
}

/* ---- rows ---- */

static bool
prints_bare(Oid type)
{
    return type == BOOLOID || type == INT2OID || type == INT4OID || type == INT8OID || type == OIDOID ||
           type == FLOAT4OID || type == FLOAT8OID || type == NUMERICOID;
}

static void
add_quoted(StringInfo line, const char *text)
{
    appendStringInfoChar(line, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            appendStringInfoChar(line, '\'');
        appendStringInfoChar(line, *text);
    }
    appendStringInfoChar(line, '\'');
}

static void
add_value(StringInfo line, value_writer *writer, Datum value)
{
    if (writer->typlen == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
        appendStringInfoString(line, "unchanged");
    else if (prints_bare(writer->type->value_oid))
        appendStringInfoString(line, value_print(writer, value));
    else
        add_quoted(line, value_print(writer, value));
}

static void
add_values(StringInfo line, const published *table, const int16 *attributes, const tuple_values *tuple)
{
    for (int i = 0; i < table->table->n_columns; i++) {
        const walrow__table_column *column = &table->table->columns[i];
        int at = attributes[i];
        appendStringInfo(line, " %s[%s]:", quote_identifier(column->name), column->type.name);
        if (at < 0 || tuple->nulls[at])
            appendStringInfoString(line, "null");
        else
            add_value(line, &table->writers[i], tuple->values[at]);
    }
}

void
text_row(transaction *transaction, const published *table, const int16 *attributes, char op,
         const tuple_values *row, const tuple_values *old)
{
    StringInfoData line;
    begin_once(transaction);
    begin_change(&line, table->table, op, transaction->next.seq);
    if (op != 'T') {
        appendStringInfoChar(&line, ':');
        add_values(&line, table, attributes, row);
    }
    if (old != NULL) {
        appendStringInfoString(&line, "; old:");
        add_values(&line, table, attributes, old);
    }
    write_line(transaction, line.data);
}

void
text_dead_letter(transaction *transaction, const walrow__table *table, const walrow__wire_dead_letter *letter)
{
    StringInfoData line;
    begin_once(transaction);
    begin_change(&line, table, letter->op, letter->seq);
    appendStringInfo(&line, ": DEAD LETTER %s%s, %.*s: ", letter->old ? "old " : "",
                     quote_identifier(table->columns[letter->column].name), (int)letter->reason.size,
                     (const char *)letter->reason.bytes);
    appendBinaryStringInfo(&line, (const char *)letter->text.bytes, (int)letter->text.size);
    write_line(transaction, line.data);
}

/* ---- logical messages ---- */

/* The content may be anything; what is not printable ASCII shows as in a bytea. */
static void
add_content(StringInfo line, walrow__wire_bytes content)
{
    for (size_t i = 0; i < content.size; i++) {
        unsigned char c = content.bytes[i];
        if (c >= ' ' && c < 127 && c != '\\')
            appendStringInfoChar(line, (char)c);
        else
            appendStringInfo(line, "\\%03o", c);
    }
}

void
text_message(transaction *transaction, const walrow__wire_message *message)
{
    StringInfoData line;
    if (message->transactional)
        begin_once(transaction);
    initStringInfo(&line);
    appendStringInfo(&line, "MESSAGE %s %u ", message->transactional ? "transactional" : "alone",
                     message->seq);
    add_content(&line, message->prefix);
    appendStringInfoString(&line, ": ");
    add_content(&line, message->content);
    write_line(transaction, line.data);
}
