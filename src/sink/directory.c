/*
 * sink/directory.c
 *	  A directory of tables, each a directory of files (ipc:DIR, parquet:DIR).
 *
 * What is durable: a file is ended, by rows, bytes or time, for its own table alone, so that a busy table
 * does not cut the others' files to pieces. Every open file knows what was written before its first row; the
 * least of those is durable. By time all open files end together: the oldest row waits rotate_s at most.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/options.h"
#include "sink/names.h"
#include "sink/params.h"
#include "sink/sinks.h"
#include "sink/table_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { GATHERED_BYTES = WALROW__RECORD_BATCH_BYTES }; /* of rows not written yet, over all files */

static const char manifest_name[] = "_walrow.json";
static const char dead_letters_name[] = "_dead_letters.jsonl";
static const char partition_prefix[] = "_commit_date=";

/* A table's snapshot on its way. */
typedef struct snapshot {
    char *table;
    uint64_t point;
    struct snapshot *next;
} snapshot;

typedef struct directory_sink {
    walrow__sink base;
    walrow__lake lake;
    int64_t rotate_s; /* as the lake's limits: read through walrow__live */
    uint64_t by_day;
    int lock_fd; /* the directory, locked against another walrow; -1 before open */
    walrow__table_dir *dirs;
    void *by_key; /* tsearch tree of them */
    snapshot *snapshots;
    uint64_t written_lsn;  /* end of the last whole transaction written */
    int64_t open_since_ms; /* when the oldest open file began; 0: none is open */
    walrow_error failure;  /* the first; nothing more is written after it */
} directory_sink;

/* ---- directories of tables ---- */

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(((const walrow__table_dir *)a)->key, ((const walrow__table_dir *)b)->key);
}

/* The directory of that key, made known if it is not. */
static walrow_code
find_dir(directory_sink *self, const char *key, walrow__table_dir **out, walrow_error *err)
{
    walrow__table_dir wanted = {.key = (char *)key};
    walrow__table_dir **found = tfind(&wanted, &self->by_key, compare_keys);
    if (found != NULL) {
        *out = *found;
        return WALROW_OK;
    }
    WALROW_TRY(walrow__table_dir_new(&self->lake, key, out, err));
    if (tsearch(*out, &self->by_key, compare_keys) == NULL) {
        walrow__table_dir_free(*out);
        return walrow__fail_memory(err);
    }
    (*out)->next = self->dirs;
    self->dirs = *out;
    return WALROW_OK;
}

/* ---- going through what is there ---- */

typedef walrow_code (*visit_fn)(directory_sink *self, const char *key, void *arg, walrow_error *err);

static bool
is_directory(int parent_fd, const char *name)
{
    struct stat st;
    return fstatat(parent_fd, name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* Does the name belong to a table (below = NULL) or to a day of it? */
static bool
is_ours(const char *name, const char *below)
{
    if (below != NULL)
        return strncmp(name, partition_prefix, strlen(partition_prefix)) == 0;
    return name[0] != '.' && strchr(name, '.') != NULL;
}

/* Visit every table's directory, or every day's of a table. */
static walrow_code
visit(directory_sink *self, const char *below, visit_fn fn, void *arg, walrow_error *err)
{
    char *path = below == NULL ? strdup(self->lake.path) : walrow__files_join(self->lake.path, below);
    if (path == NULL)
        return walrow__fail_memory(err);
    DIR *entries = opendir(path);
    walrow_code code = WALROW_OK;
    if (entries == NULL && errno != ENOENT)
        code = walrow__files_fail(err, errno, "cannot read the directory", path);
    const struct dirent *entry;
    while (code == WALROW_OK && entries != NULL && (entry = readdir(entries)) != NULL) {
        if (!is_ours(entry->d_name, below) || !is_directory(dirfd(entries), entry->d_name))
            continue;
        char *key = below == NULL ? strdup(entry->d_name) : walrow__files_join(below, entry->d_name);
        code = key == NULL ? walrow__fail_memory(err) : fn(self, key, arg, err);
        free(key);
    }
    if (entries != NULL)
        closedir(entries);
    free(path);
    return code;
}

/* ---- open ---- */

static walrow_code
lock_directory(directory_sink *self, walrow_error *err)
{
    const char *path = self->lake.path;
    self->lock_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->lock_fd < 0)
        return walrow__files_fail(err, errno, "cannot open the directory", path);
    /* a file system without locks answers something else, and goes without */
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SINK, "another walrow is writing to \"%s\"", path);
    walrow__hint(err, "stop it, or name another directory");
    return WALROW_ERR_SINK;
}

/* What the names say counts as durable: a run that was killed may not have come to the fsync of the directory. */
static walrow_code
recover_dir(directory_sink *self, const char *key, void *arg, walrow_error *err)
{
    (void)arg;
    walrow__table_dir *dir;
    WALROW_TRY(find_dir(self, key, &dir, err));
    WALROW_TRY(walrow__table_dir_recover(dir, err));
    WALROW_TRY(walrow__files_sync_dir(dir->path, err));
    bool is_table = strchr(key, '/') == NULL;
    return self->by_day && is_table ? visit(self, key, recover_dir, NULL, err) : WALROW_OK;
}

/* Every recorded snapshot has its files under their final names by now. */
static walrow_code
complete_snapshots(directory_sink *self, walrow_error *err)
{
    walrow__manifest *manifest = &self->lake.manifest;
    const char *table;
    json_t *object;
    bool changed = false;
    json_object_foreach(json_object_get(manifest->root, "snapshot"), table, object)
    {
        walrow__snapshot_record record;
        if (!walrow__manifest_snapshot(manifest, table, &record) || record.done)
            continue;
        if (json_object_set_new(object, "state", json_string("done")) != 0)
            return walrow__fail_memory(err);
        changed = true;
    }
    return changed ? walrow__manifest_save(manifest, err) : WALROW_OK;
}

static walrow_code
open_dead_letters(directory_sink *self, walrow_error *err)
{
    char *path = walrow__files_join(self->lake.path, dead_letters_name);
    walrow_code code = path == NULL
                           ? walrow__fail_memory(err)
                           : walrow__dead_letters_open(&self->lake.dead_letters, path, UINT64_MAX,
                                                       walrow__manifest_counts, &self->lake.manifest, err);
    free(path);
    return code;
}

static walrow_code
read_manifest(directory_sink *self, walrow_error *err)
{
    char *path = walrow__files_join(self->lake.path, manifest_name);
    walrow_code code = path == NULL ? walrow__fail_memory(err)
                                    : walrow__manifest_read(&self->lake.manifest, path, self->lake.path, err);
    free(path);
    return code;
}

/* A file ends with a commit's position, a snapshot is as of its point. */
static void
note_reached(directory_sink *self)
{
    walrow__sink_has(&self->base, walrow__manifest_last_point(&self->lake.manifest));
    for (const walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next)
        walrow__sink_has_record(&self->base, dir->floor.commit_lsn);
}

static walrow_code
directory_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    directory_sink *self = (directory_sink *)sink;
    if (self->lake.format->start != NULL)
        WALROW_TRY(self->lake.format->start(&self->lake.shared, err));
    WALROW_TRY(walrow__files_claim_dirs(self->lake.path, err));
    WALROW_TRY(lock_directory(self, err));
    WALROW_TRY(read_manifest(self, err));
    WALROW_TRY(walrow__manifest_claim(&self->lake.manifest, identity, self->lake.format->name,
                                      self->by_day ? "day" : NULL, err));
    WALROW_TRY(visit(self, NULL, recover_dir, NULL, err));
    WALROW_TRY(walrow__files_sync_dir(self->lake.path, err));
    WALROW_TRY(complete_snapshots(self, err));
    if (!self->lake.manifest.found)
        WALROW_TRY(walrow__manifest_save(&self->lake.manifest, err));
    sink->timeline = walrow__manifest_timeline(&self->lake.manifest);
    note_reached(self);
    return open_dead_letters(self, err);
}

static walrow_code
directory_follow(walrow__sink *sink, uint32_t timeline, walrow_error *err)
{
    walrow__manifest *manifest = &((directory_sink *)sink)->lake.manifest;
    WALROW_TRY(walrow__manifest_set_timeline(manifest, timeline, err));
    return walrow__manifest_save(manifest, err);
}

/* ---- writing ---- */

/* Which rows go where: all to the table's directory, or each run of one day to that day's. */
typedef walrow_code (*append_fn)(directory_sink *self, walrow__table_dir *dir, const walrow_batch *batch,
                                 int64_t start, int64_t end, walrow_error *err);

static int64_t
day_of(const walrow_batch *batch, int64_t row)
{
    const int64_t *times = batch->array.children[WALROW__COMMIT_TIME]->buffers[1];
    const int64_t day = INT64_C(86400) * 1000000;
    return times[row] / day - (times[row] % day < 0);
}

/* SCHEMA.TABLE/_commit_date=YYYY-MM-DD, malloc'ed */
static char *
partition_key(const char *table, int64_t day)
{
    time_t seconds = (time_t)(day * 86400);
    struct tm date;
    char *key, text[32];
    if (gmtime_r(&seconds, &date) == NULL || strftime(text, sizeof text, "%F", &date) == 0 ||
        asprintf(&key, "%s/%s%s", table, partition_prefix, text) < 0)
        return NULL;
    return key;
}

static walrow_code
append_days(directory_sink *self, const char *table, const walrow_batch *batch, append_fn append,
            walrow_error *err)
{
    walrow_code code = WALROW_OK;
    int64_t length = batch->array.length;
    for (int64_t start = 0, end; code == WALROW_OK && start < length; start = end) {
        int64_t day = day_of(batch, start);
        for (end = start + 1; end < length && day_of(batch, end) == day;)
            end++;
        char *key = partition_key(table, day);
        walrow__table_dir *dir;
        code = key == NULL ? walrow__fail_memory(err) : find_dir(self, key, &dir, err);
        if (code == WALROW_OK)
            code = append(self, dir, batch, start, end, err);
        free(key);
    }
    return code;
}

static walrow_code
append_batch(directory_sink *self, const char *table, const walrow_batch *batch, append_fn append,
             walrow_error *err)
{
    if (self->by_day)
        return append_days(self, table, batch, append, err);
    walrow__table_dir *dir;
    WALROW_TRY(find_dir(self, table, &dir, err));
    return append(self, dir, batch, 0, batch->array.length, err);
}

static walrow_code
append_changes(directory_sink *self, walrow__table_dir *dir, const walrow_batch *batch, int64_t start,
               int64_t end, walrow_error *err)
{
    return walrow__table_dir_append(dir, batch, start, end, self->written_lsn, err);
}

static walrow_code
append_chunk(directory_sink *self, walrow__table_dir *dir, const walrow_batch *batch, int64_t start,
             int64_t end, walrow_error *err)
{
    (void)self;
    return walrow__table_dir_append_chunk(dir, batch, start, end, err);
}

/* Many tables together must not gather more than one large record batch's worth: write out the largest. */
static walrow_code
bound_memory(directory_sink *self, walrow_error *err)
{
    for (;;) {
        int64_t total = 0;
        walrow__part *largest = NULL;
        for (walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next) {
            walrow__part *part = dir->chunk.gathered > dir->changes.gathered ? &dir->chunk : &dir->changes;
            total += dir->chunk.gathered + dir->changes.gathered;
            if (largest == NULL || part->gathered > largest->gathered)
                largest = part;
        }
        if (total <= GATHERED_BYTES)
            return WALROW_OK;
        WALROW_TRY(walrow__part_flush(largest, err));
    }
}

static walrow_code
write_changes(directory_sink *self, const walrow_changes *changes, walrow_error *err)
{
    walrow_code code = walrow__dead_letters_add_all(&self->lake.dead_letters, changes, err);
    for (size_t i = 0; code == WALROW_OK && i < changes->n_batches; i++) {
        const walrow_batch *batch = &changes->batches[i];
        char *table = walrow__name_table(batch->schema_name, batch->table_name);
        code =
            table == NULL ? walrow__fail_memory(err) : append_batch(self, table, batch, append_changes, err);
        free(table);
        if (code == WALROW_OK)
            code = bound_memory(self, err);
    }
    if (changes->end_lsn > self->written_lsn)
        self->written_lsn = changes->end_lsn;
    return code;
}

/* ---- snapshots ---- */

static walrow_code
find_active(directory_sink *self, const char *table, snapshot **out, walrow_error *err)
{
    for (snapshot *active = self->snapshots; active != NULL; active = active->next)
        if (strcmp(active->table, table) == 0) {
            *out = active;
            return WALROW_OK;
        }
    snapshot *active = calloc(1, sizeof *active);
    if (active == NULL || (active->table = strdup(table)) == NULL) {
        free(active);
        return walrow__fail_memory(err);
    }
    active->next = self->snapshots;
    self->snapshots = active;
    *out = active;
    return WALROW_OK;
}

static void
drop_active(directory_sink *self, snapshot *active)
{
    snapshot **at = &self->snapshots;
    while (*at != active)
        at = &(*at)->next;
    *at = active->next;
    free(active->table);
    free(active);
}

static void
discard_chunks(directory_sink *self, const char *table)
{
    for (walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next)
        if (walrow__table_dir_of(dir, table))
            walrow__table_dir_discard_chunks(dir);
}

static walrow_code
stage_chunks(directory_sink *self, const char *table, uint32_t *n_files, walrow_error *err)
{
    *n_files = 0;
    for (walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next)
        if (walrow__table_dir_of(dir, table)) {
            WALROW_TRY(walrow__table_dir_stage_chunks(dir, err));
            *n_files += dir->n_chunks;
        }
    return walrow__dead_letters_sync(&self->lake.dead_letters, err);
}

static walrow_code
record_snapshot(directory_sink *self, const char *table, walrow__snapshot_record *record, bool done,
                walrow_error *err)
{
    record->done = done;
    WALROW_TRY(walrow__manifest_set_snapshot(&self->lake.manifest, table, record, err));
    return walrow__manifest_save(&self->lake.manifest, err);
}

/*
 * The table becomes visible: every file durable, then the record that they are to be renamed (a crash from
 * here on is completed by the next open), then the renames, then the record that they are.
 */
static walrow_code
publish(directory_sink *self, const char *table, const walrow_batch *batch, uint64_t point, walrow_error *err)
{
    walrow__snapshot_record record = {.schema_name = batch->schema_name,
                                      .table_name = batch->table_name,
                                      .relid = batch->relid,
                                      .point = point};
    WALROW_TRY(stage_chunks(self, table, &record.files, err));
    if (record.files > 0)
        WALROW_TRY(record_snapshot(self, table, &record, false, err));
    for (walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next)
        if (walrow__table_dir_of(dir, table))
            WALROW_TRY(walrow__table_dir_publish_chunks(dir, err));
    return record_snapshot(self, table, &record, true, err);
}

static bool
has_snapshot(const directory_sink *self, const char *table, uint32_t relid, uint64_t *point)
{
    walrow__snapshot_record record;
    if (!walrow__manifest_snapshot(&self->lake.manifest, table, &record) ||
        (relid != 0 && record.relid != relid))
        return false;
    *point = record.point;
    return true;
}

static walrow_code
write_table_chunk(directory_sink *self, const char *table, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    uint64_t point;
    if (has_snapshot(self, table, batch->relid, &point))
        return WALROW_OK;
    snapshot *active = NULL;
    WALROW_TRY(find_active(self, table, &active, err));
    point = batch->array.length == 0 ? changes->snapshot_lsn
                                     : walrow__batch_position(&batch->array, 0).commit_lsn + 1;
    if (changes->chunk == 0) {
        discard_chunks(self, table);
        active->point = point;
    }
    if (active->point != point)
        return walrow__fail(err, WALROW_ERR_UNEXPECTED, "snapshot of %s: a chunk of another consistent point",
                            table);
    WALROW_TRY(walrow__dead_letters_add_all(&self->lake.dead_letters, changes, err));
    WALROW_TRY(append_batch(self, table, batch, append_chunk, err));
    WALROW_TRY(bound_memory(self, err));
    if (!changes->snapshot_end)
        return WALROW_OK;
    drop_active(self, active);
    return publish(self, table, batch, point, err);
}

static walrow_code
write_chunk(directory_sink *self, const walrow_changes *changes, walrow_error *err)
{
    const walrow_batch *batch = &changes->batches[0];
    char *table = walrow__name_table(batch->schema_name, batch->table_name);
    walrow_code code =
        table == NULL ? walrow__fail_memory(err) : write_table_chunk(self, table, changes, err);
    free(table);
    return code;
}

static walrow_code
directory_snapshot(walrow__sink *sink, const char *schema_name, const char *table_name, uint32_t relid,
                   bool *done, uint64_t *point, walrow_error *err)
{
    char *table = walrow__name_table(schema_name, table_name);
    if (table == NULL)
        return walrow__fail_memory(err);
    *done = has_snapshot((directory_sink *)sink, table, relid, point);
    free(table);
    return WALROW_OK;
}

/* ---- write and sync ---- */

static bool
has_open_file(const directory_sink *self)
{
    for (const walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next)
        if (dir->changes.open)
            return true;
    return false;
}

static void
update_clock(directory_sink *self)
{
    if (!has_open_file(self))
        self->open_since_ms = 0;
    else if (self->open_since_ms == 0)
        self->open_since_ms = walrow__now_ms();
}

static walrow_code
directory_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    directory_sink *self = (directory_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    walrow_code code =
        changes->snapshot ? write_chunk(self, changes, err) : write_changes(self, changes, err);
    update_clock(self);
    return walrow__sink_note(&self->base, &self->failure, code, err);
}

static walrow_code
finish_files(directory_sink *self, walrow_error *err)
{
    for (walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next)
        WALROW_TRY(walrow__table_dir_finish(dir, err));
    self->open_since_ms = 0;
    return WALROW_OK;
}

static walrow_code
directory_sync(walrow__sink *sink, bool finish, uint64_t *durable_lsn, walrow_error *err)
{
    directory_sink *self = (directory_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    if (finish)
        WALROW_TRY(walrow__sink_note(&self->base, &self->failure, finish_files(self, err), err));
    *durable_lsn = self->written_lsn;
    for (const walrow__table_dir *dir = self->dirs; dir != NULL; dir = dir->next)
        if (dir->changes.open && dir->changes.before_lsn < *durable_lsn)
            *durable_lsn = dir->changes.before_lsn;
    return WALROW_OK;
}

static int
directory_due_ms(walrow__sink *sink)
{
    const directory_sink *self = (const directory_sink *)sink;
    if (self->open_since_ms == 0)
        return -1;
    int64_t left = self->open_since_ms + walrow__live(&self->rotate_s) * 1000 - walrow__now_ms();
    return left < 0 ? 0 : (int)left;
}

static walrow_code
directory_finish(walrow__sink *sink, walrow_error *err)
{
    uint64_t durable_lsn;
    return directory_sync(sink, true, &durable_lsn, err);
}

static void
directory_free(walrow__sink *sink)
{
    directory_sink *self = (directory_sink *)sink;
    while (self->snapshots != NULL)
        drop_active(self, self->snapshots);
    while (self->dirs != NULL) {
        walrow__table_dir *dir = self->dirs;
        self->dirs = dir->next;
        tdelete(dir, &self->by_key, compare_keys);
        walrow__table_dir_free(dir);
    }
    if (self->lake.shared != NULL)
        self->lake.format->stop(self->lake.shared);
    walrow__dead_letters_release(&self->lake.dead_letters);
    walrow__manifest_release(&self->lake.manifest);
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    free(self->lake.path);
    free(sink->uri);
    free(self);
}

/* ---- position, without open ---- */

static walrow_code
raise_position(directory_sink *self, const char *key, void *arg, walrow_error *err)
{
    walrow__position *highest = arg, last;
    walrow__table_dir *dir;
    WALROW_TRY(walrow__table_dir_new(&self->lake, key, &dir, err));
    walrow_code code = walrow__table_dir_last(dir, &last, err);
    walrow__table_dir_free(dir);
    if (code != WALROW_OK)
        return code;
    if (walrow__position_compare(last, *highest) > 0)
        *highest = last;
    return self->by_day && strchr(key, '/') == NULL ? visit(self, key, raise_position, arg, err) : WALROW_OK;
}

static walrow_code
directory_position(walrow__sink *sink, walrow__position *out, walrow_error *err)
{
    return visit((directory_sink *)sink, NULL, raise_position, out, err);
}

/* ---- other limits ---- */

static void
set_limit(int64_t *limit, int64_t to)
{
    __atomic_store_n(limit, to, __ATOMIC_RELAXED); /* see walrow__live */
}

static bool
directory_adopt(walrow__sink *sink, const walrow__sink *newer)
{
    directory_sink *self = (directory_sink *)sink;
    const directory_sink *other = (const directory_sink *)newer;
    if (self->by_day != other->by_day || strcmp(self->lake.path, other->lake.path) != 0)
        return false;
    set_limit(&self->lake.rotate_rows, other->lake.rotate_rows);
    set_limit(&self->lake.rotate_bytes, other->lake.rotate_bytes);
    set_limit(&self->rotate_s, other->rotate_s);
    return true;
}

/* ---- constructor ---- */

static const walrow__sink_ops directory_ops = {
    .open = directory_open,
    .write = directory_write,
    .sync = directory_sync,
    .finish = directory_finish,
    .free = directory_free,
    .follow = directory_follow,
    .snapshot = directory_snapshot,
    .position = directory_position,
    .due_ms = directory_due_ms,
    .adopt = directory_adopt,
};

static directory_sink *
new_sink(const char *path, const walrow__table_format *format)
{
    directory_sink *self = calloc(1, sizeof *self);
    if (self == NULL || (self->lake.path = strdup(path)) == NULL) {
        free(self);
        return NULL;
    }
    self->base.ops = &directory_ops;
    self->base.keeps_position = true;
    self->lake.format = format;
    self->lock_fd = -1;
    return self;
}

walrow_code
walrow__directory_make(const char *uri, const char *path, const char *params,
                       const walrow__table_format *format, bool allow_partition, walrow__sink **out,
                       walrow_error *err)
{
    if (*path == '\0') {
        walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" names no directory", uri);
        walrow__hint(err, "write the directory after the colon");
        return WALROW_ERR_USAGE;
    }
    uint64_t rows = 1000000, bytes = UINT64_C(128) << 20, seconds = 60, by_day = 0;
    const walrow__param known[] = {
        {.name = "rotate_rows", .min = 1, .max = INT64_MAX, .value = &rows},
        {.name = "rotate_bytes", .kind = WALROW__PARAM_SIZE, .min = 1, .max = INT64_MAX, .value = &bytes},
        {.name = "rotate_s", .max = 24 * 3600, .value = &seconds},
        {.name = "partition", .kind = WALROW__PARAM_WORD, .word = "day", .value = &by_day},
    };
    WALROW_TRY(walrow__params_parse(uri, params, known, allow_partition ? 4 : 3, err));
    directory_sink *self = new_sink(path, format);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->lake.rotate_rows = (int64_t)rows;
    self->lake.rotate_bytes = (int64_t)bytes;
    self->rotate_s = (int64_t)seconds;
    self->by_day = by_day;
    *out = &self->base;
    return WALROW_OK;
}

walrow_code
walrow__ipc_make(const char *uri, const char *path, const char *params, walrow__sink **out, walrow_error *err)
{
    return walrow__directory_make(uri, path, params, &walrow__format_ipc, false, out, err);
}

walrow_code
walrow__parquet_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                     walrow_error *err)
{
    return walrow__directory_make(uri, path, params, &walrow__format_parquet, true, out, err);
}
