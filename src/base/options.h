/*
 * base/options.h
 *	  What the user asked for. One table (option_table.h) names every option of the command and the library; the
 * fields below are what the other modules read, after walrow_options_set has checked them.
 */
#ifndef WALROW_BASE_OPTIONS_H
#define WALROW_BASE_OPTIONS_H

#include "base/texts.h"

#include <walrow.h>

/* The order of each enum is that of the option's choices in option_table.c. */
typedef enum walrow__plugin {
    WALROW__PLUGIN_AUTO,
    WALROW__PLUGIN_WAL2ARROW,
    WALROW__PLUGIN_PGOUTPUT,
    WALROW__PLUGIN_WAL2JSON
} walrow__plugin;

typedef enum walrow__transport {
    WALROW__TRANSPORT_AUTO,
    WALROW__TRANSPORT_PUSH,
    WALROW__TRANSPORT_PULL
} walrow__transport;

typedef enum walrow__snapshot_mode {
    WALROW__SNAPSHOT_INITIAL,
    WALROW__SNAPSHOT_NEVER,
    WALROW__SNAPSHOT_ONLY
} walrow__snapshot_mode;

typedef enum walrow__wal2json_format { WALROW__WAL2JSON_2, WALROW__WAL2JSON_1 } walrow__wal2json_format;

typedef enum walrow__encoding {
    WALROW__ENCODING_AUTO,
    WALROW__ENCODING_BINARY,
    WALROW__ENCODING_TEXT
} walrow__encoding;

typedef enum walrow__buffering {
    WALROW__BUFFER_AUTO,
    WALROW__BUFFER_ON,
    WALROW__BUFFER_OFF
} walrow__buffering;

typedef enum walrow__batching { WALROW__BATCH_OF_SIZE, WALROW__BATCH_OF_TRANSACTION } walrow__batching;

typedef enum walrow__publish { WALROW__PUBLISH_LISTED, WALROW__PUBLISH_WIDE } walrow__publish;

typedef enum walrow__identity_choice { WALROW__IDENTITY_KEEP, WALROW__IDENTITY_FULL } walrow__identity_choice;

/* "public.t.c=utf8" */
typedef struct walrow__type_override {
    char *schema;
    char *table;
    char *column;
    char *arrow_type;
} walrow__type_override;

/* What --to says since it was adopted; a stream may still read the ones before. */
typedef struct walrow__adopted_to {
    walrow__texts to;
    struct walrow__adopted_to *before;
} walrow__adopted_to;

#define WALROW__MAX_OPTIONS 64

/* Read batch_rows, batch_bytes, batch_delay_ms and ack_interval_ms through walrow__live. */
struct walrow_options {
    char *source;         /* NULL: libpq's own environment */
    walrow__texts tables; /* each a comma-separated list of patterns */
    char *slot;
    char *publication;
    int plugin;                   /* walrow__plugin */
    walrow__texts plugin_options; /* each NAME=VALUE */
    int wal2json_format;          /* WALROW__WAL2JSON_... */
    int transport;                /* walrow__transport */
    int64_t pull_connections;
    int snapshot;     /* walrow__snapshot_mode */
    walrow__texts to; /* sink URIs, as the stream began with; later see walrow__options_to */
    walrow__adopted_to *adopted_to;
    walrow__texts sql;                     /* each NAME=QUERY */
    int64_t window_ms, slide_ms, every_ms; /* 0: not asked for */
    int64_t retain_bytes;
    uint64_t start_lsn; /* 0: not asked for */
    uint64_t until_lsn; /* 0: not asked for */
    bool until_now;
    walrow__texts events;  /* each a list of words: base/ops.h */
    walrow__texts where;   /* each PATTERN: EXPRESSION */
    walrow__texts columns; /* each PATTERN: NAME[,NAME...]; of `walrow tables` "true" */
    int batch;             /* walrow__batching */
    int64_t batch_rows;
    int64_t batch_bytes;
    int64_t batch_delay_ms;
    int encoding; /* walrow__encoding */
    char *state;  /* NULL: the default directory */
    int buffer;   /* walrow__buffering */
    int64_t buffer_bytes;
    bool no_setup;
    int publish;               /* walrow__publish */
    int replica_identity;      /* walrow__identity_choice */
    walrow__texts insert_only; /* as tables */
    int64_t ack_interval_ms;
    int64_t connect_timeout_s;
    int64_t receive_timeout_s; /* 0: none */
    int64_t heartbeat_s;       /* 0: none */
    int64_t retry_max;         /* only if set */
    int64_t retry_seconds;     /* only if set */
    bool allow_empty;
    bool strict;
    walrow__type_override *types;
    size_t n_types;
    char *grant_to; /* a role, or NULL */
    char *report;
    char *config; /* read by whoever has the options, before they are used */

    /* only the command reads these */
    bool dry_run, watch, yes, json;
    int progress, log_level, log_format;

    char *texts[WALROW__MAX_OPTIONS]; /* as set, by position in the table; NULL: not set */
};

/* A number that walrow_options_adopt may change meanwhile, from another thread. */
static inline int64_t
walrow__live(const int64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

/** What --to says now. The answer stays good as long as the options; from any thread. */
const walrow__texts *walrow__options_to(const walrow_options *options);

/* The most bytes of a change set where so many of them lie at the same time. */
static inline int64_t
walrow__batch_share(const walrow_options *options, int shares)
{
    return walrow__live(&options->batch_bytes) / (shares > 1 ? shares : 1);
}

/** "auto", or as the server names it; static. */
const char *walrow__plugin_name(int plugin);
/** The plugin of that name; WALROW__PLUGIN_AUTO: not one that walrow reads. */
walrow__plugin walrow__plugin_number(const char *name);
bool walrow__options_is_set(const walrow_options *options, const char *name);
/**
 * As asked for. Where nobody would see the rows that were there, none unless asked for: a query ("sql") sees changes,
 * and "events" may leave them out.
 */
int walrow__options_snapshot(const walrow_options *options);
/** The Arrow type asked for a column by --type, or NULL; borrowed. */
const char *walrow__options_override(const walrow_options *options, const char *schema, const char *table,
                                     const char *column);

#endif
