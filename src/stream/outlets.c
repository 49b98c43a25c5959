#include "stream/outlets.h"

#include "base/error.h"
#include "base/log.h"
#include "base/timelines.h"
#include "base/uri.h"
#include "pg/plugin_options.h"
#include "sink/query/query.h"
#include "state/sinks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Documents of wal2json's format 1 are nothing but lines. */
static walrow_code
check_documents(const walrow__sink *sink, walrow_error *err)
{
    if (sink->takes_documents && sink->filter == NULL)
        return WALROW_OK;
    walrow__fail(
        err, WALROW_ERR_USAGE,
        "sink %s needs changes it understands, and --wal2json-format 1 has only wal2json's documents",
        sink->uri);
    return walrow__hint(err,
                        "write jsonl:FILE or jsonl:-, without parameters, or leave out --wal2json-format 1");
}

static walrow_code
add_sink(walrow__outlets *out, const walrow_options *options, const char *uri, walrow_error *err)
{
    walrow__sink **sink = &out->sinks[out->count];
    WALROW_TRY(walrow__sink_new(uri, sink, err));
    out->count++;
    WALROW_TRY(walrow__query_wrap(options, sink, err));
    (*sink)->has_documents = walrow__plugin_has_documents(options);
    return (*sink)->has_documents ? check_documents(*sink, err) : WALROW_OK;
}

walrow_code
walrow__outlets_new(const walrow_options *options, walrow__outlets *out, walrow_error *err)
{
    memset(out, 0, sizeof *out);
    if (options->to.count == 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "no sink is named");
        return walrow__hint(
            err, "say where the changes go: --to parquet:DIR, ipc:DIR, duckdb:FILE, kafka://BROKERS/PREFIX, "
                 "redis://HOST, jsonl:FILE, jsonl:-, table:-, arrow:- or null:");
    }
    out->sinks = calloc(options->to.count, sizeof *out->sinks);
    out->durable_lsns = calloc(options->to.count, sizeof *out->durable_lsns);
    if (out->sinks == NULL || out->durable_lsns == NULL) {
        walrow__outlets_free(out);
        return walrow__fail_memory(err);
    }
    for (size_t i = 0; i < options->to.count; i++) {
        walrow_code code = add_sink(out, options, options->to.items[i], err);
        if (code != WALROW_OK) {
            walrow__outlets_free(out);
            return code;
        }
    }
    return WALROW_OK;
}

walrow_code
walrow__outlets_open(walrow__outlets *outlets, const walrow__identity *identity, bool were_open,
                     walrow_error *err)
{
    for (size_t i = 0; i < outlets->count; i++) {
        outlets->sinks[i]->was_open = were_open;
        WALROW_TRY(walrow__sink_open(outlets->sinks[i], identity, err));
    }
    return WALROW_OK;
}

static walrow_code
check_sink(const walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    char what[256];
    uint64_t branch_lsn;
    if (sink->timeline == 0)
        return WALROW_OK;
    snprintf(what, sizeof what, "sink %s", sink->uri);
    return walrow__timelines_follow(identity, sink->timeline, sink->reached_lsn, what, &branch_lsn, err);
}

walrow_code
walrow__outlets_check(const walrow__outlets *outlets, const walrow__identity *identity, uint64_t *reached_lsn,
                      walrow_error *err)
{
    for (size_t i = 0; i < outlets->count; i++) {
        const walrow__sink *sink = outlets->sinks[i];
        WALROW_TRY(check_sink(sink, identity, err));
        if (sink->reached_lsn > *reached_lsn)
            *reached_lsn = sink->reached_lsn;
    }
    return WALROW_OK;
}

walrow_code
walrow__outlets_resume(walrow__outlets *outlets, walrow__state *state, walrow_error *err)
{
    for (size_t i = 0; i < outlets->count; i++)
        WALROW_TRY(walrow__state_sink(state, outlets->sinks[i]->uri, &outlets->sinks[i]->resume_lsn, err));
    return WALROW_OK;
}

void
walrow__outlets_end(walrow__outlets *outlets)
{
    for (size_t i = 0; i < outlets->count; i++)
        outlets->sinks[i]->ends = true;
}

void
walrow__outlets_watch(walrow__outlets *outlets, const _Atomic uint32_t *timeline)
{
    for (size_t i = 0; i < outlets->count; i++)
        outlets->sinks[i]->timeline_now = timeline;
}

bool
walrow__outlets_eager(const walrow__outlets *outlets)
{
    for (size_t i = 0; i < outlets->count; i++)
        if (outlets->sinks[i]->eager)
            return true;
    return false;
}

size_t
walrow__outlets_remembering(const walrow__outlets *outlets)
{
    size_t n = 0;
    for (size_t i = 0; i < outlets->count; i++)
        n += outlets->sinks[i]->keeps_position;
    return n;
}

walrow_code
walrow__outlets_snapshot(walrow__outlets *outlets, const char *schema, const char *table, uint32_t relid,
                         bool *done, uint64_t *point, walrow_error *err)
{
    *done = true;
    *point = 0;
    for (size_t i = 0; i < outlets->count; i++) {
        walrow__sink *sink = outlets->sinks[i];
        if (!sink->keeps_position)
            continue;
        bool sink_done;
        uint64_t sink_point;
        WALROW_TRY(walrow__sink_snapshot(sink, schema, table, relid, &sink_done, &sink_point, err));
        *done = *done && sink_done;
        /* each sink drops by itself what lies in its own snapshot; the stream drops only what all have */
        if (sink_done && (*point == 0 || sink_point < *point))
            *point = sink_point;
    }
    return WALROW_OK;
}

walrow_code
walrow__outlets_write(walrow__outlets *outlets, const walrow_changes *changes, walrow_error *err)
{
    walrow_code outcome = WALROW_OK;
    for (size_t i = 0; i < outlets->count; i++) {
        walrow_code code = walrow__sink_write(outlets->sinks[i], changes, err);
        if (code == WALROW_END)
            outcome = code;
        else if (code != WALROW_OK)
            return code;
    }
    return outcome;
}

walrow_code
walrow__outlets_sync(walrow__outlets *outlets, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    *durable_lsn = UINT64_MAX;
    for (size_t i = 0; i < outlets->count; i++) {
        walrow__sink *sink = outlets->sinks[i];
        uint64_t *lsn = &outlets->durable_lsns[i];
        WALROW_TRY(walrow__sink_sync(sink, finish_files || walrow__sink_due_ms(sink) == 0, lsn, err));
        if (*lsn < *durable_lsn)
            *durable_lsn = *lsn;
    }
    return WALROW_OK;
}

walrow_code
walrow__outlets_finish(walrow__outlets *outlets, walrow_error *err)
{
    for (size_t i = 0; i < outlets->count; i++)
        WALROW_TRY(walrow__sink_finish(outlets->sinks[i], err));
    return WALROW_OK;
}

static void
adopt(walrow__sink *sink, const char *uri)
{
    walrow__sink *newer;
    walrow_error err = {0};
    if (walrow__sink_new(uri, &newer, &err) != WALROW_OK) {
        walrow__log(WALROW_LOG_WARN, "sink %s goes on as before: %s", sink->uri, err.message);
        return;
    }
    if (walrow__sink_adopt(sink, newer))
        walrow__log(WALROW_LOG_INFO, "from now on sink %s", newer->uri);
    else
        walrow__log(WALROW_LOG_WARN, "sink %s goes on as before: %s takes a restart", sink->uri, newer->uri);
    walrow__sink_free(newer);
}

static bool
is_named(const walrow__sink *sink, const char *uri)
{
    char *shown = walrow__uri_shown(uri);
    bool named = shown != NULL && walrow__same_sink(sink->uri, shown);
    free(shown);
    return named;
}

void
walrow__outlets_adopt(walrow__outlets *outlets, const walrow__texts *was, const walrow__texts *to)
{
    bool same = outlets->count == to->count;
    for (size_t i = 0; same && i < to->count; i++)
        same = is_named(outlets->sinks[i], to->items[i]);
    if (!same)
        walrow__log(WALROW_LOG_WARN, "--to has other sinks: that takes a restart");
    for (size_t i = 0; same && i < to->count; i++)
        if (i >= was->count || strcmp(was->items[i], to->items[i]) != 0)
            adopt(outlets->sinks[i], to->items[i]);
}

void
walrow__outlets_free(walrow__outlets *outlets)
{
    for (size_t i = 0; i < outlets->count; i++)
        walrow__sink_free(outlets->sinks[i]);
    free(outlets->sinks);
    free(outlets->durable_lsns);
    memset(outlets, 0, sizeof *outlets);
}
