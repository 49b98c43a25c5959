#include "published.h"

#include "access/sysattr.h"
#include "base/error.h"
#include "catalog.h"
#include "compat.h"
#include "encoding.h"
#include "memory.h"
#include "nodes/bitmapset.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Of a table, in bytes. */
#define MOST_KEPT (4 * 1024 * 1024)

/* What the library allocates itself. The buffers are in the context, whose memory is still there now. */
static void
release(void *arg)
{
    published *table = arg;
    walrow__batch_release(&table->batch);
    walrow__table_unref(table->table);
}

static void
init_spec(walrow__column_spec *spec, Form_pg_attribute attribute, Relation relation, const char *schema,
          const Bitmapset *key, const plugin_options *options)
{
    const char *name = NameStr(attribute->attname);
    spec->name = encoding_name(name);
    spec->oid = attribute->atttypid;
    spec->typmod = attribute->atttypmod;
    spec->is_key = relation->rd_rel->relreplident == REPLICA_IDENTITY_FULL ||
                   bms_is_member(attribute->attnum - FirstLowInvalidHeapAttributeNumber, key);
    spec->override = options_column_type(options, schema, RelationGetRelationName(relation), name);
}

static walrow__column_spec *
make_specs(Relation relation, const char *schema, const plugin_options *options, int *n)
{
    TupleDesc desc = RelationGetDescr(relation);
    const Bitmapset *key =
        relation->rd_rel->relreplident == REPLICA_IDENTITY_FULL ? NULL : identity_columns(relation);
    walrow__column_spec *specs = palloc0(sizeof *specs * (Size)(desc->natts + 1));
    *n = 0;
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        if (published_has_attribute(attribute))
            init_spec(&specs[(*n)++], attribute, relation, schema, key, options);
    }
    return specs;
}

static void
make_table(published *table, Relation relation, const plugin_options *options)
{
    int n;
    char *schema = get_namespace_name(RelationGetNamespace(relation));
    if (schema == NULL)
        elog(ERROR, "cache lookup failed for schema %u", RelationGetNamespace(relation));
    walrow__column_spec *specs = make_specs(relation, schema, options, &n);
    const char *schema_name = encoding_name(schema), *name = encoding_name(RelationGetRelationName(relation));
    walrow__catalog *catalog = relation_catalog_load(RelationGetDescr(relation));
    walrow_error err = {0};
    if (walrow__table_new(catalog, schema_name, name, RelationGetRelid(relation),
                          relation->rd_rel->relreplident, specs, n, &table->table, &err) != WALROW_OK)
        report_walrow_error(&err);
}

static void
init_batch(published *table)
{
    walrow_error err = {0};
    if (walrow__batch_init(&table->batch, table->table, context_allocator(table->context), &err) != WALROW_OK)
        report_walrow_error(&err);
    table->batch.without_xids = !table->options->xids;
    table->batch.without_commit_times = !table->options->timestamps;
}

published *
published_open(MemoryContext parent, Relation relation, const plugin_options *options)
{
    MemoryContext context = AllocSetContextCreate(parent, "wal2arrow table", ALLOCSET_DEFAULT_SIZES);
    MemoryContext caller = CurrentMemoryContext;
    published *table = MemoryContextAllocZero(context, sizeof *table);
    table->context = context;
    table->options = options;
    table->release = (MemoryContextCallback){.func = release, .arg = table};
    MemoryContextRegisterResetCallback(context, &table->release);

    make_table(table, relation, options); /* what it reads on its way is the caller's */
    init_batch(table);
    MemoryContextSwitchTo(context);
    table->writers = palloc0(sizeof *table->writers * (Size)(table->table->n_columns + 1));
    for (int i = 0; i < table->table->n_columns; i++)
        value_writer_init(&table->writers[i], &table->table->columns[i].type);
    MemoryContextSwitchTo(caller);
    return table;
}

void
published_close(published *table)
{
    MemoryContextDelete(table->context);
}

bool
published_same(const published *a, const published *b)
{
    return a->table->epoch == b->table->epoch && a->table->identity == b->table->identity &&
           strcmp(a->table->name, b->table->name) == 0 &&
           strcmp(a->table->schema_name, b->table->schema_name) == 0;
}

void
published_give_back(published *table)
{
    walrow__batch_release(&table->batch);
    init_batch(table);
    table->kept = 0;
}

void
published_clear(published *table)
{
    walrow__batch_truncate(&table->batch, 0);
    table->kept = Max(table->kept, table->bytes + table->unmeasured);
    if (table->kept > MOST_KEPT)
        published_give_back(table);
    table->bytes = table->unmeasured = 0;
    table->has_rows = false;
}
