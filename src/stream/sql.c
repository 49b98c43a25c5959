/*
 * stream/sql.c
 *	  walrow_sql: a query over the files that sinks wrote, by DuckDB.
 */
#include "base/error.h"
#include "base/strbuf.h"
#include "duckdb/duckdb.h"

#include <stdlib.h>

typedef struct query {
    walrow_row_fn fn;
    void *arg;
    size_t row;
} query;

/* Cells as C strings: DuckDB's are not terminated. */
static walrow_code
give_row(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    query *q = arg;
    size_t n = (size_t)n_cells;
    char **texts = calloc(n + 1, sizeof *texts);
    bool ok = texts != NULL;
    for (size_t i = 0; ok && i < n; i++)
        if (cells[i].data != NULL) {
            texts[i] = strndup(cells[i].data, (size_t)cells[i].size_bytes);
            ok = texts[i] != NULL;
        }
    walrow_code code = WALROW_OK;
    if (!ok)
        code = walrow__fail_memory(err);
    else if (q->fn(q->arg, q->row++, n, (const char *const *)texts) != 0)
        code = walrow__fail(err, WALROW_END, "the caller has had enough rows");
    for (size_t i = 0; texts != NULL && i < n; i++)
        free(texts[i]);
    free(texts);
    return code;
}

walrow_code
walrow_sql(const char *sql, walrow_row_fn fn, void *arg, walrow_error *err)
{
    walrow__duckdb *duckdb;
    query q = {.fn = fn, .arg = arg};
    WALROW_TRY(walrow__duckdb_open(&duckdb, err));
    walrow_code code = walrow__duckdb_query(duckdb, sql, give_row, &q, err);
    walrow__duckdb_free(duckdb);
    return code == WALROW_END ? WALROW_OK : code;
}
