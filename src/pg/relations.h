/*
 * pg/relations.h
 *	  Every relation of the database that could be meant by a pattern, by name and oid. Internal to discovery.
 */
#ifndef WALROW_PG_RELATIONS_H
#define WALROW_PG_RELATIONS_H

#include "base/texts.h"
#include "pg/patterns.h"

#include <libpq-fe.h>

typedef struct walrow__relation {
    uint32_t oid;
    uint32_t parent;    /* of a partition, else 0 */
    const char *schema; /* borrowed from the result */
    const char *name;
    char relkind;
    char persistence;
    char identity;
    bool is_partition;
    bool visible; /* an unqualified name finds it */
    bool matches;
    int64_t rows; /* -1 unknown */
} walrow__relation;

typedef struct walrow__all_relations {
    PGresult *result;
    walrow__relation *items; /* by schema and name */
    size_t count;
    walrow__relation **by_oid;
} walrow__all_relations;

/** The role's own search path; conn's is empty. */
walrow_code walrow__search_path(PGconn *conn, walrow__texts *path, walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__relations_load(PGconn *conn, const walrow__texts *search_path, walrow__all_relations *out,
                                   walrow_error *err) WALROW_MUST_CHECK;
void walrow__relations_release(walrow__all_relations *relations);
/* NULL if there is none. */
walrow__relation *walrow__relation_by_oid(const walrow__all_relations *relations, uint32_t oid);

#endif
