/*
 * kernels/share.c
 *	  The same rows for several consumers, each of which releases what it was given: for bindings, whose callers
 *	  pass a batch on as often as they like.
 */
#include "base/error.h"
#include "kernels/slice.h"

#include <string.h>

/* Two arrays of one; *array is the second. */
static walrow_code
divide(walrow__shared *shared, struct ArrowArray *array, struct ArrowArray *out, walrow_error *err)
{
    int64_t length = shared->array.length;
    WALROW_TRY(walrow__slice(shared, 0, length, out, err));
    walrow_code code = walrow__slice(shared, 0, length, array, err);
    if (code != WALROW_OK)
        ArrowArrayRelease(out);
    return code;
}

walrow_code
walrow_array_share(struct ArrowArray *array, struct ArrowArray *out, walrow_error *err)
{
    walrow__shared *shared = walrow__shared_new(array);
    if (shared == NULL)
        return walrow__fail_memory(err);
    walrow_code code = divide(shared, array, out, err);
    if (code != WALROW_OK)
        ArrowArrayMove(&shared->array, array);
    walrow__shared_unref(shared);
    return code;
}

walrow_code
walrow_schema_copy(const struct ArrowSchema *schema, struct ArrowSchema *out, walrow_error *err)
{
    return ArrowSchemaDeepCopy(schema, out) == NANOARROW_OK ? WALROW_OK : walrow__fail_memory(err);
}

walrow_code
walrow_array_stream(struct ArrowArray *array, const struct ArrowSchema *schema, struct ArrowArrayStream *out,
                    walrow_error *err)
{
    struct ArrowSchema copy;
    WALROW_TRY(walrow_schema_copy(schema, &copy, err));
    if (ArrowBasicArrayStreamInit(out, &copy, 1) != NANOARROW_OK) {
        ArrowSchemaRelease(&copy);
        return walrow__fail_memory(err);
    }
    ArrowBasicArrayStreamSetArray(out, 0, array);
    return WALROW_OK;
}
