#include "base/option_table.h"

#include "base/options.h"

#include <string.h>

#define LONGEST_MS (INT64_C(366) * 86400000)

#define AT(field) offsetof(struct walrow_options, field)
#define RULE(type, field)                                                                                    \
    {                                                                                                        \
        WALROW__OPTION_##type, AT(field), 0, 0, NULL                                                         \
    }
#define RULE_RANGE(type, field, min, max)                                                                    \
    {                                                                                                        \
        WALROW__OPTION_##type, AT(field), min, max, NULL                                                     \
    }
#define RULE_LIVE(type, field, min, max)                                                                     \
    {                                                                                                        \
        WALROW__OPTION_##type, AT(field), min, max, NULL, true                                               \
    }
#define RULE_CHOICE(field, choices)                                                                          \
    {                                                                                                        \
        WALROW__OPTION_CHOICE, AT(field), 0, 0, choices                                                      \
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
    X("pull-connections", 0, NULL, "N", "2",                                                                 \
      "1 or 2: pulled by SQL's function, far behind, with 2 the server decodes on two processors", false,    \
      RULE_RANGE(NUMBER, pull_connections, 1, 2))                                                            \
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

const walrow_option_info walrow__option_infos[] = {
#define INFO_ROW(name, short_name, env, arg, default_text, help, repeatable, ...)                            \
    {name, short_name, env, arg, default_text, help, repeatable},
    OPTIONS(INFO_ROW)
#undef INFO_ROW
};

const walrow__option_rule walrow__option_rules[] = {
#define RULE_ROW(name, short_name, env, arg, default_text, help, repeatable, ...) __VA_ARGS__,
    OPTIONS(RULE_ROW)
#undef RULE_ROW
};

#define N_OPTIONS (sizeof walrow__option_infos / sizeof walrow__option_infos[0])
_Static_assert(N_OPTIONS <= WALROW__MAX_OPTIONS, "raise WALROW__MAX_OPTIONS");
const size_t walrow__option_count = N_OPTIONS;

const walrow_option_info *
walrow_option_table(size_t *count)
{
    *count = N_OPTIONS;
    return walrow__option_infos;
}

size_t
walrow__option_find(const char *name)
{
    size_t i = 0;
    while (i < N_OPTIONS && strcmp(walrow__option_infos[i].name, name) != 0)
        i++;
    return i;
}

const char *
walrow_option_choices(const char *name)
{
    size_t at = walrow__option_find(name);
    return at == N_OPTIONS ? NULL : walrow__option_rules[at].choices;
}
