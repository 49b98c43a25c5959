/*
 * query/mesh.h
 *	  One table at one schema epoch in the sieve: what of its rows and columns goes through.
 */
#ifndef WALROW_QUERY_MESH_H
#define WALROW_QUERY_MESH_H

#include "base/ops.h"
#include "query/predicate.h"
#include "query/projection.h"

typedef struct walrow__mesh {
    walrow__table *table;           /* as its batches come */
    walrow__predicate *predicate;   /* NULL: all rows */
    walrow__projection *projection; /* NULL: all columns */
    const walrow__ops *ops;         /* NULL: all changes; borrowed */
    uint32_t next_chunk;            /* of its snapshot */
    struct walrow__mesh *next;
} walrow__mesh;

/** What has been decided of a batch's rows. */
typedef struct walrow__sifted {
    const walrow__mesh *mesh;
    const struct ArrowArray *batch; /* whole, as it came */
    uint8_t *fates;                 /* one a row; NULL: all are kept */
    int64_t n_left;                 /* rows that are not left out */
} walrow__sifted;

walrow_code walrow__mesh_new(const walrow__rules *wheres, const walrow__rules *columns,
                             const walrow__ops *ops, const walrow__table *table, walrow__duckdb *duckdb,
                             walrow__mesh **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__mesh_free(walrow__mesh *mesh); /* NULL is allowed */
bool walrow__mesh_is_of(const walrow__mesh *mesh, const walrow_batch *batch);

/** Decide. Borrows the batch. */
walrow_code walrow__mesh_sift(const walrow__mesh *mesh, const struct ArrowArray *batch, walrow__sifted *out,
                              walrow_error *err) WALROW_MUST_CHECK;
void walrow__sifted_release(walrow__sifted *sifted);
/**
 * Does a dead letter of the batch's table go along? One that does may be changed: of an update that became another
 * change. One of another batch does, too.
 */
bool walrow__sifted_keeps_letter(const walrow__sifted *sifted, walrow_dead_letter *letter);
/** Carry it out: the batch's array, and its schema and epoch if columns are gone, become those of what is left. */
walrow_code walrow__sifted_apply(const walrow__sifted *sifted, walrow_batch *batch,
                                 walrow_error *err) WALROW_MUST_CHECK;
/* The table it is of then, which has its schema; borrowed from the mesh. */
walrow__table *walrow__mesh_table(const walrow__mesh *mesh);

#endif
