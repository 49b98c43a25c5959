/*
 * source/wal2json_document.h
 *	  One message of the plugin wal2json, format 2: a JSON object (wal2json's README, "Parameters" and "Examples").
 *
 * What was read points into the reader's memory, until the next message. Numbers stay the text they were.
 */
#ifndef WALROW_SOURCE_WAL2JSON_DOCUMENT_H
#define WALROW_SOURCE_WAL2JSON_DOCUMENT_H

#include "source/tuple.h"

typedef struct walrow__json_text {
    const char *bytes; /* NULL: not there, or null */
    size_t size;
} walrow__json_text;

typedef struct walrow__wal2json_column {
    walrow__json_text name, type; /* the type as format_type prints it; only if it was asked for */
    uint32_t oid;                 /* 0: not sent */
    walrow__field value;          /* 't' or 'n' */
} walrow__wal2json_column;

typedef struct walrow__wal2json_columns {
    bool present;
    int count;
    walrow__wal2json_column *items;
    int capacity;
} walrow__wal2json_columns;

typedef struct walrow__wal2json_message {
    char action;                    /* B begin, C commit, I, U, D, T truncate, M logical message */
    walrow_transaction transaction; /* B and C; without the origin's name */
    uint32_t origin;                /* B: its number, 0: none */
    walrow__json_text schema, table;
    walrow__wal2json_columns columns, identity, key;
    bool transactional; /* M, as the rest */
    uint64_t lsn;
    walrow__json_text prefix, content;
} walrow__wal2json_message;

typedef struct walrow__wal2json_reader {
    uint8_t *copy; /* of the message: strings are unescaped in place */
    size_t copy_size;
    void *pool; /* for what the parser makes of a message of ordinary size */
    void *doc;  /* yyjson_doc, of the message read last */
    walrow__wal2json_message message;
} walrow__wal2json_reader;

/**
 * Read a message. *out is borrowed until the next one.
 * Errors: WALROW_ERR_PROTOCOL: not JSON, with the byte; not such a message
 */
walrow_code walrow__wal2json_read(walrow__wal2json_reader *reader, const uint8_t *bytes, size_t size,
                                  const walrow__wal2json_message **out, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Of a document of format 1 read what comes before its list of changes.
 * @param out  xid, commit_time and end_lsn ("nextlsn"), each 0 if the document does not say it
 * @param at   where the list begins, after its bracket
 * Errors: WALROW_ERR_PROTOCOL: not such a document
 */
walrow_code walrow__wal2json_read_head(walrow__wal2json_reader *reader, const uint8_t *bytes, size_t size,
                                       walrow_transaction *out, size_t *at,
                                       walrow_error *err) WALROW_MUST_CHECK;
void walrow__wal2json_reader_release(walrow__wal2json_reader *reader);

/** The action of a message, without reading it; 0: it does not begin as one. */
char walrow__wal2json_peek(const uint8_t *bytes, size_t size);

#endif
