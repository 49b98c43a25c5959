#include "options.h"

#include "base/parse.h"
#include "lib/stringinfo.h"
#include "names.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

/* "schema.table" with wildcards */
typedef struct table_pattern {
    name_pattern names[2];
} table_pattern;

/* "schema.table.column" */
typedef struct column_name {
    name_pattern names[3];
} column_name;

typedef struct option {
    const char *name;
    const char *accepts; /* for the hint of a value it does not take */
    bool (*read)(plugin_options *options, const char *value);
} option;

/* ---- values: false where it is not one ---- */

static bool
read_switch(const char *value, bool *out)
{
    return parse_bool(value, out);
}

static bool
read_number(const char *value, bool size, int64 least, int64 most, int64 *out)
{
    int64_t number;
    if (!(size ? walrow__parse_size : walrow__parse_int)(value, &number) || number < least || number > most)
        return false;
    *out = number;
    return true;
}

static bool
read_tables(const char *value, List **out)
{
    List *items;
    ListCell *cell;
    *out = NIL;
    if (!names_split(value, &items))
        return false;
    foreach (cell, items) {
        table_pattern *pattern = palloc(sizeof *pattern);
        const char *end = names_read(lfirst(cell), pattern->names, 2);
        if (end == NULL || *end != '\0')
            return false;
        *out = lappend(*out, pattern);
    }
    return true;
}

/* Prefixes as they are, or in quotes. */
static bool
read_prefixes(const char *value, List **out)
{
    List *items;
    ListCell *cell;
    *out = NIL;
    if (!names_split(value, &items))
        return false;
    foreach (cell, items) {
        char *text = lfirst(cell);
        if (*text == '"') {
            name_pattern quoted;
            const char *end = names_read(text, &quoted, 1);
            if (end == NULL || *end != '\0')
                return false;
            text = quoted.text;
        }
        *out = lappend(*out, text);
    }
    return true;
}

/* ---- options ---- */

static bool
read_publication_names(plugin_options *options, const char *value)
{
    return SplitIdentifierString(pstrdup(value), ',', &options->publication_names) &&
           options->publication_names != NIL;
}

static bool
read_tables_option(plugin_options *options, const char *value)
{
    return read_tables(value, &options->tables);
}

static bool
read_exclude_tables(plugin_options *options, const char *value)
{
    return read_tables(value, &options->exclude_tables);
}

static bool
read_format(plugin_options *options, const char *value)
{
    static const char *const names[] = {
        [FORMAT_IPC] = "ipc", [FORMAT_COMPACT] = "compact", [FORMAT_TEXT] = "text"};
    for (int i = 0; i < (int)lengthof(names); i++)
        if (strcmp(value, names[i]) == 0) {
            options->format = (row_format)i;
            return true;
        }
    return false;
}

static bool
read_max_rows(plugin_options *options, const char *value)
{
    return read_number(value, false, 1, 100000000, &options->max_rows);
}

static bool
read_max_bytes(plugin_options *options, const char *value)
{
    return read_number(value, true, 1024, 256 * 1024 * 1024, &options->max_bytes);
}

static bool
read_types(plugin_options *options, const char *value)
{
    List *items;
    ListCell *cell;
    if (!names_split(value, &items))
        return false;
    foreach (cell, items) {
        column_name *column = palloc(sizeof *column);
        const char *end = names_read(lfirst(cell), column->names, 3);
        if (end == NULL || strcmp(end, "=utf8") != 0)
            return false;
        options->types = lappend(options->types, column);
    }
    return true;
}

static bool
read_actions(plugin_options *options, const char *value)
{
    static const char *const names[] = {"insert", "update", "delete", "truncate"};
    List *items;
    ListCell *cell;
    if (!names_split(value, &items))
        return false;
    options->actions = 0;
    foreach (cell, items) {
        int i = 0;
        while (i < (int)lengthof(names) && strcmp(lfirst(cell), names[i]) != 0)
            i++;
        if (i == (int)lengthof(names))
            return false;
        options->actions |= 1 << i;
    }
    return true;
}

static bool
read_messages(plugin_options *options, const char *value)
{
    return read_switch(value, &options->messages);
}

static bool
read_message_prefixes(plugin_options *options, const char *value)
{
    return read_prefixes(value, &options->message_prefixes);
}

static bool
read_exclude_message_prefixes(plugin_options *options, const char *value)
{
    return read_prefixes(value, &options->exclude_message_prefixes);
}

static bool
read_origin(plugin_options *options, const char *value)
{
    options->local_only = strcmp(value, "none") == 0;
    return options->local_only || strcmp(value, "any") == 0;
}

static bool
read_xids(plugin_options *options, const char *value)
{
    return read_switch(value, &options->xids);
}

static bool
read_timestamps(plugin_options *options, const char *value)
{
    return read_switch(value, &options->timestamps);
}

static const option all_options[] = {
    {"publication_names", "names of publications, separated by commas", read_publication_names},
    {"tables", "schema.table, separated by commas; * and ? match, names in double quotes are literal",
     read_tables_option},
    {"exclude_tables", "schema.table, separated by commas; * and ? match, names in double quotes are literal",
     read_exclude_tables},
    {"format", "compact, ipc, text", read_format},
    {"max_rows", "a number from 1 to 100000000", read_max_rows},
    {"max_bytes", "a size from 1kB to 256MB", read_max_bytes},
    {"types", "schema.table.column=utf8, separated by commas", read_types},
    {"actions", "insert, update, delete, truncate, separated by commas", read_actions},
    {"messages", "on, off", read_messages},
    {"message_prefixes", "prefixes, separated by commas", read_message_prefixes},
    {"exclude_message_prefixes", "prefixes, separated by commas", read_exclude_message_prefixes},
    {"origin", "any, none", read_origin},
    {"xids", "on, off", read_xids},
    {"timestamps", "on, off", read_timestamps},
};

/* ---- reading them ---- */

static const char *
names_of_options(void)
{
    StringInfoData names;
    initStringInfo(&names);
    for (int i = 0; i < (int)lengthof(all_options); i++)
        appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", all_options[i].name);
    return names.data;
}

static const option *
find_option(const char *name)
{
    for (int i = 0; i < (int)lengthof(all_options); i++)
        if (strcmp(name, all_options[i].name) == 0)
            return &all_options[i];
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("wal2arrow has no option \"%s\"", name),
                    errhint("Options are %s.", names_of_options())));
}

static void
read_option(plugin_options *out, const DefElem *element)
{
    const option *option = find_option(element->defname);
    const char *value = element->arg == NULL ? "" : strVal(element->arg);
    if (!option->read(out, value))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("invalid value for wal2arrow's option \"%s\": \"%s\"", option->name, value),
                        errhint("It takes %s.", option->accepts)));
}

void
options_read(List *defelems, plugin_options *out)
{
    ListCell *cell;
    *out = (plugin_options){.format = FORMAT_IPC,
                            .max_rows = 65536,
                            .max_bytes = 1024 * 1024,
                            .actions = OPERATIONS_ALL,
                            .xids = true,
                            .timestamps = true};
    foreach (cell, defelems)
        read_option(out, lfirst(cell));
    if (out->publication_names != NIL && (out->tables != NIL || out->exclude_tables != NIL))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("wal2arrow's option \"publication_names\" goes with neither \"tables\" nor "
                               "\"exclude_tables\""),
                        errhint("Leave tables out of the publication, or give no publication.")));
}

/* ---- asking them ---- */

static bool
match_any(List *patterns, const char *schema, const char *table)
{
    ListCell *cell;
    foreach (cell, patterns) {
        const table_pattern *pattern = lfirst(cell);
        if (name_matches(&pattern->names[0], schema) && name_matches(&pattern->names[1], table))
            return true;
    }
    return false;
}

bool
options_match_table(const plugin_options *options, const char *schema, const char *table)
{
    return (options->tables == NIL || match_any(options->tables, schema, table)) &&
           !match_any(options->exclude_tables, schema, table);
}

static bool
has_text(List *texts, const char *text)
{
    ListCell *cell;
    foreach (cell, texts)
        if (strcmp(lfirst(cell), text) == 0)
            return true;
    return false;
}

bool
options_match_prefix(const plugin_options *options, const char *prefix)
{
    return (options->message_prefixes == NIL || has_text(options->message_prefixes, prefix)) &&
           !has_text(options->exclude_message_prefixes, prefix);
}

const char *
options_column_type(const plugin_options *options, const char *schema, const char *table, const char *column)
{
    ListCell *cell;
    foreach (cell, options->types) {
        const column_name *name = lfirst(cell);
        if (strcmp(name->names[0].text, schema) == 0 && strcmp(name->names[1].text, table) == 0 &&
            strcmp(name->names[2].text, column) == 0)
            return "utf8";
    }
    return NULL;
}
