#include "row.h"

#include "access/detoast.h"
#include "memory.h"
#include "text.h"

/* A row under way. */
typedef struct row {
    transaction *transaction;
    published *table;
    const layout *layout;
    char op;
    Size size;          /* about how many bytes came */
    const char *reason; /* why the latest value that was not appended was not */
} row;

static row
begin_row(row_writer *writer, const route *route, char op)
{
    row row = {
        .transaction = writer->transaction, .table = route->as->table, .layout = route->layout, .op = op};
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
is_unchanged_toast(const stored_attribute *attribute, Datum value)
{
    return attribute->length == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value));
}

/* Compressed, or stored elsewhere: larger than it looks in its tuple. */
static bool
is_toasted(const stored_attribute *attribute, Datum value)
{
    return attribute->length == -1 &&
           (VARATT_IS_EXTERNAL(DatumGetPointer(value)) || VARATT_IS_COMPRESSED(DatumGetPointer(value)));
}

pg_noreturn static void
report_malformed(const row *row, int i)
{
    const walrow__table *table = row->table->table;
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                    errmsg("%s.%s.%s: not a value of type %s: %s", table->schema_name, table->name,
                           table->columns[i].name, table->columns[i].type.name, row->reason)));
}

/* What could not be appended: the end, or null in its column and the value whole, as text, a dead letter. */
pg_noinline static void
settle(row *row, int i, walrow__column *column, Datum value, bool old, walrow__appended outcome)
{
    if (outcome == WALROW__MALFORMED)
        report_malformed(row, i);
    if (outcome == WALROW__NO_MEMORY)
        report_out_of_memory();
    walrow__column_append_nulls(column, 1);
    transaction_dead_letter(row->transaction, row->table, row->op, i, old, row->reason,
                            value_print(&row->table->writers[i], value));
}

pg_noinline static void
append_unchanged(row *row, int i, walrow__column *column, bool old)
{
    walrow__column_append_nulls(column, 1);
    if (!old && !walrow__batch_add_unchanged(&row->table->batch, i))
        report_out_of_memory();
}

/* Into the attribute's column of the new row or (old) of `_old`. Most values need a look at nothing but the two. */
static pg_attribute_always_inline void
append_datum(row *row, const stored_attribute *attribute, walrow__column *columns, Datum value, bool old)
{
    int i = attribute->column;
    if (is_unchanged_toast(attribute, value)) {
        append_unchanged(row, i, &columns[i], old);
        return;
    }
    if (is_toasted(attribute, value))
        row->size += toast_raw_datum_size(value);
    walrow__appended outcome =
        value_append(&row->table->writers[i], attribute->kind, &columns[i], value, &row->reason);
    if (unlikely(outcome != WALROW__APPENDED))
        settle(row, i, &columns[i], value, old, outcome);
}

/* A tuple's values into the row's columns, as the new row or (old) as `_old`. */
static void
append_values(row *row, const tuple_values *tuple, walrow__column *columns, bool old)
{
    for (int i = 0; i < row->table->table->n_columns; i++) {
        int at = row->layout->attributes[i];
        if (at < 0 || tuple->nulls[at])
            walrow__column_append_nulls(&columns[i], 1);
        else
            append_datum(row, &row->layout->stored[at], columns, tuple->values[at], old);
    }
}

/* The same of a tuple that is_straight, from where it lies. */
static void
append_tuple(row *row, HeapTuple tuple, walrow__column *columns, bool old)
{
    const char *values = (const char *)tuple->t_data + tuple->t_data->t_hoff;
    const bits8 *present = HeapTupleHasNulls(tuple) ? tuple->t_data->t_bits : NULL;
    uint32 offset = 0;
    for (int i = 0; i < row->layout->n_stored; i++) {
        const stored_attribute *attribute = &row->layout->stored[i];
        bool null = present != NULL && att_isnull(i, present);
        Datum value = null ? (Datum)0 : stored_value(attribute, values, &offset);
        if (attribute->column < 0)
            continue;
        if (null)
            walrow__column_append_nulls(&columns[attribute->column], 1);
        else
            append_datum(row, attribute, columns, value, old);
    }
    row->size += tuple->t_len;
}

/* Unchanged TOAST values that the old tuple came with. */
static void
fill_unchanged(const row *row, tuple_values *new, const tuple_values *old)
{
    for (int i = 0; i < row->table->table->n_columns; i++) {
        int at = row->layout->attributes[i];
        if (at >= 0 && !new->nulls[at] && !old->nulls[at] &&
            is_unchanged_toast(&row->layout->stored[at], new->values[at]))
            new->values[at] = old->values[at];
    }
}

/* Whether everything the old tuple says is in the new one. */
static bool
says_nothing_new(const row *row, const tuple_values *old, const tuple_values *new)
{
    for (int i = 0; i < row->table->table->n_columns; i++) {
        int at = row->layout->attributes[i];
        if (at < 0 || old->nulls[at])
            continue;
        if (new->nulls[at] || !value_equal(&row->table->writers[i], old->values[at], new->values[at]))
            return false;
    }
    return true;
}

static bool
is_text(const row *row)
{
    return row->transaction->options->format == FORMAT_TEXT;
}

/* old: NULL if the row has no `_old`. */
static void
end_row(const row *row, const tuple_values *values, const tuple_values *old)
{
    if (is_text(row))
        text_row(row->transaction, row->table, row->layout->attributes, row->op, values, old);
    transaction_end_row(row->transaction, row->table, old != NULL, row->size);
}

/* Nobody wants its values but the columns. */
static bool
is_straight(const row *row, HeapTuple tuple)
{
    return layout_fits(row->layout, tuple) && !is_text(row);
}

static void
write_tuple(row_writer *writer, const route *route, Relation relation, char op, HeapTuple tuple)
{
    row row = begin_row(writer, route, op);
    if (is_straight(&row, tuple)) {
        append_tuple(&row, tuple, row.table->batch.values, false);
    } else {
        read_tuple(tuple, relation, &writer->new, &row);
        append_values(&row, &writer->new, row.table->batch.values, false);
    }
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

/* The old row is wanted whole, and the new one has all of its own values. */
static bool
is_straight_update(const row *row, HeapTuple new, HeapTuple old)
{
    return row->table->table->identity == REPLICA_IDENTITY_FULL && is_straight(row, new) &&
           is_straight(row, old) && !HeapTupleHasExternal(new);
}

static void
append_both(row *row, HeapTuple new, HeapTuple old)
{
    append_tuple(row, new, row->table->batch.values, false);
    walrow__batch_begin_old(&row->table->batch);
    append_tuple(row, old, row->table->batch.old.children, true);
}

/* Where one tuple has to be looked at to know what to write of the other. false: the row has no `_old`. */
static bool
compare_and_append(row_writer *writer, row *row, Relation relation, HeapTuple new, HeapTuple old)
{
    read_tuple(new, relation, &writer->new, row);
    read_tuple(old, relation, &writer->old, row);
    fill_unchanged(row, &writer->new, &writer->old);
    append_values(row, &writer->new, row->table->batch.values, false);
    if (row->table->table->identity != REPLICA_IDENTITY_FULL &&
        says_nothing_new(row, &writer->old, &writer->new))
        return false;
    walrow__batch_begin_old(&row->table->batch);
    append_values(row, &writer->old, row->table->batch.old.children, true);
    return true;
}

void
row_update(row_writer *writer, const route *route, Relation relation, HeapTuple new, HeapTuple old)
{
    if (old == NULL) {
        write_tuple(writer, route, relation, 'U', new);
        return;
    }
    row row = begin_row(writer, route, 'U');
    bool has_old = true;
    if (is_straight_update(&row, new, old))
        append_both(&row, new, old);
    else
        has_old = compare_and_append(writer, &row, relation, new, old);
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
