/*
 * duckdb/library.h
 *	  libduckdb's functions, found at run time.
 */
#ifndef WALROW_DUCKDB_LIBRARY_H
#define WALROW_DUCKDB_LIBRARY_H

#include <nanoarrow/nanoarrow.h>
#include <walrow.h>

/*
 * The part of duckdb.h (1.2 to 1.5) that is used here; handles are pointers to nothing we know. The rows of
 * an ArrowArrayStream go in by duckdb_arrow_scan, which copies nothing that has the same layout in DuckDB. It
 * is marked as deprecated and has no successor that streams. So are the duckdb_query_arrow functions, by which rows
 * come out; their successors are in 1.4 and later only.
 */
typedef struct duckdb_result {
    uint64_t deprecated_counts[3];
    void *deprecated_columns;
    char *deprecated_error;
    void *internal;
} duckdb_result;

typedef struct duckdb_string { /* up to 12 bytes are in place, more where the pointer says */
    uint32_t size;
    char prefix[4];
    const char *pointer;
} duckdb_string;

enum { DUCKDB_SUCCESS = 0, DUCKDB_STATEMENT_SELECT = 1, DUCKDB_INLINE_SIZE = 12 };

/* clang-format off */
#define DUCKDB_FUNCTIONS(X)                                                                                  \
    X(int, create_config, (void **config))                                                                   \
    X(int, set_config, (void *config, const char *name, const char *value))                                  \
    X(void, destroy_config, (void **config))                                                                 \
    X(int, open_ext, (const char *path, void **database, void *config, char **error))                        \
    X(void, close, (void **database))                                                                        \
    X(int, connect, (void *database, void **connection))                                                     \
    X(void, disconnect, (void **connection))                                                                 \
    X(int, query, (void *connection, const char *sql, duckdb_result *out))                                   \
    X(const char *, result_error, (duckdb_result *result))                                           \
    X(void, destroy_result, (duckdb_result *result))                                                 \
    X(int, prepare, (void *connection, const char *sql, void **statement))                                   \
    X(int, prepared_statement_type, (void *statement))                                                       \
    X(const char *, prepare_error, (void *statement))                                                \
    X(int, execute_prepared, (void *statement, duckdb_result *out))                                          \
    X(void, destroy_prepare, (void **statement))                                                             \
    X(uint64_t, column_count, (duckdb_result *result))                                               \
    X(void *, fetch_chunk, (duckdb_result result))                                                           \
    X(void, destroy_data_chunk, (void **chunk))                                                              \
    X(uint64_t, data_chunk_get_size, (void *chunk))                                                          \
    X(void *, data_chunk_get_vector, (void *chunk, uint64_t column))                                         \
    X(void *, vector_get_data, (void *vector))                                                               \
    X(uint64_t *, vector_get_validity, (void *vector))                                                       \
    X(int, query_arrow, (void *connection, const char *sql, void **out))                                     \
    X(int, query_arrow_schema, (void *result, struct ArrowSchema **out))                                     \
    X(int, query_arrow_array, (void *result, struct ArrowArray **out))                                       \
    X(const char *, query_arrow_error, (void *result))                                                       \
    X(void, destroy_arrow, (void **result))                                                                  \
    X(int, arrow_scan, (void *connection, const char *view, struct ArrowArrayStream *stream))                \
    X(void, free, (void *memory))
/* clang-format on */

typedef struct walrow__duckdb_library {
    void *handle;
#define DUCKDB_MEMBER(type, name, parameters) type(*name) parameters;
    DUCKDB_FUNCTIONS(DUCKDB_MEMBER)
#undef DUCKDB_MEMBER
} walrow__duckdb_library;

/** Load it from the first place of duckdb/duckdb.h where there is one. On an error there is nothing to close.
 */
walrow_code walrow__duckdb_library_open(walrow__duckdb_library *library, walrow_error *err) WALROW_MUST_CHECK;
/* What it gave must be gone. It stays mapped. NULL handle is allowed. */
void walrow__duckdb_library_close(walrow__duckdb_library *library);

#endif
