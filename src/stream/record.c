/*
 * stream/record.c
 *	  walrow_record: what a slot sends, raw, into a file. Nothing is confirmed to the server: the same changes
 *	  can be recorded again, or streamed.
 */
#include "base/clock.h"
#include "base/error.h"
#include "pg/catalog.h"
#include "pg/slot.h"
#include "source/push.h"
#include "source/recording.h"
#include "stream/prepare.h"
#include "stream/retry.h"
#include "stream/tally.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATUS_EVERY_MS = 1000, POLL_MS = 200 };

typedef struct recorder {
    const walrow_options *options;
    const walrow_run_callbacks *callbacks;
    walrow_report *report;
    walrow__upstream up;
    walrow__push push;
    FILE *file;
    long whole_size;  /* of the file up to the last whole transaction, or message of none */
    long commit_size; /* of the file up to the last commit, which ended at */
    uint64_t end_lsn;
    uint64_t seen_lsn; /* how far the server said it had read */
    char *types;       /* the dump written last */
    walrow__retry retry;
    bool prepared;
    bool in_transaction;
    bool done;
    int64_t status_at, first_at, last_at;
} recorder;

/* The type catalogue must hold what this announcement needs; write it anew if that made it grow. */
static walrow_code
record_types(recorder *r, const walrow__incoming *message, walrow_error *err)
{
    walrow__relation_message relation;
    WALROW_TRY(walrow__pgoutput_read_relation(message->bytes, message->size, message->lsn, &relation, err));
    walrow_code code = WALROW_OK;
    for (int i = 0; code == WALROW_OK && i < relation.n_columns; i++) {
        walrow__type type;
        code = walrow__type_resolve(r->up.catalog, relation.columns[i].oid, relation.columns[i].typmod, NULL,
                                    &type, err);
        if (code == WALROW_OK)
            walrow__type_release(&type);
    }
    free(relation.columns);
    char *dump = NULL;
    if (code == WALROW_OK)
        code = walrow__catalog_dump(r->up.catalog, &dump, err);
    if (code != WALROW_OK || (r->types != NULL && strcmp(dump, r->types) == 0)) {
        free(dump);
        return code;
    }
    free(r->types);
    r->types = dump;
    return walrow__recording_write(r->file, WALROW__FRAME_TYPES, message->lsn, dump, strlen(dump), err);
}

static bool
is_past_until(const recorder *r, const walrow__outline *outline)
{
    uint64_t until_lsn = r->up.until_lsn;
    return until_lsn != 0 && outline->begins && outline->commit_lsn >= until_lsn;
}

/* Should the connection break, the next one begins here. */
static void
note_commit(recorder *r, const walrow__outline *outline)
{
    r->end_lsn = outline->end_lsn;
    r->commit_size = ftell(r->file);
    r->report->transactions++;
}

static walrow_code
record_message(recorder *r, const walrow__incoming *message, walrow_error *err)
{
    walrow__outline outline;
    WALROW_TRY(r->up.dialect->outline(message->bytes, message->size, message->lsn, &outline, err));
    if (is_past_until(r, &outline)) {
        r->done = true;
        return WALROW_OK;
    }
    if (outline.announces)
        WALROW_TRY(record_types(r, message, err));
    WALROW_TRY(walrow__recording_write(r->file, WALROW__FRAME_MESSAGE, message->lsn, message->bytes,
                                       message->size, err));
    r->last_at = walrow__now_ms();
    if (r->first_at == 0)
        r->first_at = r->last_at;
    r->report->bytes += message->size;
    r->in_transaction = (outline.begins || r->in_transaction) && !outline.commits;
    if (outline.commits)
        note_commit(r, &outline);
    if (!r->in_transaction)
        r->whole_size = ftell(r->file);
    return WALROW_OK;
}

/*
 * Nothing is confirmed. But without a flushed position a server that shuts down waits for the written one, so
 * that one is told.
 */
static walrow_code
send_status(recorder *r, bool wants_reply, walrow_error *err)
{
    return walrow__push_status(&r->push, r->seen_lsn, 0, wants_reply, err);
}

static walrow_code
take_message(recorder *r, const walrow__incoming *message, walrow_error *err)
{
    uint64_t until_lsn = r->up.until_lsn;
    switch (message->kind) {
    case WALROW__INCOMING_DATA:
        return record_message(r, message, err);
    case WALROW__INCOMING_KEEPALIVE:
        r->done = r->done || (until_lsn != 0 && !r->in_transaction && message->lsn >= until_lsn);
        r->seen_lsn = message->lsn;
        return message->wants_reply ? send_status(r, false, err) : WALROW_OK;
    case WALROW__INCOMING_END:
        return walrow__fail(err, WALROW_ERR_NET, "the server ended the stream");
    default:
        return WALROW_OK;
    }
}

static walrow_code
wait_for_more(recorder *r, walrow_error *err)
{
    struct pollfd fd = {.fd = PQsocket(r->push.conn), .events = POLLIN};
    poll(&fd, 1, POLL_MS);
    int64_t now = walrow__now_ms();
    if (now - r->status_at < STATUS_EVERY_MS && r->up.until_lsn == 0)
        return WALROW_OK;
    r->status_at = now;
    return send_status(r, r->up.until_lsn != 0, err);
}

static bool
asked_to_stop(const recorder *r)
{
    return r->callbacks != NULL && r->callbacks->stop != NULL && r->callbacks->stop(r->callbacks->arg) != 0;
}

static walrow_code
record_stream(recorder *r, walrow_error *err)
{
    while (!r->done && !asked_to_stop(r)) {
        walrow__incoming message = {.kind = WALROW__INCOMING_DATA};
        for (int i = 0; i < 1000 && !r->done && message.kind != WALROW__INCOMING_NOTHING; i++) {
            WALROW_TRY(walrow__push_read(&r->push, &message, err));
            WALROW_TRY(take_message(r, &message, err));
        }
        if (message.kind == WALROW__INCOMING_NOTHING)
            WALROW_TRY(wait_for_more(r, err));
    }
    return WALROW_OK;
}

static walrow_code
create_file(recorder *r, const char *path, walrow_error *err)
{
    const walrow__pg_server *server = &r->up.server;
    walrow__recording_header header = {.binary = r->up.binary,
                                       .system_identifier = server->system_identifier,
                                       .timeline = server->timeline,
                                       .server_version = server->version};
    snprintf(header.plugin, sizeof header.plugin, "%s", r->up.plugin);
    snprintf(header.database, sizeof header.database, "%s", server->database);
    snprintf(header.slot, sizeof header.slot, "%s", r->options->slot);
    WALROW_TRY(walrow__recording_create(path, &header, &r->file, err));
    r->whole_size = r->commit_size = ftell(r->file);
    return WALROW_OK;
}

/* A recording is of one timeline, which its header names. */
static walrow_code
check_timeline(const recorder *r, PGconn *conn, walrow_error *err)
{
    walrow__pg_server now;
    const walrow__pg_server *then = &r->up.server;
    WALROW_TRY(walrow__pg_identify(conn, true, &now, err));
    if (now.system_identifier == then->system_identifier && now.timeline == then->timeline)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SERVER,
                 "the recording is of system %" PRIu64 ", timeline %" PRIu32
                 ", and the server that answers now is "
                 "of system %" PRIu64 ", timeline %" PRIu32,
                 then->system_identifier, then->timeline, now.system_identifier, now.timeline);
    return walrow__hint(err, "what is recorded can be decoded; record what follows into another file");
}

static walrow_code
start(recorder *r, walrow_error *err)
{
    PGconn *conn = NULL;
    if (!r->up.slot_exists)
        WALROW_TRY(
            walrow__slot_create(r->up.sql, r->options, r->options->slot, r->up.plugin, false, NULL, err));
    r->up.slot_exists = true;
    WALROW_TRY(walrow__pg_connect(r->options, true, &conn, err));
    walrow_code code = check_timeline(r, conn, err);
    if (code != WALROW_OK) {
        PQfinish(conn);
        return code;
    }
    walrow__source_options options =
        walrow__dialect_options(r->up.dialect, r->options, r->up.server.version, r->up.binary);
    options.start_lsn = r->end_lsn != 0 ? r->end_lsn : r->options->start_lsn;
    options.publications = (const char *const *)r->up.publications.items;
    return walrow__push_start(&r->push, conn, &options, err);
}

/* A transaction that is not whole is cut off: what is in the file can be decoded to its end. */
static walrow_code
finish_file(recorder *r, walrow_error *err)
{
    FILE *file = r->file;
    r->file = NULL;
    if (fflush(file) == 0 && ftruncate(fileno(file), r->whole_size) != 0) {
        fclose(file);
        return walrow__fail(err, WALROW_ERR_SINK, "cannot cut the recording to its last whole transaction");
    }
    return walrow__recording_finish(file, err);
}

/* What came after the last commit comes again; so may announcements, with types that were cut off. */
static walrow_code
step_back(recorder *r, walrow_error *err)
{
    walrow__push_close(&r->push);
    r->in_transaction = false;
    r->seen_lsn = 0;
    if (r->file == NULL)
        return WALROW_OK;
    free(r->types);
    r->types = NULL;
    r->whole_size = r->commit_size;
    if (fflush(r->file) != 0 || ftruncate(fileno(r->file), r->commit_size) != 0 ||
        fseek(r->file, r->commit_size, SEEK_SET) != 0)
        return walrow__fail(err, WALROW_ERR_SINK, "cannot cut the recording to its last whole transaction");
    return WALROW_OK;
}

/* What the catalogue said of a table when a change came is not in a recording. */
static walrow_code
check_recordable(const recorder *r, walrow_error *err)
{
    if (r->up.dialect->is_recordable)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "what %s sends cannot be decoded without the server's catalogue",
                 r->up.plugin);
    return walrow__hint(err,
                        "record a slot of pgoutput or wal2arrow; pg_recvlogical writes wal2json's lines");
}

static walrow_code
prepare(recorder *r, walrow_error *err)
{
    walrow__upstream_release(&r->up); /* of the try before */
    r->up = (walrow__upstream){.options = r->options};
    WALROW_TRY(walrow__upstream_prepare(&r->up, err));
    WALROW_TRY(check_recordable(r, err));
    r->prepared = true;
    return WALROW_OK;
}

static walrow_code
record_once(recorder *r, const char *path, walrow_error *err)
{
    WALROW_TRY(r->prepared ? walrow__upstream_connect(&r->up, err) : prepare(r, err));
    WALROW_TRY(start(r, err));
    if (r->file == NULL)
        WALROW_TRY(create_file(r, path, err));
    uint64_t bytes_before = r->report->bytes;
    walrow_code code = record_stream(r, err);
    if (r->report->bytes > bytes_before)
        walrow__retry_reset(&r->retry);
    return code;
}

/* Through lost connections; a wish to stop between two of them is as good as any. */
static walrow_code
record_patiently(recorder *r, const char *path, walrow_error *err)
{
    for (;;) {
        walrow_code code = record_once(r, path, err);
        int ms = code == WALROW_OK ? -1 : walrow__retry_after(&r->retry, err);
        if (ms < 0)
            return code;
        r->report->reconnects++;
        WALROW_TRY(step_back(r, err));
        if (walrow__retry_sleep(ms, r->callbacks) == 0)
            continue;
        return r->file != NULL ? WALROW_OK
                               : walrow__fail(err, WALROW_INTERRUPTED, "stopped before the recording began");
    }
}

static walrow_code
record(recorder *r, const char *path, walrow_error *err)
{
    walrow_code code = record_patiently(r, path, err);
    walrow_error ignored;
    if (r->file == NULL)
        return code;
    walrow_code finished = finish_file(r, code == WALROW_OK ? err : &ignored);
    return code == WALROW_OK ? finished : code;
}

walrow_code
walrow_record(const walrow_options *options, const char *path, const walrow_run_callbacks *callbacks,
              walrow_report *report, walrow_error *err)
{
    recorder r = {.options = options, .callbacks = callbacks, .report = report, .retry.options = options};
    memset(report, 0, sizeof *report);
    walrow_code code = record(&r, path, err);
    report->seconds = (double)(r.last_at - r.first_at) / 1000;
    report->peak_rss_bytes = walrow__peak_rss();
    walrow__push_close(&r.push);
    walrow__upstream_release(&r.up);
    free(r.types);
    return code;
}
