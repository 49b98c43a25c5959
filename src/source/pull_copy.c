/*
 * source/pull_copy.c
 *	  What a window is asked for with: a copy of the slot, the plugin's settings, the function or the procedure.
 */
#include "source/pull.h"

#include "base/error.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdlib.h>

/* , 'name', 'value', ...: the plugin's, and the procedure's */
static walrow_code
write_settings(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    walrow__texts settings = {0};
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    sql.failed |= !walrow__source_settings(options, &settings);
    for (size_t i = 0; i < settings.count; i++) {
        walrow__strbuf_add_text(&sql, ", ");
        walrow__sql_literal(&sql, pull->windows[0].conn, settings.items[i]);
    }
    walrow__texts_release(&settings);
    if (options->wal2arrow && options->group_bytes > 0 && pull->windows[0].function == NULL)
        walrow__strbuf_addf(&sql, ", 'group', '%" PRId64 "'", options->group_bytes);
    free(pull->settings);
    pull->windows[0].settings = pull->settings = walrow__strbuf_take(&sql);
    return pull->settings == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

/* Of the extension wal2arrow, where it is created and may be used; the procedure and the function come together. */
static walrow_code
look_for_procedure(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    PGresult *result;
    WALROW_TRY(walrow__pg_exec_within(pull->windows[0].conn,
                                      "SELECT 1 FROM pg_catalog.pg_proc p"
                                      " JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
                                      " WHERE n.nspname = 'wal2arrow' AND p.proname IN ('stream', 'advance')"
                                      " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
                                      " AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')",
                                      options->timeout_ms, WALROW_ERR_SERVER, "pulling changes", &result,
                                      err));
    bool is_there = PQntuples(result) == 2;
    PQclear(result);
    if (is_there)
        pull->mover.copy = pull->windows[0].copy;
    else /* a function for what a plugin calls text, another for bytes */
        pull->windows[0].function =
            options->wal2json != NULL ? "pg_logical_slot_get_changes" : "pg_logical_slot_get_binary_changes";
    walrow__log(WALROW_LOG_INFO, "pulling with %s",
                is_there ? "CALL wal2arrow.stream" : pull->windows[0].function);
    return WALROW_OK;
}

/* Takes sql. */
static walrow_code
ask(walrow__pull *pull, walrow__strbuf *sql, const walrow__source_options *options, const char *doing,
    walrow_error *err)
{
    walrow_code code = sql->failed
                           ? walrow__fail_memory(err)
                           : walrow__pg_exec_within(pull->windows[0].conn, walrow__strbuf_text(sql),
                                                    options->timeout_ms, WALROW_ERR_SLOT, doing, NULL, err);
    walrow__strbuf_release(sql);
    return code;
}

static walrow_code
copy_slot(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__pull_window_copy_sql(&pull->windows[0], options->slot, &sql);
    return ask(pull, &sql, options, "copying the slot", err);
}

/* Nothing is confirmed, and no more than a record read. */
static walrow_code
try_settings(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(
        &sql, "SELECT pg_catalog.count(*) FROM pg_catalog.pg_logical_slot_peek_changes('%s', '0/1', NULL%s)",
        pull->windows[0].copy, pull->settings);
    return ask(pull, &sql, options, "pulling changes", err);
}

static walrow_code
copy_and_try(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    WALROW_TRY(write_settings(pull, options, err));
    WALROW_TRY(copy_slot(pull, options, err));
    return options->wal2json == NULL ? WALROW_OK : try_settings(pull, options, err);
}

/* An error takes the session's temporary slots along: a setting that is refused, the copy. */
walrow_code
walrow__pull_copy_slot(walrow__pull *pull, const walrow__source_options *options, walrow_error *err)
{
    walrow_error failure = {0};
    walrow__source_options ours = *options;
    WALROW_TRY(look_for_procedure(pull, options, err));
    walrow_code code = copy_and_try(pull, &ours, &failure);
    if (code != WALROW_OK) {
        code = walrow__source_ask_less(&ours, &failure);
        if (code == WALROW_OK)
            code = copy_and_try(pull, &ours, &failure);
    }
    if (code != WALROW_OK && err != NULL)
        *err = failure;
    return code;
}
