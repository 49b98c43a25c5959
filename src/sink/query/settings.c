#include "sink/query/settings.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- what goes together ---- */

static walrow_code
check_without_queries(const walrow_options *options, walrow_error *err)
{
    static const char *const names[] = {"window", "slide", "every", "retain"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!walrow__options_is_set(options, names[i]))
            continue;
        walrow__fail(err, WALROW_ERR_USAGE, "--%s is for queries, and there is no --sql", names[i]);
        return walrow__hint(err, "add --sql NAME='select ...', or leave it out");
    }
    return WALROW_OK;
}

static walrow_code
check_when(const walrow_options *options, walrow_error *err)
{
    bool windows = options->window_ms != 0, every = options->every_ms != 0;
    if (windows == every) {
        walrow__fail(err, WALROW_ERR_USAGE,
                     windows ? "--window and --every exclude each other" : "--sql needs --window or --every");
        return walrow__hint(err,
                            "--window 10s counts each change in the window of its commit time, --every 10s "
                            "looks at all that --retain holds");
    }
    if (every && options->slide_ms != 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "--slide is of windows, and --every has none");
        return walrow__hint(err, "write --window instead of --every, or leave out --slide");
    }
    return WALROW_OK;
}

static walrow_code
check_slide(const walrow_options *options, walrow_error *err)
{
    int64_t slide = options->slide_ms;
    if (slide == 0 || (options->window_ms % slide == 0 && options->window_ms / slide <= WALROW__MAX_SLIDES))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--window must be --slide times a whole number up to %d",
                 WALROW__MAX_SLIDES);
    return walrow__hint(err, "as in --window 60s --slide 10s");
}

static walrow_code
check_snapshot(const walrow_options *options, walrow_error *err)
{
    if (walrow__options_snapshot(options) == WALROW__SNAPSHOT_NEVER)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE,
                 "--sql is about changes, and a snapshot's rows are none: they have no "
                 "commit time");
    return walrow__hint(err, "leave out --snapshot; with --sql it is never");
}

/* ---- queries ---- */

static bool
is_known(const walrow__query_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->n_queries; i++)
        if (strcmp(settings->queries[i].name, name) == 0)
            return true;
    return false;
}

static walrow_code
fail_name(const char *text, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_USAGE, "--sql: \"%.60s\" does not begin with a name and an equals sign",
                 text);
    return walrow__hint(err, "as in --sql sales='select count(*) from public.orders'; the name has letters, "
                             "digits and underscores, at most 63");
}

static char *
without_semicolon(const char *sql)
{
    size_t size = strlen(sql);
    while (size > 0 && strchr("; \t\r\n", sql[size - 1]) != NULL)
        size--;
    return strndup(sql, size);
}

static walrow_code
add_query(walrow__query_settings *settings, const char *text, walrow_error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    size_t size = strspn(text, letters);
    if (size == 0 || size > 63 || text[size] != '=')
        return fail_name(text, err);
    walrow__query_text *query = &settings->queries[settings->n_queries];
    query->name = strndup(text, size);
    query->sql = without_semicolon(text + size + 1);
    if (query->name == NULL || query->sql == NULL)
        return walrow__fail_memory(err);
    if (!is_known(settings, query->name))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--sql: there are two queries %s", query->name);
    return walrow__hint(err, "their rows go to the table sql.%s: give one of them another name", query->name);
}

static walrow_code
add_queries(walrow__query_settings *settings, const walrow__texts *texts, walrow_error *err)
{
    settings->queries = calloc(texts->count, sizeof *settings->queries);
    if (settings->queries == NULL)
        return walrow__fail_memory(err);
    walrow_code code = WALROW_OK;
    for (size_t i = 0; code == WALROW_OK && i < texts->count; i++) {
        code = add_query(settings, texts->items[i], err);
        settings->n_queries++;
    }
    if (code != WALROW_OK)
        walrow__query_settings_release(settings);
    return code;
}

walrow_code
walrow__query_settings_init(walrow__query_settings *settings, const walrow_options *options,
                            walrow_error *err)
{
    memset(settings, 0, sizeof *settings);
    if (options->sql.count == 0)
        return check_without_queries(options, err);
    WALROW_TRY(check_when(options, err));
    WALROW_TRY(check_slide(options, err));
    WALROW_TRY(check_snapshot(options, err));
    int64_t slide_ms = options->slide_ms == 0 ? options->window_ms : options->slide_ms;
    settings->slide_us = slide_ms * 1000;
    settings->n_slides = slide_ms == 0 ? 1 : (int)(options->window_ms / slide_ms);
    settings->every_ms = options->every_ms;
    settings->retain_bytes = options->retain_bytes;
    return add_queries(settings, &options->sql, err);
}

void
walrow__query_settings_release(walrow__query_settings *settings)
{
    for (size_t i = 0; settings->queries != NULL && i < settings->n_queries; i++) {
        free(settings->queries[i].name);
        free(settings->queries[i].sql);
    }
    free(settings->queries);
    memset(settings, 0, sizeof *settings);
}
