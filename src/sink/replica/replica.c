/*
 * sink/replica/replica.c
 *	  A live replica in one DuckDB file (duckdb:FILE), or with ?mode=append the log of its changes: exactly once.
 *
 * Change sets gather in temporary tables and are applied together when somebody asks what is durable, in one
 * transaction with the position; of a transaction that comes in parts nothing before its last part. What is
 * applied at once costs one pass over the keys of a table, however many changes it is.
 *
 * A snapshot's chunks go at once into a table beside the real one, which they replace when they are whole.
 * Beside FILE lies .FILE.walrow.json, for `walrow status`, which cannot open FILE while it is written. Nothing
 * else reads it.
 */
#include "base/clock.h"
#include "base/crash.h"
#include "base/error.h"
#include "base/files.h"
#include "sink/manifest.h"
#include "sink/params.h"
#include "sink/replica/apply.h"
#include "sink/replica/publish.h"
#include "sink/replica/side.h"
#include "sink/replica/table.h"
#include "sink/sinks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    GATHERED_BYTES = 16 << 20, /* of a table, in memory, before they go into its temporary table */
    STAGED_BYTES = 64 << 20    /* of all tables, before they are applied without being asked */
};

typedef struct replica_sink {
    walrow__sink base;
    walrow__replica replica;
    char *path;
    uint64_t append, memory, publish_s;
    walrow__publisher publisher;
    int64_t published_ms; /* when; 0: not yet */
    bool unpublished;     /* the file has what the copy has not */
    walrow__side side;
    walrow__stage *stages, **last; /* in the order they came */
    uint64_t n_stages;             /* ever */
    int64_t staged_bytes;
    walrow__stage *loading; /* the snapshot on its way */
    uint64_t loading_point;
    /* what was written, applied or not */
    walrow__position position;
    uint64_t end_lsn, message_lsn;
    bool partial; /* in the middle of a transaction: nothing may be applied */
    bool dirty;
    walrow_error failure; /* the first; nothing more is written after it */
} replica_sink;

/* ---- the position, for others to read ---- */

static char *
note_path(const replica_sink *self)
{
    char *path, *parent = walrow__files_parent(self->path);
    int size =
        parent == NULL ? -1 : asprintf(&path, "%s/.%s.walrow.json", parent, walrow__files_base(self->path));
    free(parent);
    return size < 0 ? NULL : path;
}

static walrow_code
note_position(const replica_sink *self, walrow_error *err)
{
    walrow__manifest note = {.path = note_path(self), .root = json_object()};
    const walrow__replica *replica = &self->replica;
    int failed =
        json_object_set_new(note.root, "version", json_integer(1)) |
        json_object_set_new(note.root, "lsn", walrow__manifest_lsn_json(replica->position.commit_lsn)) |
        json_object_set_new(note.root, "seq", json_integer(replica->position.seq)) |
        json_object_set_new(note.root, "end_lsn", walrow__manifest_lsn_json(replica->end_lsn));
    walrow_code code =
        failed || note.path == NULL ? walrow__fail_memory(err) : walrow__manifest_save(&note, err);
    walrow__manifest_release(&note);
    return code;
}

static walrow_code
replica_position(walrow__sink *sink, walrow__position *out, walrow_error *err)
{
    const replica_sink *self = (const replica_sink *)sink;
    walrow__manifest note = {0};
    char *path = note_path(self);
    if (path == NULL)
        return walrow__fail_memory(err);
    walrow_code code =
        access(self->path, F_OK) != 0 ? WALROW_OK : walrow__manifest_read(&note, path, self->path, err);
    if (code == WALROW_OK && note.found)
        *out = (walrow__position){.commit_lsn = walrow__manifest_lsn(note.root, "lsn"),
                                  .seq = (uint32_t)walrow__manifest_u64(note.root, "seq")};
    walrow__manifest_release(&note);
    free(path);
    return code;
}

/* ---- open ---- */

static void
note_reached(replica_sink *self)
{
    const walrow__replica *replica = &self->replica;
    walrow__sink_has(&self->base, replica->end_lsn);
    walrow__sink_has_record(&self->base, replica->position.commit_lsn);
    walrow__sink_has_record(&self->base, replica->message_lsn);
    for (const walrow__replica_table *table = replica->tables; table != NULL; table = table->next)
        walrow__sink_has(&self->base, table->point);
}

static walrow_code
replica_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    replica_sink *self = (replica_sink *)sink;
    walrow__replica *replica = &self->replica;
    WALROW_TRY(walrow__side_init(&self->side, err));
    WALROW_TRY(walrow__replica_open(replica, self->path, self->append != 0, self->memory, identity, err));
    self->position = replica->position;
    self->end_lsn = replica->end_lsn;
    self->message_lsn = replica->message_lsn;
    self->unpublished = true;
    sink->timeline = replica->timeline;
    note_reached(self);
    return note_position(self, err);
}

static walrow_code
replica_follow(walrow__sink *sink, uint32_t timeline, walrow_error *err)
{
    replica_sink *self = (replica_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    walrow_code code = walrow__replica_save_timeline(&self->replica, timeline, err);
    return walrow__sink_note(&self->base, &self->failure, code, err);
}

/* ---- applying ---- */

static void
forget_stages(replica_sink *self)
{
    while (self->stages != NULL) {
        walrow__stage *stage = self->stages;
        self->stages = stage->next;
        walrow__stage_free(stage);
    }
    self->last = &self->stages;
    self->staged_bytes = 0;
}

static walrow_code
flush_all(replica_sink *self, walrow_error *err)
{
    for (walrow__stage *stage = self->stages; stage != NULL; stage = stage->next)
        WALROW_TRY(walrow__stage_flush(stage, &self->replica, err));
    return walrow__side_flush(&self->side, &self->replica, err);
}

static walrow_code
apply_all(replica_sink *self, walrow__strbuf *sql, walrow_error *err)
{
    walrow__replica *replica = &self->replica;
    walrow__strbuf_add_text(sql, "BEGIN");
    WALROW_TRY(walrow__replica_run(replica, sql, err));
    WALROW_TRY(walrow__side_apply(&self->side, replica, err));
    for (walrow__stage *stage = self->stages; stage != NULL; stage = stage->next) {
        walrow__replica_table *table;
        WALROW_TRY(
            walrow__replica_find(replica, stage->schema_name, stage->table_name, stage->relid, &table, err));
        WALROW_TRY(walrow__replica_prepare(replica, table, stage, err));
        WALROW_TRY(walrow__replica_apply(replica, stage, err));
        walrow__strbuf_addf(sql, "DROP TABLE %s", stage->table);
        WALROW_TRY(walrow__replica_run(replica, sql, err));
    }
    WALROW_TRY(walrow__replica_save_position(replica, self->position, self->end_lsn, self->message_lsn, err));
    walrow__strbuf_add_text(sql, "COMMIT");
    WALROW__CRASH_POINT("before-commit");
    WALROW_TRY(walrow__replica_run(replica, sql, err));
    WALROW__CRASH_POINT("after-commit");
    return WALROW_OK;
}

/* DuckDB syncs its WAL at a commit, but not the directory that has the WAL's name. */
static walrow_code
commit(replica_sink *self, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow_code code = flush_all(self, err);
    if (code == WALROW_OK)
        code = apply_all(self, &sql, err);
    walrow__strbuf_release(&sql);
    if (code == WALROW_OK)
        code = walrow__files_sync_dir(self->replica.parent, err);
    if (code != WALROW_OK)
        return code;
    forget_stages(self);
    self->replica.position = self->position;
    self->replica.end_lsn = self->end_lsn;
    self->replica.message_lsn = self->message_lsn;
    self->dirty = false;
    self->unpublished = true;
    return WALROW_OK;
}

static walrow_code
commit_if_whole(replica_sink *self, walrow_error *err)
{
    return self->dirty && !self->partial ? commit(self, err) : WALROW_OK;
}

/* ---- writing ---- */

static walrow_code
find_stage(replica_sink *self, const walrow_batch *batch, walrow__stage **out, walrow_error *err)
{
    walrow__stage *newest = NULL;
    for (walrow__stage *stage = self->stages; stage != NULL; stage = stage->next)
        if (walrow__stage_is_of(stage, batch))
            newest = stage;
    *out = newest;
    if (newest != NULL && walrow__stage_takes(newest, batch))
        return WALROW_OK;
    WALROW_TRY(walrow__stage_new(&self->replica, batch, ++self->n_stages, out, err));
    *self->last = *out;
    self->last = &(*out)->next;
    return WALROW_OK;
}

static walrow_code
write_batch(replica_sink *self, const walrow_batch *batch, walrow_error *err)
{
    walrow__stage *stage;
    /* the first row that is not there yet: committed neither before what is stored nor before the snapshot */
    uint64_t from_lsn =
        walrow__replica_from_lsn(&self->replica, batch->schema_name, batch->table_name, batch->relid);
    int64_t start = walrow__rows_first_from(&batch->array, from_lsn);
    if (start == batch->array.length)
        return WALROW_OK;
    WALROW_TRY(find_stage(self, batch, &stage, err));
    int64_t before = walrow__rows_bytes(&stage->rows);
    WALROW_TRY(walrow__rows_append(&stage->rows, &batch->array, start, batch->array.length - start, err));
    int64_t after = walrow__rows_bytes(&stage->rows);
    self->staged_bytes += after - before;
    walrow__position last = walrow__batch_position(&batch->array, batch->array.length - 1);
    if (walrow__position_compare(last, self->position) > 0)
        self->position = last;
    return after < GATHERED_BYTES ? WALROW_OK : walrow__stage_flush(stage, &self->replica, err);
}

static walrow_code
write_messages(replica_sink *self, const walrow_changes *changes, walrow_error *err)
{
    for (size_t i = 0; i < changes->n_messages; i++) {
        const walrow_message *message = &changes->messages[i];
        if (message->transactional ? message->commit_lsn < self->replica.end_lsn
                                   : message->lsn <= self->replica.message_lsn)
            continue;
        WALROW_TRY(walrow__side_add_message(&self->side, message, err));
        if (!message->transactional)
            self->message_lsn = message->lsn;
    }
    return WALROW_OK;
}

static walrow_code
write_dead_letters(replica_sink *self, const walrow_changes *changes, walrow_error *err)
{
    for (size_t i = 0; i < changes->n_dead_letters; i++) {
        const walrow_dead_letter *letter = &changes->dead_letters[i];
        if (letter->lsn >=
            walrow__replica_from_lsn(&self->replica, letter->schema_name, letter->table_name, 0))
            WALROW_TRY(walrow__side_add_dead_letter(&self->side, letter, err));
    }
    return WALROW_OK;
}

static walrow_code
write_changes(replica_sink *self, const walrow_changes *changes, walrow_error *err)
{
    WALROW_TRY(write_messages(self, changes, err));
    WALROW_TRY(write_dead_letters(self, changes, err));
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(write_batch(self, &changes->batches[i], err));
    self->dirty = true;
    self->partial = changes->partial;
    if (changes->end_lsn > self->end_lsn)
        self->end_lsn = changes->end_lsn;
    return self->staged_bytes < STAGED_BYTES ? WALROW_OK : commit_if_whole(self, err);
}

/* ---- snapshots ---- */

/* Those of an attempt before go; these are in the file before their rows are. */
static walrow_code
save_dead_letters(replica_sink *self, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    walrow__side letters = {0};
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "DELETE FROM " WALROW__REPLICA
                                  "._walrow.dead_letters WHERE op = 'R' AND schema_name = ");
    walrow__duckdb_add_text(&sql, batch->schema_name);
    walrow__strbuf_add_text(&sql, " AND table_name = ");
    walrow__duckdb_add_text(&sql, batch->table_name);
    walrow_code code = changes->chunk == 0 ? walrow__replica_run(&self->replica, &sql, err) : WALROW_OK;
    if (code == WALROW_OK && changes->n_dead_letters > 0) {
        code = walrow__side_init(&letters, err);
        for (size_t i = 0; code == WALROW_OK && i < changes->n_dead_letters; i++)
            code = walrow__side_add_dead_letter(&letters, &changes->dead_letters[i], err);
        if (code == WALROW_OK)
            code = walrow__side_flush(&letters, &self->replica, err);
        if (code == WALROW_OK)
            code = walrow__side_apply(&letters, &self->replica, err);
        walrow__side_release(&letters);
    }
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
end_snapshot(replica_sink *self, walrow__replica_table *table, walrow_error *err)
{
    WALROW_TRY(commit_if_whole(self, err)); /* what came of the table before is older */
    table->point = self->loading_point;
    WALROW_TRY(walrow__replica_end_loading(&self->replica, table, self->loading, err));
    walrow__stage_free(self->loading);
    self->loading = NULL;
    self->unpublished = true;
    return walrow__files_sync_dir(self->replica.parent, err);
}

static walrow_code
load_rows(replica_sink *self, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    if (changes->chunk == 0) {
        walrow__stage_free(self->loading);
        self->loading = NULL;
        WALROW_TRY(walrow__stage_new(&self->replica, batch, ++self->n_stages, &self->loading, err));
        self->loading_point = changes->snapshot_lsn;
    }
    if (self->loading == NULL || !walrow__stage_takes(self->loading, batch) ||
        self->loading_point != changes->snapshot_lsn)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "snapshot of %s.%s: a chunk of another",
                            batch->schema_name, batch->table_name);
    WALROW_TRY(save_dead_letters(self, changes, err));
    if (batch->array.length > 0)
        WALROW_TRY(walrow__rows_append(&self->loading->rows, &batch->array, 0, batch->array.length, err));
    return changes->chunk == 0 ? walrow__replica_begin_loading(&self->replica, self->loading, err)
                               : walrow__replica_load_more(&self->replica, self->loading, err);
}

static walrow_code
write_chunk(replica_sink *self, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    walrow__replica_table *table;
    WALROW_TRY(walrow__replica_find(&self->replica, batch->schema_name, batch->table_name, batch->relid,
                                    &table, err));
    if (table->point != 0 && table->relid == batch->relid)
        return WALROW_OK;
    WALROW_TRY(load_rows(self, changes, err));
    return changes->snapshot_end ? end_snapshot(self, table, err) : WALROW_OK;
}

static walrow_code
replica_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    replica_sink *self = (replica_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    return walrow__sink_note(
        &self->base, &self->failure,
        changes->snapshot ? write_chunk(self, changes, err) : write_changes(self, changes, err), err);
}

static walrow_code
replica_snapshot(walrow__sink *sink, const char *schema_name, const char *table_name, uint32_t relid,
                 bool *done, uint64_t *point, walrow_error *err)
{
    walrow__replica_table *table;
    WALROW_TRY(
        walrow__replica_find(&((replica_sink *)sink)->replica, schema_name, table_name, relid, &table, err));
    *done = table->point != 0 && (relid == 0 || table->relid == relid);
    *point = table->point;
    return WALROW_OK;
}

/* ---- sync ---- */

static walrow_code
publish_if_due(replica_sink *self, bool last, walrow_error *err)
{
    if (self->publisher.path == NULL || !self->unpublished)
        return WALROW_OK;
    int64_t now = walrow__now_ms();
    if (!last && self->published_ms != 0 && now - self->published_ms < (int64_t)self->publish_s * 1000)
        return WALROW_OK;
    WALROW_TRY(walrow__publish(&self->publisher, &self->replica, err));
    self->published_ms = now;
    self->unpublished = false;
    return WALROW_OK;
}

static walrow_code
sync_and_publish(replica_sink *self, bool last, walrow_error *err)
{
    bool moved = self->dirty && !self->partial;
    WALROW_TRY(commit_if_whole(self, err));
    if (moved)
        WALROW_TRY(note_position(self, err));
    return publish_if_due(self, last, err);
}

static walrow_code
replica_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    replica_sink *self = (replica_sink *)sink;
    (void)finish_files;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    WALROW_TRY(walrow__sink_note(&self->base, &self->failure, sync_and_publish(self, false, err), err));
    *durable_lsn = self->replica.end_lsn;
    return WALROW_OK;
}

static walrow_code
replica_finish(walrow__sink *sink, walrow_error *err)
{
    replica_sink *self = (replica_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    return walrow__sink_note(&self->base, &self->failure, sync_and_publish(self, true, err), err);
}

static void
replica_free(walrow__sink *sink)
{
    replica_sink *self = (replica_sink *)sink;
    forget_stages(self);
    walrow__stage_free(self->loading);
    walrow__side_release(&self->side);
    walrow__replica_close(&self->replica);
    walrow__publisher_release(&self->publisher);
    free(self->path);
    free(sink->uri);
    free(self);
}

/* ---- constructor ---- */

static const walrow__sink_ops replica_ops = {
    .open = replica_open,
    .write = replica_write,
    .sync = replica_sync,
    .finish = replica_finish,
    .free = replica_free,
    .follow = replica_follow,
    .snapshot = replica_snapshot,
    .position = replica_position,
};

static walrow_code
read_params(replica_sink *self, const char *uri, const char *params, walrow_error *err)
{
    const walrow__param known[] = {
        {.name = "mode", .kind = WALROW__PARAM_WORD, .word = "append", .value = &self->append},
        {.name = "memory",
         .kind = WALROW__PARAM_SIZE,
         .min = INT64_C(64) << 20,
         .max = INT64_MAX,
         .value = &self->memory},
        {.name = "publish", .kind = WALROW__PARAM_TEXT, .text = &self->publisher.path},
        {.name = "publish_s", .min = 0, .max = 24 * 3600, .value = &self->publish_s},
    };
    self->memory = UINT64_C(256) << 20;
    self->publish_s = 10;
    return walrow__params_parse(uri, params, known, sizeof known / sizeof *known, err);
}

walrow_code
walrow__replica_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                     walrow_error *err)
{
    if (*path == '\0' || path[strlen(path) - 1] == '/') {
        walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" names no file", uri);
        return walrow__hint(err, "write the DuckDB file after the colon");
    }
    replica_sink *self = calloc(1, sizeof *self);
    if (self == NULL || (self->path = strdup(path)) == NULL) {
        free(self);
        return walrow__fail_memory(err);
    }
    self->base.ops = &replica_ops;
    self->base.keeps_position = true;
    self->publisher.fd = -1;
    self->last = &self->stages;
    walrow_code code = read_params(self, uri, params, err);
    if (code == WALROW_OK)
        *out = &self->base;
    else
        replica_free(&self->base);
    return code;
}
