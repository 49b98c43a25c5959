#include "publications.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_publication_rel.h"
#include "compat.h"
#include "options.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

void
publications_init(publications *publications, List *names)
{
    publications->names = names;
    publications->loaded = NIL;
    publications->valid = false;
    publications->context =
        AllocSetContextCreate(CurrentMemoryContext, "wal2arrow publications", ALLOCSET_SMALL_SIZES);
}

static void
load(publications *publications)
{
    ListCell *cell;
    publications->loaded = NIL;
    MemoryContextReset(publications->context);
    publications->valid = true; /* first: what is invalidated while it is read is read again */
    MemoryContext caller = MemoryContextSwitchTo(publications->context);
    foreach (cell, publications->names)
        publications->loaded = lappend(publications->loaded, GetPublicationByName(lfirst(cell), false));
    MemoryContextSwitchTo(caller);
}

/* What of a publication concerns a relation. */
typedef struct match {
    bool published;
    Oid relid;
    int level; /* how many ancestors up relid is */
} match;

static match
match_all_tables(const Publication *publication, Oid relid, List *ancestors)
{
    match out = {.published = true, .relid = relid};
    if (publication->pubviaroot && ancestors != NIL) {
        out.relid = llast_oid(ancestors);
        out.level = list_length(ancestors);
    }
    return out;
}

static match
match_listed(const Publication *publication, Oid relid, List *ancestors, List *listing)
{
    match out = {.published = list_member_oid(listing, publication->oid), .relid = relid};
    int level = 0;
    Oid ancestor = ancestors == NIL ? InvalidOid : published_ancestor(publication->oid, ancestors, &level);
    if (!OidIsValid(ancestor))
        return out;
    out.published = true;
    if (publication->pubviaroot) {
        out.relid = ancestor;
        out.level = level;
    }
    return out;
}

static int
operations_of(const PublicationActions *actions)
{
    return (actions->pubinsert ? OPERATION_INSERT : 0) | (actions->pubupdate ? OPERATION_UPDATE : 0) |
           (actions->pubdelete ? OPERATION_DELETE : 0) | (actions->pubtruncate ? OPERATION_TRUNCATE : 0);
}

#if PG_VERSION_NUM >= 150000
static void
refuse(const Publication *publication, Oid relid, const char *what)
{
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("publication \"%s\" has %s for table \"%s.%s\", which wal2arrow does not support",
                           publication->name, what, get_namespace_name(get_rel_namespace(relid)),
                           get_rel_name(relid)),
                    errhint("Use the output plugin pgoutput, or a publication without that.")));
}

static void
refuse_filters(const Publication *publication, Oid relid)
{
    bool whole_rows, whole_columns;
    HeapTuple tuple =
        SearchSysCache2(PUBLICATIONRELMAP, ObjectIdGetDatum(relid), ObjectIdGetDatum(publication->oid));
    if (!HeapTupleIsValid(tuple))
        return;
    SysCacheGetAttr(PUBLICATIONRELMAP, tuple, Anum_pg_publication_rel_prqual, &whole_rows);
    SysCacheGetAttr(PUBLICATIONRELMAP, tuple, Anum_pg_publication_rel_prattrs, &whole_columns);
    ReleaseSysCache(tuple);
    if (!whole_rows)
        refuse(publication, relid, "a row filter");
    if (!whole_columns)
        refuse(publication, relid, "a column list");
}
#endif

#if PG_VERSION_NUM >= 180000
static void
refuse_generated_columns(const Publication *publication, Oid relid)
{
    if (publication->pubgencols_type != PUBLISH_GENCOLS_STORED)
        return;
    Relation relation = RelationIdGetRelation(relid);
    bool has_stored = RelationIsValid(relation) && RelationGetDescr(relation)->constr != NULL &&
                      RelationGetDescr(relation)->constr->has_generated_stored;
    if (RelationIsValid(relation))
        RelationClose(relation);
    if (has_stored)
        refuse(publication, relid, "generated columns");
}
#endif

/* What wal2arrow cannot do, and pgoutput can: the client takes that. */
static void
refuse_what_is_not_whole(const Publication *publication, Oid relid)
{
#if PG_VERSION_NUM >= 150000
    refuse_filters(publication, relid);
#endif
#if PG_VERSION_NUM >= 180000
    refuse_generated_columns(publication, relid);
#endif
}

/*
 * The changes of a partitioned table are those of its partitions, so that it is not published itself unless
 * they are published as it.
 */
static bool
has_changes(const Publication *publication, char relkind)
{
    return relkind != RELKIND_PARTITIONED_TABLE || publication->pubviaroot;
}

publishing
publications_find(publications *publications, Relation relation)
{
    Oid relid = RelationGetRelid(relation);
    publishing out = {.operations = 0, .relid = relid};
    List *ancestors = relation->rd_rel->relispartition ? get_partition_ancestors(relid) : NIL;
    List *listing =
        list_concat(GetRelationPublications(relid), schema_publications(RelationGetNamespace(relation)));
    List *deciding = NIL; /* the publications that agree on the topmost ancestor */
    int top_level = 0;
    ListCell *cell;

    if (!publications->valid)
        load(publications);
    foreach (cell, publications->loaded) {
        Publication *publication = lfirst(cell);
        match found = publication->alltables ? match_all_tables(publication, relid, ancestors)
                                             : match_listed(publication, relid, ancestors, listing);
        if (!found.published || !has_changes(publication, relation->rd_rel->relkind))
            continue;
        out.operations |= operations_of(&publication->pubactions);
        if (found.level > top_level || deciding == NIL) {
            deciding = NIL;
            out.relid = found.relid;
            top_level = found.level;
        }
        if (found.level == top_level)
            deciding = lappend(deciding, publication);
    }
    foreach (cell, deciding)
        refuse_what_is_not_whole(lfirst(cell), out.relid);
    return out;
}
