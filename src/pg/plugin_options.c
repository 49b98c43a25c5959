#include "pg/plugin_options.h"

#include "base/error.h"
#include "base/log.h"
#include "base/parse.h"

#include <string.h>

/* Options of wal2json (its README, "Parameters"). */
typedef struct plugin_option {
    const char *name;
    const char *ours;    /* as walrow asks for it; NULL: not at all */
    bool is_fixed;       /* no other value will do */
    const char *without; /* what goes with another value; why no other will do */
    const char *classic; /* the same as ours for format 1: it is asked for, and no other value will do */
} plugin_option;

static const plugin_option known[] = {
    {"format-version", "2", true, "it is said by --wal2json-format", "1"},
    {"include-transaction", "on", true, "begin and commit carry the positions"},
    {"include-lsn", "on", true, "without LSNs there are no positions", "on"},
    {"include-xids", "on", true, "without it there are no transaction ids"},
    {"include-timestamp", "on", true, "without it there are no commit times"},
    {"include-schemas", "on", true, "without schemas a table is not known by its name"},
    {"include-type-oids", "on", true, "types are known by their oids"},
    {"include-typmod", "on", true, "types would differ from what the catalogue says"},
    {WALROW__NUMBERS_AS_TEXT, "on", true, "NaN and infinities would be nulls"},
    {"include-types", "on", false, "precision and length of columns are those of today's catalogue"},
    {"include-pk", "on", false, "a new primary key is noticed at the next update or delete"},
    {"include-origin", "on", false, "transactions have no origin"},
    {"include-default", "off", false, "up to 2.6 wal2json prints expressions with quotes as broken JSON"},
    {"include-domain-data-type", NULL, false, NULL},
    {"include-not-null", NULL, false, NULL},
    {"include-column-positions", NULL, false, NULL},
    {"pretty-print", NULL, false, NULL},
    {"write-in-chunks", NULL, false, NULL},
    {"actions", NULL, false, NULL},
    {"add-tables", NULL, false, NULL},
    {"filter-tables", NULL, false, NULL},
    {"filter-origins", NULL, false, NULL},
    {"add-msg-prefixes", NULL, false, NULL},
    {"filter-msg-prefixes", NULL, false, NULL},
};

enum { N_KNOWN = sizeof known / sizeof *known };

/* The value of a NAME=VALUE if it is that name's; NULL: it is another's. */
static const char *
value_of(const char *given, const char *name)
{
    size_t size = strlen(name);
    return strncmp(given, name, size) == 0 && given[size] == '=' ? given + size + 1 : NULL;
}

static const plugin_option *
find_known(const char *given)
{
    for (int i = 0; i < N_KNOWN; i++)
        if (value_of(given, known[i].name) != NULL)
            return &known[i];
    return NULL;
}

static bool
is_ours(const char *ours, const char *value)
{
    bool is_on;
    return strcmp(ours, value) == 0 ||
           (walrow__parse_bool(value, &is_on) && strcmp(ours, is_on ? "on" : "off") == 0);
}

static walrow_code
check_one(const char *given, walrow__wal2json_format format, walrow_error *err)
{
    const char *equals = strchr(given, '=');
    const plugin_option *option = find_known(given);
    if (equals == NULL) {
        walrow__fail(err, WALROW_ERR_USAGE, "--plugin-option: \"%s\" is not NAME=VALUE", given);
        return walrow__hint(err, "as in --plugin-option actions=insert,update");
    }
    if (option == NULL) {
        walrow__fail(err, WALROW_ERR_USAGE,
                     "--plugin-option: what \"%.*s\" does to wal2json's messages is not known",
                     (int)(equals - given), given);
        return walrow__hint(err, "docs/wal2json.md lists the options that can be given");
    }
    bool is_classic = format == WALROW__WAL2JSON_1;
    const char *ours = is_classic ? option->classic : option->ours;
    if (ours == NULL || is_ours(ours, equals + 1))
        return WALROW_OK;
    if (option->is_fixed) {
        walrow__fail(err, WALROW_ERR_USAGE, "--plugin-option %s: %s", given, option->without);
        return walrow__hint(err, "leave it out: walrow asks for %s=%s", option->name, ours);
    }
    walrow__log(WALROW_LOG_WARN, "--plugin-option %s: %s", given, option->without);
    return WALROW_OK;
}

/* Documents hold the changes of all tables, and are not taken apart. */
static walrow_code
check_classic(const walrow_options *options, walrow_error *err)
{
    if (options->plugin != WALROW__PLUGIN_WAL2JSON) {
        walrow__fail(err, WALROW_ERR_USAGE, "--wal2json-format is for --plugin wal2json");
        return walrow__hint(err, "say --plugin wal2json, or leave it out");
    }
    if (options->tables.count > 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "--tables: documents of format 1 come whole, with every table");
        return walrow__hint(err,
                            "leave it out, and choose tables with --plugin-option add-tables=public.orders");
    }
    if (options->where.count + options->columns.count + options->events.count > 0) {
        walrow__fail(
            err, WALROW_ERR_USAGE,
            "--where, --columns and --events choose among rows, and documents of format 1 come whole");
        return walrow__hint(err, "leave them out, and choose with --plugin-option actions=insert,update");
    }
    if (walrow__options_snapshot(options) == WALROW__SNAPSHOT_ONLY) {
        walrow__fail(err, WALROW_ERR_USAGE, "--snapshot only: format 1 has no rows that are there already");
        return walrow__hint(err, "leave out --wal2json-format 1");
    }
    return WALROW_OK;
}

bool
walrow__plugin_has_documents(const walrow_options *options)
{
    return options->wal2json_format == WALROW__WAL2JSON_1;
}

walrow_code
walrow__plugin_options_check(const walrow_options *options, walrow_error *err)
{
    const walrow__texts *given = &options->plugin_options;
    if (given->count > 0 && options->plugin != WALROW__PLUGIN_WAL2JSON) {
        walrow__fail(err, WALROW_ERR_USAGE, "--plugin-option is for --plugin wal2json");
        return walrow__hint(err, "say --plugin wal2json, or leave it out");
    }
    if (walrow__plugin_has_documents(options))
        WALROW_TRY(check_classic(options, err));
    for (size_t i = 0; i < given->count; i++)
        WALROW_TRY(check_one(given->items[i], (walrow__wal2json_format)options->wal2json_format, err));
    return WALROW_OK;
}

bool
walrow__plugin_option_at(const walrow__texts *given, walrow__wal2json_format format, size_t at,
                         const char **name, const char **value)
{
    if (at >= N_KNOWN)
        return false;
    const char *ours = format == WALROW__WAL2JSON_1 ? known[at].classic : known[at].ours;
    *value = ours != NULL && strcmp(ours, "off") != 0 ? ours : NULL;
    *name = known[at].name;
    for (size_t i = 0; i < given->count; i++)
        if (value_of(given->items[i], known[at].name) != NULL)
            *value = value_of(given->items[i], known[at].name);
    return true;
}
