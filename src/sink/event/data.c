#include "sink/event/data.h"

#include "base/json.h"
#include "columns/table.h"

static bool
is_chosen(const walrow__event_column *column, const walrow__value *value, walrow__event_choice choice,
          bool of_old, int64_t row)
{
    switch (choice) {
    case WALROW__EVENT_ALL:
        return !column->is_skipped;
    case WALROW__EVENT_KNOWN:
        return column->is_key || !walrow__value_is_null(value, row);
    default: /* the old key is known, whatever was not sent of the new row */
        return column->is_key && (of_old || !column->is_skipped);
    }
}

void
walrow__event_add_columns(const walrow__event_table *table, walrow__event_choice choice, bool of_old,
                          int64_t row, walrow__strbuf *buf)
{
    char separator = '{';
    for (int i = 0; i < table->n_columns; i++) {
        const walrow__event_column *column = &table->columns[i];
        const walrow__value *value = of_old ? &column->old : &column->value;
        if (!is_chosen(column, value, choice, of_old, row))
            continue;
        walrow__strbuf_add_char(buf, separator);
        walrow__value_print_key(value, buf);
        walrow__value_print(value, row, buf);
        separator = ',';
    }
    if (separator == '{')
        walrow__strbuf_add_char(buf, '{');
    walrow__strbuf_add_char(buf, '}');
}

void
walrow__event_add_types(const walrow__event_table *table, walrow__strbuf *buf)
{
    const struct ArrowSchema *schema = table->bound->schema;
    walrow__strbuf_add_char(buf, '{');
    for (int i = 0; i < table->n_columns; i++) {
        struct ArrowStringView type = walrow__event_metadata(schema->children[WALROW__N_META + i], "pg.type");
        walrow__strbuf_add_text(buf, i > 0 ? "," : "");
        walrow__value_print_key(&table->columns[i].value, buf);
        walrow__json_add_string(buf, type.data, (size_t)type.size_bytes);
    }
    walrow__strbuf_add_char(buf, '}');
}

void
walrow__event_add_key(const walrow__event_table *table, walrow__strbuf *buf)
{
    struct ArrowStringView key = walrow__event_metadata(table->bound->schema, "walrow.key");
    walrow__strbuf_add(buf, key.size_bytes == 0 ? "[]" : key.data,
                       key.size_bytes == 0 ? 2 : (size_t)key.size_bytes);
}

const char *
walrow__event_type(char op)
{
    switch (op) {
    case 'I':
        return "insert";
    case 'U':
        return "update";
    case 'D':
        return "delete";
    case 'T':
        return "truncate";
    default:
        return "read";
    }
}
