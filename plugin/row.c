#include "row.h"

#include "access/detoast.h"
#include "memory.h"
#include "text.h"

/* A row under way. */
typedef struct row {
    transaction *transaction;
    published *table;
    const int16 *attributes; /* of each column, in the tuple */
    char op;
    Size size; /* about how many bytes came */
} row;

static row
begin_row(row_writer *writer, const route *route, char op)
{
    row row = {.transaction = writer->transaction,
               .table = route->as->table,
               .attributes = route->attributes,
               .op = op};
    transaction_begin_row(row.transaction, row.table, op);
    return row;
}

static void
read_tuple(HeapTuple tuple, Relation relation, tuple_values *out, row *row)
{
    heap_deform_tuple(tuple, RelationGetDescr(relation), out->values, out->nulls);
    row->size += tuple->t_len;
}

/* The server did not log it, because the update left it as it was. */
static bool
is_unchanged_toast(const value_writer *writer, Datum value)
{
    return writer->typlen == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value));
}

/* Compressed, or stored elsewhere: larger than it looks in its tuple. */
static bool
is_toasted(Datum value)
{
    return VARATT_IS_EXTERNAL(DatumGetPointer(value)) || VARATT_IS_COMPRESSED(DatumGetPointer(value));
}

/* The value becomes null in its column and whole, as text, a dead letter. */
static void
bury(row *row, int i, Datum value, bool old, const char *reason)
{
    transaction_dead_letter(row->transaction, row->table, row->op, i, old, reason,
                            value_print(&row->table->writers[i], value));
}

pg_noreturn static void
report_malformed(const row *row, int i, const char *reason)
{
    const walrow__table *table = row->table->table;
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                    errmsg("%s.%s.%s: not a value of type %s: %s", table->schema_name, table->name,
                           table->columns[i].name, table->columns[i].type.name, reason)));
}

static void
append_value(row *row, int i, walrow__column *column, Datum value, bool old)
{
    const char *reason = NULL;
    value_writer *writer = &row->table->writers[i];
    if (writer->typlen == -1 && is_toasted(value))
        row->size += toast_raw_datum_size(value);
    switch (value_append(writer, column, value, &reason)) {
    case WALROW__APPENDED:
        return;
    case WALROW__UNREPRESENTABLE:
        walrow__column_append_nulls(column, 1);
        bury(row, i, value, old, reason);
        return;
    case WALROW__MALFORMED:
        report_malformed(row, i, reason);
    case WALROW__NO_MEMORY:
        report_out_of_memory();
    }
}

/* A tuple's values into the row's columns, as the new row or (old) as `_old`. */
static void
append_tuple(row *row, const tuple_values *tuple, walrow__column *columns, bool old)
{
    for (int i = 0; i < row->table->table->n_columns; i++) {
        int at = row->attributes[i];
        if (at < 0 || tuple->nulls[at]) {
            walrow__column_append_nulls(&columns[i], 1);
        } else if (is_unchanged_toast(&row->table->writers[i], tuple->values[at])) {
            walrow__column_append_nulls(&columns[i], 1);
            if (!old && !walrow__batch_add_unchanged(&row->table->batch, i))
                report_out_of_memory();
        } else {
            append_value(row, i, &columns[i], tuple->values[at], old);
        }
    }
}

/* Unchanged TOAST values that the old tuple came with. */
static void
fill_unchanged(const row *row, tuple_values *new, const tuple_values *old)
{
    for (int i = 0; i < row->table->table->n_columns; i++) {
        int at = row->attributes[i];
        if (at >= 0 && !new->nulls[at] && !old->nulls[at] &&
            is_unchanged_toast(&row->table->writers[i], new->values[at]))
            new->values[at] = old->values[at];
    }
}

/* Whether everything the old tuple says is in the new one. */
static bool
says_nothing_new(const row *row, const tuple_values *old, const tuple_values *new)
{
    for (int i = 0; i < row->table->table->n_columns; i++) {
        int at = row->attributes[i];
        if (at < 0 || old->nulls[at])
            continue;
        if (new->nulls[at] || !value_equal(&row->table->writers[i], old->values[at], new->values[at]))
            return false;
    }
    return true;
}

/* old: NULL if the row has no `_old`. */
static void
end_row(const row *row, const tuple_values *values, const tuple_values *old)
{
    if (row->transaction->options->format == FORMAT_TEXT)
        text_row(row->transaction, row->table, row->attributes, row->op, values, old);
    transaction_end_row(row->transaction, row->table, old != NULL, row->size);
}

static void
write_tuple(row_writer *writer, const route *route, Relation relation, char op, HeapTuple tuple)
{
    row row = begin_row(writer, route, op);
    read_tuple(tuple, relation, &writer->new, &row);
    append_tuple(&row, &writer->new, row.table->batch.values, false);
    end_row(&row, &writer->new, NULL);
}

void
row_insert(row_writer *writer, const route *route, Relation relation, HeapTuple new)
{
    write_tuple(writer, route, relation, 'I', new);
}

void
row_delete(row_writer *writer, const route *route, Relation relation, HeapTuple old)
{
    write_tuple(writer, route, relation, 'D', old);
}

void
row_update(row_writer *writer, const route *route, Relation relation, HeapTuple new, HeapTuple old)
{
    if (old == NULL) {
        write_tuple(writer, route, relation, 'U', new);
        return;
    }
    row row = begin_row(writer, route, 'U');
    read_tuple(new, relation, &writer->new, &row);
    read_tuple(old, relation, &writer->old, &row);
    fill_unchanged(&row, &writer->new, &writer->old);
    append_tuple(&row, &writer->new, row.table->batch.values, false);
    bool has_old = row.table->table->identity == REPLICA_IDENTITY_FULL ||
                   !says_nothing_new(&row, &writer->old, &writer->new);
    if (has_old) {
        walrow__batch_begin_old(&row.table->batch);
        append_tuple(&row, &writer->old, row.table->batch.old.children, true);
    }
    end_row(&row, &writer->new, has_old ? &writer->old : NULL);
}

void
row_truncate(row_writer *writer, const route *route)
{
    row row = begin_row(writer, route, 'T');
    for (int i = 0; i < row.table->table->n_columns; i++)
        walrow__column_append_nulls(&row.table->batch.values[i], 1);
    end_row(&row, NULL, NULL);
}
