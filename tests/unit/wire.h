/*
 * wire.h
 *	  pgoutput messages by hand, and change sets as text: what goes into a decoder and what is expected of it.
 */
#ifndef WALROW_TEST_WIRE_H
#define WALROW_TEST_WIRE_H

#include "changes.h"

#include <inttypes.h>

#include "source/decoder.h"

/* What is captured, as walrow__capture asks: of a table called "other" nothing. */
UNUSED_FN static bool
all_but_other(void *arg, const char *schema, const char *table)
{
    (void)arg;
    (void)schema;
    return strcmp(table, "other") != 0;
}

/* ---- bytes ---- */

typedef struct wire {
    uint8_t bytes[4096];
    size_t size;
} wire;

UNUSED_FN static void
put_bytes(wire *w, const void *bytes, size_t size)
{
    assert_true(w->size + size <= sizeof w->bytes);
    memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

UNUSED_FN static void
put_uint(wire *w, uint64_t value, int size)
{
    while (size-- > 0)
        put_bytes(w, &(uint8_t){(uint8_t)(value >> (size * 8))}, 1);
}

UNUSED_FN static void
put_text(wire *w, const char *text)
{
    put_bytes(w, text, strlen(text) + 1);
}

/* ---- messages ---- */

UNUSED_FN static wire
a_begin(uint64_t commit_lsn, uint32_t xid)
{
    wire w = {.size = 0};
    put_text(&w, "B");
    w.size--;
    put_uint(&w, commit_lsn, 8);
    put_uint(&w, (uint64_t)(NOON - INT64_C(946684800000000)), 8);
    put_uint(&w, xid, 4);
    return w;
}

UNUSED_FN static wire
a_commit(uint64_t commit_lsn, uint64_t end_lsn)
{
    wire w = {.bytes = "C", .size = 2}; /* and no flags */
    put_uint(&w, commit_lsn, 8);
    put_uint(&w, end_lsn, 8);
    put_uint(&w, (uint64_t)(NOON - INT64_C(946684800000000)), 8);
    return w;
}

UNUSED_FN static wire
a_relation(uint32_t relid, const char *schema, const char *name, char identity,
           const walrow__column_spec *columns, int n)
{
    wire w = {.bytes = "R", .size = 1};
    put_uint(&w, relid, 4);
    put_text(&w, schema);
    put_text(&w, name);
    put_uint(&w, (uint8_t)identity, 1);
    put_uint(&w, (uint64_t)n, 2);
    for (int i = 0; i < n; i++) {
        put_uint(&w, columns[i].is_key, 1);
        put_text(&w, columns[i].name);
        put_uint(&w, columns[i].oid, 4);
        put_uint(&w, (uint32_t)columns[i].typmod, 4);
    }
    return w;
}

/* public.NAME(id integer key, name text) */
UNUSED_FN static wire
simple_relation(uint32_t relid, const char *name, char identity)
{
    const walrow__column_spec columns[] = {KEY("id", INT4), COLUMN("name", TEXT)};
    return a_relation(relid, "public", name, identity, columns, 2);
}

/* NULL is a null, UNCHANGED a TOASTed value that was not sent. */
UNUSED_FN static void
put_tuple(wire *w, const char *const *values, int n)
{
    put_uint(w, (uint64_t)n, 2);
    for (int i = 0; i < n; i++) {
        if (values[i] == NULL || values[i] == UNCHANGED) {
            put_uint(w, values[i] == NULL ? 'n' : 'u', 1);
            continue;
        }
        put_uint(w, 't', 1);
        put_uint(w, strlen(values[i]), 4);
        put_bytes(w, values[i], strlen(values[i]));
    }
}

/* Insert, update or delete of a table of two columns; old_part 0: no old tuple; of a delete it is the only
 * one. */
UNUSED_FN static wire
a_change(char op, uint32_t relid, const char *const *values, char old_part, const char *const *old)
{
    wire w = {.bytes = {(uint8_t)op}, .size = 1};
    put_uint(&w, relid, 4);
    if (old_part != 0) {
        put_uint(&w, (uint8_t)old_part, 1);
        put_tuple(&w, old, 2);
    }
    if (op != 'D') {
        put_uint(&w, 'N', 1);
        put_tuple(&w, values, 2);
    }
    return w;
}

UNUSED_FN static wire
a_message(bool transactional, uint64_t lsn, const char *prefix, const char *content)
{
    wire w = {.bytes = {'M', transactional}, .size = 2};
    put_uint(&w, lsn, 8);
    put_text(&w, prefix);
    put_uint(&w, strlen(content), 4);
    put_bytes(&w, content, strlen(content));
    return w;
}

/* ---- change sets as text ---- */

UNUSED_FN static void
say(char *text, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = strlen(text);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

UNUSED_FN static void
say_value(char *text, size_t size, const struct ArrowArrayView *column, int64_t row)
{
    if (ArrowArrayViewIsNull(column, row)) {
        say(text, size, "-");
    } else if (column->storage_type == NANOARROW_TYPE_STRING) {
        struct ArrowStringView value = ArrowArrayViewGetStringUnsafe(column, row);
        say(text, size, "%.*s", (int)value.size_bytes, value.data);
    } else {
        say(text, size, "%lld", (long long)ArrowArrayViewGetIntUnsafe(column, row));
    }
}

UNUSED_FN static void
say_row(char *text, size_t size, const struct ArrowArrayView *batch, int64_t row)
{
    struct ArrowArrayView **columns = batch->children;
    const struct ArrowArrayView *old = columns[WALROW__OLD], *unchanged = columns[WALROW__UNCHANGED];
    say_value(text, size, columns[WALROW__OP], row);
    say(text, size, " %llX/%llu",
        (unsigned long long)ArrowArrayViewGetUIntUnsafe(columns[WALROW__COMMIT_LSN], row),
        (unsigned long long)ArrowArrayViewGetUIntUnsafe(columns[WALROW__SEQ], row));
    for (int64_t i = WALROW__N_META; i < batch->n_children; i++) {
        say(text, size, " ");
        say_value(text, size, columns[i], row);
    }
    if (!ArrowArrayViewIsNull(old, row)) {
        say(text, size, " was");
        for (int64_t i = 0; i < old->n_children; i++) {
            say(text, size, " ");
            say_value(text, size, old->children[i], row);
        }
    }
    if (!ArrowArrayViewIsNull(unchanged, row)) {
        say(text, size, " unchanged");
        for (int64_t i = ArrowArrayViewListChildOffset(unchanged, row);
             i < ArrowArrayViewListChildOffset(unchanged, row + 1); i++) {
            say(text, size, " ");
            say_value(text, size, unchanged->children[0], i);
        }
    }
    say(text, size, "\n");
}

/* "TABLE:\nOP LSN/SEQ VALUES [was VALUES] [unchanged COLUMNS]\n…", every buffer checked on the way. */
UNUSED_FN static const char *
rows_of(const walrow_changes *changes)
{
    static char text[8192];
    text[0] = '\0';
    for (size_t i = 0; i < changes->n_batches; i++) {
        const walrow_batch *batch = &changes->batches[i];
        struct ArrowArrayView view;
        struct ArrowError error = {.message = ""};
        assert_int_equal(ArrowArrayViewInitFromSchema(&view, batch->schema, NULL), 0);
        if (ArrowArrayViewSetArray(&view, &batch->array, &error) != 0 ||
            ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, &error) != 0)
            fail_msg("%s", error.message);
        say(text, sizeof text, "%s:\n", batch->table_name);
        for (int64_t row = 0; row < batch->array.length; row++)
            say_row(text, sizeof text, &view, row);
        ArrowArrayViewReset(&view);
    }
    return text;
}

#endif
