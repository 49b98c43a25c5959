/*
 * value_nested.c
 *	  Arrays and composites, element by element through the children's writers.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "columns/append.h"
#include "utils/array.h"
#include "utils/typcache.h"
#include "value.h"

/* ---- arrays ---- */

static walrow__appended
append_element(value_writer *writer, walrow__column *child, const char **at, const char **reason)
{
    Datum element = fetch_att(*at, writer->typbyval, writer->typlen);
    walrow__appended outcome = value_append(writer, writer->type->kind, child, element, reason);
    *at = att_addlength_pointer(*at, writer->typlen, *at);
    *at = (const char *)att_align_nominal(*at, writer->typalign);
    return outcome;
}

static walrow__appended
append_elements(value_writer *writer, walrow__column *child, ArrayType *array, int n, const char **reason)
{
    const char *at = ARR_DATA_PTR(array);
    const bits8 *validity = ARR_NULLBITMAP(array);
    walrow__appended outcome = WALROW__APPENDED;
    for (int i = 0; i < n && outcome == WALROW__APPENDED; i++) {
        if (validity != NULL && att_isnull(i, validity))
            walrow__column_append_nulls(child, 1);
        else
            outcome = append_element(writer, child, &at, reason);
    }
    return outcome;
}

/* The same refusals, in the same order and words, as columns/binary.c and text.c have. */
walrow__appended
value_append_array(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    ArrayType *array = DatumGetArrayTypeP(value);
    int n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    if (n > 0 && ARR_NDIM(array) > 1)
        return walrow__unrepresentable(reason, "an array of several dimensions");
    if (n > 0 && ARR_LBOUND(array)[0] != 1)
        return walrow__unrepresentable(reason, "an array that does not begin at 1");

    int64_t length = column->length;
    walrow__appended outcome = append_elements(&writer->children[0], &column->children[0], array, n, reason);
    if (outcome == WALROW__APPENDED)
        outcome = walrow__column_append_nested(column);
    if (outcome != WALROW__APPENDED)
        walrow__column_truncate(column, length);
    return outcome;
}

/* ---- composites ---- */

static const char altered[] = "a composite value from before or after its type was altered";

/* The attributes that are not dropped are the fields the column was made for. */
static bool
has_fields(TupleDesc desc, const walrow__type *type)
{
    int n = 0;
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        if (attribute->attisdropped)
            continue;
        if (n == type->n_children || attribute->atttypid != type->children[n].oid)
            return false;
        n++;
    }
    return n == type->n_children;
}

static walrow__appended
append_fields(value_writer *writer, walrow__column *column, HeapTupleHeader header, TupleDesc desc,
              const char **reason)
{
    Datum *values = palloc(sizeof *values * (desc->natts + 1));
    bool *nulls = palloc(sizeof *nulls * (desc->natts + 1));
    HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
    walrow__appended outcome = WALROW__APPENDED;
    int child = 0;

    ItemPointerSetInvalid(&tuple.t_self);
    heap_deform_tuple(&tuple, desc, values, nulls);
    walrow__column_begin_nested(column);
    for (int i = 0; i < desc->natts && outcome == WALROW__APPENDED; i++) {
        value_writer *field = &writer->children[child];
        if (TupleDescAttr(desc, i)->attisdropped)
            continue;
        if (nulls[i])
            walrow__column_append_nulls(&column->children[child], 1);
        else
            outcome = value_append(field, field->type->kind, &column->children[child], values[i], reason);
        child++;
    }
    return outcome;
}

static walrow__appended
append_record(value_writer *writer, walrow__column *column, HeapTupleHeader header, TupleDesc desc,
              const char **reason)
{
    if (!has_fields(desc, writer->type))
        return walrow__unrepresentable(reason, altered);
    int64_t length = column->length;
    walrow__appended outcome = append_fields(writer, column, header, desc, reason);
    if (outcome == WALROW__APPENDED)
        outcome = walrow__column_append_nested(column);
    if (outcome != WALROW__APPENDED)
        walrow__column_truncate(column, length);
    return outcome;
}

walrow__appended
value_append_composite(value_writer *writer, walrow__column *column, Datum value, const char **reason)
{
    HeapTupleHeader header = DatumGetHeapTupleHeader(value);
    TupleDesc desc =
        lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
    walrow__appended outcome = append_record(writer, column, header, desc, reason);
    ReleaseTupleDesc(desc);
    return outcome;
}
