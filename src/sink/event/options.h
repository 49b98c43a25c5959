/*
 * sink/event/options.h
 *	  What of a change is printed, and how: the parameters of jsonl:, which have the names of wal2json's options (its
 *	  README, "Parameters").
 */
#ifndef WALROW_SINK_EVENT_OPTIONS_H
#define WALROW_SINK_EVENT_OPTIONS_H

#include <walrow.h>

/* Those that are on or off. */
typedef enum walrow__event_field {
    WALROW__EVENT_TRANSACTION, /* begin and commit */
    WALROW__EVENT_XIDS,
    WALROW__EVENT_TIMESTAMP,
    WALROW__EVENT_LSN,
    WALROW__EVENT_ORIGIN,
    WALROW__EVENT_SCHEMAS,
    WALROW__EVENT_TYPES,
    WALROW__EVENT_TYPE_OIDS,
    WALROW__EVENT_PK,
    WALROW__EVENT_NUMBERS_AS_TEXT,
    WALROW__EVENT_TYPMOD,
    WALROW__EVENT_COLUMN_POSITIONS,
    WALROW__EVENT_NOT_NULL,
    WALROW__EVENT_DEFAULT,
    WALROW__EVENT_DOMAIN_DATA_TYPE,
    WALROW__EVENT_PRETTY_PRINT,
    WALROW__EVENT_IN_CHUNKS,
    WALROW__EVENT_N_FIELDS
} walrow__event_field;

typedef struct walrow__event_options {
    bool wal2json; /* lines of wal2json's format 2 */
    bool debezium; /* Debezium's envelopes, for sink/kafka */
    bool has[WALROW__EVENT_N_FIELDS];
    char *actions; /* lists between commas; NULL: all */
    char *add_prefixes;
    char *filter_prefixes; /* NULL: none */
} walrow__event_options;

/** What there is without parameters. */
void walrow__event_options_init(walrow__event_options *options);
/**
 * Read a sink's parameters into initialised options.
 * Errors: WALROW_ERR_USAGE: unknown, or what a batch cannot answer
 */
walrow_code walrow__event_options_parse(walrow__event_options *options, const char *uri, const char *params,
                                        walrow_error *err) WALROW_MUST_CHECK;
void walrow__event_options_release(walrow__event_options *options);

/* Are rows of that _op printed, and messages with that prefix? */
bool walrow__event_options_want_op(const walrow__event_options *options, char op);
bool walrow__event_options_want_prefix(const walrow__event_options *options, const char *prefix);

#endif
