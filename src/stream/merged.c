#include "stream/merged.h"

#include "base/strbuf.h"
#include "kernels/unite.h"

#include <stdlib.h>
#include <string.h>

/* What a part is made of. */
typedef struct source {
    struct ArrowArray array; /* released: not read yet */
    walrow__spill *spill;
    walrow__spilled place;
    char *table; /* "schema.table" */
} source;

struct walrow__merged {
    walrow__union united;
    walrow__shape *shape; /* of the schema as it is; the reader's */
    walrow__part *parts;
    source *sources; /* of the parts */
    size_t n, capacity;
    walrow__position last;
    bool snapshot;
};

walrow_code
walrow__merged_new(walrow__merged **out, walrow_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static void
forget_parts(walrow__merged *merged)
{
    for (size_t i = 0; i < merged->n; i++) {
        if (merged->sources[i].array.release != NULL)
            ArrowArrayRelease(&merged->sources[i].array);
        free(merged->sources[i].table);
    }
    merged->n = 0;
}

void
walrow__merged_free(walrow__merged *merged)
{
    if (merged == NULL)
        return;
    forget_parts(merged);
    walrow__union_release(&merged->united);
    free(merged->parts);
    free(merged->sources);
    free(merged);
}

static bool
grow(walrow__merged *merged)
{
    size_t capacity = 2 * merged->capacity + 8;
    walrow__part *parts = realloc(merged->parts, capacity * sizeof *parts);
    if (parts != NULL)
        merged->parts = parts;
    source *sources = realloc(merged->sources, capacity * sizeof *sources);
    if (sources != NULL)
        merged->sources = sources;
    if (parts == NULL || sources == NULL)
        return false;
    merged->capacity = capacity;
    return true;
}

static char *
full_name(const struct walrow_reader *reader)
{
    walrow__strbuf name;
    walrow__strbuf_init(&name);
    walrow__strbuf_add_text(&name, reader->schema_name);
    walrow__strbuf_add_char(&name, '.');
    walrow__strbuf_add_text(&name, reader->table_name);
    return walrow__strbuf_take(&name);
}

static walrow_code
take_item(walrow__merged *merged, struct walrow_reader *member, walrow_error *err)
{
    if (merged->n == merged->capacity && !grow(merged))
        return walrow__fail_memory(err);
    char *table = full_name(member);
    if (table == NULL)
        return walrow__fail_memory(err);
    size_t i = merged->n++;
    source *from = &merged->sources[i];
    *from = (source){.spill = member->spill, .table = table};
    walrow__item *item = walrow__reader_pop(member, &from->place);
    if (from->place.size == 0)
        ArrowArrayMove(&item->array, &from->array);
    merged->parts[i] = (walrow__part){.table = table, .schema = &item->shape->schema};
    merged->snapshot = item->snapshot;
    if (walrow__position_compare(merged->last, item->last) < 0)
        merged->last = item->last;
    return WALROW_OK;
}

/* Change sets are handed out whole: whoever has rows of the earliest one has them by now. */
static walrow_code
take_items(walrow__merged *merged, struct walrow_reader *reader, uint64_t *number, walrow_error *err)
{
    *number = UINT64_MAX;
    merged->last = (walrow__position){0};
    for (size_t i = 0; i < reader->n_members; i++) {
        const walrow__item *first = reader->members[i]->waiting.first;
        if (first != NULL && first->of->number < *number)
            *number = first->of->number;
    }
    for (size_t i = 0; i < reader->n_members; i++) {
        struct walrow_reader *member = reader->members[i];
        while (member->waiting.first != NULL && member->waiting.first->of->number == *number)
            WALROW_TRY(take_item(merged, member, err));
    }
    return WALROW_OK;
}

/* What callers borrow is kept as long as the reader. */
static walrow_code
keep_schema(walrow__merged *merged, struct walrow_reader *reader, walrow_error *err)
{
    walrow__shape *shape = calloc(1, sizeof *shape);
    if (shape == NULL || ArrowSchemaDeepCopy(&merged->united.schema, &shape->schema) != NANOARROW_OK) {
        free(shape);
        return walrow__fail_memory(err);
    }
    shape->next = reader->shapes;
    reader->shapes = merged->shape = shape;
    return WALROW_OK;
}

static walrow_code
read_parts(walrow__merged *merged, walrow_error *err)
{
    for (size_t i = 0; i < merged->n; i++) {
        source *from = &merged->sources[i];
        if (from->place.size > 0)
            WALROW_TRY(walrow__spill_take(from->spill, from->place, &from->array, err));
        merged->parts[i].array = &from->array;
    }
    return WALROW_OK;
}

static walrow_code
unite(walrow__merged *merged, struct walrow_reader *reader, walrow_rows *out, walrow_error *err)
{
    WALROW_TRY(read_parts(merged, err));
    int columns = merged->united.n_columns;
    bool prefixed = merged->united.prefixed;
    WALROW_TRY(walrow__union_add(&merged->united, merged->parts, merged->n, err));
    if (merged->shape == NULL || columns != merged->united.n_columns || prefixed != merged->united.prefixed)
        WALROW_TRY(keep_schema(merged, reader, err));
    WALROW_TRY(walrow__union_rows(&merged->united, merged->parts, merged->n, &out->array, err));
    out->schema = &merged->shape->schema;
    out->snapshot = merged->snapshot;
    out->commit_lsn = merged->last.commit_lsn;
    out->seq = merged->last.seq;
    return WALROW_OK;
}

walrow_code
walrow__merged_take(struct walrow_reader *reader, walrow_rows *out, uint64_t *number, walrow_error *err)
{
    walrow__merged *merged = reader->merged;
    walrow_code code = take_items(merged, reader, number, err);
    walrow__reader_unlock(reader, *number);
    if (code == WALROW_OK)
        code = unite(merged, reader, out, err);
    forget_parts(merged);
    walrow__reader_lock(reader);
    return code;
}
