/*
 * stream/dialect.h
 *	  What differs between output plugins on this side of the wire, in one table: how a slot is started, the
 *	  decoder, and what must be known of a message to record it.
 */
#ifndef WALROW_STREAM_DIALECT_H
#define WALROW_STREAM_DIALECT_H

#include "source/decoder.h"
#include "source/source.h"

/* Of a message, without its rows. */
typedef struct walrow__outline {
    bool begins, commits; /* a transaction */
    uint64_t commit_lsn;  /* of the transaction that begins */
    uint64_t end_lsn;     /* of the one that commits */
    bool announces;       /* columns by type oid: what decodes them needs these types' description */
} walrow__outline;

typedef struct walrow__dialect {
    const char *plugin;
    bool has_publications; /* they say what is sent; otherwise everything is, and the client chooses */
    bool is_recordable;    /* without the server's catalogue */
    bool has_documents;    /* instead of rows: nothing is known of tables */
    bool has_encodings;    /* values in text or binary, of types that the catalogue describes */
    walrow_code (*new_decoder)(walrow__collector *collector, walrow__catalog *catalog,
                               walrow__capture capture, walrow__decoder **out, walrow_error *err);
    /* NULL if it is not recordable. Errors: WALROW_ERR_PROTOCOL */
    walrow_code (*outline)(const uint8_t *bytes, size_t size, uint64_t lsn, walrow__outline *out,
                           walrow_error *err);
} walrow__dialect;

/** NULL: a plugin that cannot be read. format: of wal2json. */
const walrow__dialect *walrow__dialect_of(const char *plugin, walrow__wal2json_format format);
/** What a session is started with; the caller adds start_lsn and publications. Borrows options. */
walrow__source_options walrow__dialect_options(const walrow__dialect *dialect, const walrow_options *options,
                                               int server_version, bool binary);

#endif
