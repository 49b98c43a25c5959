#include "base/options.h"

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/ops.h"
#include "base/option_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static walrow_code
remember_text(walrow_options *options, size_t at, const char *value, walrow_error *err)
{
    char **text = &options->texts[at];
    char *now;
    if (*text == NULL || !walrow__option_infos[at].repeatable)
        now = strdup(value);
    else if (asprintf(&now, "%s,%s", *text, value) < 0)
        now = NULL;
    if (now == NULL)
        return walrow__fail_memory(err);
    free(*text);
    *text = now;
    return WALROW_OK;
}

walrow_code
walrow_options_new(walrow_options **out, walrow_error *err)
{
    walrow_options *options = calloc(1, sizeof *options);
    if (options == NULL)
        return walrow__fail_memory(err);
    for (size_t at = 0; at < walrow__option_count; at++) {
        if (walrow__option_infos[at].default_text == NULL)
            continue;
        walrow_code code = walrow__option_value_set(options, at, walrow__option_infos[at].default_text, err);
        if (code != WALROW_OK) {
            walrow_options_free(options);
            return code;
        }
    }
    *out = options;
    return WALROW_OK;
}

static void
release_adopted_to(walrow__adopted_to *adopted)
{
    while (adopted != NULL) {
        walrow__adopted_to *before = adopted->before;
        walrow__texts_release(&adopted->to);
        free(adopted);
        adopted = before;
    }
}

void
walrow_options_free(walrow_options *options)
{
    if (options == NULL)
        return;
    for (size_t at = 0; at < walrow__option_count; at++)
        free(options->texts[at]);
    walrow__option_values_release(options);
    release_adopted_to(options->adopted_to);
    free(options);
}

static walrow_code
fail_unknown(const char *name, walrow_error *err)
{
    walrow__nearest nearest;
    char text[128];
    walrow__nearest_init(&nearest, name);
    for (size_t at = 0; at < walrow__option_count; at++)
        walrow__nearest_offer(&nearest, walrow__option_infos[at].name);
    walrow__fail(err, WALROW_ERR_USAGE, "unknown option \"%s\"", name);
    if (nearest.count > 0)
        walrow__hint(err, "did you mean --%s?", walrow__nearest_text(&nearest, text, sizeof text));
    return WALROW_ERR_USAGE;
}

walrow_code
walrow_options_set(walrow_options *options, const char *name, const char *value, walrow_error *err)
{
    size_t at = walrow__option_find(name);
    if (at == walrow__option_count)
        return fail_unknown(name, err);
    WALROW_TRY(walrow__option_value_set(options, at, value, err));
    return remember_text(options, at, value, err);
}

walrow_code
walrow_options_env(walrow_options *options, walrow_error *err)
{
    for (size_t at = 0; at < walrow__option_count; at++) {
        const char *value =
            walrow__option_infos[at].env == NULL ? NULL : getenv(walrow__option_infos[at].env);
        if (value == NULL || *value == '\0' || options->texts[at] != NULL)
            continue;
        walrow_code code = walrow_options_set(options, walrow__option_infos[at].name, value, err);
        if (code != WALROW_OK && err != NULL && err->hint[0] == '\0')
            walrow__hint(err, "the value comes from the environment variable %s",
                         walrow__option_infos[at].env);
        if (code != WALROW_OK)
            return code;
    }
    return WALROW_OK;
}

const char *
walrow_options_get(const walrow_options *options, const char *name)
{
    size_t at = walrow__option_find(name);
    if (at == walrow__option_count)
        return NULL;
    const char *text =
        options->texts[at] != NULL ? options->texts[at] : walrow__option_infos[at].default_text;
    bool is_off =
        walrow__option_rules[at].type == WALROW__OPTION_FLAG && text != NULL && strcmp(text, "true") != 0;
    return is_off ? NULL : text;
}

const walrow__texts *
walrow__options_to(const walrow_options *options)
{
    const walrow__adopted_to *adopted = __atomic_load_n(&options->adopted_to, __ATOMIC_ACQUIRE);
    return adopted == NULL ? &options->to : &adopted->to;
}

/* The stream takes over what its sinks can, and says what they cannot. */
static walrow_code
adopt_to(walrow_options *options, const walrow__texts *now, walrow_error *err)
{
    const walrow__texts *was = walrow__options_to(options);
    bool same = was->count == now->count;
    for (size_t i = 0; same && i < now->count; i++)
        same = strcmp(was->items[i], now->items[i]) == 0;
    if (same)
        return WALROW_OK;
    walrow__adopted_to *adopted = calloc(1, sizeof *adopted);
    bool ok = adopted != NULL;
    for (size_t i = 0; ok && i < now->count; i++)
        ok = walrow__texts_add(&adopted->to, now->items[i]);
    if (!ok) {
        release_adopted_to(adopted);
        return walrow__fail_memory(err);
    }
    adopted->before = options->adopted_to;
    __atomic_store_n(&options->adopted_to, adopted, __ATOMIC_RELEASE);
    return WALROW_OK;
}

/* The log level is the caller's, who has set it by now. */
static walrow_code
adopt(walrow_options *options, size_t at, const char *now, walrow_error *err)
{
    const char *name = walrow__option_infos[at].name, *before = walrow_options_get(options, name);
    if (now == before || (now != NULL && before != NULL && strcmp(now, before) == 0))
        return WALROW_OK;
    if (!walrow__option_rules[at].live && strcmp(name, "log-level") != 0) {
        walrow__log(WALROW_LOG_WARN, "--%s has changed: that takes a restart", name);
        return WALROW_OK;
    }
    walrow__log(WALROW_LOG_INFO, "--%s is %s now, it was %s", name, now, before);
    return walrow_options_set(options, name, now, err);
}

walrow_code
walrow_options_adopt(walrow_options *options, const walrow_options *newer, walrow_error *err)
{
    for (size_t at = 0; at < walrow__option_count; at++)
        if (walrow__option_rules[at].offset != offsetof(struct walrow_options, to))
            WALROW_TRY(adopt(options, at, walrow_options_get(newer, walrow__option_infos[at].name), err));
    return adopt_to(options, &newer->to, err);
}

static const char *const plugin_names[] = {"auto", "wal2arrow", "pgoutput", "wal2json"};

const char *
walrow__plugin_name(int plugin)
{
    return plugin_names[plugin];
}

walrow__plugin
walrow__plugin_number(const char *name)
{
    int plugin = WALROW__PLUGIN_WAL2JSON;
    while (plugin > WALROW__PLUGIN_AUTO && strcmp(plugin_names[plugin], name) != 0)
        plugin--;
    return (walrow__plugin)plugin;
}

bool
walrow__options_is_set(const walrow_options *options, const char *name)
{
    size_t at = walrow__option_find(name);
    return at < walrow__option_count && options->texts[at] != NULL;
}

/* Would anybody see the rows of a snapshot? A word that is not known is an error where filters are made. */
static bool
rows_are_seen(const walrow_options *options)
{
    walrow__ops events = {0};
    bool known = walrow__ops_add_lists(&events, &options->events) == NULL;
    bool all = options->events.count == 0 || !known;
    return options->sql.count == 0 && (all || events.has['R']);
}

int
walrow__options_snapshot(const walrow_options *options)
{
    bool asked = walrow__options_is_set(options, "snapshot") || rows_are_seen(options);
    return asked ? options->snapshot : WALROW__SNAPSHOT_NEVER;
}

const char *
walrow__options_override(const walrow_options *options, const char *schema, const char *table,
                         const char *column)
{
    for (size_t i = options->n_types; i-- > 0;) { /* the last one wins */
        const walrow__type_override *override = &options->types[i];
        if (strcmp(override->schema, schema) == 0 && strcmp(override->table, table) == 0 &&
            strcmp(override->column, column) == 0)
            return override->arrow_type;
    }
    return NULL;
}
