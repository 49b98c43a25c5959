#include "sink/replica/side.h"

#include "base/error.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* In the order of the tables' columns, see sink/replica/state.c. */
static const char *const message_columns[][2] = {
    {"prefix", "u"},     {"content", "z"}, {"transactional", "b"}, {"lsn", "L"},
    {"commit_lsn", "L"}, {"seq", "I"},     {"xid", "I"},           {NULL, NULL},
};
static const char *const dead_letter_columns[][2] = {
    {"schema_name", "u"}, {"table_name", "u"}, {"column_name", "u"}, {"tuple", "u"},   {"op", "u"},
    {"commit_lsn", "L"},  {"seq", "I"},        {"xid", "I"},         {"pg_type", "u"}, {"text", "u"},
    {"bytes", "z"},       {"reason", "u"},     {NULL, NULL},
};

static walrow_code
init_table(walrow__side_table *table, const char *name, const char *const (*columns)[2], walrow_error *err)
{
    int64_t n = 0;
    while (columns[n][0] != NULL)
        n++;
    table->name = name;
    ArrowSchemaInit(&table->schema);
    ArrowErrorCode code = ArrowSchemaSetTypeStruct(&table->schema, n);
    for (int64_t i = 0; code == NANOARROW_OK && i < n; i++) {
        code = ArrowSchemaSetName(table->schema.children[i], columns[i][0]);
        if (code == NANOARROW_OK)
            code = ArrowSchemaSetFormat(table->schema.children[i], columns[i][1]);
    }
    return code == NANOARROW_OK ? WALROW_OK : walrow__fail_memory(err);
}

walrow_code
walrow__side_init(walrow__side *side, walrow_error *err)
{
    WALROW_TRY(init_table(&side->messages, "messages", message_columns, err));
    return init_table(&side->dead_letters, "dead_letters", dead_letter_columns, err);
}

static void
release_table(walrow__side_table *table)
{
    if (table->schema.release != NULL)
        ArrowSchemaRelease(&table->schema);
    if (table->rows.release != NULL)
        ArrowArrayRelease(&table->rows);
}

void
walrow__side_release(walrow__side *side)
{
    release_table(&side->messages);
    release_table(&side->dead_letters);
}

/* ---- adding ---- */

static ArrowErrorCode
begin_rows(walrow__side_table *table)
{
    if (table->rows.release != NULL)
        return NANOARROW_OK;
    NANOARROW_RETURN_NOT_OK(ArrowArrayInitFromSchema(&table->rows, &table->schema, NULL));
    return ArrowArrayStartAppending(&table->rows);
}

static ArrowErrorCode
add_text(struct ArrowArray *column, const char *text)
{
    return text == NULL ? ArrowArrayAppendNull(column, 1)
                        : ArrowArrayAppendString(column, ArrowCharView(text));
}

static ArrowErrorCode
add_bytes(struct ArrowArray *column, const void *bytes, size_t size)
{
    return ArrowArrayAppendBytes(column,
                                 (struct ArrowBufferView){.data.data = bytes, .size_bytes = (int64_t)size});
}

static ArrowErrorCode
add_message(walrow__side_table *table, const walrow_message *message)
{
    NANOARROW_RETURN_NOT_OK(begin_rows(table));
    struct ArrowArray **column = table->rows.children;
    NANOARROW_RETURN_NOT_OK(add_text(*column++, message->prefix));
    NANOARROW_RETURN_NOT_OK(add_bytes(*column++, message->content, message->content_size));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendInt(*column++, message->transactional));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendUInt(*column++, message->lsn));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendUInt(*column++, message->commit_lsn));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendUInt(*column++, message->seq));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendUInt(*column++, message->xid));
    return ArrowArrayFinishElement(&table->rows);
}

static ArrowErrorCode
add_dead_letter(walrow__side_table *table, const walrow_dead_letter *letter)
{
    bool is_text = walrow__utf8_valid(letter->text, letter->text_size);
    struct ArrowStringView text = {letter->text, (int64_t)letter->text_size};
    NANOARROW_RETURN_NOT_OK(begin_rows(table));
    struct ArrowArray **column = table->rows.children;
    NANOARROW_RETURN_NOT_OK(add_text(*column++, letter->schema_name));
    NANOARROW_RETURN_NOT_OK(add_text(*column++, letter->table_name));
    NANOARROW_RETURN_NOT_OK(add_text(*column++, letter->column));
    NANOARROW_RETURN_NOT_OK(add_text(*column++, letter->old ? "old" : "new"));
    NANOARROW_RETURN_NOT_OK(add_text(*column++, (const char[]){letter->op, '\0'}));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendUInt(*column++, letter->lsn));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendUInt(*column++, letter->seq));
    NANOARROW_RETURN_NOT_OK(ArrowArrayAppendUInt(*column++, letter->xid));
    NANOARROW_RETURN_NOT_OK(add_text(*column++, letter->pg_type));
    NANOARROW_RETURN_NOT_OK(is_text ? ArrowArrayAppendString(*column, text)
                                    : ArrowArrayAppendNull(*column, 1));
    column++;
    NANOARROW_RETURN_NOT_OK(is_text ? ArrowArrayAppendNull(*column, 1)
                                    : add_bytes(*column, letter->text, letter->text_size));
    column++;
    NANOARROW_RETURN_NOT_OK(add_text(*column, letter->reason));
    return ArrowArrayFinishElement(&table->rows);
}

walrow_code
walrow__side_add_message(walrow__side *side, const walrow_message *message, walrow_error *err)
{
    return add_message(&side->messages, message) == NANOARROW_OK ? WALROW_OK : walrow__fail_memory(err);
}

walrow_code
walrow__side_add_dead_letter(walrow__side *side, const walrow_dead_letter *letter, walrow_error *err)
{
    return add_dead_letter(&side->dead_letters, letter) == NANOARROW_OK ? WALROW_OK
                                                                        : walrow__fail_memory(err);
}

/* ---- into DuckDB ---- */

static walrow_code
flush_table(walrow__side_table *table, walrow__replica *replica, walrow_error *err)
{
    char sql[128];
    if (table->rows.release == NULL)
        return WALROW_OK;
    if (ArrowArrayFinishBuildingDefault(&table->rows, NULL) != NANOARROW_OK)
        return walrow__fail_memory(err);
    snprintf(sql, sizeof sql,
             table->staged ? "INSERT INTO temp.main.walrow_%s FROM walrow_input"
                           : "CREATE TEMP TABLE walrow_%s AS FROM walrow_input",
             table->name);
    walrow_code code = walrow__duckdb_load(replica->duckdb, &table->schema, &table->rows, sql, err);
    table->rows.release = NULL;
    table->staged = table->staged || code == WALROW_OK;
    return walrow__replica_explain(code, err);
}

walrow_code
walrow__side_flush(walrow__side *side, walrow__replica *replica, walrow_error *err)
{
    WALROW_TRY(flush_table(&side->messages, replica, err));
    return flush_table(&side->dead_letters, replica, err);
}

static walrow_code
apply_table(walrow__side_table *table, walrow__replica *replica, walrow_error *err)
{
    walrow__strbuf sql;
    if (!table->staged)
        return WALROW_OK;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql,
                        "INSERT INTO " WALROW__REPLICA "._walrow.%s FROM temp.main.walrow_%s;"
                        "DROP TABLE temp.main.walrow_%s",
                        table->name, table->name, table->name);
    walrow_code code = walrow__replica_run(replica, &sql, err);
    walrow__strbuf_release(&sql);
    table->staged = false;
    return code;
}

walrow_code
walrow__side_apply(walrow__side *side, walrow__replica *replica, walrow_error *err)
{
    WALROW_TRY(apply_table(&side->messages, replica, err));
    return apply_table(&side->dead_letters, replica, err);
}
