#include "sink/sink.h"

#include "base/error.h"
#include "base/uri.h"
#include "sink/sinks.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *scheme;
    walrow__sink_make_fn make;
} schemes[] = {
    {"ipc", walrow__ipc_make},      {"parquet", walrow__parquet_make}, {"jsonl", walrow__jsonl_make},
    {"arrow", walrow__arrow_make},  {"null", walrow__null_make},       {"duckdb", walrow__replica_make},
    {"table", walrow__table_make},  {"kafka", walrow__kafka_make},     {"redis", walrow__redis_make},
    {"rediss", walrow__redis_make},
};

static walrow_code
fail_scheme(const char *uri, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_USAGE, "unknown sink \"%s\"", uri);
    walrow__hint(
        err, "sinks are parquet:DIR, ipc:DIR, duckdb:FILE, kafka://BROKERS/PREFIX, redis://HOST, jsonl:FILE, "
             "jsonl:-, table:-, arrow:- and null:");
    return WALROW_ERR_USAGE;
}

static walrow__sink_make_fn
find_scheme(const char *uri)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i].scheme);
        if (strncmp(uri, schemes[i].scheme, size) == 0 && uri[size] == ':')
            return schemes[i].make;
    }
    return NULL;
}

/* The filter's parameters are not the sink's own. */
static walrow_code
make_filtered(walrow__sink_make_fn make, const char *uri, const char *path, const char *params,
              walrow__sink **out, walrow_error *err)
{
    walrow__filter *filter;
    char *rest;
    WALROW_TRY(walrow__filter_new(uri, params, &filter, &rest, err));
    walrow_code code = make(uri, path, rest, out, err);
    free(rest);
    if (code == WALROW_OK)
        (*out)->filter = filter;
    else
        walrow__filter_free(filter);
    return code;
}

walrow_code
walrow__sink_new(const char *uri, walrow__sink **out, walrow_error *err)
{
    walrow__sink_make_fn make = find_scheme(uri);
    if (make == NULL)
        return fail_scheme(uri, err);
    const char *start = strchr(uri, ':') + 1;
    size_t size = strcspn(start, "?");
    const char *params = start[size] == '?' ? start + size + 1 : NULL;
    char *path = strndup(start, size), *shown = walrow__uri_shown(uri);
    walrow_code code = path == NULL || shown == NULL ? walrow__fail_memory(err)
                                                     : make_filtered(make, shown, path, params, out, err);
    if (code == WALROW_OK)
        (*out)->uri = shown;
    else
        free(shown);
    free(path);
    return code;
}

walrow_code
walrow__sink_write_filtered(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    walrow__filtered filtered;
    walrow_code code = walrow__filter_changes(sink->filter, changes, &filtered, err);
    if (code == WALROW_OK && !filtered.is_left_out)
        code = sink->ops->write(sink, &filtered.changes, err);
    walrow__filtered_release(&filtered);
    return code;
}

walrow_code
walrow__sink_note(const walrow__sink *sink, walrow_error *failure, walrow_code code, const walrow_error *err)
{
    if (code == WALROW_OK)
        return code;
    if (err != NULL)
        *failure = *err;
    else
        walrow__fail(failure, code, "sink %s failed", sink->uri);
    return code;
}

walrow_code
walrow__sink_fail_again(const walrow_error *failure, walrow_error *err)
{
    if (err != NULL)
        *err = *failure;
    return failure->code;
}
