/*
 * tests/unit/arrays.h
 *	  Looking at finished arrays: are they what Arrow and walrow's DESIGN demand, are two of them the same
 *	  bits? Every function says in *why what is wrong.
 */
#ifndef WALROW_TESTS_ARRAYS_H
#define WALROW_TESTS_ARRAYS_H

#include <nanoarrow/nanoarrow.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct complaint {
    char text[256];
} complaint;

#define COMPLAIN(why, ...) (snprintf((why)->text, sizeof(why)->text, __VA_ARGS__), false)

static bool
arrays__is_valid(const struct ArrowArrayView *view, int64_t i)
{
    const uint8_t *bits = view->buffer_views[0].data.as_uint8;
    return bits == NULL || ArrowBitGet(bits, i);
}

/* Bits past the end of a bitmap of n bits are zero. */
static bool
arrays__tail_is_zero(const uint8_t *bits, int64_t n)
{
    return bits == NULL || n % 8 == 0 || bits[n / 8] >> n % 8 == 0;
}

static bool
arrays__nulls_are_counted(const struct ArrowArrayView *view, complaint *why)
{
    const uint8_t *bits = view->buffer_views[0].data.as_uint8;
    int64_t nulls = bits == NULL ? 0 : view->length - ArrowBitCountSet(bits, 0, view->length);
    if (nulls != view->null_count)
        return COMPLAIN(why, "null_count %ld, nulls %ld", (long)view->null_count, (long)nulls);
    if (nulls == 0 && bits != NULL)
        return COMPLAIN(why, "a validity buffer without a null");
    return arrays__tail_is_zero(bits, view->length) || COMPLAIN(why, "validity bits past the end");
}

/* A null's slot holds zeros, or nothing where the width varies. */
static bool
arrays__null_is_zero(const struct ArrowArrayView *view, int64_t i)
{
    int64_t bits = view->layout.element_size_bits[1];
    const union ArrowBufferViewData data = view->buffer_views[1].data;
    if (view->layout.buffer_type[1] == NANOARROW_BUFFER_TYPE_DATA_OFFSET)
        return data.as_int32[i] == data.as_int32[i + 1];
    if (view->layout.buffer_type[1] != NANOARROW_BUFFER_TYPE_DATA)
        return true;
    if (bits == 1)
        return !ArrowBitGet(data.as_uint8, i);
    for (int64_t byte = i * bits / 8; byte < (i + 1) * bits / 8; byte++)
        if (data.as_uint8[byte] != 0)
            return false;
    return true;
}

static bool
arrays__slot_is_canonical(const struct ArrowArrayView *view, int64_t i, complaint *why)
{
    if (arrays__is_valid(view, i))
        return true;
    if (!arrays__null_is_zero(view, i))
        return COMPLAIN(why, "slot %ld is null but not zero", (long)i);
    if (view->storage_type == NANOARROW_TYPE_STRUCT)
        for (int64_t c = 0; c < view->n_children; c++)
            if (arrays__is_valid(view->children[c], i))
                return COMPLAIN(why, "field %ld of slot %ld is not null", (long)c, (long)i);
    return true;
}

static bool
arrays__view_is_canonical(const struct ArrowArrayView *view, complaint *why)
{
    if (!arrays__nulls_are_counted(view, why))
        return false;
    for (int64_t i = 0; i < view->length; i++)
        if (!arrays__slot_is_canonical(view, i, why))
            return false;
    if (view->storage_type == NANOARROW_TYPE_BOOL &&
        !arrays__tail_is_zero(view->buffer_views[1].data.as_uint8, view->length))
        return COMPLAIN(why, "data bits past the end");
    for (int64_t c = 0; c < view->n_children; c++)
        if (!arrays__view_is_canonical(view->children[c], why))
            return false;
    return true;
}

static bool
arrays__views_are_equal(const struct ArrowArrayView *a, const struct ArrowArrayView *b, complaint *why)
{
    if (a->length != b->length || a->null_count != b->null_count || a->offset != 0 || b->offset != 0)
        return COMPLAIN(why, "lengths %ld and %ld, nulls %ld and %ld", (long)a->length, (long)b->length,
                        (long)a->null_count, (long)b->null_count);
    for (int i = 0; i < NANOARROW_MAX_FIXED_BUFFERS; i++) {
        const struct ArrowBufferView *x = &a->buffer_views[i], *y = &b->buffer_views[i];
        if (x->size_bytes != y->size_bytes)
            return COMPLAIN(why, "buffer %d: %ld and %ld bytes", i, (long)x->size_bytes, (long)y->size_bytes);
        if (x->size_bytes > 0 && memcmp(x->data.data, y->data.data, (size_t)x->size_bytes) != 0)
            return COMPLAIN(why, "buffer %d differs", i);
    }
    for (int64_t c = 0; c < a->n_children; c++)
        if (!arrays__views_are_equal(a->children[c], b->children[c], why))
            return false;
    return true;
}

static bool
arrays__view(struct ArrowArrayView *view, const struct ArrowSchema *schema, const struct ArrowArray *array,
             complaint *why)
{
    struct ArrowError error = {{0}};
    if (ArrowArrayViewInitFromSchema(view, schema, &error) != NANOARROW_OK)
        return COMPLAIN(why, "schema: %.200s", error.message);
    if (ArrowArrayViewSetArray(view, array, &error) != NANOARROW_OK ||
        ArrowArrayViewValidate(view, NANOARROW_VALIDATION_LEVEL_FULL, &error) != NANOARROW_OK)
        return COMPLAIN(why, "array: %.200s", error.message);
    return true;
}

/* Valid Arrow, and the one form walrow gives it (DESIGN, "The data"). */
__attribute__((unused)) static bool
array_is_canonical(const struct ArrowSchema *schema, const struct ArrowArray *array, complaint *why)
{
    struct ArrowArrayView view;
    ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_UNINITIALIZED);
    bool good = arrays__view(&view, schema, array, why) && arrays__view_is_canonical(&view, why);
    ArrowArrayViewReset(&view);
    return good;
}

/* The same bits in every buffer. */
__attribute__((unused)) static bool
arrays_are_equal(const struct ArrowSchema *schema, const struct ArrowArray *a, const struct ArrowArray *b,
                 complaint *why)
{
    struct ArrowArrayView x, y;
    ArrowArrayViewInitFromType(&x, NANOARROW_TYPE_UNINITIALIZED);
    ArrowArrayViewInitFromType(&y, NANOARROW_TYPE_UNINITIALIZED);
    bool good = arrays__view(&x, schema, a, why) && arrays__view(&y, schema, b, why) &&
                arrays__views_are_equal(&x, &y, why);
    ArrowArrayViewReset(&x);
    ArrowArrayViewReset(&y);
    return good;
}

#endif
