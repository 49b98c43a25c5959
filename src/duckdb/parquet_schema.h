/*
 * duckdb/parquet_schema.h
 *	  What must change in a change batch before DuckDB can take it, as Parquet or as a table, and what a Parquet
 * file says of it.
 *
 * The only place that knows. A type that is not in this table goes through untouched and uncopied:
 *
 *	  decimal256, or decimal128 with a scale Parquet does not know (below 0, above 38): utf8, all digits
 *	  decimal128 with a scale above its precision: a higher precision, without a copy
 *	  month_day_nano interval: struct<months: int32, days: int32, microseconds: int64>, because Parquet's INTERVAL
 *	      has neither signs nor microseconds
 *	  struct<> (a type of no columns): bool, true where there was one, because Parquet has no empty groups
 *	  a top-level name equal to an earlier one but for the case of ASCII letters: name_1 (_2, ...), because DuckDB's
 *	      COPY would rename it its own way
 *
 * also inside lists, maps and structs, except for the names, which only the top level must not repeat.
 *
 * For a table of DuckDB's own the same, but intervals stay, for it has that type; no struct may repeat a name;
 * and PostgreSQL's -infinity of dates and timestamps, the integer's minimum, becomes DuckDB's, one above that.
 */
#ifndef WALROW_DUCKDB_PARQUET_SCHEMA_H
#define WALROW_DUCKDB_PARQUET_SCHEMA_H

#include <nanoarrow/nanoarrow.h>
#include <walrow.h>

typedef enum walrow__adapt_for { WALROW__FOR_PARQUET, WALROW__FOR_TABLE } walrow__adapt_for;

/** The schema that walrow__parquet_adapt_array's arrays have. Metadata is kept. Caller releases *out. */
walrow_code walrow__parquet_adapt_schema(walrow__adapt_for target, const struct ArrowSchema *schema,
                                         struct ArrowSchema *out, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Convert a record batch in place.
 *
 * Arrays that need no change are left alone with their buffers; the others are released and replaced, which
 * the Arrow C Data Interface allows the owner of a parent. For a table, buffers of dates and timestamps are
 * changed where they are, so they must be the caller's alone. On an error *batch is still whole, but some
 * columns may have been replaced already: all that can be done with it is to release it.
 * No struct in *batch, itself included, may have an offset (as walrow__ipc_write wants it).
 * @param schema  what *batch has: the one before walrow__parquet_adapt_schema
 */
walrow_code walrow__parquet_adapt_array(walrow__adapt_for target, const struct ArrowSchema *schema,
                                        struct ArrowArray *batch, walrow_error *err) WALROW_MUST_CHECK;

/* One pair of a file's key-value metadata; both valid during the call. */
typedef void (*walrow__parquet_pair_fn)(void *arg, struct ArrowStringView key, struct ArrowStringView value);

/**
 * Give the pairs that describe a file: the schema's own (`walrow.*`), and
 * - `pg.columns`: a JSON list, an object for each column of the table in order: `column` (its name in the
 * file), `name` (its name in PostgreSQL), and the field's `pg.*` metadata as text;
 * - `ARROW:schema`: the adapted schema as Arrow's own Parquet writers leave it (base64 of the IPC message),
 * from which their readers take the fields' metadata.
 */
walrow_code walrow__parquet_metadata(const struct ArrowSchema *schema, const struct ArrowSchema *adapted,
                                     walrow__parquet_pair_fn fn, void *arg,
                                     walrow_error *err) WALROW_MUST_CHECK;

#endif
