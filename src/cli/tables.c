#include "command.h"
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *
key_json(const walrow_table_info *table)
{
    json_t *key = json_array();
    for (size_t i = 0; i < table->n_key; i++)
        json_array_append_new(key, json_string(table->key[i]));
    return key;
}

static json_t *
columns_json(const walrow_table_info *table)
{
    json_t *columns = json_array();
    for (size_t i = 0; i < table->n_columns; i++) {
        const walrow_column_info *column = &table->columns[i];
        json_array_append_new(columns,
                              json_pack("{ss ss ss sb}", "name", column->name, "pg_type", column->pg_type,
                                        "arrow_type", column->arrow_type, "nullable", column->nullable));
    }
    return columns;
}

static json_t *
tables_json(const walrow_tables *tables)
{
    json_t *all = json_array();
    for (size_t i = 0; i < tables->count; i++) {
        const walrow_table_info *table = &tables->items[i];
        json_array_append_new(all, json_pack("{ss ss ss so ss sI sI sb ss so}", "schema", table->schema,
                                             "name", table->name, "kind", table->kind, "key", key_json(table),
                                             "replica_identity", table->replica_identity, "rows",
                                             (json_int_t)table->rows, "bytes", (json_int_t)table->bytes,
                                             "streamable", table->streamable, "reason", table->reason,
                                             "columns", columns_json(table)));
    }
    return all;
}

/* "a, b", malloc'ed */
static char *
join(char *const *names, size_t n)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; out != NULL && i < n; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ", ", names[i]);
    if (out != NULL)
        fclose(out);
    return text;
}

static void
print_columns(const walrow_table_info *table)
{
    const int widths[] = {28, 34, 0};
    for (size_t i = 0; i < table->n_columns; i++) {
        const walrow_column_info *column = &table->columns[i];
        char name[128];
        snprintf(name, sizeof name, "    %s%s", column->name, column->nullable ? "" : " *");
        terminal_row(widths, 3, (const char *[]){name, column->pg_type, column->arrow_type});
    }
}

static void
print_table(const walrow_table_info *table, bool with_columns)
{
    const int widths[] = {36, 18, 16, 10, 10, 9, 0};
    char name[256], rows[32] = "?", bytes[32];
    char *key = join(table->key, table->n_key);
    snprintf(name, sizeof name, "%s.%s", table->schema, table->name);
    if (table->rows >= 0)
        snprintf(rows, sizeof rows, "%lld", (long long)table->rows);
    terminal_row(widths, 7,
                 (const char *[]){name, table->kind, key != NULL && key[0] != '\0' ? key : "-",
                                  table->replica_identity, rows, human_size(table->bytes, bytes),
                                  table->streamable ? "yes" : table->reason});
    free(key);
    if (with_columns)
        print_columns(table);
}

static int
print_tables(const walrow_tables *tables, bool with_columns)
{
    const int widths[] = {36, 18, 16, 10, 10, 9, 0};
    terminal_row(widths, 7, (const char *[]){"TABLE", "KIND", "KEY", "IDENTITY", "ROWS", "SIZE", "STREAMED"});
    for (size_t i = 0; i < tables->count; i++)
        print_table(&tables->items[i], with_columns);
    return 0;
}

int
run_tables(const command_line *line)
{
    walrow_error err = {0};
    walrow_tables tables = {0};
    if (walrow_tables_discover(line->options, &tables, &err) != WALROW_OK)
        return terminal_fail(&err);
    int status = terminal_flag(line->options, "json")
                     ? terminal_json(tables_json(&tables))
                     : print_tables(&tables, terminal_flag(line->options, "columns"));
    walrow_tables_release(&tables);
    return status;
}
