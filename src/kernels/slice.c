#include "kernels/slice.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BUFFERS = 3 };

/* What a node of the slice owns. Each has a share of its own, because a child may be moved out of its parent. */
typedef struct node {
    walrow__shared *shared;
    const void *buffers[MAX_BUFFERS];
    int64_t n_children; /* those that nobody sees any more, too */
    struct ArrowArray *children;
    struct ArrowArray **pointers;
} node;

walrow__shared *
walrow__shared_new(struct ArrowArray *array)
{
    walrow__shared *shared = malloc(sizeof *shared);
    if (shared == NULL)
        return NULL;
    shared->references = 1;
    ArrowArrayMove(array, &shared->array);
    return shared;
}

void
walrow__shared_unref(walrow__shared *shared)
{
    if (__atomic_sub_fetch(&shared->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (shared->array.release != NULL)
        ArrowArrayRelease(&shared->array);
    free(shared);
}

static void
release_node(struct ArrowArray *array)
{
    node *own = array->private_data;
    for (int64_t i = 0; i < own->n_children; i++)
        if (own->children[i].release != NULL)
            own->children[i].release(&own->children[i]);
    free(own->children);
    free(own->pointers);
    walrow__shared_unref(own->shared);
    free(own);
    array->release = NULL;
}

/* A node that has what src has, its children not filled in. */
static walrow_code
copy_node(walrow__shared *shared, const struct ArrowArray *src, struct ArrowArray *out, walrow_error *err)
{
    size_t n = (size_t)src->n_children;
    node *own = calloc(1, sizeof *own);
    if (own != NULL && n > 0) {
        own->children = calloc(n, sizeof *own->children);
        own->pointers = calloc(n, sizeof *own->pointers);
    }
    if (own == NULL || (n > 0 && (own->children == NULL || own->pointers == NULL))) {
        if (own != NULL) {
            free(own->children);
            free(own->pointers);
        }
        free(own);
        return walrow__fail_memory(err);
    }
    for (size_t i = 0; i < n; i++)
        own->pointers[i] = &own->children[i];
    memcpy(own->buffers, src->buffers, (size_t)src->n_buffers * sizeof *own->buffers);
    __atomic_add_fetch(&shared->references, 1, __ATOMIC_RELAXED);
    own->shared = shared;
    own->n_children = src->n_children;
    *out = *src;
    out->buffers = own->buffers;
    out->children = own->pointers;
    out->private_data = own;
    out->release = release_node;
    return WALROW_OK;
}

static walrow_code
copy_tree(walrow__shared *shared, const struct ArrowArray *src, struct ArrowArray *out, walrow_error *err)
{
    WALROW_TRY(copy_node(shared, src, out, err));
    for (int64_t i = 0; i < src->n_children; i++) {
        walrow_code code = copy_tree(shared, src->children[i], out->children[i], err);
        if (code != WALROW_OK) {
            out->release(out);
            return code;
        }
    }
    return WALROW_OK;
}

/* Without a null it needs no bits that say so. */
static void
cut(struct ArrowArray *column, int64_t start, int64_t n)
{
    node *own = column->private_data;
    column->offset += start;
    column->length = n;
    if (column->null_count == 0 || column->n_buffers == 0 || column->buffers[0] == NULL)
        return;
    column->null_count = n - ArrowBitCountSet(column->buffers[0], column->offset, n);
    if (column->null_count == 0)
        own->buffers[0] = NULL;
}

walrow_code
walrow__slice(walrow__shared *shared, int64_t start, int64_t n, struct ArrowArray *out, walrow_error *err)
{
    WALROW_TRY(copy_tree(shared, &shared->array, out, err));
    for (int64_t i = 0; i < out->n_children; i++)
        cut(out->children[i], out->offset + start, n);
    out->offset = 0;
    out->length = n;
    return WALROW_OK;
}

void
walrow__slice_keep(struct ArrowArray *slice, const int *children, int n)
{
    node *own = slice->private_data;
    int64_t next = 0;
    for (int i = 0; i < n; i++) {
        for (; next < children[i]; next++)
            ArrowArrayRelease(slice->children[next]);
        own->pointers[i] = slice->children[next++];
    }
    for (; next < slice->n_children; next++)
        ArrowArrayRelease(slice->children[next]);
    slice->n_children = n;
}
