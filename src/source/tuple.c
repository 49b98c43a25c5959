#include "source/tuple.h"

#include "base/error.h"

static bool
has_value(const walrow__field *field)
{
    return field->kind == 't' || field->kind == 'b';
}

/* One field; false: it passes the end, or is of an unknown kind. */
static inline bool
read_field(walrow__cursor *cursor, walrow__field *out)
{
    out->kind = walrow__read_u8(cursor);
    if (has_value(out)) {
        out->size = walrow__read_u32(cursor);
        out->bytes = walrow__read_bytes(cursor, out->size);
        return !cursor->failed;
    }
    return out->kind == 'n' || out->kind == 'u';
}

bool
walrow__read_tuple(walrow__cursor *cursor, int n_columns, walrow__tuple *out)
{
    int n = walrow__read_u16(cursor);
    if (n != n_columns || n > WALROW__MAX_COLUMNS)
        return false;
    out->n_fields = n;
    for (int i = 0; i < n; i++)
        if (!read_field(cursor, &out->fields[i]))
            return false;
    return true;
}

static bool
same_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

/* Binary forms may differ where the texts do not: NaNs, arrays that had nulls. The text decides, so that both
 * encodings say the same. */
static bool
prints_the_same(const walrow__type *type, const walrow__field *a, const walrow__field *b)
{
    walrow__strbuf texts[2];
    walrow__strbuf_init(&texts[0]);
    walrow__strbuf_init(&texts[1]);
    bool same = walrow__print_binary(type, a->bytes, a->size, &texts[0]) &&
                walrow__print_binary(type, b->bytes, b->size, &texts[1]) &&
                same_bytes(walrow__strbuf_text(&texts[0]), texts[0].size, walrow__strbuf_text(&texts[1]),
                           texts[1].size);
    walrow__strbuf_release(&texts[0]);
    walrow__strbuf_release(&texts[1]);
    return same;
}

static bool
same_value(const walrow__type *type, const walrow__field *a, const walrow__field *b)
{
    if (a->kind != b->kind)
        return false;
    return same_bytes(a->bytes, a->size, b->bytes, b->size) ||
           (a->kind == 'b' && prints_the_same(type, a, b));
}

bool
walrow__tuple_says_nothing_new(const walrow__table *table, const walrow__tuple *old, const walrow__tuple *new)
{
    for (int i = 0; i < old->n_fields; i++)
        if (has_value(&old->fields[i]) &&
            !same_value(&table->columns[i].type, &old->fields[i], &new->fields[i]))
            return false;
    return true;
}

void
walrow__tuple_fill_unchanged(walrow__tuple *new, const walrow__tuple *old)
{
    for (int i = 0; i < new->n_fields; i++)
        if (new->fields[i].kind == 'u' && has_value(&old->fields[i]))
            new->fields[i] = old->fields[i];
}

static walrow__appended
append_value(walrow__column *column, const walrow__field *field, const char **reason)
{
    if (field->kind == 'b')
        return walrow__column_append_binary(column, field->bytes, field->size, reason);
    return walrow__column_append_text(column, field->bytes, field->size, reason);
}

/* The value becomes null in its column and whole, as text, a dead letter. */
static walrow_code
bury(walrow__collector *collector, walrow__feed *feed, int i, const walrow__field *field, char op, bool old,
     const char *reason, walrow_error *err)
{
    const walrow__type *type = &feed->builder.table->columns[i].type;
    walrow__strbuf text;
    walrow__strbuf_init(&text);
    if (field->kind == 't')
        walrow__strbuf_add(&text, field->bytes, field->size);
    else if (!walrow__print_binary(type, field->bytes, field->size, &text))
        text.failed = true;
    walrow_code code =
        text.failed ? walrow__fail(err, WALROW_ERR_PROTOCOL, "cannot print a binary %s", type->name)
                    : walrow__collector_dead_letter(collector, feed, i, old, op, walrow__strbuf_text(&text),
                                                    text.size, reason, err);
    walrow__strbuf_release(&text);
    return code;
}

static walrow_code
append_failed(walrow__collector *collector, walrow__feed *feed, int i, const walrow__field *field, char op,
              bool old, walrow__appended outcome, const char *reason, walrow_error *err)
{
    const walrow__table *table = feed->builder.table;
    switch (outcome) {
    case WALROW__UNREPRESENTABLE:
        return bury(collector, feed, i, field, op, old, reason, err);
    case WALROW__MALFORMED:
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "%s.%s.%s: not a %s value of type %s: %s",
                            table->schema_name, table->name, table->columns[i].name,
                            field->kind == 'b' ? "binary" : "text", table->columns[i].type.name, reason);
    default:
        return walrow__fail_memory(err);
    }
}

walrow_code
walrow__field_append(walrow__collector *collector, walrow__feed *feed, int i, const walrow__field *field,
                     char op, bool old, walrow_error *err)
{
    walrow__batch_builder *batch = &feed->builder;
    walrow__column *column = old ? &batch->old.children[i] : &batch->values[i];
    if (!has_value(field)) {
        walrow__column_append_nulls(column, 1);
        bool ok = field->kind != 'u' || old || walrow__batch_add_unchanged(batch, i);
        return ok ? WALROW_OK : walrow__fail_memory(err);
    }
    const char *reason = NULL;
    walrow__appended outcome = append_value(column, field, &reason);
    if (outcome == WALROW__APPENDED)
        return WALROW_OK;
    walrow__column_append_nulls(column, 1);
    return append_failed(collector, feed, i, field, op, old, outcome, reason, err);
}

walrow_code
walrow__tuple_read_append(walrow__cursor *cursor, walrow__collector *collector, walrow__feed *feed, char op,
                          bool *malformed, walrow_error *err)
{
    walrow__batch_builder *batch = &feed->builder;
    int n = walrow__read_u16(cursor);
    *malformed = n != batch->table->n_columns;
    for (int i = 0; i < n && !*malformed; i++) {
        walrow__field field;
        const char *reason;
        *malformed = !read_field(cursor, &field);
        if (*malformed)
            break;
        /* the common case, without a call more than it needs */
        if (field.kind == 'b' && walrow__column_append_binary(&batch->values[i], field.bytes, field.size,
                                                              &reason) == WALROW__APPENDED)
            continue;
        WALROW_TRY(walrow__field_append(collector, feed, i, &field, op, false, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__tuple_append(walrow__collector *collector, walrow__feed *feed, const walrow__tuple *tuple, char op,
                     bool old, walrow_error *err)
{
    for (int i = 0; i < tuple->n_fields; i++)
        WALROW_TRY(walrow__field_append(collector, feed, i, &tuple->fields[i], op, old, err));
    return WALROW_OK;
}
