#include "relation.h"

#include "catalog/pg_namespace.h"
#include "compat.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* ---- what the catalogs take back ---- */

/*
 * Callbacks for invalidations cannot be unregistered: there is one set of them for the life of the backend,
 * and it looks at the sessions that are alive.
 */
static relations *live;

static void
invalidate(relations *relations, route *route)
{
    if (route->resolved || route->fresh)
        relations->n_stale++;
    route->resolved = route->fresh = false;
}

static void
invalidate_all(relations *relations)
{
    HASH_SEQ_STATUS scan;
    route *route;
    hash_seq_init(&scan, relations->routes);
    while ((route = hash_seq_search(&scan)) != NULL)
        invalidate(relations, route);
}

static void
relation_changed(Datum arg, Oid relid)
{
    (void)arg;
    for (relations *relations = live; relations != NULL; relations = relations->next_live) {
        route *route = OidIsValid(relid) ? hash_search(relations->routes, &relid, HASH_FIND, NULL) : NULL;
        if (route != NULL)
            invalidate(relations, route);
        else if (!OidIsValid(relid))
            invalidate_all(relations);
    }
}

/* A schema's name, or what a publication lists. */
static void
anything_changed(Datum arg, int cache, uint32 hash)
{
    (void)arg;
    (void)cache;
    (void)hash;
    for (relations *relations = live; relations != NULL; relations = relations->next_live)
        invalidate_all(relations);
}

static void
publication_changed(Datum arg, int cache, uint32 hash)
{
    for (relations *relations = live; relations != NULL; relations = relations->next_live)
        relations->publications.valid = false;
    anything_changed(arg, cache, hash);
}

static void
register_callbacks(void)
{
    static bool registered;
    if (registered)
        return;
    CacheRegisterRelcacheCallback(relation_changed, (Datum)0);
    CacheRegisterSyscacheCallback(NAMESPACEOID, anything_changed, (Datum)0);
    CacheRegisterSyscacheCallback(PUBLICATIONOID, publication_changed, (Datum)0);
    CacheRegisterSyscacheCallback(PUBLICATIONRELMAP, anything_changed, (Datum)0);
#if PG_VERSION_NUM >= 150000
    CacheRegisterSyscacheCallback(PUBLICATIONNAMESPACEMAP, anything_changed, (Datum)0);
#endif
    registered = true;
}

static void
forget(void *arg)
{
    relations **link = &live;
    while (*link != arg)
        link = &(*link)->next_live;
    *link = (*link)->next_live;
}

void
relations_init(relations *relations, const plugin_options *options, transaction *transaction)
{
    HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(route), .hcxt = CurrentMemoryContext};
    memset(relations, 0, sizeof *relations);
    relations->options = options;
    relations->transaction = transaction;
    relations->context = CurrentMemoryContext;
    publications_init(&relations->publications, options->publication_names);
    relations->routes =
        hash_create("wal2arrow relations", 128, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    register_callbacks();
    relations->next_live = live;
    live = relations;
    relations->forget = (MemoryContextCallback){.func = forget, .arg = relations};
    MemoryContextRegisterResetCallback(relations->context, &relations->forget);
}

/* ---- what they say ---- */

static route *
enter(relations *relations, Oid relid)
{
    bool found;
    route *route = hash_search(relations->routes, &relid, HASH_ENTER, &found);
    if (!found) {
        memset(route, 0, sizeof *route);
        route->relid = relid;
    }
    return route;
}

/* FOR ALL TABLES publishes user tables made in the system's schemas; they are nobody's data. */
static bool
is_system_schema(const char *schema)
{
    return strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "information_schema") == 0;
}

/* Without publications: all operations of the tables that the options name, partitions as their root. */
static publishing
find_by_name(const relations *relations, Relation relation)
{
    publishing out = {.relid = RelationGetRelid(relation)};
    if (relation->rd_rel->relispartition)
        out.relid = llast_oid(get_partition_ancestors(out.relid));
    const char *schema = get_namespace_name(get_rel_namespace(out.relid)), *name = get_rel_name(out.relid);
    if (schema != NULL && name != NULL && options_match_table(relations->options, schema, name))
        out.operations = OPERATIONS_ALL;
    return out;
}

static publishing
find(relations *relations, Relation relation)
{
    publishing out = {0};
    if (!is_publishable_relation(relation))
        return out;
    if (relations->options->publication_names == NIL)
        out = find_by_name(relations, relation);
    else
        out = publications_find(&relations->publications, relation);
    const char *schema = get_namespace_name(get_rel_namespace(out.relid));
    if (schema == NULL || is_system_schema(schema))
        out.operations = 0;
    return out;
}

/* Look at the table again; only one that changed is a new epoch. */
static void
refresh_table(relations *relations, route *route, Relation relation)
{
    route->fresh = true; /* first: what is invalidated meanwhile is looked at again */
    published *now = published_open(relations->context, relation, relations->options);
    if (route->table != NULL && published_same(route->table, now)) {
        published_close(now);
        return;
    }
    published *before = route->table;
    if (before != NULL)
        transaction_close_table(relations->transaction, before);
    route->table = now;
    route->epoch_number++;
    if (before != NULL)
        published_close(before);
}

static void
refresh_layout(relations *relations, route *route, TupleDesc tuples, TupleDesc table)
{
    if (route->layout != NULL)
        pfree(route->layout);
    route->layout = NULL;
    route->layout = layout_make(relations->context, tuples, table, route->as->table->table);
    route->epoch_seen = route->as->epoch_number;
}

static void
refresh_route(relations *relations, route *route, Relation relation)
{
    route->resolved = true; /* first: what is invalidated meanwhile is looked at again */
    publishing found = find(relations, relation);
    route->operations = found.operations;
    route->as = NULL;
    if (found.operations == 0)
        return;
    struct route *as = enter(relations, found.relid);
    Relation target = as == route ? relation : RelationIdGetRelation(found.relid);
    if (!RelationIsValid(target))
        elog(ERROR, "could not open relation with OID %u", found.relid);
    if (!as->fresh)
        refresh_table(relations, as, target);
    route->as = as;
    refresh_layout(relations, route, RelationGetDescr(relation), RelationGetDescr(target));
    if (as != route)
        RelationClose(target);
}

route *
relations_refresh(relations *relations, Relation relation)
{
    route *route = enter(relations, RelationGetRelid(relation));
    if (!route_is_current(route)) {
        MemoryContext scratch =
            AllocSetContextCreate(CurrentMemoryContext, "wal2arrow catalogs", ALLOCSET_DEFAULT_SIZES);
        MemoryContext caller = MemoryContextSwitchTo(scratch);
        refresh_route(relations, route, relation);
        MemoryContextSwitchTo(caller);
        MemoryContextDelete(scratch);
    }
    relations->latest = route;
    return route;
}

/* ---- tidying ---- */

/* In bytes, of the empty buffers of all tables together. */
#define MOST_KEPT (32 * 1024 * 1024)
enum { MOST_STALE = 1000 };

static void
give_back_buffers(relations *relations)
{
    HASH_SEQ_STATUS scan;
    route *route;
    hash_seq_init(&scan, relations->routes);
    while ((route = hash_seq_search(&scan)) != NULL)
        if (route->table != NULL && route->table->kept > 0)
            published_give_back(route->table);
    relations->transaction->kept = 0;
}

/* So that no route leads to one that is about to go. */
static void
unlink_stale(relations *relations)
{
    HASH_SEQ_STATUS scan;
    route *route;
    hash_seq_init(&scan, relations->routes);
    while ((route = hash_seq_search(&scan)) != NULL)
        if (route->as != NULL && !route->as->fresh) {
            route->resolved = false;
            route->as = NULL;
        }
}

static void
remove_route(relations *relations, route *route)
{
    if (route->table != NULL) {
        relations->transaction->kept -= route->table->kept;
        published_close(route->table);
    }
    if (route->layout != NULL)
        pfree(route->layout);
    hash_search(relations->routes, &route->relid, HASH_REMOVE, NULL);
}

/* Most of what nobody has asked for since it was invalidated was dropped. What was not is found, and announced, anew. */
static void
remove_stale(relations *relations)
{
    HASH_SEQ_STATUS scan;
    route *route;
    unlink_stale(relations);
    hash_seq_init(&scan, relations->routes);
    while ((route = hash_seq_search(&scan)) != NULL)
        if (!route->resolved && !route->fresh)
            remove_route(relations, route);
    relations->latest = NULL;
    relations->n_stale = 0;
}

void
relations_tidy(relations *relations)
{
    if (relations->n_stale > MOST_STALE)
        remove_stale(relations);
    if (relations->transaction->kept > MOST_KEPT)
        give_back_buffers(relations);
}
