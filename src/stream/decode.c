/*
 * stream/decode.c
 *	  walrow_decode: a recording into sinks, with no server and in one thread.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pg/catalog.h"
#include "pg/patterns.h"
#include "query/sieve.h"
#include "source/recording.h"
#include "stream/dialect.h"
#include "stream/outlets.h"
#include "stream/plan.h"
#include "stream/tally.h"

#include <string.h>

enum { FRAMES_PER_TURN = 4096 }; /* between two looks at clock and wishes */

typedef struct decoding {
    const walrow_options *options;
    const walrow_run_callbacks *callbacks;
    walrow_report *report;
    walrow__outlets outlets;
    walrow__sieve *sieve; /* NULL: all changes are handed on */
    walrow__recording recording;
    walrow_patterns *patterns;
    walrow__plan plan;
    walrow__catalog *catalog;
    walrow__collector collector;
    const walrow__dialect *dialect;
    walrow__decoder *decoder;
    int64_t synced_at;
} decoding;

static walrow_code
deliver(decoding *d, walrow_error *err)
{
    walrow_changes changes;
    if (walrow__collector_empty(&d->collector))
        return WALROW_OK;
    WALROW_TRY(walrow__collector_cut(&d->collector, &changes, err));
    bool nothing; /* is of snapshots, which no recording has */
    walrow_code code =
        d->sieve == NULL ? WALROW_OK : walrow__sieve_changes(d->sieve, &changes, &nothing, err);
    if (code == WALROW_OK)
        code = walrow__outlets_write(&d->outlets, &changes, err);
    if (code == WALROW_OK)
        walrow__tally_changes(d->report, &changes);
    changes.release(&changes);
    return code;
}

static bool
is_full(const decoding *d)
{
    if (d->options->batch == WALROW__BATCH_OF_TRANSACTION && walrow__collector_whole(&d->collector))
        return true;
    return d->collector.rows >= walrow__live(&d->options->batch_rows) ||
           (int64_t)d->collector.bytes >= walrow__live(&d->options->batch_bytes);
}

static walrow_code
load_types(decoding *d, const walrow__frame *frame, walrow_error *err)
{
    walrow__catalog *catalog = NULL;
    WALROW_TRY(walrow__catalog_load((const char *)frame->bytes, frame->size, &catalog, err));
    if (d->catalog != NULL)
        d->catalog->free(d->catalog);
    d->catalog = d->decoder->catalog = catalog;
    return WALROW_OK;
}

static walrow_code
check_types_known(const decoding *d, const walrow__frame *frame, walrow_error *err)
{
    walrow__outline outline;
    WALROW_TRY(d->dialect->outline(frame->bytes, frame->size, frame->lsn, &outline, err));
    if (outline.announces)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "recording: a table before the types it needs");
    return WALROW_OK;
}

static walrow_code
take_frame(decoding *d, const walrow__frame *frame, walrow_error *err)
{
    if (frame->kind == WALROW__FRAME_TYPES)
        return load_types(d, frame, err);
    if (frame->kind != WALROW__FRAME_MESSAGE)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "recording: unknown frame 0x%02X", frame->kind);
    if (d->catalog == NULL)
        WALROW_TRY(check_types_known(d, frame, err));
    d->report->bytes += frame->size;
    WALROW_TRY(d->decoder->feed(d->decoder, frame->bytes, frame->size, frame->lsn, err));
    if (d->decoder->needs_text)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "recording: binary values of a type that cannot be read; "
                            "record with --encoding text");
    return is_full(d) ? deliver(d, err) : WALROW_OK;
}

static walrow_code
sync_sinks(decoding *d, bool finish, walrow_error *err)
{
    uint64_t durable_lsn;
    WALROW_TRY(walrow__outlets_sync(&d->outlets, finish, &durable_lsn, err));
    d->synced_at = walrow__now_ms();
    if (durable_lsn != UINT64_MAX)
        d->report->acked_lsn = durable_lsn;
    return WALROW_OK;
}

static int
asked_to_stop(const decoding *d)
{
    return d->callbacks == NULL || d->callbacks->stop == NULL ? 0 : d->callbacks->stop(d->callbacks->arg);
}

static walrow_code
decode_frames(decoding *d, walrow_error *err)
{
    walrow_code code = WALROW_OK;
    for (uint64_t n = 1; code == WALROW_OK && !d->decoder->stopped; n++) {
        walrow__frame frame;
        code = walrow__recording_next(&d->recording, &frame, err);
        if (code == WALROW_OK)
            code = take_frame(d, &frame, err);
        if (code != WALROW_OK || n % FRAMES_PER_TURN != 0)
            continue;
        if (asked_to_stop(d) != 0)
            return walrow__fail(err, WALROW_INTERRUPTED, "stopped before the recording's end");
        if (walrow__now_ms() - d->synced_at >= walrow__live(&d->options->ack_interval_ms))
            code = sync_sinks(d, false, err);
    }
    return code == WALROW_END ? WALROW_OK : code;
}

static walrow_code
open_decoding(decoding *d, const char *path, walrow_error *err)
{
    WALROW_TRY(walrow__recording_open(path, &d->recording, err));
    const walrow__recording_header *header = &d->recording.header;
    d->dialect = walrow__dialect_of(header->plugin, WALROW__WAL2JSON_2);
    if (d->dialect == NULL)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "recording: plugin %s cannot be decoded",
                            header->plugin);
    walrow__identity identity = {.system_identifier = header->system_identifier,
                                 .timeline = header->timeline,
                                 .database = header->database,
                                 .slot = header->slot};
    WALROW_TRY(walrow__patterns_parse_list(&d->options->tables, NULL, &d->patterns, err));
    WALROW_TRY(walrow__sieve_new(d->options, NULL, &d->sieve, err));
    d->plan = (walrow__plan){.options = d->options, .patterns = d->patterns};
    WALROW_TRY(walrow__collector_init(&d->collector, d->options->strict, err));
    WALROW_TRY(
        d->dialect->new_decoder(&d->collector, NULL, walrow__plan_capture(&d->plan), &d->decoder, err));
    d->decoder->binary = header->binary;
    d->decoder->stop_lsn = d->options->until_lsn;
    WALROW_TRY(walrow__outlets_new(d->options, &d->outlets, err));
    WALROW_TRY(walrow__outlets_open(&d->outlets, &identity, false, err));
    uint64_t reached_lsn = 0;
    return walrow__outlets_check(&d->outlets, &identity, &reached_lsn, err);
}

/* As a stream says it before it begins; of a recording it is known at its end. */
static void
warn_of_idle(const decoding *d)
{
    if (d->sieve != NULL)
        walrow__sieve_warn_of_idle(d->sieve);
    if (!d->plan.captures && d->plan.passed_over != NULL)
        walrow__log(WALROW_LOG_WARN, "--tables matches no table of the recording, which has %s",
                    d->plan.passed_over);
}

static walrow_code
decode_all(decoding *d, const char *path, walrow_error *err)
{
    WALROW_TRY(open_decoding(d, path, err));
    int64_t started = d->synced_at = walrow__now_ms();
    WALROW_TRY(decode_frames(d, err));
    if (d->collector.in_transaction && !d->decoder->stopped)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "recording: it ends inside a transaction");
    WALROW_TRY(deliver(d, err));
    warn_of_idle(d);
    walrow__outlets_end(&d->outlets);
    WALROW_TRY(sync_sinks(d, true, err));
    d->report->seconds = (double)(walrow__now_ms() - started) / 1000;
    return walrow__outlets_finish(&d->outlets, err);
}

walrow_code
walrow_decode(const walrow_options *options, const char *path, const walrow_run_callbacks *callbacks,
              walrow_report *report, walrow_error *err)
{
    decoding d = {.options = options, .callbacks = callbacks, .report = report};
    memset(report, 0, sizeof *report);
    walrow_code code = decode_all(&d, path, err);
    report->peak_rss_bytes = walrow__peak_rss();
    walrow__outlets_free(&d.outlets);
    if (d.decoder != NULL)
        d.decoder->free(d.decoder);
    walrow__collector_release(&d.collector);
    walrow__plan_release(&d.plan);
    walrow__sieve_free(d.sieve);
    walrow_patterns_free(d.patterns);
    if (d.catalog != NULL)
        d.catalog->free(d.catalog);
    walrow__recording_close(&d.recording);
    return code;
}
