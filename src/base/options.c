/*
 * base/options.c
 *	  The option table, and setting an option from text.
 */
#include "base/options.h"

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum option_type {
    FLAG,     /* bool */
    TEXT,     /* char * */
    NAME,     /* char *: a PostgreSQL name, 1 to 63 bytes */
    SLOT,     /* char *: a replication slot's name */
    LIST,     /* walrow__texts */
    CHOICE,   /* int: position among the choices */
    NUMBER,   /* int64_t, min to max */
    SIZE,     /* int64_t, bytes, min to max */
    DURATION, /* int64_t, milliseconds, min to max */
    LSN,      /* uint64_t */
    UNTIL,    /* until_lsn and until_now */
    OVERRIDE  /* types */
} option_type;

typedef struct option_rule {
    option_type type;
    size_t offset; /* of the field */
    int64_t min, max;
    const char *choices; /* CHOICE: names, separated by spaces */
    bool live;           /* may change while a stream runs */
} option_rule;

#define LONGEST_MS (INT64_C(366) * 86400000)

#define AT(field) offsetof(struct walrow_options, field)
#define RULE(type, field)                                                                                    \
    {                                                                                                        \
        type, AT(field), 0, 0, NULL                                                                          \
    }
#define RULE_RANGE(type, field, min, max)                                                                    \
    {                                                                                                        \
        type, AT(field), min, max, NULL                                                                      \
    }
#define RULE_LIVE(type, field, min, max)                                                                     \
    {                                                                                                        \
        type, AT(field), min, max, NULL, true                                                                \
    }
#define RULE_CHOICE(field, choices)                                                                          \
    {                                                                                                        \
        CHOICE, AT(field), 0, 0, choices                                                                     \
    }

/*
 * The one table: name, short name, environment, argument, default, help, repeatable, rule.
 * Adding an option is a line here and a field in options.h; a subcommand takes it by naming it in its own
 * row.
 */
#define OPTIONS(X)                                                                                           \
    X("source", 'd', "SOURCE_URL", "URL", NULL,                                                              \
      "the server: a libpq URI or keywords; without it the PG* variables", false, RULE(TEXT, source))        \
    X("tables", 0, "TABLES", "P[,P...]", NULL, "table patterns, !P excludes; without it every table", true,  \
      RULE(LIST, tables))                                                                                    \
    X("slot", 'S', "SOURCE_SLOT_NAME", "NAME", "walrow", "replication slot", false, RULE(SLOT, slot))        \
    X("publication", 0, "SOURCE_PUBLICATION_NAME", "NAME", "walrow", "publication", false,                   \
      RULE(NAME, publication))                                                                               \
    X("plugin", 'P', NULL, "P", "auto",                                                                      \
      "auto, wal2arrow, pgoutput or wal2json; auto: the slot's own, for a new slot wal2arrow if the server " \
      "can load it",                                                                                         \
      false, RULE_CHOICE(plugin, "auto wal2arrow pgoutput wal2json"))                                        \
    X("plugin-option", 0, NULL, "NAME=VALUE", NULL, "an option of wal2json: actions=insert,update", true,    \
      RULE(LIST, plugin_options))                                                                            \
    X("wal2json-format", 0, NULL, "N", "2",                                                                  \
      "of wal2json: 2, typed batches; or 1, its documents as they are, into jsonl: alone", false,            \
      RULE_CHOICE(wal2json_format, "2 1"))                                                                   \
    X("transport", 0, NULL, "T", "auto", "auto, push or pull", false,                                        \
      RULE_CHOICE(transport, "auto push pull"))                                                              \
    X("snapshot", 0, NULL, "S", "initial", "existing rows: initial (first run), never, or only", false,      \
      RULE_CHOICE(snapshot, "initial never only"))                                                           \
    X("to", 0, NULL, "SINK", NULL,                                                                           \
      "where changes go: ipc:DIR, parquet:DIR, duckdb:FILE, kafka://BROKERS/PREFIX, redis://HOST, "          \
      "jsonl:FILE, table:-, arrow:-, null:",                                                                 \
      true, RULE(LIST, to))                                                                                  \
    X("sql", 0, NULL, "NAME=QUERY", NULL,                                                                    \
      "a query over the changes of each window, in DuckDB's SQL: its rows go to the sinks, not the changes", \
      true, RULE(LIST, sql))                                                                                 \
    X("window", 0, NULL, "DURATION", NULL,                                                                   \
      "how long the windows of --sql are, by commit time: 500ms, 10s, 5min, 1h; what comes late counts in "  \
      "the window that is open then",                                                                        \
      false, RULE_RANGE(DURATION, window_ms, 1, LONGEST_MS))                                                 \
    X("slide", 0, NULL, "DURATION", NULL,                                                                    \
      "a window begins that often; without it when the one before is over", false,                           \
      RULE_RANGE(DURATION, slide_ms, 1, LONGEST_MS))                                                         \
    X("every", 0, NULL, "DURATION", NULL,                                                                    \
      "instead of --window: run --sql that often over all changes that --retain holds", false,               \
      RULE_RANGE(DURATION, every_ms, 1, LONGEST_MS))                                                         \
    X("retain", 0, NULL, "SIZE", "256MB", "most bytes of changes that --sql keeps for its queries", false,   \
      RULE_RANGE(SIZE, retain_bytes, 1 << 20, INT64_C(1) << 40))                                             \
    X("start", 'I', NULL, "LSN", NULL, "begin here instead of at the stored position", false,                \
      RULE(LSN, start_lsn))                                                                                  \
    X("until", 'E', NULL, "LSN|now", NULL, "stop once everything committed up to there is delivered", false, \
      RULE(UNTIL, until_lsn))                                                                                \
    X("events", 0, NULL, "E[,E...]", NULL,                                                                   \
      "only these: of insert, update, delete, truncate, read (a snapshot's rows), message; default all",     \
      true, RULE(LIST, events))                                                                              \
    X("where", 0, NULL, "P: SQL", NULL,                                                                      \
      "of tables that match the pattern only rows for which DuckDB's expression is true", true,              \
      RULE(LIST, where))                                                                                     \
    X("columns", 0, NULL, "P: C[,C...]", NULL,                                                               \
      "of tables that match the pattern only these columns, with the key's; of the command tables, without " \
      "argument: also list columns, with PostgreSQL and Arrow types",                                        \
      true, RULE(LIST, columns))                                                                             \
    X("batch", 0, NULL, "OF", "size",                                                                        \
      "a change set holds what the limits allow: size; or one transaction at a time: transaction", false,    \
      RULE_CHOICE(batch, "size transaction"))                                                                \
    X("batch-rows", 0, NULL, "N", "65536", "most rows of a change set", false,                               \
      RULE_LIVE(NUMBER, batch_rows, 1, 1 << 30))                                                             \
    X("batch-bytes", 0, NULL, "SIZE", "16MB", "most bytes of a change set", false,                           \
      RULE_LIVE(SIZE, batch_bytes, 1024, 1 << 30))                                                           \
    X("batch-delay", 0, NULL, "MS", "100", "longest wait for more changes, milliseconds", false,             \
      RULE_LIVE(NUMBER, batch_delay_ms, 0, 3600000))                                                         \
    X("encoding", 0, NULL, "E", "auto",                                                                      \
      "how pgoutput sends values: auto, binary or text; wal2arrow sends columns", false,                     \
      RULE_CHOICE(encoding, "auto binary text"))                                                             \
    X("state", 0, NULL, "DIR", NULL,                                                                         \
      "directory of walrow's own state of the slot, or off; default $XDG_STATE_HOME/walrow/SLOT, else "      \
      "~/.local/state/walrow/SLOT",                                                                          \
      false, RULE(TEXT, state))                                                                              \
    X("buffer", 0, NULL, "WHEN", "auto",                                                                     \
      "keep changes on disk, in the state, until the sinks have them: auto (with several sinks or --sql), "  \
      "on, off",                                                                                             \
      false, RULE_CHOICE(buffer, "auto on off"))                                                             \
    X("buffer-bytes", 0, NULL, "SIZE", "1GB", "most bytes of the buffer; past it the stream waits", false,   \
      RULE_RANGE(SIZE, buffer_bytes, 1 << 20, INT64_MAX))                                                    \
    X("no-setup", 0, NULL, NULL, NULL, "fail instead of creating anything on the server", false,             \
      RULE(FLAG, no_setup))                                                                                  \
    X("publish", 0, NULL, "FORM", "listed",                                                                  \
      "listed: the publication lists the matched tables; wide: FOR TABLES IN SCHEMA or FOR ALL TABLES",      \
      false, RULE_CHOICE(publish, "listed wide"))                                                            \
    X("replica-identity", 0, NULL, "full", "keep",                                                           \
      "full: set REPLICA IDENTITY FULL on matched tables without a key", false,                              \
      RULE_CHOICE(replica_identity, "keep full"))                                                            \
    X("insert-only", 0, NULL, "P[,P...]", NULL,                                                              \
      "of matched tables without a key that match these patterns publish inserts only", true,                \
      RULE(LIST, insert_only))                                                                               \
    X("ack-interval", 0, NULL, "MS", "1000", "how often durable positions are confirmed, milliseconds",      \
      false, RULE_LIVE(NUMBER, ack_interval_ms, 1, 3600000))                                                 \
    X("connect-timeout", 0, NULL, "S", "30", "longest wait for a connection, seconds", false,                \
      RULE_RANGE(NUMBER, connect_timeout_s, 1, 86400))                                                       \
    X("receive-timeout", 0, NULL, "S", "60", "a server silent for so long, though asked, is left; 0: never", \
      false, RULE_RANGE(NUMBER, receive_timeout_s, 0, 86400))                                                \
    X("heartbeat", 0, NULL, "S", "0",                                                                        \
      "write a logical message when nothing came for S seconds, so that positions move; 0: never", false,    \
      RULE_RANGE(NUMBER, heartbeat_s, 0, 86400))                                                             \
    X("retry-max", 0, NULL, "N", NULL, "give up after N failed retries in a row; without it never", false,   \
      RULE_RANGE(NUMBER, retry_max, 0, 1 << 30))                                                             \
    X("retry-seconds", 0, NULL, "S", NULL, "give up when retries fail for S seconds; without it never",      \
      false, RULE_RANGE(NUMBER, retry_seconds, 0, 1 << 30))                                                  \
    X("allow-empty", 0, NULL, NULL, NULL, "patterns may match nothing yet", false, RULE(FLAG, allow_empty))  \
    X("strict", 0, NULL, NULL, NULL, "a value its Arrow type cannot hold is an error", false,                \
      RULE(FLAG, strict))                                                                                    \
    X("type", 0, NULL, "S.T.C=TYPE", NULL, "another Arrow type for a column: public.t.c=utf8", true,         \
      RULE(OVERRIDE, types))                                                                                 \
    X("grant-to", 0, NULL, "ROLE", NULL, "also grant ROLE what it needs to stream", false,                   \
      RULE(NAME, grant_to))                                                                                  \
    X("dry-run", 'n', NULL, NULL, NULL, "print the SQL, change nothing", false, RULE(FLAG, dry_run))         \
    X("watch", 'w', NULL, NULL, NULL, "print again every two seconds", false, RULE(FLAG, watch))             \
    X("yes", 'y', NULL, NULL, NULL, "do not ask", false, RULE(FLAG, yes))                                    \
    X("json", 0, NULL, NULL, NULL, "one JSON document on stdout", false, RULE(FLAG, json))                   \
    X("report", 0, NULL, "FILE", NULL, "at exit, write a summary as JSON", false, RULE(TEXT, report))        \
    X("progress", 0, NULL, "WHEN", "auto", "progress on stderr: auto (on a terminal), always or never",      \
      false, RULE_CHOICE(progress, "auto always never"))                                                     \
    X("config", 0, NULL, "FILE", NULL,                                                                       \
      "YAML file of options, named as here; the command line and the environment win over it", false,        \
      RULE(TEXT, config))                                                                                    \
    X("log-level", 0, NULL, "LEVEL", "info", "error, warn, info or debug", false,                            \
      RULE_CHOICE(log_level, "error warn info debug"))                                                       \
    X("log-format", 0, NULL, "F", "text", "text or json", false, RULE_CHOICE(log_format, "text json"))

static const walrow_option_info infos[] = {
#define INFO_ROW(name, short_name, env, arg, default_text, help, repeatable, ...)                            \
    {name, short_name, env, arg, default_text, help, repeatable},
    OPTIONS(INFO_ROW)
#undef INFO_ROW
};

static const option_rule rules[] = {
#define RULE_ROW(name, short_name, env, arg, default_text, help, repeatable, ...) __VA_ARGS__,
    OPTIONS(RULE_ROW)
#undef RULE_ROW
};

#define N_OPTIONS (sizeof infos / sizeof infos[0])
_Static_assert(N_OPTIONS <= WALROW__MAX_OPTIONS, "raise WALROW__MAX_OPTIONS");

const walrow_option_info *
walrow_option_table(size_t *count)
{
    *count = N_OPTIONS;
    return infos;
}

/* Position in the table, N_OPTIONS if there is none. */
static size_t
find_option(const char *name)
{
    size_t i = 0;
    while (i < N_OPTIONS && strcmp(infos[i].name, name) != 0)
        i++;
    return i;
}

const char *
walrow_option_choices(const char *name)
{
    size_t at = find_option(name);
    return at == N_OPTIONS ? NULL : rules[at].choices;
}

static void *
field_of(walrow_options *options, size_t at)
{
    return (char *)options + rules[at].offset;
}

/* ---- one function per type: text into the field ---- */

static walrow_code
set_flag(bool *field, const walrow_option_info *info, const char *value, walrow_error *err)
{
    if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
        return walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is neither true nor false", info->name,
                            value);
    *field = value[0] == 't';
    return WALROW_OK;
}

static walrow_code
set_text(char **field, const char *value, walrow_error *err)
{
    char *copy = strdup(value);
    if (copy == NULL)
        return walrow__fail_memory(err);
    free(*field);
    *field = copy;
    return WALROW_OK;
}

static walrow_code
check_name(const walrow_option_info *info, const char *value, walrow_error *err)
{
    size_t size = strlen(value);
    if (size >= 1 && size <= 63)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not a name: it has %zu bytes", info->name, value,
                 size);
    return walrow__hint(err, "PostgreSQL names have 1 to 63 bytes");
}

/* PostgreSQL's ReplicationSlotValidateName. */
static walrow_code
check_slot_name(const walrow_option_info *info, const char *value, walrow_error *err)
{
    size_t size = strlen(value);
    if (size >= 1 && size <= 63 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_") == size)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" cannot name a replication slot", info->name, value);
    return walrow__hint(err, "slot names have 1 to 63 lower case letters, digits and underscores");
}

static walrow_code
set_choice(int *field, const walrow_option_info *info, const option_rule *rule, const char *value,
           walrow_error *err)
{
    size_t size = strlen(value);
    int at = 0;
    for (const char *word = rule->choices; *word != '\0'; at++) {
        size_t word_size = strcspn(word, " ");
        if (word_size == size && memcmp(word, value, size) == 0) {
            *field = at;
            return WALROW_OK;
        }
        word += word_size;
        word += strspn(word, " ");
    }
    walrow__fail(err, WALROW_ERR_USAGE, "--%s: unknown value \"%s\"", info->name, value);
    return walrow__hint(err, "it is one of: %s", rule->choices);
}

static walrow_code
set_number(int64_t *field, const walrow_option_info *info, const option_rule *rule, const char *value,
           walrow_error *err)
{
    static const struct {
        bool (*parse)(const char *text, int64_t *out);
        const char *what;
    } kinds[] = {[NUMBER] = {walrow__parse_int, "a whole number"},
                 [SIZE] = {walrow__parse_size, "a size"},
                 [DURATION] = {walrow__parse_duration, "a duration"}};
    int64_t number;
    if (!kinds[rule->type].parse(value, &number)) {
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not %s", info->name, value,
                     kinds[rule->type].what);
        return walrow__hint(err, "as in --%s %s", info->name,
                            rule->type == DURATION ? "10s (ms, s, min, h, d)" : info->default_text);
    }
    if (number < rule->min || number > rule->max) {
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: %s is out of range", info->name, value);
        return walrow__hint(err, "it goes from %lld to %lld", (long long)rule->min, (long long)rule->max);
    }
    __atomic_store_n(field, number, __ATOMIC_RELAXED); /* see walrow__live */
    return WALROW_OK;
}

static walrow_code
set_lsn(uint64_t *field, const walrow_option_info *info, const char *value, walrow_error *err)
{
    uint64_t lsn;
    if (!walrow_lsn_parse(value, &lsn) || lsn == 0) {
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not a position in the WAL", info->name, value);
        return walrow__hint(err,
                            "positions look like 0/15D6B88; \"select pg_current_wal_flush_lsn()\" gives one");
    }
    *field = lsn;
    return WALROW_OK;
}

static walrow_code
set_until(walrow_options *options, const walrow_option_info *info, const char *value, walrow_error *err)
{
    uint64_t lsn = 0;
    bool now = strcmp(value, "now") == 0;
    if (!now)
        WALROW_TRY(set_lsn(&lsn, info, value, err));
    options->until_now = now;
    options->until_lsn = lsn;
    return WALROW_OK;
}

static void
release_override(walrow__type_override *override)
{
    free(override->schema);
    free(override->table);
    free(override->column);
    free(override->arrow_type);
}

static walrow_code
add_override(walrow_options *options, const walrow_option_info *info, const char *value, walrow_error *err)
{
    walrow__type_override *types = realloc(options->types, (options->n_types + 1) * sizeof *types);
    if (types == NULL)
        return walrow__fail_memory(err);
    options->types = types;

    walrow__type_override *last = &types[options->n_types];
    char *names[3] = {0};
    const char *rest = walrow__parse_names(value, names, 3);
    if (rest != NULL && *rest == '=' && rest[1] != '\0' && strcmp(rest + 1, "utf8") != 0) {
        for (int i = 0; i < 3; i++)
            free(names[i]);
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: a column cannot be mapped to \"%s\"", info->name,
                     rest + 1);
        return walrow__hint(err, "only utf8 can be asked for: the value as PostgreSQL prints it");
    }
    if (rest != NULL && *rest == '=' && rest[1] != '\0')
        *last = (walrow__type_override){names[0], names[1], names[2], strdup(rest + 1)};
    else {
        for (int i = 0; i < 3; i++)
            free(names[i]);
        walrow__fail(err, WALROW_ERR_USAGE, "--%s: \"%s\" is not SCHEMA.TABLE.COLUMN=TYPE", info->name,
                     value);
        return walrow__hint(err,
                            "as in --type public.orders.note=utf8; quote odd names: \"My Schema\".t.c=utf8");
    }
    if (last->arrow_type == NULL) {
        release_override(last);
        return walrow__fail_memory(err);
    }
    options->n_types++;
    return WALROW_OK;
}

/* ---- the interface ---- */

static walrow_code
apply(walrow_options *options, size_t at, const char *value, walrow_error *err)
{
    const walrow_option_info *info = &infos[at];
    const option_rule *rule = &rules[at];
    void *field = field_of(options, at);

    switch (rule->type) {
    case FLAG:
        return set_flag(field, info, value, err);
    case NAME:
        WALROW_TRY(check_name(info, value, err));
        return set_text(field, value, err);
    case SLOT:
        WALROW_TRY(check_slot_name(info, value, err));
        return set_text(field, value, err);
    case TEXT:
        return set_text(field, value, err);
    case LIST:
        return walrow__texts_add(field, value) ? WALROW_OK : walrow__fail_memory(err);
    case CHOICE:
        return set_choice(field, info, rule, value, err);
    case NUMBER:
    case SIZE:
    case DURATION:
        return set_number(field, info, rule, value, err);
    case LSN:
        return set_lsn(field, info, value, err);
    case UNTIL:
        return set_until(options, info, value, err);
    case OVERRIDE:
        return add_override(options, info, value, err);
    }
    return walrow__fail(err, WALROW_ERR_UNEXPECTED, "option %s has no type", info->name);
}

static walrow_code
remember_text(walrow_options *options, size_t at, const char *value, walrow_error *err)
{
    char **text = &options->texts[at];
    char *now;
    if (*text == NULL || !infos[at].repeatable)
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
    for (size_t at = 0; at < N_OPTIONS; at++) {
        if (infos[at].default_text == NULL)
            continue;
        walrow_code code = apply(options, at, infos[at].default_text, err);
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
    for (size_t at = 0; at < N_OPTIONS; at++) {
        option_type type = rules[at].type;
        if (type == TEXT || type == NAME || type == SLOT)
            free(*(char **)field_of(options, at));
        else if (type == LIST)
            walrow__texts_release(field_of(options, at));
        free(options->texts[at]);
    }
    for (size_t i = 0; i < options->n_types; i++)
        release_override(&options->types[i]);
    free(options->types);
    release_adopted_to(options->adopted_to);
    free(options);
}

static walrow_code
fail_unknown(const char *name, walrow_error *err)
{
    walrow__nearest nearest;
    char text[128];
    walrow__nearest_init(&nearest, name);
    for (size_t at = 0; at < N_OPTIONS; at++)
        walrow__nearest_offer(&nearest, infos[at].name);
    walrow__fail(err, WALROW_ERR_USAGE, "unknown option \"%s\"", name);
    if (nearest.count > 0)
        walrow__hint(err, "did you mean --%s?", walrow__nearest_text(&nearest, text, sizeof text));
    return WALROW_ERR_USAGE;
}

walrow_code
walrow_options_set(walrow_options *options, const char *name, const char *value, walrow_error *err)
{
    size_t at = find_option(name);
    if (at == N_OPTIONS)
        return fail_unknown(name, err);
    WALROW_TRY(apply(options, at, value, err));
    return remember_text(options, at, value, err);
}

walrow_code
walrow_options_env(walrow_options *options, walrow_error *err)
{
    for (size_t at = 0; at < N_OPTIONS; at++) {
        const char *value = infos[at].env == NULL ? NULL : getenv(infos[at].env);
        if (value == NULL || *value == '\0' || options->texts[at] != NULL)
            continue;
        walrow_code code = walrow_options_set(options, infos[at].name, value, err);
        if (code != WALROW_OK && err != NULL && err->hint[0] == '\0')
            walrow__hint(err, "the value comes from the environment variable %s", infos[at].env);
        if (code != WALROW_OK)
            return code;
    }
    return WALROW_OK;
}

const char *
walrow_options_get(const walrow_options *options, const char *name)
{
    size_t at = find_option(name);
    if (at == N_OPTIONS)
        return NULL;
    const char *text = options->texts[at] != NULL ? options->texts[at] : infos[at].default_text;
    bool is_off = rules[at].type == FLAG && text != NULL && strcmp(text, "true") != 0;
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
    const char *name = infos[at].name, *before = walrow_options_get(options, name);
    if (now == before || (now != NULL && before != NULL && strcmp(now, before) == 0))
        return WALROW_OK;
    if (!rules[at].live && strcmp(name, "log-level") != 0) {
        walrow__log(WALROW_LOG_WARN, "--%s has changed: that takes a restart", name);
        return WALROW_OK;
    }
    walrow__log(WALROW_LOG_INFO, "--%s is %s now, it was %s", name, now, before);
    return walrow_options_set(options, name, now, err);
}

walrow_code
walrow_options_adopt(walrow_options *options, const walrow_options *newer, walrow_error *err)
{
    for (size_t at = 0; at < N_OPTIONS; at++)
        if (rules[at].offset != AT(to))
            WALROW_TRY(adopt(options, at, walrow_options_get(newer, infos[at].name), err));
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
    size_t at = find_option(name);
    return at < N_OPTIONS && options->texts[at] != NULL;
}

int
walrow__options_snapshot(const walrow_options *options)
{
    bool queries = options->sql.count > 0 && !walrow__options_is_set(options, "snapshot");
    return queries ? WALROW__SNAPSHOT_NEVER : options->snapshot;
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
