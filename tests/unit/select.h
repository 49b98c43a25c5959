/*
 * select.h
 *	  What a sink has written, as DuckDB reads it back.
 */
#ifndef WALROW_TEST_SELECT_H
#define WALROW_TEST_SELECT_H

#include "lake.h"

#include "base/strbuf.h"
#include "duckdb/duckdb.h"

/* The fixture; skips the test without libduckdb. */
static fixture *
need_duckdb(void **state)
{
    walrow__duckdb *duckdb;
    if (walrow__duckdb_open(&duckdb, NULL) != WALROW_OK)
        skip();
    walrow__duckdb_free(duckdb);
    return *state;
}

static walrow_code
keep_row(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    (void)err;
    for (int64_t i = 0; i < n_cells; i++) {
        walrow__strbuf_add(arg, cells[i].data == NULL ? "null" : cells[i].data,
                           cells[i].data == NULL ? 4 : (size_t)cells[i].size_bytes);
        walrow__strbuf_add_char(arg, i + 1 < n_cells ? ',' : ' ');
    }
    return WALROW_OK;
}

/* before: run first, or NULL; expected: each row's cells with commas between them and a blank at the end */
static void
assert_rows(fixture *f, const char *before, const char *sql, const char *expected)
{
    walrow__duckdb *duckdb;
    walrow__strbuf rows;
    walrow__strbuf_init(&rows);
    ASSERT_OK(walrow__duckdb_open(&duckdb, &f->err), f->err);
    if (before != NULL)
        ASSERT_OK(walrow__duckdb_query(duckdb, before, NULL, NULL, &f->err), f->err);
    ASSERT_OK(walrow__duckdb_query(duckdb, sql, keep_row, &rows, &f->err), f->err);
    assert_string_equal(walrow__strbuf_text(&rows), expected);
    walrow__strbuf_release(&rows);
    walrow__duckdb_free(duckdb);
}

#endif
