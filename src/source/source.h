/*
 * source/source.h
 *	  Where a slot's changes come from: the port that push and pull implement, and what they are started with.
 *	  Nothing here blocks, but starting and closing; one thread.
 *
 * A concrete source embeds walrow__source first. After an error it is only good for closing.
 */
#ifndef WALROW_SOURCE_SOURCE_H
#define WALROW_SOURCE_SOURCE_H

#include "base/options.h"

#include <nanoarrow/nanoarrow.h>
#include <poll.h>

typedef struct walrow__source walrow__source;

typedef enum walrow__incoming_kind {
    WALROW__INCOMING_NOTHING,   /* nothing more can be read now */
    WALROW__INCOMING_DATA,      /* bytes of the plugin */
    WALROW__INCOMING_KEEPALIVE, /* all up to lsn has come; wants_reply */
    WALROW__INCOMING_END        /* the server ended the stream */
} walrow__incoming_kind;

typedef struct walrow__incoming {
    walrow__incoming_kind kind;
    const uint8_t *bytes; /* borrowed until the next read */
    size_t size;
    uint64_t lsn; /* DATA: where the bytes came from, as the server says (may be 0); KEEPALIVE: see above */
    bool wants_reply;
} walrow__incoming;

enum { WALROW__SOURCE_FDS = 3 };

typedef struct walrow__source_ops {
    const char *name; /* "push" or "pull" */
    /* The next message, without waiting; when there is none, wait as `waits` says. */
    walrow_code (*read)(walrow__source *source, walrow__incoming *out, walrow_error *err);
    /* Give the last message's memory away: *out frees it, and it outlives the next read. */
    void (*take)(walrow__source *source, struct ArrowBuffer *out);
    /* How far changes were written and made durable, each 0 or one past the last byte; wants_reply: is it there? */
    walrow_code (*status)(walrow__source *source, uint64_t written_lsn, uint64_t flushed_lsn,
                          bool wants_reply, walrow_error *err);
    /* Fill in the descriptors that say when to read again; lower *timeout_ms if that is sooner. How many. */
    nfds_t (*waits)(walrow__source *source, struct pollfd fds[WALROW__SOURCE_FDS], int *timeout_ms);
    /* More is on its way, though there is none now: what came is not of this moment. NULL: never known. */
    bool (*is_behind)(const walrow__source *source);
    /* Nothing more is wanted; statuses still are. What comes may be read away, or come no more. */
    void (*quit)(walrow__source *source);
    /* Confirm what was said last, say goodbye, disconnect. */
    void (*close)(walrow__source *source);
} walrow__source_ops;

struct walrow__source {
    const walrow__source_ops *ops; /* NULL: not started, or closed */
};

/* ---- what a source is started with ---- */

typedef struct walrow__source_options {
    const char *slot;
    uint64_t start_lsn;              /* 0: where the slot is confirmed */
    const char *const *publications; /* NULL-terminated */
    bool binary;                     /* pgoutput: values in binary; servers from 14 on */
    bool messages;                   /* logical messages too; pgoutput of servers from 14 on */
    int timeout_ms;                  /* longest wait for the server's first word */
    uint64_t until_lsn;              /* pull: what commits behind it is not wanted; 0: all is */
    uint64_t tip_bytes; /* pull: nearer to the WAL's end than that it has done its work; 0: never */
    bool or_push;   /* pull: to be refused where rows, a message each, are so large that pushing is faster */
    bool wal2arrow; /* the slot's plugin; else pgoutput. What follows is for wal2arrow only */
    int64_t max_rows, max_bytes;   /* of a message */
    int64_t group_bytes;           /* pull: of small transactions that share a message; 0: none do */
    const walrow__texts *wal2json; /* its options, NAME=VALUE; NULL: the plugin is another */
    walrow__wal2json_format wal2json_format;
    bool lacks_numbers;                 /* wal2json cannot be asked for NaN */
    bool strict;                        /* then that one will not do */
    const walrow__type_override *types; /* columns to be sent as another type */
    size_t n_types;
} walrow__source_options;

/** The plugin's own options, names and values in turn. false: no memory; release *out whatever the outcome. */
bool walrow__source_settings(const walrow__source_options *options, walrow__texts *out);

/* ---- for push and pull ---- */

/**
 * The server failed so to start with these settings. Is it an older plugin that does not know one walrow can do
 * without? Then *options ask for less, and starting is worth another try.
 * Errors: *failure: as it was, or why nothing less will do
 */
walrow_code walrow__source_ask_less(walrow__source_options *options, walrow_error *failure) WALROW_MUST_CHECK;

/**
 * A message of a walsender: XLogData or keepalive, in front of what it carries.
 * Errors: WALROW_ERR_PROTOCOL
 */
walrow_code walrow__incoming_read(const void *bytes, size_t size, walrow__incoming *out,
                                  walrow_error *err) WALROW_MUST_CHECK;
/** *message, libpq's, becomes *out's. */
void walrow__incoming_take(char **message, struct ArrowBuffer *out);

#endif
