/*
 * columns/wire.h
 *	  PROTOCOL.md in code: what the plugin wal2arrow sends, each write_x beside its read_x. Compiled into the
 *	  server plugin too.
 */
#ifndef WALROW_COLUMNS_WIRE_H
#define WALROW_COLUMNS_WIRE_H

#include "base/cursor.h"
#include "columns/batch.h"

enum {
    WALROW__WIRE_BEGIN = 'B',
    WALROW__WIRE_COMMIT = 'C',
    WALROW__WIRE_SCHEMA = 'S',
    WALROW__WIRE_BATCH = 'R',
    WALROW__WIRE_DEAD_LETTER = 'X',
    WALROW__WIRE_MESSAGE = 'M'
};

/* Where frames are written to: the plugin's StringInfo, a test's buffer. */
typedef struct walrow__wire_out {
    /*
     * size more bytes at the end, to be filled by the caller before the next call; NULL: out of memory. It must
     * return: a longjmp out of it would leak what the encoder holds.
     */
    uint8_t *(*reserve)(void *arg, size_t size);
    void *arg;
} walrow__wire_out;

/* Bytes that are borrowed, from the caller or from the message. */
typedef struct walrow__wire_bytes {
    const uint8_t *bytes;
    size_t size;
} walrow__wire_bytes;

typedef struct walrow__wire_begin {
    uint32_t xid;
    uint64_t commit_lsn;
    int64_t commit_time; /* microseconds since 1970 */
    walrow__wire_bytes origin;
} walrow__wire_begin;

typedef struct walrow__wire_commit {
    uint64_t commit_lsn, end_lsn;
} walrow__wire_commit;

typedef struct walrow__wire_schema {
    uint32_t relid;
    char identity;
    uint64_t epoch;
    walrow__wire_bytes ipc; /* an encapsulated Schema message */
} walrow__wire_schema;

typedef struct walrow__wire_batch {
    uint32_t relid;
    uint32_t rows;
    uint64_t epoch;
    walrow__wire_bytes body;
} walrow__wire_batch;

typedef struct walrow__wire_dead_letter {
    uint32_t relid;
    uint32_t column;
    uint64_t epoch;
    uint32_t seq;
    char op;
    bool old;
    walrow__wire_bytes reason, text;
} walrow__wire_dead_letter;

typedef struct walrow__wire_message {
    uint64_t lsn;
    bool transactional;
    uint32_t seq;
    walrow__wire_bytes prefix, content;
} walrow__wire_message;

/* ---- writing: false (or an error) means out of memory, and the output is of no use any more ---- */

bool walrow__wire_write_head(walrow__wire_out *out) WALROW_MUST_CHECK;
bool walrow__wire_write_begin(walrow__wire_out *out, const walrow__wire_begin *begin) WALROW_MUST_CHECK;
bool walrow__wire_write_commit(walrow__wire_out *out, const walrow__wire_commit *commit) WALROW_MUST_CHECK;
bool walrow__wire_write_dead_letter(walrow__wire_out *out,
                                    const walrow__wire_dead_letter *letter) WALROW_MUST_CHECK;
bool walrow__wire_write_message(walrow__wire_out *out, const walrow__wire_message *message) WALROW_MUST_CHECK;
walrow_code walrow__wire_write_schema(walrow__wire_out *out, const walrow__table *table,
                                      walrow_error *err) WALROW_MUST_CHECK;
/** The builder's rows (at least one), in format compact. They stay in the builder: the caller truncates it. */
bool walrow__wire_write_batch(walrow__wire_out *out, walrow__batch_builder *batch) WALROW_MUST_CHECK;
/** The same in format ipc; the builder is empty afterwards. Errors: WALROW_ERR_MEMORY */
walrow_code walrow__wire_write_ipc_batch(walrow__wire_out *out, walrow__batch_builder *batch,
                                         walrow_error *err) WALROW_MUST_CHECK;

/* ---- reading: false means that a length passes the end, or what must be there is not ---- */

typedef struct walrow__wire_frame {
    uint8_t type;
    walrow__wire_bytes payload;
} walrow__wire_frame;

/** The first seven bytes. *version is set whenever they are there. */
bool walrow__wire_read_head(walrow__cursor *cursor, uint8_t *version) WALROW_MUST_CHECK;
bool walrow__wire_read_frame(walrow__cursor *cursor, walrow__wire_frame *out) WALROW_MUST_CHECK;
bool walrow__wire_read_begin(walrow__wire_bytes payload, walrow__wire_begin *out) WALROW_MUST_CHECK;
bool walrow__wire_read_commit(walrow__wire_bytes payload, walrow__wire_commit *out) WALROW_MUST_CHECK;
bool walrow__wire_read_schema(walrow__wire_bytes payload, walrow__wire_schema *out) WALROW_MUST_CHECK;
bool walrow__wire_read_batch(walrow__wire_bytes payload, walrow__wire_batch *out) WALROW_MUST_CHECK;
bool walrow__wire_read_dead_letter(walrow__wire_bytes payload,
                                   walrow__wire_dead_letter *out) WALROW_MUST_CHECK;
bool walrow__wire_read_message(walrow__wire_bytes payload, walrow__wire_message *out) WALROW_MUST_CHECK;

#endif
