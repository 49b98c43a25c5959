/*
 * walrow.h
 *	  PostgreSQL's changes as Apache Arrow: the public interface of libwalrow.
 *
 * The only installed header. Data travels in the structs of the Arrow C Data Interface; everything else is
 * opaque or a plain struct with a release function. Functions that can fail return walrow_code and take a
 * walrow_error, owned by the caller, as their last argument; the library never prints and never exits.
 *
 * Threads: a walrow_stream belongs to one thread at a time, except walrow_stop and walrow_close's counterpart
 * functions that say otherwise. Distinct objects may be used from distinct threads.
 */
#ifndef WALROW_H
#define WALROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WALROW_API __attribute__((visibility("default")))
#define WALROW_MUST_CHECK __attribute__((warn_unused_result))
#else
#define WALROW_API
#define WALROW_MUST_CHECK
#endif

/* Arrow C Data Interface and C Stream Interface, as the Arrow specification asks every header to repeat them.
 */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

/* ---- errors ---- */

/* name, text, exit status of the command */
#define WALROW_CODES(X)                                                                                      \
    X(OK, "ok", 0)                                                                                           \
    X(TIMEOUT, "nothing arrived in time", 0)                                                                 \
    X(END, "the stream has ended", 0)                                                                        \
    X(ERR_UNEXPECTED, "unexpected error", 1)                                                                 \
    X(ERR_MEMORY, "out of memory", 1)                                                                        \
    X(ERR_USAGE, "wrong usage", 2)                                                                           \
    X(ERR_CONNECT, "cannot connect or log in", 3)                                                            \
    X(ERR_NET, "connection lost", 3)                                                                         \
    X(ERR_SERVER, "server not ready", 4)                                                                     \
    X(ERR_SLOT, "replication slot missing, active or invalidated", 5)                                        \
    X(ERR_PUBLICATION, "publication missing or wrong", 6)                                                    \
    X(ERR_IDENTITY, "replica identity missing", 7)                                                           \
    X(ERR_PROTOCOL, "protocol error or corrupt data", 8)                                                     \
    X(ERR_VALUE, "value its Arrow type cannot hold", 8)                                                      \
    X(ERR_SINK, "sink failed", 9)                                                                            \
    X(ERR_STATE, "state unusable", 10)                                                                       \
    X(INTERRUPTED, "interrupted", 130)

typedef enum walrow_code {
#define WALROW_CODE_MEMBER(name, text, status) WALROW_##name,
    WALROW_CODES(WALROW_CODE_MEMBER)
#undef WALROW_CODE_MEMBER
} walrow_code;

typedef struct walrow_error {
    walrow_code code;
    bool retryable;    /* reconnecting and resuming is safe */
    int sys_errno;     /* 0 if none */
    char sqlstate[6];  /* "" unless the server said it */
    char message[512]; /* lower case, no full stop: what and where */
    char hint[512];    /* what to do about it; "" if there is nothing to say */
} walrow_error;

WALROW_API const char *walrow_code_text(walrow_code code); /* static string */
WALROW_API const char *walrow_code_name(walrow_code code); /* static string, "ERR_SLOT" */
WALROW_API int walrow_code_exit_status(walrow_code code);  /* the command's exit status for it */
WALROW_API const char *walrow_version(void);               /* "0.1.0" */

/* ---- log ---- */

typedef enum walrow_log_level {
    WALROW_LOG_ERROR,
    WALROW_LOG_WARN,
    WALROW_LOG_INFO,
    WALROW_LOG_DEBUG
} walrow_log_level;

/* message: one line without newline, valid during the call. May be called from any thread of the library. */
typedef void (*walrow_log_fn)(void *arg, walrow_log_level level, const char *message);

/** Set the process-wide log callback (NULL: silent, the default). Call it before any other thread uses
 * walrow. */
WALROW_API void walrow_set_log(walrow_log_fn fn, void *arg, walrow_log_level max_level);
/** Another level for the same callback, at any time, from any thread. */
WALROW_API void walrow_set_log_level(walrow_log_level max_level);

/* ---- options ---- */

/*
 * Options are named as on the command line, without the dashes ("batch-rows"). One table describes them all;
 * the command's parser and its --help are made from it.
 */
typedef struct walrow_options walrow_options;

typedef struct walrow_option_info {
    const char *name;
    char short_name; /* 0 if none */
    const char *env; /* environment variable that sets it, or NULL */
    const char *arg; /* placeholder of its argument, or NULL for a flag */
    const char *default_text;
    const char *help;
    bool repeatable;
} walrow_option_info;

WALROW_API walrow_code walrow_options_new(walrow_options **out, walrow_error *err) WALROW_MUST_CHECK;
WALROW_API void walrow_options_free(walrow_options *options);
/** Set one option from text. A repeatable one ("tables", "to", "sql", "where", ...) is added to. Flags take
 * "true"/"false". */
WALROW_API walrow_code walrow_options_set(walrow_options *options, const char *name, const char *value,
                                          walrow_error *err) WALROW_MUST_CHECK;
/** Take what the environment says for options not set yet (SOURCE_URL, TABLES, ...; libpq reads PG* itself).
 */
WALROW_API walrow_code walrow_options_env(walrow_options *options, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Take what a YAML file says for options not set yet: a mapping of names to values, of a repeatable option to a
 * value or a list. After walrow_options_env, so that the environment wins over the file.
 * Errors: WALROW_ERR_USAGE: cannot be read, not YAML, unknown name or wrong value, with the line. Some of the
 * options may be set then.
 */
WALROW_API walrow_code walrow_options_file(walrow_options *options, const char *path,
                                           walrow_error *err) WALROW_MUST_CHECK;
/**
 * Go on with what newer says of the options that may change while streams run with them: "batch-rows",
 * "batch-bytes", "batch-delay", "ack-interval", and of the sinks of "to" the limits of files (rotate_...), which
 * walrow_run takes over. ("log-level" is taken over, too; walrow_set_log_level makes it so.)
 * The log says what is different now, and what would take a restart.
 * Threads: any, one at a time
 */
WALROW_API walrow_code walrow_options_adopt(walrow_options *options, const walrow_options *newer,
                                            walrow_error *err) WALROW_MUST_CHECK;
/**
 * The text in force of one option: as it was set, else its default, else NULL (so for a flag that is off, and
 * for an unknown name). Of a repeatable option the values, joined by ",". Borrowed: valid until the option is
 * set again.
 */
WALROW_API const char *walrow_options_get(const walrow_options *options, const char *name);
/** The table; *count entries, static. */
WALROW_API const walrow_option_info *walrow_option_table(size_t *count);
/** The words an option may be set to, separated by spaces, static; NULL: others, too (and for an unknown name). */
WALROW_API const char *walrow_option_choices(const char *name);

/* ---- patterns ---- */

/* Table patterns: exact, glob, regular expression, exclusion. Matching is a pure function. */
typedef struct walrow_patterns walrow_patterns;

/**
 * Parse a comma-separated list of patterns; NULL or "" matches every user table.
 * @param search_path  NULL-terminated schemas for unqualified names; NULL means {"public"}
 */
WALROW_API walrow_code walrow_patterns_parse(const char *text, const char *const *search_path,
                                             walrow_patterns **out, walrow_error *err) WALROW_MUST_CHECK;
WALROW_API bool walrow_patterns_match(const walrow_patterns *patterns, const char *schema, const char *table);
WALROW_API void walrow_patterns_free(walrow_patterns *patterns);

/* ---- discovery, checks, set-up, status: each returns a list the caller releases ---- */

typedef struct walrow_column_info {
    char *name;
    char *pg_type;
    char *arrow_type;
    bool nullable;
} walrow_column_info;

typedef struct walrow_table_info {
    char *schema;
    char *name;
    char *kind; /* "table", "partitioned table", "partition", "view", "materialized view", "foreign table",
                   ... */
    char **key; /* n_key column names: the replica identity's columns */
    size_t n_key;
    char *replica_identity; /* "default", "nothing", "full", "index" */
    int64_t rows;           /* the planner's estimate; -1 unknown */
    int64_t bytes;
    bool streamable;
    char *reason; /* why not; "" if streamable */
    walrow_column_info *columns;
    size_t n_columns;
    uint32_t relid;
} walrow_table_info;

typedef struct walrow_tables {
    walrow_table_info *items;
    size_t count;
} walrow_tables;

/** Tables matching options' patterns, ordered by schema and name. Streams nothing, changes nothing. */
WALROW_API walrow_code walrow_tables_discover(const walrow_options *options, walrow_tables *out,
                                              walrow_error *err) WALROW_MUST_CHECK;
WALROW_API void walrow_tables_release(walrow_tables *tables);

typedef enum walrow_severity {
    WALROW_SEVERITY_ERROR,
    WALROW_SEVERITY_WARNING,
    WALROW_SEVERITY_INFO
} walrow_severity;

typedef struct walrow_finding {
    const char *id; /* stable, kebab-case: "wal-level" */
    walrow_severity severity;
    walrow_code code; /* what `stream` fails with because of it */
    char *object;     /* table, role, slot ...; "" if the server as a whole */
    char *message;
    char *current;
    char *required;
    char *fix; /* SQL or setting; "" if none */
    bool restart;
} walrow_finding;

typedef struct walrow_findings {
    bool ok;            /* no finding is an error */
    int server_version; /* as PQserverVersion: 150018 */
    walrow_finding *items;
    size_t count;
} walrow_findings;

/** Everything that keeps the options from working against the server, in one pass. A server that cannot be
 * reached is an error. */
WALROW_API walrow_code walrow_check(const walrow_options *options, walrow_findings *out,
                                    walrow_error *err) WALROW_MUST_CHECK;
WALROW_API void walrow_findings_release(walrow_findings *findings);

typedef struct walrow_action {
    char *action; /* "create publication", "add table", "create slot", "grant", "replica identity", ... */
    char *object;
    char *sql;
    bool done; /* false: dry run, or there already */
} walrow_action;

typedef struct walrow_actions {
    walrow_action *items;
    size_t count;
} walrow_actions;

/** Create or complete publication, slot, grants; idempotent. dry_run: say what would be done. */
WALROW_API walrow_code walrow_setup(const walrow_options *options, bool dry_run, walrow_actions *out,
                                    walrow_error *err) WALROW_MUST_CHECK;
/** Drop the slot and the publication walrow made, and forget the slot's state. dry_run: say what would be done.
 */
WALROW_API walrow_code walrow_teardown(const walrow_options *options, bool dry_run, walrow_actions *out,
                                       walrow_error *err) WALROW_MUST_CHECK;
WALROW_API void walrow_actions_release(walrow_actions *actions);

typedef struct walrow_slot_status {
    char *name;
    char *plugin;
    char *database;
    bool active;
    int pid; /* 0 if none */
    uint64_t confirmed_flush_lsn;
    uint64_t restart_lsn;
    int64_t lag_bytes;
    double lag_seconds; /* < 0 unknown */
    int64_t retained_bytes;
    char *wal_status;
    char *invalidation_reason; /* "" if valid */
} walrow_slot_status;

typedef struct walrow_sink_status {
    char *uri;
    uint64_t lsn; /* 0: nothing delivered, or the sink keeps no position */
    uint32_t seq;
    int64_t behind_bytes; /* -1 unknown */
} walrow_sink_status;

typedef struct walrow_snapshot_status {
    char *table;   /* schema.table */
    int64_t rows;  /* read so far; -1 unknown */
    int64_t total; /* estimate; -1 unknown, as of tables that are done */
    bool done;     /* the sinks, or the buffer, have them durably */
} walrow_snapshot_status;

typedef struct walrow_status {
    walrow_slot_status slot;
    const char *transport; /* "push" or "pull": of the stream that runs, else of the last one */
    walrow_sink_status *sinks;
    size_t n_sinks;
    const char *snapshot_state; /* "none", "running" (or waiting for its stream to come again), "done" */
    walrow_snapshot_status *snapshot;
    size_t n_snapshot;
    uint64_t state_lsn;     /* what walrow's own state says was confirmed; 0: there is none here */
    char *counters;         /* what was delivered since the slot was made, JSON; NULL: not known */
    char *transport_reason; /* why it is not the one asked for; NULL: it is, or that is not known */
} walrow_status;

WALROW_API walrow_code walrow_status_get(const walrow_options *options, walrow_status *out,
                                         walrow_error *err) WALROW_MUST_CHECK;
WALROW_API void walrow_status_release(walrow_status *status);

/* ---- the sinks a slot's state knows ---- */

typedef struct walrow_known_sink {
    char *uri;       /* without parameters */
    uint64_t lsn;    /* 0: not known, or the sink keeps no position */
    bool buffered;   /* what it does not have is kept in the buffer */
    uint64_t cursor; /* number of the first change set of the buffer that it does not have */
    uint64_t waiting;
    int64_t waiting_bytes;
} walrow_known_sink;

typedef struct walrow_known_sinks {
    walrow_known_sink *items;
    size_t count;
} walrow_known_sinks;

/** Those of the state that "slot" and "state" name, also beside a running stream; none if there is none. */
WALROW_API walrow_code walrow_sinks_list(const walrow_options *options, walrow_known_sinks *out,
                                         walrow_error *err) WALROW_MUST_CHECK;
WALROW_API void walrow_known_sinks_release(walrow_known_sinks *sinks);
/**
 * Add one, which begins after what is in the buffer.
 * Errors: WALROW_ERR_USAGE: no sink, or known already; WALROW_ERR_STATE: no state, or a stream is using it
 */
WALROW_API walrow_code walrow_sinks_add(const walrow_options *options, const char *uri,
                                        walrow_error *err) WALROW_MUST_CHECK;
/** Forget one, with what waits for it in the buffer. Errors: likewise */
WALROW_API walrow_code walrow_sinks_remove(const walrow_options *options, const char *uri,
                                           walrow_error *err) WALROW_MUST_CHECK;

/* ---- change sets ---- */

/* The changes of one table at one schema epoch: a struct array; see docs for its columns. */
typedef struct walrow_batch {
    const char *schema_name;
    const char *table_name;
    uint32_t relid;
    uint64_t epoch;
    const struct ArrowSchema *schema; /* borrowed: valid until the change set is released */
    struct ArrowArray array;          /* may be moved out: set array.release to NULL */
} walrow_batch;

typedef struct walrow_transaction {
    uint32_t xid;
    uint64_t commit_lsn; /* start of the commit record */
    uint64_t end_lsn;    /* its end; 0: it goes on in the next change set */
    int64_t commit_time; /* microseconds since 1970-01-01 UTC */
    const char *origin;  /* name, or NULL */
} walrow_transaction;

typedef struct walrow_message {
    const char *prefix;
    const void *content;
    size_t content_size;
    bool transactional;
    uint64_t lsn;
    uint64_t commit_lsn; /* of its transaction; its own LSN if not transactional */
    uint32_t seq;        /* changes of the transaction that came before it */
    uint32_t xid;        /* 0 if not transactional */
} walrow_message;

/* A value its column's Arrow type cannot hold, whole, as PostgreSQL prints it; the cell is null. */
typedef struct walrow_dead_letter {
    const char *schema_name;
    const char *table_name;
    const char *column;
    const char *pg_type;
    const void *text; /* may be bytes that are not UTF-8 */
    size_t text_size;
    const char *reason;
    char op;
    bool old;     /* of the old tuple */
    uint64_t lsn; /* position of its row */
    uint32_t seq;
    uint32_t xid;
} walrow_dead_letter;

/* The batches, over all tables, that end at one commit boundary. The unit of delivery and acknowledgement. */
typedef struct walrow_changes {
    /* Acknowledge this; in a partial change set, the end of the last whole transaction; 0 of a snapshot
     * chunk. */
    uint64_t end_lsn;
    bool partial; /* a transaction larger than the limits goes on in the next change set */
    /*
     * "wal2json-format" is 1: the messages are wal2json's documents, or parts of one that follow each other, as they
     * came, and there are no batches. lsn: the part's number in its transaction; commit_lsn: some place before its end.
     */
    bool documents;
    /* Of a snapshot chunk, its consistent point: its rows carry that minus one. Other tables may not be there
     * yet. */
    uint64_t snapshot_lsn;
    bool snapshot;         /* rows of a snapshot chunk: one batch, no transactions */
    uint32_t chunk;        /* snapshot: ordinal of the chunk within its table */
    bool snapshot_end;     /* snapshot: the table's last chunk */
    walrow_batch *batches; /* each of length >= 1, but a table's last snapshot chunk, which may be empty */
    size_t n_batches;
    /* those that ended in this change set and had something in them, and last one that goes on if partial */
    walrow_transaction *transactions;
    size_t n_transactions;
    walrow_message *messages;
    size_t n_messages;
    walrow_dead_letter *dead_letters; /* to be durable before the rows are */
    size_t n_dead_letters;
    void (*release)(struct walrow_changes *);
    void *private_data;
} walrow_changes;

/*
 * "where", "columns" and "events" choose what of the changes is handed on, by walrow_next, to readers and to sinks.
 *
 * "where", "PATTERN: EXPRESSION" over the table's columns in DuckDB's SQL, keeps a copy of the wanted rows right:
 * - I and R: the new row must be wanted (true; NULL is not). T stays.
 * - If the old row is known in all columns the expression looks at (they are in the key, or REPLICA IDENTITY is FULL):
 *   D stays if the old row was wanted. U stays if both were, becomes I (with a null _old) if only the new one is, D
 *   (with what _old held, or the key) if only the old one was, and goes if neither.
 * - If it is not: D stays; U stays if the new row is wanted, else it becomes the D of its key, for that may have been.
 * - A U of which the expression looks at a column listed in _unchanged cannot be judged, and stays.
 * Positions never change. A value that is a dead letter is null to the expression.
 *
 * "columns", "PATTERN: NAME[,NAME...]", must have the key, unless that is all columns. Schema, epoch and walrow.key are
 * those of a table with these columns. "events" are named as in docs/filters.md, which says more.
 * A change set may be left without batches: its end_lsn is to be acknowledged all the same.
 */

typedef struct walrow_stream walrow_stream;

/**
 * Check, set up what is missing, connect: what is committed after it returns comes, and before that the rows of the
 * snapshot, as asked. A slot is made when the transactions that run at that moment have ended; the log says what is
 * waited for.
 *
 * What fails before the first connection is the caller's to try again, if err->retryable. A connection that is
 * lost later is made again, as long as "retry-max" and "retry-seconds" allow.
 * Errors: all; see walrow_code. Threads: any.
 */
WALROW_API walrow_code walrow_open(const walrow_options *options, walrow_stream **out,
                                   walrow_error *err) WALROW_MUST_CHECK;
/**
 * Wait for the next change set.
 *
 * On WALROW_OK *out ends at a commit boundary, unless out->partial.
 * @param timeout_ms  milliseconds; 0 polls, -1 waits for ever
 * @return WALROW_OK; WALROW_TIMEOUT or WALROW_END (out untouched); else the error
 * Errors:    WALROW_ERR_NET (retryable), WALROW_ERR_PROTOCOL (close the stream)
 * Ownership: caller releases *out; it may outlive the stream
 * Threads:   one thread per stream
 */
WALROW_API walrow_code walrow_next(walrow_stream *stream, walrow_changes *out, int timeout_ms,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** Say that everything up to end_lsn is durable with the caller; the server may forget it. */
WALROW_API walrow_code walrow_ack(walrow_stream *stream, uint64_t end_lsn,
                                  walrow_error *err) WALROW_MUST_CHECK;
/**
 * A descriptor for event loops: readable while walrow_next would not wait. Only to be polled; the stream closes it.
 * Once asked for, change sets are handed on as soon as the connection has nothing more, as if somebody waited.
 * @return -1 if readers have the stream
 */
WALROW_API int walrow_stream_fd(walrow_stream *stream);
/** Stop, confirm what was acknowledged, disconnect, free. The slot stays. NULL is allowed. */
WALROW_API void walrow_close(walrow_stream *stream);

/* ---- readers ---- */

/*
 * One stream, many readers: each has the changes of a table, or of all, reads at its own pace in whatever thread, and
 * acknowledges what it made durable. The stream confirms to the server what every reader has acknowledged.
 *
 * Open all readers first: the stream begins to be handed out when the first of them is read, waited for or asked for
 * its descriptor, and what comes for a table that nobody reads is passed over. Change sets are handed out whole and in
 * order; while a reader has its bound of bytes and does not take any, the others get nothing more, either: who reads
 * several in one thread waits for whichever has something (walrow_reader_fd) or merges them (walrow_merge). With
 * "buffer" "on" what passes the bound waits on disk, in the folder of the state, and the others go on; up to
 * "buffer-bytes". It need not survive: what is not acknowledged comes again.
 * A stream that has readers is not for walrow_next and walrow_ack.
 *
 * Threads: different readers may be in different threads; one of them is read in one thread at a time, and may be
 * acknowledged and closed in another.
 */
struct walrow_reader;

/* Some rows, of one schema, in the order of their positions. */
typedef struct walrow_rows {
    const struct ArrowSchema *schema; /* borrowed: valid until the reader is closed */
    struct ArrowArray array;          /* a struct array; the caller's */
    bool new_schema;                  /* another one than the reader's rows before had, or its first */
    bool snapshot;                    /* rows that were there before; they share a position */
    uint64_t commit_lsn;              /* position of the last row: for walrow_reader_ack */
    uint32_t seq;
} walrow_rows;

/**
 * Read the changes of one table, "schema.table", from now on.
 * @param max_bytes  rows to be kept until they are taken; 0: "batch-bytes"
 * Errors:    WALROW_ERR_USAGE: the table has a reader
 * Ownership: walrow_reader_close, before or after walrow_close
 */
WALROW_API walrow_code walrow_reader(walrow_stream *stream, const char *table, int64_t max_bytes,
                                     struct walrow_reader **out, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Wait for a table that has no reader yet: from the first call on each gets one when something of it comes, with
 * "batch-bytes", unless its reader was closed. Until the reader is taken here, its rows wait in it.
 * @return WALROW_OK; WALROW_TIMEOUT, WALROW_END (out untouched); else the stream's error
 */
WALROW_API walrow_code walrow_readers(walrow_stream *stream, int timeout_ms, struct walrow_reader **out,
                                      walrow_error *err) WALROW_MUST_CHECK;
/** Readable while walrow_readers would not wait; tables get readers from then on, too. Only to be polled. */
WALROW_API int walrow_readers_fd(walrow_stream *stream);
/**
 * Read all there is as events, in commit order over all tables: columns event_type, schema, table, data, old_data,
 * key_data (JSON), lsn, seq, timestamp, transaction_id, origin, message_prefix, message_content, transactional,
 * unchanged; what jsonl: prints (docs/sinks.md). Beside readers of tables, too.
 */
WALROW_API walrow_code walrow_events(walrow_stream *stream, int64_t max_bytes, struct walrow_reader **out,
                                     walrow_error *err) WALROW_MUST_CHECK;
/**
 * Read several tables as one, in position order: shards. The schema has the columns of all tables that came so far,
 * by their names; in a row of a table without one of them it is null. A last column "_table" has "schema.table".
 * To walrow_partition these are any rows, not a change batch.
 * @param readers  of tables of one stream, nothing read of them yet; taken over when all went well
 * Errors:    WALROW_ERR_USAGE; when read, too, if tables have columns of one name and different types
 */
WALROW_API walrow_code walrow_merge(struct walrow_reader **readers, size_t n, struct walrow_reader **out,
                                    walrow_error *err) WALROW_MUST_CHECK;

/** "schema" and "table" of a reader of one table; else both are "". Borrowed until it is closed. */
WALROW_API void walrow_reader_table(const struct walrow_reader *reader, const char **schema,
                                    const char **table);
/**
 * Wait for rows; a table's schema may be another than before.
 * @param timeout_ms  milliseconds; 0 polls, -1 waits for ever
 * @return WALROW_OK; WALROW_TIMEOUT or WALROW_END (out untouched); else the stream's error
 */
WALROW_API walrow_code walrow_reader_next(struct walrow_reader *reader, walrow_rows *out, int timeout_ms,
                                          walrow_error *err) WALROW_MUST_CHECK;
/** Readable while walrow_reader_next would not wait. Only to be polled; the reader closes it. */
WALROW_API int walrow_reader_fd(struct walrow_reader *reader);
/**
 * The rows of the reader's present schema as an Arrow stream: it ends where the schema changes, and the next one is
 * to be asked for then; or with the reader's end. Nothing is acknowledged by it.
 * Ownership: caller releases *out, before or after the reader is closed (which ends it)
 */
WALROW_API walrow_code walrow_reader_stream(struct walrow_reader *reader, struct ArrowArrayStream *out,
                                            walrow_error *err) WALROW_MUST_CHECK;
/**
 * Say that what was taken from the reader up to a position is durable; of what was not taken nothing is. Going back
 * changes nothing. (UINT64_MAX, UINT32_MAX) is all that was taken.
 */
WALROW_API walrow_code walrow_reader_ack(struct walrow_reader *reader, uint64_t commit_lsn, uint32_t seq,
                                         walrow_error *err) WALROW_MUST_CHECK;
/**
 * It no longer counts for what is confirmed, nor does what it had and did not acknowledge; what comes for it is passed
 * over. To have that again later, walrow_close the stream first. NULL is allowed.
 */
WALROW_API void walrow_reader_close(struct walrow_reader *reader);

/* ---- partitions ---- */

/*
 * Rows go to partitions by a hash of their key, which is a function of its values alone: of no batch, table, type's
 * width or process. hash = seed; then for each key column in the order given, hash = MurmurHash3(bytes of the
 * value, seed: hash). The partition is the hash's low 32 bits modulo their number.
 *
 * The bytes of a value, numbers least significant byte first:
 *   booleans (0, 1), integers, dates, times, timestamps  the number in 8 bytes, its sign carried on
 *   floats                                               as a double in 8 bytes; -0 as 0, any NaN as 7FF8000000000000
 *   decimals                                             the unscaled number in 32 bytes, its sign carried on
 *   intervals, UUIDs                                     their 16 bytes
 *   text, JSON, binary                                   their bytes
 *   lists, maps                                          their length in 8 bytes; then each element, of a map each key
 *                                                        and value, is hashed with the hash so far as its seed
 *   structs                                              each field in the same way
 *   null                                                 the one byte FF
 */
typedef enum walrow_hash {
    WALROW_HASH_MURMUR3_X64_128, /* of its 128 bits the first 64, which are also the next value's seed */
    WALROW_HASH_MURMUR3_X86_32
} walrow_hash;

typedef enum walrow_partition_by {
    WALROW_PARTITION_BY_COLUMNS,
    WALROW_PARTITION_BY_TABLE /* by the table's schema and name, as two texts: a batch goes to one partition */
} walrow_partition_by;

typedef struct walrow_partitioning {
    uint32_t n; /* partitions, at least 1 */
    walrow_partition_by by;
    /* The key; none: "walrow.key" of the schema's metadata, which under REPLICA IDENTITY FULL is all columns. */
    const char *const *columns;
    size_t n_columns;
    walrow_hash hash;
    uint32_t seed;
} walrow_partitioning;

/**
 * Divide a batch's rows among partitions, in order.
 *
 * out[p] is an array of the same schema with the rows of partition p; if there are none its release is NULL. Rows that
 * follow each other are not copied: they are a slice of the batch (its columns have offsets) and keep its memory.
 *
 * Any struct array will do. In a change batch, so that the owner of a key sees all that happens to it:
 * - a delete goes to the owner of the row that it deletes;
 * - an update whose old and new key have different owners becomes two rows with the update's position
 *   (_commit_lsn, _seq), _xid and _commit_time: for the old owner a D that holds what _old held, and for the new
 *   one an I that holds the new row. Both have a null _old. What a column listed in _unchanged has is not in the
 *   stream: the I keeps the list, and the value is with the old owner only (not under REPLICA IDENTITY FULL);
 * - any other update stays whole, so in no partition do two rows have the same position;
 * - a truncate goes to every partition;
 * - a key column that is not of the replica identity is an error at the first update or delete, which do not have
 *   its old value.
 *
 * @param batch  taken over: released, or by the slices, when all went well; else as before
 * @param out    room for partitioning->n arrays
 * Errors:    WALROW_ERR_USAGE, WALROW_ERR_MEMORY, WALROW_ERR_UNEXPECTED (an Arrow type PostgreSQL has no use for)
 * Ownership: caller releases each out[p] that has a release
 * Threads:   any; the arrays may go to different ones
 */
WALROW_API walrow_code walrow_partition(struct ArrowArray *batch, const struct ArrowSchema *schema,
                                        const walrow_partitioning *partitioning, struct ArrowArray *out,
                                        walrow_error *err) WALROW_MUST_CHECK;
/** MurmurHash3_x86_32 of size bytes, for who must find a partition without a batch. */
WALROW_API uint32_t walrow_murmur3_x86_32(const void *bytes, size_t size, uint32_t seed);
/** MurmurHash3_x64_128. A value that is not the key's first has the 64 bits before it as its seed, so seed has as many. */
WALROW_API void walrow_murmur3_x64_128(const void *bytes, size_t size, uint64_t seed, uint64_t out[2]);

/* ---- handing on ---- */

/**
 * Another array over the memory of a batch that walrow made, for a consumer of its own. Nothing is copied: the last of
 * them that is released frees it.
 * @param array  replaced by an equal one; not in use elsewhere meanwhile. After an error it is as before
 * Ownership: caller releases *out and *array, in any order and in whatever threads
 */
WALROW_API walrow_code walrow_array_share(struct ArrowArray *array, struct ArrowArray *out,
                                          walrow_error *err) WALROW_MUST_CHECK;
/** A copy of a borrowed schema. Ownership: caller releases *out */
WALROW_API walrow_code walrow_schema_copy(const struct ArrowSchema *schema, struct ArrowSchema *out,
                                          walrow_error *err) WALROW_MUST_CHECK;
/**
 * A batch as an Arrow stream of one.
 * @param array  taken over when all went well
 * Ownership: caller releases *out
 */
WALROW_API walrow_code walrow_array_stream(struct ArrowArray *array, const struct ArrowSchema *schema,
                                           struct ArrowArrayStream *out, walrow_error *err) WALROW_MUST_CHECK;

/* ---- the whole job ---- */

typedef struct walrow_report {
    uint64_t inserts, updates, deletes, truncates, reads;
    uint64_t transactions, change_sets, messages;
    uint64_t bytes;                                    /* received from the server */
    double seconds;                                    /* first change received to last one delivered */
    uint64_t first_lsn, first_seq, last_lsn, last_seq; /* positions; 0 if nothing came */
    uint64_t peak_rss_bytes;
    uint64_t dead_letters;
    uint64_t reconnects;
    uint64_t acked_lsn;
} walrow_report;

typedef struct walrow_progress {
    const char *phase;         /* "snapshot", "streaming" */
    const char *table;         /* snapshot: schema.table being read; else NULL */
    uint64_t rows, rows_total; /* snapshot: of that table; total 0 if unknown */
    uint64_t bytes;
    uint64_t received_lsn, acked_lsn, server_lsn;
    const walrow_report *report;
} walrow_progress;

typedef struct walrow_run_callbacks {
    void *arg;
    int (*stop)(void *arg); /* polled: 0 go on, 1 deliver what is whole and stop, 2 stop now */
    void (*progress)(void *arg, const walrow_progress *progress); /* a few times a second; may be NULL */
} walrow_run_callbacks;

/**
 * Stream to the sinks named by "to" until told to stop. *report is filled whatever the result.
 *
 * With "sql" the sinks get the rows of queries over windows ("window", "slide") of the changes, as tables sql.NAME. A
 * change counts in the window of its commit time, or, if that is over, in the one that is open when it comes: windows
 * are runs of the stream, one after the other. docs/queries.md has the rest. (walrow_open refuses "sql".)
 */
WALROW_API walrow_code walrow_run(const walrow_options *options, const walrow_run_callbacks *callbacks,
                                  walrow_report *report, walrow_error *err) WALROW_MUST_CHECK;
/** Write the raw stream of a slot, with the type catalogue it needs, to a file. Stops like walrow_run. */
WALROW_API walrow_code walrow_record(const walrow_options *options, const char *path,
                                     const walrow_run_callbacks *callbacks, walrow_report *report,
                                     walrow_error *err) WALROW_MUST_CHECK;
/** Decode such a file, with no server, to the sinks named by "to". */
WALROW_API walrow_code walrow_decode(const walrow_options *options, const char *path,
                                     const walrow_run_callbacks *callbacks, walrow_report *report,
                                     walrow_error *err) WALROW_MUST_CHECK;

/* ---- SQL over files, by libduckdb where it is installed ---- */

/* One result row, from 0 on; cells are text or NULL, valid during the call. Non-zero ends the query. */
typedef int (*walrow_row_fn)(void *arg, size_t row, size_t n_cells, const char *const *cells);
WALROW_API walrow_code walrow_sql(const char *sql, walrow_row_fn fn, void *arg,
                                  walrow_error *err) WALROW_MUST_CHECK;

/* ---- LSNs ---- */

#define WALROW_LSN_SIZE 18
/** "0/15D6B88"; buffer of WALROW_LSN_SIZE bytes, returned. */
WALROW_API const char *walrow_lsn_format(uint64_t lsn, char *buffer);
WALROW_API bool walrow_lsn_parse(const char *text, uint64_t *out);

#ifdef __cplusplus
}
#endif

#endif
