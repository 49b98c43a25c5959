/*
 * stream/check.c
 *	  walrow_check: what the server says, and whether filters fit its tables.
 */
#include "pg/check.h"

#include "base/error.h"
#include "pg/catalog.h"
#include "stream/filters.h"

static walrow_code
try_filters(walrow__check *check, walrow_error *err)
{
    walrow__catalog *catalog;
    walrow__sieve *sieve = NULL;
    WALROW_TRY(walrow__catalog_new(check->conn, &catalog, err));
    walrow_code code = walrow__filters_new(check->options, &check->tables, catalog, &sieve, err);
    walrow__sieve_free(sieve);
    catalog->free(catalog);
    return code;
}

static walrow_code
check_filters(walrow__check *check, const char *id, walrow_error *err)
{
    walrow_error why = {.code = WALROW_OK};
    if (try_filters(check, &why) == WALROW_OK)
        return WALROW_OK;
    if (why.code != WALROW_ERR_USAGE) {
        *err = why;
        return why.code;
    }
    walrow__finding finding = {.severity = WALROW_SEVERITY_ERROR, .code = why.code, .fix = why.hint};
    return walrow__check_add(check, id, &finding, err, "%s", why.message);
}

walrow_code
walrow_check(const walrow_options *options, walrow_findings *out, walrow_error *err)
{
    static const walrow__check_row filter_checks[] = {{"filters", check_filters}, {NULL, NULL}};
    return walrow__check_all(options, filter_checks, out, err);
}
