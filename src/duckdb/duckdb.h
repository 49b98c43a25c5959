/*
 * duckdb/duckdb.h
 *	  DuckDB through libduckdb, which is loaded when first needed and may be missing: Parquet files, and SQL
 *	  over them.
 *
 * libduckdb is looked for at $WALROW_DUCKDB (a file; nothing else is tried then), as libduckdb.so in
 * WALROW_DUCKDB_DIR (set when building), beside libwalrow itself, and where the dynamic linker looks.
 */
#ifndef WALROW_DUCKDB_H
#define WALROW_DUCKDB_H

#include "base/strbuf.h"

#include <walrow.h>

/* One in-memory database with one connection. One thread at a time; it starts none of its own. Other files
 * are attached by SQL. */
typedef struct walrow__duckdb walrow__duckdb;

/**
 * Load libduckdb and open a database.
 *
 * It never uses the network or a temporary directory, has one thread, and UTC as its time zone.
 * Errors: WALROW_ERR_SINK (no libduckdb, or one that lacks a function: says where it was looked for)
 */
walrow_code walrow__duckdb_open(walrow__duckdb **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__duckdb_free(walrow__duckdb *duckdb); /* NULL is allowed */

/**
 * Write all batches of a stream, in order, to a new Parquet file (zstd).
 *
 * Types are adapted as in duckdb/parquet_schema.h; the file's key-value metadata is what it says there, and kv.
 * Memory: the batch in hand and one row group, of at most 122880 rows and about 8 MB. The file is not
 * synced; on an error there is none.
 * @param stream  batches without offset, see walrow__parquet_adapt_array; read to its end; the caller
 * releases it
 * @param path    as the file system has it (no URL, no `~`); a file that is there already is replaced
 * @param kv      key, value, key, value, ..., NULL; or NULL. Keys must differ by more than the case of
 * letters Errors:  WALROW_ERR_SINK; WALROW_ERR_UNEXPECTED if the stream fails
 */
walrow_code walrow__duckdb_write_parquet(walrow__duckdb *duckdb, struct ArrowArrayStream *stream,
                                         const char *path, const char *const *kv,
                                         walrow_error *err) WALROW_MUST_CHECK;

/**
 * Run a statement that reads one batch as the view `walrow_input`, adapted for a table of DuckDB.
 *
 * It must read all columns: DuckDB 1.5 takes the batch's first columns for those it asked for. Not inside of a
 * transaction: the view is an entry of the in-memory database, and DuckDB's transactions write
 * to one database.
 * @param batch  without offset; the caller's alone; released, also on an error
 * Errors:  WALROW_ERR_SINK; WALROW_ERR_UNEXPECTED
 */
walrow_code walrow__duckdb_load(walrow__duckdb *duckdb, const struct ArrowSchema *schema,
                                struct ArrowArray *batch, const char *sql,
                                walrow_error *err) WALROW_MUST_CHECK;

/* A name or a text as SQL has it, in its quotes. */
void walrow__duckdb_add_name(walrow__strbuf *sql, const char *name);
void walrow__duckdb_add_text(walrow__strbuf *sql, const char *text);

/* One row as text; data is NULL for NULL; all valid during the call. An error ends the query. */
typedef walrow_code (*walrow__duckdb_row_fn)(void *arg, int64_t n_cells, const struct ArrowStringView *cells,
                                             walrow_error *err);

/**
 * Run one SQL statement (without a semicolon), and give each row of a SELECT (other statements' rows are
 * dropped).
 *
 * Values are text as DuckDB casts them, nested ones too; it refuses a timestamp of PostgreSQL's `-infinity`.
 * @param fn  NULL: rows are dropped
 * Errors:  WALROW_ERR_SINK; what fn returned
 */
walrow_code walrow__duckdb_query(walrow__duckdb *duckdb, const char *sql, walrow__duckdb_row_fn fn, void *arg,
                                 walrow_error *err) WALROW_MUST_CHECK;

/* Some rows of a result, a struct array; both are valid during the call. An error ends the query. */
typedef walrow_code (*walrow__duckdb_arrow_fn)(void *arg, const struct ArrowSchema *schema,
                                               const struct ArrowArray *rows, walrow_error *err);

/**
 * Run a SELECT, and give its rows as Arrow batches, in order; of an empty result none.
 *
 * There may be validity bits where nothing is null, and anything under nulls.
 * Memory: the whole result is DuckDB's before the first batch is given
 * Errors: WALROW_ERR_SINK; what fn returned
 */
walrow_code walrow__duckdb_query_arrow(walrow__duckdb *duckdb, const char *sql, walrow__duckdb_arrow_fn fn,
                                       void *arg, walrow_error *err) WALROW_MUST_CHECK;

#endif
