/*
 * sink/jsonl_file.c
 *	  Events in one file (jsonl:FILE), exactly once.
 *
 * Beside FILE lies .FILE.walrow.json: how many bytes of it are good and what they hold. It is replaced after
 * the data is on disk; open cuts FILE back to it, and the printer's state in it says which events come again.
 * A snapshot's rows wait in .FILE.HASH.snapshot until their table is finished, then are appended. Dead
 * letters go to _FILE.dead_letters.jsonl, its size in the same record.
 */
#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "sink/dead_letters.h"
#include "sink/event/event.h"
#include "sink/manifest.h"
#include "sink/names.h"
#include "sink/sinks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The table whose snapshot is on its way; fd < 0: none. */
typedef struct side_file {
    char *table;
    char *path;
    int fd;
    uint64_t point;
} side_file;

typedef struct jsonl_file {
    walrow__sink base;
    char *path, *parent;
    int fd;
    uint64_t size; /* of FILE: what is written */
    walrow__event_printer printer;
    bool to_side; /* events go to the side file */
    side_file side;
    walrow__manifest manifest;
    walrow__dead_letters dead_letters;
    uint64_t written_lsn, durable_lsn;
    bool dirty; /* something was written since the last sync */
    walrow_error failure;
} jsonl_file;

/* The path of a file beside FILE: prefix and suffix around its name; malloc'ed. */
static char *
beside(const jsonl_file *self, const char *prefix, const char *suffix)
{
    char *path;
    return asprintf(&path, "%s/%s%s%s", self->parent, prefix, walrow__files_base(self->path), suffix) < 0
               ? NULL
               : path;
}

/* ---- events to the file or aside ---- */

static walrow_code
flush_events(void *arg, walrow__strbuf *buf, walrow_error *err)
{
    jsonl_file *self = arg;
    int fd = self->to_side ? self->side.fd : self->fd;
    WALROW_TRY(
        walrow__files_write(fd, self->to_side ? self->side.path : self->path, buf->data, buf->size, err));
    if (!self->to_side)
        self->size += buf->size;
    walrow__strbuf_clear(buf);
    return WALROW_OK;
}

static walrow_code
switch_target(jsonl_file *self, bool to_side, walrow_error *err)
{
    WALROW_TRY(walrow__event_flush(&self->printer, err));
    self->to_side = to_side;
    return WALROW_OK;
}

/* ---- the record ---- */

static walrow_code
store_epoch(void *arg, const char *schema_name, const char *table_name, uint64_t epoch, walrow_error *err)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, epoch);
    json_t *entry = json_pack("[s, s, s]", schema_name, table_name, text);
    return json_array_append_new(arg, entry) == 0 ? WALROW_OK : walrow__fail_memory(err);
}

static walrow_code
store_epochs(jsonl_file *self, walrow_error *err)
{
    json_t *epochs = json_array();
    walrow_code code = walrow__event_each_epoch(&self->printer, store_epoch, epochs, err);
    if (json_object_set_new(self->manifest.root, "epochs", epochs) != 0 && code == WALROW_OK)
        code = walrow__fail_memory(err);
    return code;
}

static walrow_code
save(jsonl_file *self, walrow_error *err)
{
    const walrow__event_state *state = &self->printer.state;
    json_t *root = self->manifest.root;
    uint64_t lsn = state->open_lsn != 0 ? state->open_lsn : state->done_lsn;
    int failed =
        json_object_set_new(root, "size", json_integer((json_int_t)self->size)) |
        json_object_set_new(root, "dead_letters_size", json_integer((json_int_t)self->dead_letters.size)) |
        json_object_set_new(root, "end_lsn", walrow__manifest_lsn_json(self->written_lsn)) |
        json_object_set_new(root, "lsn", walrow__manifest_lsn_json(lsn)) |
        json_object_set_new(root, "done_lsn", walrow__manifest_lsn_json(state->done_lsn)) |
        json_object_set_new(root, "open_lsn", walrow__manifest_lsn_json(state->open_lsn)) |
        json_object_set_new(root, "next_seq", json_integer(state->next_seq)) |
        json_object_set_new(root, "message_lsn", walrow__manifest_lsn_json(state->message_lsn));
    if (failed)
        return walrow__fail_memory(err);
    WALROW_TRY(store_epochs(self, err));
    return walrow__manifest_save(&self->manifest, err);
}

static walrow_code
restore_epochs(jsonl_file *self, walrow_error *err)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(self->manifest.root, "epochs"), i, entry)
    {
        const char *schema_name, *table_name, *epoch;
        if (json_unpack(entry, "[s, s, s]", &schema_name, &table_name, &epoch) == 0)
            WALROW_TRY(walrow__event_set_epoch(&self->printer, schema_name, table_name,
                                               strtoull(epoch, NULL, 16), err));
    }
    return WALROW_OK;
}

static walrow_code
restore_snapshots(jsonl_file *self, walrow_error *err)
{
    const char *table;
    json_t *object;
    json_object_foreach(json_object_get(self->manifest.root, "snapshot"), table, object)
    {
        walrow__snapshot_record record;
        if (walrow__manifest_snapshot(&self->manifest, table, &record) && record.schema_name != NULL &&
            record.table_name != NULL)
            WALROW_TRY(walrow__event_skip_below(&self->printer, record.schema_name, record.table_name,
                                                record.point, err));
    }
    return WALROW_OK;
}

static walrow_code
restore(jsonl_file *self, walrow_error *err)
{
    const json_t *root = self->manifest.root;
    self->written_lsn = self->durable_lsn = walrow__manifest_lsn(root, "end_lsn");
    self->printer.state = (walrow__event_state){
        .done_lsn = walrow__manifest_lsn(root, "done_lsn"),
        .open_lsn = walrow__manifest_lsn(root, "open_lsn"),
        .next_seq = (uint32_t)walrow__manifest_u64(root, "next_seq"),
        .message_lsn = walrow__manifest_lsn(root, "message_lsn"),
    };
    WALROW_TRY(restore_epochs(self, err));
    return restore_snapshots(self, err);
}

/* ---- open ---- */

static walrow_code
open_data(jsonl_file *self, walrow_error *err)
{
    WALROW_TRY(walrow__files_claim_dirs(self->parent, err));
    self->fd = open(self->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct stat st;
    if (self->fd < 0 || fstat(self->fd, &st) != 0)
        return walrow__files_fail(err, errno, "cannot open", self->path);
    if (!S_ISREG(st.st_mode)) {
        walrow__fail(err, WALROW_ERR_SINK, "\"%s\" is not an ordinary file", self->path);
        walrow__hint(err, "use jsonl:- and let the shell redirect it");
        return WALROW_ERR_SINK;
    }
    if (flock(self->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        walrow__fail(err, WALROW_ERR_SINK, "another walrow is writing to \"%s\"", self->path);
        walrow__hint(err, "stop it, or name another file");
        return WALROW_ERR_SINK;
    }
    self->size = (uint64_t)st.st_size;
    return walrow__files_sync_dir(self->parent, err);
}

static walrow_code
fail_size(const jsonl_file *self, uint64_t recorded, walrow_error *err)
{
    if (!self->manifest.found) {
        walrow__fail(err, WALROW_ERR_STATE, "\"%s\" has content and no record of walrow's beside it",
                     self->path);
        walrow__hint(err, "name another file, or put \"%s\" back", self->manifest.path);
    } else {
        walrow__fail(err, WALROW_ERR_STATE,
                     "\"%s\" has %" PRIu64 " bytes, and %" PRIu64 " were delivered to it", self->path,
                     self->size, recorded);
        walrow__hint(err,
                     "something cut it: put it back, move it away as a whole to go on in a new one, or name "
                     "another file");
    }
    return WALROW_ERR_STATE;
}

/* Cut FILE back to what the record says is good. A file moved away as a whole is begun anew. */
static walrow_code
cut_back(jsonl_file *self, walrow_error *err)
{
    uint64_t recorded = walrow__manifest_u64(self->manifest.root, "size");
    if (self->size == 0)
        return WALROW_OK;
    if (self->size < recorded || !self->manifest.found)
        return fail_size(self, recorded, err);
    if (ftruncate(self->fd, (off_t)recorded) != 0 || lseek(self->fd, 0, SEEK_END) < 0)
        return walrow__files_fail(err, errno, "cannot cut", self->path);
    self->size = recorded;
    return WALROW_OK;
}

/* Side files of snapshots that were not finished. */
static walrow_code
remove_side_files(const jsonl_file *self, walrow_error *err)
{
    char *prefix;
    if (asprintf(&prefix, ".%s.", walrow__files_base(self->path)) < 0)
        return walrow__fail_memory(err);
    const char suffix[] = ".snapshot";
    walrow_code code = WALROW_OK;
    DIR *entries = opendir(self->parent);
    const struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        size_t size = strlen(entry->d_name);
        if (size == strlen(prefix) + 16 + strlen(suffix) &&
            strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            strcmp(entry->d_name + size - strlen(suffix), suffix) == 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries == NULL)
        code = walrow__files_fail(err, errno, "cannot read the directory", self->parent);
    else
        closedir(entries);
    free(prefix);
    return code;
}

static walrow_code
read_record(jsonl_file *self, walrow_error *err)
{
    char *path = beside(self, ".", ".walrow.json");
    walrow_code code = path == NULL ? walrow__fail_memory(err)
                                    : walrow__manifest_read(&self->manifest, path, self->path, err);
    free(path);
    return code;
}

static walrow_code
open_dead_letters(jsonl_file *self, walrow_error *err)
{
    char *path = beside(self, "_", ".dead_letters.jsonl");
    walrow_code code =
        path == NULL
            ? walrow__fail_memory(err)
            : walrow__dead_letters_open(&self->dead_letters, path,
                                        walrow__manifest_u64(self->manifest.root, "dead_letters_size"),
                                        walrow__manifest_counts, &self->manifest, err);
    free(path);
    return code;
}

static void
note_reached(jsonl_file *self)
{
    const walrow__event_state *state = &self->printer.state;
    walrow__sink_has(&self->base, walrow__manifest_last_point(&self->manifest));
    walrow__sink_has(&self->base, self->written_lsn);
    walrow__sink_has_record(&self->base, state->open_lsn);
    walrow__sink_has_record(&self->base, state->done_lsn);
    walrow__sink_has_record(&self->base, state->message_lsn);
}

static const char *
format_of(const jsonl_file *self)
{
    if (self->base.has_documents)
        return "wal2json-v1";
    return self->printer.options.wal2json ? "wal2json-v2" : "jsonl";
}

static walrow_code
file_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    jsonl_file *self = (jsonl_file *)sink;
    WALROW_TRY(open_data(self, err));
    WALROW_TRY(read_record(self, err));
    WALROW_TRY(walrow__manifest_claim(&self->manifest, identity, format_of(self), NULL, err));
    WALROW_TRY(cut_back(self, err));
    WALROW_TRY(restore(self, err));
    WALROW_TRY(remove_side_files(self, err));
    WALROW_TRY(open_dead_letters(self, err));
    sink->timeline = walrow__manifest_timeline(&self->manifest);
    note_reached(self);
    return save(self, err);
}

/* ---- snapshots ---- */

static void
drop_side(jsonl_file *self)
{
    side_file *side = &self->side;
    if (side->fd < 0)
        return;
    unlink(side->path);
    close(side->fd);
    side->fd = -1;
    free(side->table);
    free(side->path);
    side->table = side->path = NULL;
}

static walrow_code
begin_side(jsonl_file *self, const char *table, walrow_error *err)
{
    side_file *side = &self->side;
    drop_side(self);
    char suffix[32];
    uint64_t hash = walrow__hash_finish(walrow__hash_text(WALROW__HASH_START, table));
    snprintf(suffix, sizeof suffix, ".%016" PRIx64 ".snapshot", hash);
    side->table = strdup(table);
    side->path = beside(self, ".", suffix);
    if (side->table == NULL || side->path == NULL)
        return walrow__fail_memory(err);
    side->fd = open(side->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return side->fd < 0 ? walrow__files_fail(err, errno, "cannot make", side->path) : WALROW_OK;
}

static walrow_code
append_side(jsonl_file *self, walrow_error *err)
{
    enum { COPY_BYTES = 256 * 1024 };
    char *bytes = malloc(COPY_BYTES);
    if (bytes == NULL)
        return walrow__fail_memory(err);
    walrow_code code = WALROW_OK;
    off_t at = 0;
    ssize_t n;
    while (code == WALROW_OK && (n = pread(self->side.fd, bytes, COPY_BYTES, at)) != 0) {
        if (n < 0)
            code = walrow__files_fail(err, errno, "cannot read", self->side.path);
        else
            code = walrow__files_write(self->fd, self->path, bytes, (size_t)n, err);
        at += n;
    }
    free(bytes);
    if (code == WALROW_OK)
        self->size += (uint64_t)at;
    return code;
}

static walrow_code
sync_file(jsonl_file *self, walrow_error *err)
{
    if (!self->dirty)
        return WALROW_OK;
    WALROW_TRY(walrow__event_flush(&self->printer, err));
    WALROW_TRY(walrow__dead_letters_sync(&self->dead_letters, err));
    WALROW_TRY(walrow__files_sync(self->fd, self->path, err));
    WALROW_TRY(save(self, err));
    self->durable_lsn = self->written_lsn;
    self->dirty = false;
    return WALROW_OK;
}

/* The table is finished: its rows and the record that it has them become durable together. */
static walrow_code
publish(jsonl_file *self, const walrow_batch *batch, walrow_error *err)
{
    walrow__snapshot_record record = {.schema_name = batch->schema_name,
                                      .table_name = batch->table_name,
                                      .relid = batch->relid,
                                      .point = self->side.point,
                                      .done = true};
    WALROW_TRY(append_side(self, err));
    WALROW_TRY(walrow__manifest_set_snapshot(&self->manifest, self->side.table, &record, err));
    WALROW_TRY(
        walrow__event_skip_below(&self->printer, batch->schema_name, batch->table_name, record.point, err));
    self->dirty = true;
    WALROW_TRY(sync_file(self, err));
    drop_side(self);
    return WALROW_OK;
}

static bool
has_snapshot(const jsonl_file *self, const char *table, uint32_t relid, uint64_t *point)
{
    walrow__snapshot_record record;
    if (!walrow__manifest_snapshot(&self->manifest, table, &record) || (relid != 0 && record.relid != relid))
        return false;
    *point = record.point;
    return true;
}

static walrow_code
write_table_chunk(jsonl_file *self, const char *table, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    uint64_t point;
    if (has_snapshot(self, table, batch->relid, &point))
        return WALROW_OK;
    if (changes->chunk == 0)
        WALROW_TRY(begin_side(self, table, err));
    else if (self->side.fd < 0 || strcmp(self->side.table, table) != 0)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "snapshot of %s: a chunk without the first", table);
    self->side.point = batch->array.length == 0 ? changes->snapshot_lsn
                                                : walrow__batch_position(&batch->array, 0).commit_lsn + 1;
    WALROW_TRY(walrow__dead_letters_add_all(&self->dead_letters, changes, err));
    WALROW_TRY(switch_target(self, true, err));
    WALROW_TRY(walrow__event_print(&self->printer, changes, err));
    WALROW_TRY(switch_target(self, false, err));
    return changes->snapshot_end ? publish(self, batch, err) : WALROW_OK;
}

static walrow_code
write_chunk(jsonl_file *self, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    char *table = walrow__name_table(batch->schema_name, batch->table_name);
    walrow_code code =
        table == NULL ? walrow__fail_memory(err) : write_table_chunk(self, table, changes, err);
    free(table);
    return code;
}

static walrow_code
file_snapshot(walrow__sink *sink, const char *schema_name, const char *table_name, uint32_t relid, bool *done,
              uint64_t *point, walrow_error *err)
{
    char *table = walrow__name_table(schema_name, table_name);
    if (table == NULL)
        return walrow__fail_memory(err);
    *done = has_snapshot((jsonl_file *)sink, table, relid, point);
    free(table);
    return WALROW_OK;
}

/* ---- write and sync ---- */

/* After a failure the file is cut back by the next open; until then nothing more may be recorded. */
static walrow_code
noting(jsonl_file *self, walrow_code code, const walrow_error *err)
{
    if (code != WALROW_OK && err != NULL)
        self->failure = *err;
    else if (code != WALROW_OK)
        walrow__fail(&self->failure, code, "sink %s failed", self->base.uri);
    return code;
}

static walrow_code
fail_again(const jsonl_file *self, walrow_error *err)
{
    if (err != NULL)
        *err = self->failure;
    return self->failure.code;
}

static walrow_code
write_changes(jsonl_file *self, const walrow_changes *changes, walrow_error *err)
{
    self->dirty = true;
    if (changes->snapshot)
        return write_chunk(self, changes, err);
    WALROW_TRY(walrow__dead_letters_add_all(&self->dead_letters, changes, err));
    WALROW_TRY(walrow__event_print(&self->printer, changes, err));
    if (changes->end_lsn > self->written_lsn)
        self->written_lsn = changes->end_lsn;
    return WALROW_OK;
}

static walrow_code
file_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    jsonl_file *self = (jsonl_file *)sink;
    if (self->failure.code != WALROW_OK)
        return fail_again(self, err);
    return noting(self, write_changes(self, changes, err), err);
}

static walrow_code
file_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    jsonl_file *self = (jsonl_file *)sink;
    (void)finish_files;
    if (self->failure.code != WALROW_OK)
        return fail_again(self, err);
    WALROW_TRY(noting(self, sync_file(self, err), err));
    *durable_lsn = self->durable_lsn;
    return WALROW_OK;
}

/* The record says how much of the file is good, so it is replaced only after the file is synced. */
static walrow_code
file_follow(walrow__sink *sink, uint32_t timeline, walrow_error *err)
{
    jsonl_file *self = (jsonl_file *)sink;
    if (self->failure.code != WALROW_OK)
        return fail_again(self, err);
    self->dirty = true;
    walrow_code code = walrow__manifest_set_timeline(&self->manifest, timeline, err);
    return noting(self, code == WALROW_OK ? sync_file(self, err) : code, err);
}

static walrow_code
file_finish(walrow__sink *sink, walrow_error *err)
{
    uint64_t durable_lsn;
    return file_sync(sink, true, &durable_lsn, err);
}

static walrow_code
file_position(walrow__sink *sink, walrow__position *out, walrow_error *err)
{
    jsonl_file *self = (jsonl_file *)sink;
    char *path = beside(self, ".", ".walrow.json");
    if (path == NULL)
        return walrow__fail_memory(err);
    walrow__manifest manifest;
    walrow_code code = walrow__manifest_read(&manifest, path, self->path, err);
    if (code == WALROW_OK) {
        uint64_t next_seq = walrow__manifest_u64(manifest.root, "next_seq");
        out->commit_lsn = walrow__manifest_lsn(manifest.root, "lsn");
        out->seq = next_seq == 0 ? 0 : (uint32_t)next_seq - 1;
    }
    walrow__manifest_release(&manifest);
    free(path);
    return code;
}

static void
file_free(walrow__sink *sink)
{
    jsonl_file *self = (jsonl_file *)sink;
    drop_side(self);
    walrow__event_release(&self->printer);
    walrow__dead_letters_release(&self->dead_letters);
    walrow__manifest_release(&self->manifest);
    if (self->fd >= 0)
        close(self->fd);
    free(self->path);
    free(self->parent);
    free(sink->uri);
    free(self);
}

/* ---- constructor ---- */

static const walrow__sink_ops file_ops = {
    .open = file_open,
    .write = file_write,
    .sync = file_sync,
    .finish = file_finish,
    .free = file_free,
    .follow = file_follow,
    .snapshot = file_snapshot,
    .position = file_position,
};

walrow_code
walrow__jsonl_file_make(const char *path, walrow__event_options *options, walrow__sink **out,
                        walrow_error *err)
{
    jsonl_file *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->base.ops = &file_ops;
    self->base.keeps_position = true;
    self->fd = self->side.fd = -1;
    walrow__event_init(&self->printer, options, flush_events, self);
    self->path = strdup(path);
    self->parent = walrow__files_parent(path);
    if (self->path == NULL || self->parent == NULL) {
        file_free(&self->base);
        return walrow__fail_memory(err);
    }
    *out = &self->base;
    return WALROW_OK;
}
