/*
 * sink/kafka/kafka.c
 *	  Changes as messages of Kafka (kafka://BROKERS/PREFIX): exactly once, for readers with isolation.level
 *	  read_committed, or with ?exactly_once=false at least once.
 *
 * What is written goes into an open transaction and to the brokers at once; it is committed when somebody asks what is
 * durable, with the position in it, and never in the middle of a transaction that comes in parts. A table's snapshot
 * is one transaction, too: what is begun again is aborted first. Whatever is not committed comes again.
 *
 * Nothing here waits for ever: see sink/kafka/client.h.
 */
#include "base/error.h"
#include "base/json.h"
#include "kernels/rows.h"
#include "sink/event/style.h"
#include "sink/kafka/outlet.h"
#include "sink/kafka/position.h"
#include "sink/names.h"
#include "sink/sinks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct kafka_sink {
    walrow__sink base;
    walrow__kafka_settings settings;
    walrow__kafka kafka;
    walrow__kafka_position position;
    walrow__kafka_outlets outlets;
    walrow__event_printer printer;
    walrow__event_style style;
    char *loading; /* the table whose snapshot is on its way, as the manifest names it; NULL: none */
    uint64_t loading_point;
    uint64_t written_lsn, durable_lsn;
    bool partial; /* in the middle of a transaction: nothing may be committed */
    bool dirty;
    walrow_error failure; /* the first; nothing more is written after it */
} kafka_sink;

/* ---- open ---- */

static walrow_code
send_event(void *arg, walrow__strbuf *text, walrow_error *err)
{
    kafka_sink *self = arg;
    walrow_code code = walrow__kafka_send_event(&self->outlets, &self->printer.subject, text, err);
    walrow__strbuf_clear(text);
    return code;
}

/* Rows and messages only: transactions are Kafka's own, and a schema is what each row has. */
static void
init_printer(kafka_sink *self)
{
    walrow__event_options options;
    walrow__event_options_init(&options);
    options.debezium = self->settings.format == WALROW__KAFKA_DEBEZIUM;
    self->style = options.debezium ? walrow__event_debezium : walrow__event_plain;
    self->style.end = "}";
    self->style.boundary = NULL;
    self->style.schema_change = NULL;
    walrow__event_init(&self->printer, &options, send_event, self);
    self->printer.style = &self->style;
    self->printer.flush_bytes = 1;
}

/* The part of Debezium's source that is always the same. */
static walrow_code
describe_source(kafka_sink *self, const walrow__identity *identity, walrow_error *err)
{
    walrow__strbuf *text = &self->printer.source_text;
    walrow__strbuf_clear(text);
    walrow__strbuf_addf(
        text, "\"source\":{\"version\":\"%s\",\"connector\":\"walrow\",\"name\":", walrow_version());
    walrow__json_add_text(text, self->settings.prefix);
    walrow__strbuf_add_text(text, ",\"db\":");
    walrow__json_add_text(text, identity->database);
    return text->failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
restore_snapshots(kafka_sink *self, walrow_error *err)
{
    const char *table;
    json_t *object;
    json_object_foreach(json_object_get(self->position.manifest.root, "snapshot"), table, object)
    {
        walrow__snapshot_record record;
        if (walrow__manifest_snapshot(&self->position.manifest, table, &record) &&
            record.schema_name != NULL && record.table_name != NULL)
            WALROW_TRY(walrow__event_skip_below(&self->printer, record.schema_name, record.table_name,
                                                record.point, err));
    }
    return WALROW_OK;
}

static walrow_code
restore(kafka_sink *self, walrow_error *err)
{
    const walrow__manifest *manifest = &self->position.manifest;
    walrow__event_state *state = &self->printer.state;
    self->written_lsn = self->durable_lsn = walrow__manifest_lsn(manifest->root, "end_lsn");
    *state = (walrow__event_state){
        .done_lsn = walrow__manifest_lsn(manifest->root, "done_lsn"),
        .message_lsn = walrow__manifest_lsn(manifest->root, "message_lsn"),
    };
    self->base.timeline = walrow__manifest_timeline(manifest);
    walrow__sink_has(&self->base, walrow__manifest_last_point(manifest));
    walrow__sink_has(&self->base, self->durable_lsn);
    walrow__sink_has_record(&self->base, state->done_lsn);
    walrow__sink_has_record(&self->base, state->message_lsn);
    return restore_snapshots(self, err);
}

static walrow_code
put_position(kafka_sink *self, walrow_error *err)
{
    const walrow__event_state *state = &self->printer.state;
    json_t *root = self->position.manifest.root;
    int failed = json_object_set_new(root, "end_lsn", walrow__manifest_lsn_json(self->written_lsn)) |
                 json_object_set_new(root, "done_lsn", walrow__manifest_lsn_json(state->done_lsn)) |
                 json_object_set_new(root, "message_lsn", walrow__manifest_lsn_json(state->message_lsn));
    return failed ? walrow__fail_memory(err) : walrow__kafka_position_put(&self->position, &self->kafka, err);
}

/* At least once: the position goes out when all that it is about is there. */
static walrow_code
commit(kafka_sink *self, walrow_error *err)
{
    if (!self->settings.exactly_once)
        WALROW_TRY(walrow__kafka_commit(&self->kafka, err));
    WALROW_TRY(walrow__kafka_begin(&self->kafka, err));
    WALROW_TRY(put_position(self, err));
    WALROW_TRY(walrow__kafka_commit(&self->kafka, err));
    self->durable_lsn = self->written_lsn;
    self->dirty = false;
    return WALROW_OK;
}

static walrow_code
open_all(kafka_sink *self, const walrow__identity *identity, walrow_error *err)
{
    char *id;
    if (asprintf(&id, "%s.walrow.%" PRIu64 ".%s.%s", self->settings.prefix, identity->system_identifier,
                 identity->database, identity->slot) < 0)
        return walrow__fail_memory(err);
    walrow_code code = walrow__kafka_open(&self->kafka, &self->settings, id, self->base.was_open, err);
    free(id);
    if (code == WALROW_OK)
        code = walrow__kafka_position_open(&self->position, &self->kafka, identity, err);
    if (code == WALROW_OK)
        code = describe_source(self, identity, err);
    if (code == WALROW_OK)
        code = restore(self, err);
    /* whose the topics are is known before anything is in them */
    return code == WALROW_OK && !self->position.manifest.found ? commit(self, err) : code;
}

static walrow_code
kafka_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    kafka_sink *self = (kafka_sink *)sink;
    return walrow__sink_note(sink, &self->failure, open_all(self, identity, err), err);
}

/* ---- writing ---- */

static walrow_code
commit_if_whole(kafka_sink *self, walrow_error *err)
{
    return self->dirty && !self->partial && self->loading == NULL ? commit(self, err) : WALROW_OK;
}

static uint64_t
snapshot_point(const kafka_sink *self, const char *schema_name, const char *table_name)
{
    walrow__snapshot_record record;
    char *table = walrow__name_table(schema_name, table_name);
    bool found = table != NULL && walrow__manifest_snapshot(&self->position.manifest, table, &record);
    free(table);
    return found ? record.point : 0;
}

/* What was committed before it is there. */
static uint64_t
from_lsn(const kafka_sink *self, const char *schema_name, const char *table_name)
{
    uint64_t point = snapshot_point(self, schema_name, table_name);
    return point > self->durable_lsn ? point : self->durable_lsn;
}

static walrow_code
write_dead_letters(kafka_sink *self, const walrow_changes *changes, walrow_error *err)
{
    for (size_t i = 0; i < changes->n_dead_letters; i++) {
        const walrow_dead_letter *letter = &changes->dead_letters[i];
        if (changes->snapshot || letter->lsn >= from_lsn(self, letter->schema_name, letter->table_name))
            WALROW_TRY(walrow__kafka_send_dead_letter(&self->outlets, letter, err));
    }
    return WALROW_OK;
}

static walrow_code
write_arrow(kafka_sink *self, const walrow_changes *changes, walrow_error *err)
{
    walrow_changes messages = *changes;
    messages.n_batches = 0;
    for (size_t i = 0; i < changes->n_batches; i++) {
        const walrow_batch *batch = &changes->batches[i];
        uint64_t from = changes->snapshot ? 0 : from_lsn(self, batch->schema_name, batch->table_name);
        int64_t start = walrow__rows_first_from(&batch->array, from);
        WALROW_TRY(walrow__kafka_send_rows(&self->outlets, batch, start, err));
    }
    return walrow__event_print(&self->printer, &messages, err);
}

static walrow_code
write_rows(kafka_sink *self, const walrow_changes *changes, walrow_error *err)
{
    WALROW_TRY(walrow__kafka_begin(&self->kafka, err));
    WALROW_TRY(write_dead_letters(self, changes, err));
    self->dirty = true;
    return self->settings.format == WALROW__KAFKA_ARROW ? write_arrow(self, changes, err)
                                                        : walrow__event_print(&self->printer, changes, err);
}

static walrow_code
write_changes(kafka_sink *self, const walrow_changes *changes, walrow_error *err)
{
    WALROW_TRY(write_rows(self, changes, err));
    self->partial = changes->partial;
    if (changes->end_lsn > self->written_lsn)
        self->written_lsn = changes->end_lsn;
    return WALROW_OK;
}

/* ---- snapshots ---- */

static void
forget_loading(kafka_sink *self)
{
    free(self->loading);
    self->loading = NULL;
}

/* What came of a snapshot that is begun again, or of another that was given up, must not be seen. */
static walrow_code
drop_loading(kafka_sink *self, walrow_error *err)
{
    if (self->loading == NULL)
        return WALROW_OK;
    if (self->partial && self->settings.exactly_once) {
        walrow__fail(err, WALROW_ERR_SINK,
                     "the snapshot of %s began again in the middle of a transaction, which has to come again",
                     self->loading);
        if (err != NULL)
            err->retryable = true;
        return WALROW_ERR_SINK;
    }
    forget_loading(self);
    self->dirty = false;
    return walrow__kafka_abort(&self->kafka, err);
}

static walrow_code
begin_loading(kafka_sink *self, const walrow_changes *changes, const char *table, walrow_error *err)
{
    WALROW_TRY(drop_loading(self, err));
    WALROW_TRY(commit_if_whole(self, err)); /* what came of the table before is older */
    self->loading = strdup(table);
    self->loading_point = changes->snapshot_lsn;
    return self->loading == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
end_loading(kafka_sink *self, const walrow_batch *batch, walrow_error *err)
{
    const walrow__snapshot_record record = {.schema_name = batch->schema_name,
                                            .table_name = batch->table_name,
                                            .relid = batch->relid,
                                            .point = self->loading_point,
                                            .done = true};
    WALROW_TRY(walrow__manifest_set_snapshot(&self->position.manifest, self->loading, &record, err));
    WALROW_TRY(walrow__event_skip_below(&self->printer, batch->schema_name, batch->table_name,
                                        self->loading_point, err));
    WALROW_TRY(walrow__kafka_position_put_snapshot(&self->position, &self->kafka, self->loading, err));
    forget_loading(self);
    return commit_if_whole(self, err);
}

static walrow_code
load(kafka_sink *self, const walrow_changes *changes, const char *table, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    walrow__snapshot_record record;
    if (walrow__manifest_snapshot(&self->position.manifest, table, &record) && record.relid == batch->relid)
        return WALROW_OK;
    if (changes->chunk == 0)
        WALROW_TRY(begin_loading(self, changes, table, err));
    if (self->loading == NULL || strcmp(self->loading, table) != 0 ||
        self->loading_point != changes->snapshot_lsn)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "snapshot of %s.%s: a chunk of another",
                            batch->schema_name, batch->table_name);
    WALROW_TRY(write_rows(self, changes, err));
    return changes->snapshot_end ? end_loading(self, batch, err) : WALROW_OK;
}

static walrow_code
write_chunk(kafka_sink *self, const walrow_changes *changes, walrow_error *err)
{
    char *table = walrow__name_table(changes->batches[0].schema_name, changes->batches[0].table_name);
    walrow_code code = table == NULL ? walrow__fail_memory(err) : load(self, changes, table, err);
    free(table);
    return code;
}

static walrow_code
write_either(kafka_sink *self, const walrow_changes *changes, walrow_error *err)
{
    WALROW_TRY(walrow__kafka_listen(&self->kafka, err));
    return changes->snapshot ? write_chunk(self, changes, err) : write_changes(self, changes, err);
}

static walrow_code
kafka_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    kafka_sink *self = (kafka_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    return walrow__sink_note(sink, &self->failure, write_either(self, changes, err), err);
}

static walrow_code
kafka_snapshot(walrow__sink *sink, const char *schema_name, const char *table_name, uint32_t relid,
               bool *done, uint64_t *point, walrow_error *err)
{
    const kafka_sink *self = (const kafka_sink *)sink;
    walrow__snapshot_record record;
    char *table = walrow__name_table(schema_name, table_name);
    if (table == NULL)
        return walrow__fail_memory(err);
    if (walrow__manifest_snapshot(&self->position.manifest, table, &record)) {
        *done = relid == 0 || record.relid == relid;
        *point = record.point;
    }
    free(table);
    return WALROW_OK;
}

/* ---- the rest ---- */

static walrow_code
follow(kafka_sink *self, uint32_t timeline, walrow_error *err)
{
    WALROW_TRY(walrow__manifest_set_timeline(&self->position.manifest, timeline, err));
    self->dirty = true;
    return commit_if_whole(self, err); /* else with what is open, which is not seen before */
}

static walrow_code
kafka_follow(walrow__sink *sink, uint32_t timeline, walrow_error *err)
{
    kafka_sink *self = (kafka_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    return walrow__sink_note(sink, &self->failure, follow(self, timeline, err), err);
}

static walrow_code
sync_all(kafka_sink *self, walrow_error *err)
{
    WALROW_TRY(walrow__kafka_listen(&self->kafka, err));
    return commit_if_whole(self, err);
}

static walrow_code
kafka_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    kafka_sink *self = (kafka_sink *)sink;
    (void)finish_files;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    WALROW_TRY(walrow__sink_note(sink, &self->failure, sync_all(self, err), err));
    *durable_lsn = self->durable_lsn;
    return WALROW_OK;
}

static walrow_code
kafka_finish(walrow__sink *sink, walrow_error *err)
{
    kafka_sink *self = (kafka_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    return walrow__sink_note(sink, &self->failure, commit_if_whole(self, err), err);
}

static void
kafka_free(walrow__sink *sink)
{
    kafka_sink *self = (kafka_sink *)sink;
    walrow__kafka_outlets_release(&self->outlets);
    walrow__kafka_position_close(&self->position);
    walrow__kafka_close(&self->kafka);
    walrow__event_release(&self->printer);
    walrow__kafka_settings_release(&self->settings);
    free(self->loading);
    free(sink->uri);
    free(self);
}

static const walrow__sink_ops kafka_ops = {
    .open = kafka_open,
    .write = kafka_write,
    .sync = kafka_sync,
    .finish = kafka_finish,
    .free = kafka_free,
    .follow = kafka_follow,
    .snapshot = kafka_snapshot,
};

walrow_code
walrow__kafka_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                   walrow_error *err)
{
    kafka_sink *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->base.ops = &kafka_ops;
    self->base.keeps_position = true;
    walrow_code code = walrow__kafka_settings_parse(&self->settings, uri, path, params, err);
    self->base.eager = self->settings.format != WALROW__KAFKA_ARROW;
    walrow__kafka_outlets_init(&self->outlets, &self->kafka);
    init_printer(self);
    if (code == WALROW_OK)
        *out = &self->base;
    else
        kafka_free(&self->base);
    return code;
}
