/*
 * options.h
 *	  What a client asks for: the options of START_REPLICATION and the SQL functions (PROTOCOL.md, "Options").
 */
#ifndef WAL2ARROW_OPTIONS_H
#define WAL2ARROW_OPTIONS_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef enum row_format { FORMAT_IPC, FORMAT_COMPACT, FORMAT_TEXT } row_format;

/* A set of operations, as bits. */
enum {
    OPERATION_INSERT = 1,
    OPERATION_UPDATE = 2,
    OPERATION_DELETE = 4,
    OPERATION_TRUNCATE = 8,
    OPERATIONS_ALL = 15
};

typedef struct plugin_options {
    List *publication_names;       /* of char *; NIL: tables are chosen by name */
    List *tables, *exclude_tables; /* of name_pattern *; tables NIL: all */
    List *types;                   /* of column_name *: to be sent as text */
    row_format format;
    int64 max_rows, max_bytes; /* of a message */
    int actions;               /* operations that are sent; the others only count */
    bool messages;
    List *message_prefixes, *exclude_message_prefixes; /* of char *; message_prefixes NIL: all */
    bool local_only;                                   /* nothing that was replicated to this server */
    bool xids, timestamps;
} plugin_options;

/* Read what the client gave. Raises an error for what is unknown or wrong. Memory: the current context. */
extern void options_read(List *defelems, plugin_options *out);

/* Whether a table is asked for by its name, where there are no publications. */
extern bool options_match_table(const plugin_options *options, const char *schema, const char *table);
extern bool options_match_prefix(const plugin_options *options, const char *prefix);
/* The Arrow type asked for instead of the column's own, or NULL. */
extern const char *options_column_type(const plugin_options *options, const char *schema, const char *table,
                                       const char *column);

#endif
