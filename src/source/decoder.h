/*
 * source/decoder.h
 *	  Bytes of an output plugin in, rows in a collector out; no I/O. One concrete type per plugin embeds this.
 */
#ifndef WALROW_SOURCE_DECODER_H
#define WALROW_SOURCE_DECODER_H

#include "source/capture.h"
#include "source/collector.h"

typedef struct walrow__decoder walrow__decoder;
struct walrow__decoder {
    walrow__collector *collector; /* borrowed */
    walrow__catalog *catalog;     /* borrowed; asked when a table is met */
    walrow__capture capture;
    bool binary;       /* values come in binary */
    uint64_t stop_lsn; /* transactions whose commit ends after it are not begun; 0: none */
    bool stopped;      /* one such was met: nothing more will be decoded */
    bool needs_text;   /* a table was met whose binary values cannot be read: ask again in text */
    /*
     * Who feeds may set it: gives the memory of the message being decoded away, as a buffer that frees it, so that
     * batches can stay where they are. NULL: the bytes are copied.
     */
    void (*take)(void *arg, struct ArrowBuffer *out);
    void *take_arg;
    /*
     * Decode one message, whole.
     * @param lsn  where it came from, for error messages
     * Errors: WALROW_ERR_PROTOCOL naming the byte and the LSN; what the catalogue says; WALROW_ERR_VALUE
     * (strict).
     */
    walrow_code (*feed)(walrow__decoder *decoder, const uint8_t *bytes, size_t size, uint64_t lsn,
                        walrow_error *err);
    void (*free)(walrow__decoder *decoder);
};

/** Decoder of pgoutput's protocol 1 (PostgreSQL documentation, "Logical Replication Message Formats"). */
walrow_code walrow__pgoutput_new(walrow__collector *collector, walrow__catalog *catalog,
                                 walrow__capture capture, walrow__decoder **out,
                                 walrow_error *err) WALROW_MUST_CHECK;

/** Decoder of the plugin wal2arrow's messages, format compact (PROTOCOL.md). */
walrow_code walrow__wal2arrow_new(walrow__collector *collector, walrow__catalog *catalog,
                                  walrow__capture capture, walrow__decoder **out,
                                  walrow_error *err) WALROW_MUST_CHECK;

/** Decoder of the plugin wal2json's messages, format 2. The catalogue must be one that knows tables. */
walrow_code walrow__wal2json_new(walrow__collector *collector, walrow__catalog *catalog,
                                 walrow__capture capture, walrow__decoder **out,
                                 walrow_error *err) WALROW_MUST_CHECK;

/** The same of format 1: its documents, unread, as the change set's messages. Of the catalogue nothing is asked. */
walrow_code walrow__wal2json_classic_new(walrow__collector *collector, walrow__catalog *catalog,
                                         walrow__capture capture, walrow__decoder **out,
                                         walrow_error *err) WALROW_MUST_CHECK;

/** Put in front of a protocol error which plugin's message it is about, and where that came from; returns code. */
walrow_code walrow__decoder_locate(const char *plugin, walrow_code code, uint64_t lsn, walrow_error *err);

/* A Relation message, for those who need its types only (recording). Strings are borrowed from the message.
 */
typedef struct walrow__relation_message {
    uint32_t relid;
    const char *schema, *name;
    char identity;
    int n_columns;
    walrow__column_spec *columns; /* n_columns; free() it */
} walrow__relation_message;

walrow_code walrow__pgoutput_read_relation(const uint8_t *bytes, size_t size, uint64_t lsn,
                                           walrow__relation_message *out,
                                           walrow_error *err) WALROW_MUST_CHECK;

#endif
