/*
 * columns/wire_wrap.c
 *	  A compact batch as an Arrow array whose buffers stay where the message has them.
 */
#include "base/error.h"
#include "columns/append.h"
#include "columns/wire_rows.h"

typedef struct wrapping {
    walrow__wire_reader reader;
    struct ArrowBuffer *message; /* shared; every buffer holds a reference */
} wrapping;

/* ---- buffers ---- */

static walrow_code
wrap_buffer(wrapping *w, const uint8_t *bytes, int64_t size, struct ArrowArray *out, int64_t i,
            walrow_error *err)
{
    struct ArrowBuffer buffer;
    if (size == 0)
        return WALROW_OK;
    if (ArrowSharedBufferClone(w->message, &buffer) != NANOARROW_OK)
        return walrow__fail_memory(err);
    buffer.data = (uint8_t *)bytes;
    buffer.size_bytes = buffer.capacity_bytes = size;
    return ArrowArraySetBuffer(out, i, &buffer) == NANOARROW_OK ? WALROW_OK : walrow__fail_memory(err);
}

static int64_t
data_size(walrow__kind kind, const walrow__wire_node *node)
{
    if (kind == WALROW__BOOL)
        return (node->length + 7) / 8;
    return walrow__has_offsets(kind) ? node->content : node->length * walrow__slot_width(kind);
}

static walrow_code
wrap_buffers(wrapping *w, walrow__kind kind, const walrow__wire_node *node, struct ArrowArray *out,
             walrow_error *err)
{
    int next = 1;
    out->length = node->length;
    out->null_count = node->null_count;
    if (node->null_count > 0)
        WALROW_TRY(wrap_buffer(w, node->validity, (node->length + 7) / 8, out, 0, err));
    if (walrow__has_offsets(kind))
        WALROW_TRY(wrap_buffer(w, node->offsets, (node->length + 1) * 4, out, next++, err));
    return kind < WALROW__LIST ? wrap_buffer(w, node->data, data_size(kind, node), out, next, err)
                               : WALROW_OK;
}

/* ---- nodes ---- */

/* What the wire leaves out is made as a builder makes it. */
static walrow_code
make_nulls(const walrow__type *type, int64_t n, struct ArrowArray *out, walrow_error *err)
{
    walrow__column column;
    WALROW_TRY(walrow__column_init(&column, type, ArrowBufferAllocatorDefault(), err));
    walrow__column_append_nulls(&column, n);
    walrow_code code = walrow__column_finish(&column, out, err);
    walrow__column_release(&column);
    return code;
}

static walrow_code
wrong(const walrow__wire_reader *reader, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "batch: %s", reader->reason);
}

static walrow_code wrap_node(wrapping *w, const walrow__type *type, int64_t length, struct ArrowArray *out,
                             walrow_error *err);

static walrow_code
wrap_children(wrapping *w, const walrow__type *type, int64_t length, struct ArrowArray *out,
              walrow_error *err)
{
    if (ArrowArrayAllocateChildren(out, type->n_children) != NANOARROW_OK)
        return walrow__fail_memory(err);
    for (int i = 0; i < type->n_children; i++)
        WALROW_TRY(wrap_node(w, &type->children[i], length, out->children[i], err));
    return WALROW_OK;
}

static walrow_code
make_no_children(const walrow__type *type, struct ArrowArray *out, walrow_error *err)
{
    if (ArrowArrayAllocateChildren(out, type->n_children) != NANOARROW_OK)
        return walrow__fail_memory(err);
    for (int i = 0; i < type->n_children; i++)
        WALROW_TRY(make_nulls(&type->children[i], 0, out->children[i], err));
    return WALROW_OK;
}

static walrow_code
wrap_entries(wrapping *w, const walrow__type *type, int64_t length, struct ArrowArray *out, walrow_error *err)
{
    walrow__wire_node entries;
    if (!walrow__wire_read_entries(&w->reader, length, &entries))
        return wrong(&w->reader, err);
    if (ArrowArrayAllocateChildren(out, 1) != NANOARROW_OK ||
        ArrowArrayInitFromType(out->children[0], NANOARROW_TYPE_STRUCT) != NANOARROW_OK)
        return walrow__fail_memory(err);
    struct ArrowArray *pairs = out->children[0];
    pairs->length = length;
    pairs->null_count = 0;
    if (length == 0)
        return make_no_children(type, pairs, err);
    WALROW_TRY(wrap_children(w, type, length, pairs, err));
    w->reader.reason = "a map with a key that is null";
    return pairs->children[0]->null_count == 0 ? WALROW_OK : wrong(&w->reader, err);
}

static walrow_code
wrap_content(wrapping *w, const walrow__type *type, int64_t length, struct ArrowArray *out, walrow_error *err)
{
    w->reader.lists++;
    WALROW_TRY(type->kind == WALROW__MAP ? wrap_entries(w, type, length, out, err)
                                         : wrap_children(w, type, length, out, err));
    w->reader.lists--;
    return WALROW_OK;
}

static walrow_code
wrap_node(wrapping *w, const walrow__type *type, int64_t length, struct ArrowArray *out, walrow_error *err)
{
    walrow__wire_node node;
    if (!walrow__wire_read_node(&w->reader, type->kind, length, &node))
        return wrong(&w->reader, err);
    if (node.elided)
        return make_nulls(type, length, out, err);
    if (ArrowArrayInitFromType(out, walrow__layout_of(type->kind)) != NANOARROW_OK)
        return walrow__fail_memory(err);
    WALROW_TRY(wrap_buffers(w, type->kind, &node, out, err));
    if (type->kind == WALROW__STRUCT)
        return wrap_children(w, type, length, out, err);
    return type->n_children == 0 ? WALROW_OK : wrap_content(w, type, node.content, out, err);
}

/* ---- rows ---- */

static walrow_code
wrap_fixed(wrapping *w, const walrow__wire_rows *rows, struct ArrowArray **out, walrow_error *err)
{
    static const walrow__kind kinds[] = {WALROW__UTF8, WALROW__INT64, WALROW__UINT32, WALROW__UINT32,
                                         WALROW__TIMESTAMPTZ};
    const walrow__wire_node *nodes[] = {&rows->ops, &rows->commit_lsns, &rows->seqs, &rows->xids,
                                        &rows->commit_times};
    for (int i = 0; i < WALROW__UNCHANGED; i++) {
        if (ArrowArrayInitFromType(out[i], walrow__layout_of(kinds[i])) != NANOARROW_OK)
            return walrow__fail_memory(err);
        WALROW_TRY(wrap_buffers(w, kinds[i], nodes[i], out[i], err));
    }
    return WALROW_OK;
}

static walrow_code
wrap_columns(wrapping *w, const walrow__wire_rows *rows, const walrow__table *table, struct ArrowArray *out,
             walrow_error *err)
{
    out->length = rows->n;
    out->null_count = 0;
    if (ArrowArrayAllocateChildren(out, WALROW__N_META + table->n_columns) != NANOARROW_OK)
        return walrow__fail_memory(err);
    WALROW_TRY(wrap_fixed(w, rows, out->children, err));
    WALROW_TRY(wrap_node(w, walrow__table_unchanged_type(), rows->n, out->children[WALROW__UNCHANGED], err));
    WALROW_TRY(wrap_node(w, &table->old_type, rows->n, out->children[WALROW__OLD], err));
    for (int i = 0; i < table->n_columns; i++)
        WALROW_TRY(wrap_node(w, &table->columns[i].type, rows->n, out->children[WALROW__N_META + i], err));
    return WALROW_OK;
}

walrow_code
walrow__wire_wrap_rows(const walrow__wire_rows *rows, const walrow__table *table, struct ArrowBuffer *message,
                       struct ArrowArray *out, walrow_error *err)
{
    wrapping w = {.reader = rows->rest, .message = message};
    out->release = NULL;
    if (ArrowArrayInitFromType(out, NANOARROW_TYPE_STRUCT) != NANOARROW_OK)
        return walrow__fail_memory(err);
    walrow_code code = wrap_columns(&w, rows, table, out, err);
    if (code != WALROW_OK)
        ArrowArrayRelease(out);
    return code;
}
