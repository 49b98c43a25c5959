#include "sink/event/options.h"

#include "base/error.h"
#include "sink/event/data.h"
#include "sink/params.h"

#include <stdlib.h>
#include <string.h>

/* An option in one of the forms: what it is by default, and, where it cannot be anything else, why. */
typedef struct setting {
    bool is_on;
    const char *fixed;
} setting;

static const char no_positions[] = "a batch does not say a column's attnum";
static const char no_not_null[] = "a batch does not say which columns are NOT NULL";
static const char no_defaults[] = "a batch has no default expressions";
static const char no_base_types[] = "a batch has a domain's name, not its base type's";
static const char no_origins[] = "a batch has the origin's name, and wal2json prints its number";
static const char one_line[] = "an event is one line";
static const char tables_elsewhere[] = "--tables chooses the tables";

static const struct {
    const char *name;
    setting events, wal2json;
} fields[WALROW__EVENT_N_FIELDS] = {
    [WALROW__EVENT_TRANSACTION] = {"include-transaction", {true, NULL}, {true, NULL}},
    [WALROW__EVENT_XIDS] = {"include-xids", {true, NULL}, {false, NULL}},
    [WALROW__EVENT_TIMESTAMP] = {"include-timestamp", {true, NULL}, {false, NULL}},
    [WALROW__EVENT_LSN] = {"include-lsn",
                           {true, NULL},
                           {false, "a batch has the LSN of the commit, and wal2json prints each change's"}},
    [WALROW__EVENT_ORIGIN] = {"include-origin", {true, NULL}, {false, no_origins}},
    [WALROW__EVENT_SCHEMAS] = {"include-schemas", {true, NULL}, {true, NULL}},
    [WALROW__EVENT_TYPES] = {"include-types", {false, NULL}, {true, NULL}},
    [WALROW__EVENT_TYPE_OIDS] = {"include-type-oids", {false, NULL}, {false, NULL}},
    [WALROW__EVENT_PK] =
        {"include-pk",
         {true, NULL},
         {false, "a batch has the replica identity's columns, which need not be the primary key's"}},
    [WALROW__EVENT_NUMBERS_AS_TEXT] = {"numeric-data-types-as-string",
                                       {false, "events have numbers as JSON numbers"},
                                       {false, NULL}},
    /* format 2 of wal2json takes no notice of these three */
    [WALROW__EVENT_TYPMOD] = {"include-typmod", {true, "types come with precision and length"}, {true, NULL}},
    [WALROW__EVENT_PRETTY_PRINT] = {"pretty-print", {false, one_line}, {false, NULL}},
    [WALROW__EVENT_IN_CHUNKS] = {"write-in-chunks", {false, one_line}, {false, NULL}},
    [WALROW__EVENT_COLUMN_POSITIONS] = {"include-column-positions",
                                        {false, no_positions},
                                        {false, no_positions}},
    [WALROW__EVENT_NOT_NULL] = {"include-not-null", {false, no_not_null}, {false, no_not_null}},
    [WALROW__EVENT_DEFAULT] = {"include-default", {false, no_defaults}, {false, no_defaults}},
    [WALROW__EVENT_DOMAIN_DATA_TYPE] = {"include-domain-data-type",
                                        {false, no_base_types},
                                        {false, no_base_types}},
};

/* Options that choose changes, and that nothing here can answer. */
static const struct {
    const char *name, *why;
} elsewhere[] = {
    {"add-tables", tables_elsewhere}, {"filter-tables", tables_elsewhere}, {"filter-origins", no_origins}};

enum { N_ELSEWHERE = sizeof elsewhere / sizeof *elsewhere, N_OTHERS = 5, NOT_GIVEN = 2 };

static setting
setting_of(const walrow__event_options *options, int field)
{
    return options->wal2json ? fields[field].wal2json : fields[field].events;
}

static void
take_defaults(walrow__event_options *options)
{
    for (int i = 0; i < WALROW__EVENT_N_FIELDS; i++)
        options->has[i] = setting_of(options, i).is_on;
}

void
walrow__event_options_init(walrow__event_options *options)
{
    memset(options, 0, sizeof *options);
    take_defaults(options);
}

void
walrow__event_options_release(walrow__event_options *options)
{
    free(options->actions);
    free(options->add_prefixes);
    free(options->filter_prefixes);
    memset(options, 0, sizeof *options);
}

/* ---- lists ---- */

static bool
is_in_list(const char *list, const char *word, size_t size)
{
    for (const char *at = list; *at != '\0';) {
        size_t item = strcspn(at, ",");
        if (item == size && memcmp(at, word, size) == 0)
            return true;
        at += item + (at[item] == ',');
    }
    return false;
}

bool
walrow__event_options_want_op(const walrow__event_options *options, char op)
{
    const char *action = walrow__event_type(op == 'R' ? 'I' : op); /* wal2json reads no snapshots */
    return options->actions == NULL || is_in_list(options->actions, action, strlen(action));
}

bool
walrow__event_options_want_prefix(const walrow__event_options *options, const char *prefix)
{
    size_t size = strlen(prefix);
    if (options->filter_prefixes != NULL && is_in_list(options->filter_prefixes, prefix, size))
        return false;
    return options->add_prefixes == NULL || is_in_list(options->add_prefixes, prefix, size);
}

static walrow_code
check_actions(const char *uri, const char *actions, walrow_error *err)
{
    for (const char *at = actions; at != NULL && *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (!is_in_list("insert,update,delete,truncate", at, size)) {
            walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": unknown action \"%.*s\"", uri, (int)size, at);
            return walrow__hint(err, "actions are insert, update, delete and truncate, between commas");
        }
        at += size + (at[size] == ',');
    }
    return WALROW_OK;
}

/* ---- parsing ---- */

static walrow_code
refuse(const walrow__event_options *options, const char *uri, const char *name, const char *why,
       walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": %s cannot be answered: %s", uri, name, why);
    return walrow__hint(
        err, "%s", options->wal2json ? "leave it out, or read the slot of a real wal2json" : "leave it out");
}

static walrow_code
read_format(walrow__event_options *options, const char *uri, const char *format, walrow_error *err)
{
    options->wal2json = format != NULL && strcmp(format, "wal2json-v2") == 0;
    if (format == NULL || options->wal2json || strcmp(format, "events") == 0)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": unknown format \"%s\"", uri, format);
    return walrow__hint(err, "formats are events and wal2json-v2");
}

static walrow_code
take_fields(walrow__event_options *options, const char *uri, const uint64_t *given, walrow_error *err)
{
    take_defaults(options);
    for (int i = 0; i < WALROW__EVENT_N_FIELDS; i++) {
        setting setting = setting_of(options, i);
        if (given[i] == NOT_GIVEN || (given[i] != 0) == setting.is_on)
            continue;
        if (setting.fixed != NULL)
            return refuse(options, uri, fields[i].name, setting.fixed, err);
        options->has[i] = given[i] != 0;
    }
    return WALROW_OK;
}

/* What is given, before it is known in which form. */
typedef struct given {
    uint64_t fields[WALROW__EVENT_N_FIELDS];
    uint64_t version;
    char *elsewhere[N_ELSEWHERE];
    char *format;
} given;

static walrow_code
take(walrow__event_options *options, const char *uri, const given *given, walrow_error *err)
{
    WALROW_TRY(read_format(options, uri, given->format, err));
    if (given->version != NOT_GIVEN && !options->wal2json)
        return refuse(options, uri, "format-version", "it is wal2json's: write format=wal2json-v2", err);
    for (int i = 0; i < N_ELSEWHERE; i++)
        if (given->elsewhere[i] != NULL)
            return refuse(options, uri, elsewhere[i].name, elsewhere[i].why, err);
    WALROW_TRY(check_actions(uri, options->actions, err));
    return take_fields(options, uri, given->fields, err);
}

static void
list_params(walrow__event_options *options, given *given, walrow__param *params)
{
    const walrow__param others[N_OTHERS] = {
        {.name = "format", .kind = WALROW__PARAM_TEXT, .text = &given->format},
        {.name = "format-version", .kind = WALROW__PARAM_WORD, .word = "2", .value = &given->version},
        {.name = "actions", .kind = WALROW__PARAM_TEXT, .text = &options->actions},
        {.name = "add-msg-prefixes", .kind = WALROW__PARAM_TEXT, .text = &options->add_prefixes},
        {.name = "filter-msg-prefixes", .kind = WALROW__PARAM_TEXT, .text = &options->filter_prefixes},
    };
    given->version = NOT_GIVEN;
    memcpy(params, others, sizeof others);
    params += N_OTHERS;
    for (int i = 0; i < WALROW__EVENT_N_FIELDS; i++) {
        given->fields[i] = NOT_GIVEN;
        *params++ =
            (walrow__param){.name = fields[i].name, .kind = WALROW__PARAM_SWITCH, .value = &given->fields[i]};
    }
    for (int i = 0; i < N_ELSEWHERE; i++)
        *params++ = (walrow__param){
            .name = elsewhere[i].name, .kind = WALROW__PARAM_TEXT, .text = &given->elsewhere[i]};
}

walrow_code
walrow__event_options_parse(walrow__event_options *options, const char *uri, const char *text,
                            walrow_error *err)
{
    walrow__param params[N_OTHERS + WALROW__EVENT_N_FIELDS + N_ELSEWHERE];
    given given = {0};
    list_params(options, &given, params);
    walrow_code code = walrow__params_parse(uri, text, params, sizeof params / sizeof *params, err);
    if (code == WALROW_OK)
        code = take(options, uri, &given, err);
    for (int i = 0; i < N_ELSEWHERE; i++)
        free(given.elsewhere[i]);
    free(given.format);
    return code;
}
