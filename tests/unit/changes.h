/*
 * changes.h
 *	  Tables, batches and change sets by hand, for tests: values as the text PostgreSQL prints.
 */
#ifndef WALROW_TEST_CHANGES_H
#define WALROW_TEST_CHANGES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "columns/batch.h"

#define UNUSED_FN __attribute__((unused))

/* ---- types ---- */

enum {
    BOOL = 16,
    BYTEA = 17,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    TEXT = 25,
    OID = 26,
    JSON = 114,
    FLOAT4 = 700,
    FLOAT8 = 701,
    INT4_ARRAY = 1007,
    DATE = 1082,
    TIME = 1083,
    TIMESTAMP = 1114,
    TIMESTAMPTZ = 1184,
    INTERVAL = 1186,
    NUMERIC = 1700,
    NUMERIC_ARRAY = 1231,
    UUID = 2950,
    POINT_PAIR = 50001,
    HSTORE = 50002
};

/* numeric(p,s)'s typmod */
#define NUMERIC_TYPMOD(p, s) (((p) << 16 | (s)) + 4)

static walrow__pg_field pair_fields[] = {{.name = (char *)"x", .oid = INT4, .typmod = -1},
                                         {.name = (char *)"label", .oid = TEXT, .typmod = -1}};

static const walrow__pg_type test_types[] = {
    {.oid = BOOL, .kind = 'b', .name = (char *)"boolean", .output = (char *)"boolout"},
    {.oid = BYTEA, .kind = 'b', .name = (char *)"bytea", .output = (char *)"byteaout"},
    {.oid = INT8, .kind = 'b', .name = (char *)"bigint", .output = (char *)"int8out"},
    {.oid = INT2, .kind = 'b', .name = (char *)"smallint", .output = (char *)"int2out"},
    {.oid = OID, .kind = 'b', .name = (char *)"oid", .output = (char *)"oidout"},
    {.oid = FLOAT4, .kind = 'b', .name = (char *)"real", .output = (char *)"float4out"},
    {.oid = INT4, .kind = 'b', .name = (char *)"integer", .output = (char *)"int4out", .delimiter = ','},
    {.oid = TEXT, .kind = 'b', .name = (char *)"text", .output = (char *)"textout", .delimiter = ','},
    {.oid = JSON, .kind = 'b', .name = (char *)"json", .output = (char *)"json_out"},
    {.oid = FLOAT8, .kind = 'b', .name = (char *)"double precision", .output = (char *)"float8out"},
    {.oid = INT4_ARRAY,
     .kind = 'b',
     .name = (char *)"integer[]",
     .output = (char *)"array_out",
     .element = INT4},
    {.oid = DATE, .kind = 'b', .name = (char *)"date", .output = (char *)"date_out"},
    {.oid = TIME, .kind = 'b', .name = (char *)"time without time zone", .output = (char *)"time_out"},
    {.oid = TIMESTAMP,
     .kind = 'b',
     .name = (char *)"timestamp without time zone",
     .output = (char *)"timestamp_out"},
    {.oid = TIMESTAMPTZ,
     .kind = 'b',
     .name = (char *)"timestamp with time zone",
     .output = (char *)"timestamptz_out"},
    {.oid = INTERVAL, .kind = 'b', .name = (char *)"interval", .output = (char *)"interval_out"},
    {.oid = NUMERIC,
     .kind = 'b',
     .name = (char *)"numeric",
     .output = (char *)"numeric_out",
     .delimiter = ','},
    {.oid = NUMERIC_ARRAY,
     .kind = 'b',
     .name = (char *)"numeric[]",
     .output = (char *)"array_out",
     .element = NUMERIC},
    {.oid = UUID, .kind = 'b', .name = (char *)"uuid", .output = (char *)"uuid_out"},
    {.oid = POINT_PAIR,
     .kind = 'c',
     .name = (char *)"public.pair",
     .output = (char *)"record_out",
     .fields = pair_fields,
     .n_fields = 2},
    {.oid = HSTORE, .kind = 'b', .name = (char *)"public.hstore", .output = (char *)"hstore_out"},
};

static walrow_code
test_type(walrow__catalog *catalog, uint32_t oid, const walrow__pg_type **out, walrow_error *err)
{
    (void)catalog;
    for (size_t i = 0; i < sizeof test_types / sizeof *test_types; i++)
        if (test_types[i].oid == oid) {
            *out = &test_types[i];
            return WALROW_OK;
        }
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "type %u is not in the tests' catalogue", oid);
}

static walrow_code
test_format(walrow__catalog *catalog, uint32_t oid, int32_t typmod, const char **out, walrow_error *err)
{
    const walrow__pg_type *type = NULL;
    (void)typmod;
    WALROW_TRY(test_type(catalog, oid, &type, err));
    *out = type->name;
    return WALROW_OK;
}

static walrow__catalog test_catalog = {.type = test_type, .format = test_format};

/* ---- tables ---- */

#define ASSERT_OK(code, err)                                                                                 \
    do {                                                                                                     \
        if ((code) != WALROW_OK)                                                                             \
            fail_msg("%s", (err).message);                                                                   \
    } while (0)

/* identity: d default, f full ... */
UNUSED_FN static walrow__table *
a_table(const char *schema, const char *name, uint32_t relid, char identity,
        const walrow__column_spec *columns, int n)
{
    walrow__table *table = NULL;
    walrow_error err = {0};
    ASSERT_OK(walrow__table_new(&test_catalog, schema, name, relid, identity, columns, n, &table, &err), err);
    return table;
}

#define TABLE(schema, name, relid, identity, ...)                                                            \
    a_table(schema, name, relid, identity, (const walrow__column_spec[]){__VA_ARGS__},                       \
            (int)(sizeof((const walrow__column_spec[]){__VA_ARGS__}) / sizeof(walrow__column_spec)))
#define COLUMN(name_, oid_)                                                                                  \
    {                                                                                                        \
        .name = name_, .oid = oid_, .typmod = -1                                                             \
    }
#define KEY(name_, oid_)                                                                                     \
    {                                                                                                        \
        .name = name_, .oid = oid_, .typmod = -1, .is_key = true                                             \
    }

/* public.t(id integer key, name text) */
UNUSED_FN static walrow__table *
simple_table(const char *name, uint32_t relid)
{
    return TABLE("public", name, relid, 'd', KEY("id", INT4), COLUMN("name", TEXT));
}

/* ---- rows ---- */

/* A TOASTed value the server did not send. */
static const char unchanged_value[] = "unchanged";
#define UNCHANGED unchanged_value
#define ROW(...) ((const char *const[]){__VA_ARGS__})

/* 2024-05-01 12:00:00 UTC */
#define NOON INT64_C(1714564800000000)

UNUSED_FN static void
put_value(walrow__column *column, const char *text)
{
    const char *reason = "";
    if (text == NULL || text == UNCHANGED)
        walrow__column_append_nulls(column, 1);
    else if (walrow__column_append_text(column, (const uint8_t *)text, strlen(text), &reason) !=
             WALROW__APPENDED)
        fail_msg("cannot append \"%s\": %s", text, reason);
}

/* old: NULL, or the old tuple's values */
UNUSED_FN static void
put_row(walrow__batch_builder *batch, char op, uint64_t lsn, uint32_t seq, int64_t time,
        const char *const *values, const char *const *old)
{
    walrow__position position = {.commit_lsn = lsn, .seq = seq};
    assert_true(walrow__batch_begin_row(batch, op, position, op == 'R' ? 0 : (uint32_t)lsn, time));
    for (int i = 0; i < batch->table->n_columns; i++) {
        put_value(&batch->values[i], values == NULL ? NULL : values[i]);
        if (values != NULL && values[i] == UNCHANGED)
            assert_true(walrow__batch_add_unchanged(batch, i));
    }
    if (old != NULL)
        walrow__batch_begin_old(batch);
    for (int i = 0; old != NULL && i < batch->table->n_columns; i++)
        put_value(&batch->old.children[i], old[i]);
    assert_true(walrow__batch_end_row(batch, old != NULL));
}

/* ---- change sets ---- */

enum { MAX_PARTS = 16 };

typedef struct changes {
    walrow_changes set;
    walrow__batch_builder builders[MAX_PARTS];
    walrow_batch batches[MAX_PARTS];
    walrow_transaction transactions[MAX_PARTS];
    walrow_message messages[MAX_PARTS];
    walrow_dead_letter dead_letters[MAX_PARTS];
    int64_t time;
    size_t n_builders;
} changes;

UNUSED_FN static void
begin_changes(changes *c)
{
    memset(c, 0, sizeof *c);
    c->set.batches = c->batches;
    c->set.transactions = c->transactions;
    c->set.messages = c->messages;
    c->set.dead_letters = c->dead_letters;
    c->time = NOON;
}

UNUSED_FN static void
add_old_row(changes *c, walrow__table *table, char op, uint64_t lsn, uint32_t seq, const char *const *values,
            const char *const *old)
{
    size_t i = 0;
    walrow_error err = {0};
    while (i < c->n_builders && c->builders[i].table != table)
        i++;
    assert_true(i < MAX_PARTS);
    if (i == c->n_builders) {
        ASSERT_OK(walrow__batch_init(&c->builders[i], table, ArrowBufferAllocatorDefault(), &err), err);
        c->n_builders++;
    }
    put_row(&c->builders[i], op, lsn, seq, c->time, values, old);
}

UNUSED_FN static void
add_row(changes *c, walrow__table *table, char op, uint64_t lsn, uint32_t seq, const char *const *values)
{
    add_old_row(c, table, op, lsn, seq, values, NULL);
}

/* end_lsn 0: it goes on in the next change set */
UNUSED_FN static void
add_transaction(changes *c, uint64_t commit_lsn, uint64_t end_lsn)
{
    assert_true(c->set.n_transactions < MAX_PARTS);
    c->transactions[c->set.n_transactions++] = (walrow_transaction){
        .xid = (uint32_t)commit_lsn, .commit_lsn = commit_lsn, .end_lsn = end_lsn, .commit_time = c->time};
}

/* The change set; it lives as long as c and is released with end_changes. */
UNUSED_FN static const walrow_changes *
finish_changes(changes *c, uint64_t end_lsn)
{
    walrow_error err = {0};
    for (size_t i = 0; i < c->n_builders; i++) {
        walrow__table *table = c->builders[i].table;
        walrow_batch *batch = &c->batches[i];
        *batch = (walrow_batch){.schema_name = table->schema_name,
                                .table_name = table->name,
                                .relid = table->relid,
                                .epoch = table->epoch,
                                .schema = &table->schema};
        ASSERT_OK(walrow__batch_finish(&c->builders[i], &batch->array, &err), err);
    }
    c->set.n_batches = c->n_builders;
    c->set.end_lsn = c->set.snapshot ? 0 : end_lsn;
    c->set.snapshot_lsn = c->set.snapshot ? end_lsn : 0;
    return &c->set;
}

UNUSED_FN static void
end_changes(changes *c)
{
    for (size_t i = 0; i < c->n_builders; i++) {
        if (c->batches[i].array.release != NULL)
            c->batches[i].array.release(&c->batches[i].array);
        walrow__batch_release(&c->builders[i]);
    }
}

#endif
