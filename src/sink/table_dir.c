#include "sink/table_dir.h"

#include "base/crash.h"
#include "base/error.h"
#include "base/files.h"
#include "base/options.h"
#include "sink/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- life ---- */

bool
walrow__table_dir_of(const walrow__table_dir *dir, const char *table)
{
    size_t size = strlen(table);
    return strncmp(dir->key, table, size) == 0 && (dir->key[size] == '\0' || dir->key[size] == '/');
}

static void
raise_floor(walrow__table_dir *dir, walrow__position position)
{
    if (walrow__position_compare(position, dir->floor) > 0)
        dir->floor = position;
}

/* The record of the snapshot of the directory's table. */
static bool
find_snapshot(const walrow__table_dir *dir, walrow__snapshot_record *out)
{
    char table[WALROW__TABLE_NAME_MAX + 1];
    size_t size = strcspn(dir->key, "/");
    if (size >= sizeof table)
        return false;
    memcpy(table, dir->key, size);
    table[size] = '\0';
    return walrow__manifest_snapshot(&dir->lake->manifest, table, out);
}

static void
raise_to_snapshot(walrow__table_dir *dir)
{
    walrow__snapshot_record record;
    if (find_snapshot(dir, &record) && record.point > 0)
        raise_floor(dir, (walrow__position){.commit_lsn = record.point - 1, .seq = UINT32_MAX});
}

walrow_code
walrow__table_dir_new(walrow__lake *lake, const char *key, walrow__table_dir **out, walrow_error *err)
{
    walrow__table_dir *dir = calloc(1, sizeof *dir);
    if (dir == NULL)
        return walrow__fail_memory(err);
    dir->lake = lake;
    dir->key = strdup(key);
    dir->path = walrow__files_join(lake->path, key);
    if (dir->key == NULL || dir->path == NULL) {
        walrow__table_dir_free(dir);
        return walrow__fail_memory(err);
    }
    raise_to_snapshot(dir);
    *out = dir;
    return WALROW_OK;
}

static void
discard_part(walrow__part *part)
{
    if (!part->open)
        return;
    if (part->writer != NULL)
        unlink(part->path);
    walrow__part_release(part);
}

void
walrow__table_dir_free(walrow__table_dir *dir)
{
    walrow__table_dir_discard_chunks(dir);
    discard_part(&dir->changes);
    free(dir->key);
    free(dir->path);
    free(dir);
}

/* The path of one of its files, malloc'ed. */
static char *
file_path(const walrow__table_dir *dir, const walrow__name *name)
{
    char text[WALROW__FILE_NAME_SIZE];
    walrow__name_print(name, dir->lake->format->extension, text);
    return walrow__files_join(dir->path, text);
}

/* ---- recovery ---- */

typedef struct found {
    const walrow__snapshot_record *renaming; /* a snapshot whose renames may be incomplete, or NULL */
    walrow__position last;
    uint32_t *chunks; /* of it, still under their staged names */
    size_t n_chunks;
    bool read_only;
} found;

static walrow_code
remove_staged(const walrow__table_dir *dir, const walrow__name *name, walrow_error *err)
{
    char *path = file_path(dir, name);
    walrow_code code = path == NULL ? walrow__fail_memory(err) : walrow__files_remove(path, err);
    free(path);
    return code;
}

static walrow_code
note_chunk(found *found, uint32_t chunk, walrow_error *err)
{
    uint32_t *chunks = realloc(found->chunks, (found->n_chunks + 1) * sizeof *chunks);
    if (chunks == NULL)
        return walrow__fail_memory(err);
    found->chunks = chunks;
    chunks[found->n_chunks++] = chunk;
    return WALROW_OK;
}

static walrow_code
note_name(const walrow__table_dir *dir, found *found, const walrow__name *name, walrow_error *err)
{
    switch (name->kind) {
    case WALROW__NAME_CHANGES:
        if (walrow__position_compare(name->last, found->last) > 0)
            found->last = name->last;
        return WALROW_OK;
    case WALROW__NAME_STAGED_CHUNK:
        if (found->renaming != NULL && name->lsn == found->renaming->point - 1)
            return note_chunk(found, name->chunk, err);
        return found->read_only ? WALROW_OK : remove_staged(dir, name, err);
    case WALROW__NAME_STAGED_CHANGES:
        return found->read_only ? WALROW_OK : remove_staged(dir, name, err);
    default:
        return WALROW_OK;
    }
}

static walrow_code
fail_unclaimed(const walrow__table_dir *dir, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_STATE,
                 "\"%s\" holds files of walrow, and \"%s\", which says whose, is missing", dir->path,
                 dir->lake->manifest.path);
    walrow__hint(err, "put it back, or name another directory for this stream");
    return WALROW_ERR_STATE;
}

static walrow_code
scan(const walrow__table_dir *dir, found *found, walrow_error *err)
{
    DIR *entries = opendir(dir->path);
    if (entries == NULL)
        return errno == ENOENT ? WALROW_OK
                               : walrow__files_fail(err, errno, "cannot read the directory", dir->path);
    walrow_code code = WALROW_OK;
    const struct dirent *entry;
    while (code == WALROW_OK && (errno = 0, entry = readdir(entries)) != NULL) {
        walrow__name name = walrow__name_parse(entry->d_name, dir->lake->format->extension);
        if (name.kind != WALROW__NAME_OTHER && !found->read_only && !dir->lake->manifest.found)
            code = fail_unclaimed(dir, err);
        else
            code = note_name(dir, found, &name, err);
    }
    if (code == WALROW_OK && errno != 0)
        code = walrow__files_fail(err, errno, "cannot read the directory", dir->path);
    closedir(entries);
    return code;
}

static walrow_code
rename_chunk(const walrow__table_dir *dir, uint64_t lsn, uint32_t chunk, walrow_error *err)
{
    walrow__name name = {.kind = WALROW__NAME_STAGED_CHUNK, .lsn = lsn, .chunk = chunk};
    char *from = file_path(dir, &name);
    name.kind = WALROW__NAME_CHUNK;
    char *to = file_path(dir, &name);
    walrow_code code =
        from == NULL || to == NULL ? walrow__fail_memory(err) : walrow__files_rename_new(from, to, err);
    free(from);
    free(to);
    return code;
}

static int
compare_chunks(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static walrow_code
complete_renames(const walrow__table_dir *dir, const found *found, walrow_error *err)
{
    if (found->n_chunks == 0)
        return WALROW_OK;
    qsort(found->chunks, found->n_chunks, sizeof *found->chunks, compare_chunks);
    for (size_t i = 0; i < found->n_chunks; i++)
        WALROW_TRY(rename_chunk(dir, found->renaming->point - 1, found->chunks[i], err));
    return walrow__files_sync_dir(dir->path, err);
}

walrow_code
walrow__table_dir_recover(walrow__table_dir *dir, walrow_error *err)
{
    walrow__snapshot_record record;
    found found = {.renaming = find_snapshot(dir, &record) && !record.done ? &record : NULL};
    walrow_code code = scan(dir, &found, err);
    if (code == WALROW_OK)
        code = complete_renames(dir, &found, err);
    free(found.chunks);
    raise_floor(dir, found.last);
    return code;
}

walrow_code
walrow__table_dir_last(const walrow__table_dir *dir, walrow__position *out, walrow_error *err)
{
    found found = {.read_only = true};
    WALROW_TRY(scan(dir, &found, err));
    *out = found.last;
    return WALROW_OK;
}

/* ---- changes ---- */

/* The first row of [start, end) past the floor; positions ascend. */
static int64_t
skip_delivered(const walrow__table_dir *dir, const struct ArrowArray *batch, int64_t start, int64_t end)
{
    while (start < end) {
        int64_t middle = start + (end - start) / 2;
        if (walrow__position_compare(walrow__batch_position(batch, middle), dir->floor) <= 0)
            start = middle + 1;
        else
            end = middle;
    }
    return start;
}

static walrow_code
open_changes(walrow__table_dir *dir, const walrow_batch *batch, int64_t row, uint64_t before_lsn,
             walrow_error *err)
{
    walrow__name name = {.kind = WALROW__NAME_STAGED_CHANGES,
                         .first = walrow__batch_position(&batch->array, row)};
    WALROW_TRY(walrow__part_open(&dir->changes, dir->lake->format, dir->lake->shared, file_path(dir, &name),
                                 batch, err));
    dir->changes.first = name.first;
    dir->changes.before_lsn = before_lsn;
    return WALROW_OK;
}

static bool
is_full(const walrow__lake *lake, const walrow__part *part)
{
    return part->n_rows >= walrow__live(&lake->rotate_rows) ||
           walrow__part_bytes(part) >= walrow__live(&lake->rotate_bytes);
}

/* At least one row: a limit that was lowered meanwhile may be passed already. */
static int64_t
room_for(const walrow__lake *lake, const walrow__part *part, int64_t n)
{
    int64_t room = walrow__live(&lake->rotate_rows) - part->n_rows;
    return n < room ? n : room < 1 ? 1 : room;
}

walrow_code
walrow__table_dir_append(walrow__table_dir *dir, const walrow_batch *batch, int64_t start, int64_t end,
                         uint64_t before_lsn, walrow_error *err)
{
    walrow__part *part = &dir->changes;
    start = skip_delivered(dir, &batch->array, start, end);
    while (start < end) {
        if (part->open && !walrow__part_takes(part, batch))
            WALROW_TRY(walrow__table_dir_finish(dir, err));
        if (!part->open)
            WALROW_TRY(open_changes(dir, batch, start, before_lsn, err));
        int64_t n = room_for(dir->lake, part, end - start);
        WALROW_TRY(walrow__part_append(part, &batch->array, start, n, err));
        start += n;
        part->last = dir->floor = walrow__batch_position(&batch->array, start - 1);
        if (is_full(dir->lake, part))
            WALROW_TRY(walrow__table_dir_finish(dir, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__table_dir_finish(walrow__table_dir *dir, walrow_error *err)
{
    walrow__part *part = &dir->changes;
    if (!part->open)
        return WALROW_OK;
    WALROW__CRASH_POINT("before-file-end");
    WALROW_TRY(walrow__part_close(part, err));
    WALROW__CRASH_POINT("after-file-end");
    WALROW_TRY(walrow__dead_letters_sync(&dir->lake->dead_letters, err));
    walrow__name name = {.kind = WALROW__NAME_CHANGES, .first = part->first, .last = part->last};
    char *path = file_path(dir, &name);
    walrow_code code =
        path == NULL ? walrow__fail_memory(err) : walrow__files_rename_new(part->path, path, err);
    free(path);
    if (code == WALROW_OK)
        code = walrow__files_sync_dir(dir->path, err);
    if (code == WALROW_OK)
        walrow__part_release(part);
    return code;
}

/* ---- snapshot ---- */

static walrow_code
open_chunk(walrow__table_dir *dir, const walrow_batch *batch, int64_t row, walrow_error *err)
{
    dir->chunk_lsn = walrow__batch_position(&batch->array, row).commit_lsn;
    walrow__name name = {.kind = WALROW__NAME_STAGED_CHUNK, .lsn = dir->chunk_lsn, .chunk = dir->n_chunks};
    return walrow__part_open(&dir->chunk, dir->lake->format, dir->lake->shared, file_path(dir, &name), batch,
                             err);
}

static walrow_code
close_chunk(walrow__table_dir *dir, walrow_error *err)
{
    if (!dir->chunk.open)
        return WALROW_OK;
    WALROW_TRY(walrow__part_close(&dir->chunk, err));
    walrow__part_release(&dir->chunk);
    dir->n_chunks++;
    return WALROW_OK;
}

walrow_code
walrow__table_dir_append_chunk(walrow__table_dir *dir, const walrow_batch *batch, int64_t start, int64_t end,
                               walrow_error *err)
{
    walrow__part *part = &dir->chunk;
    while (start < end) {
        if (part->open && !walrow__part_takes(part, batch))
            WALROW_TRY(close_chunk(dir, err));
        if (!part->open)
            WALROW_TRY(open_chunk(dir, batch, start, err));
        int64_t n = room_for(dir->lake, part, end - start);
        WALROW_TRY(walrow__part_append(part, &batch->array, start, n, err));
        start += n;
        if (is_full(dir->lake, part))
            WALROW_TRY(close_chunk(dir, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__table_dir_stage_chunks(walrow__table_dir *dir, walrow_error *err)
{
    WALROW_TRY(close_chunk(dir, err));
    return dir->n_chunks == 0 ? WALROW_OK : walrow__files_sync_dir(dir->path, err);
}

walrow_code
walrow__table_dir_publish_chunks(walrow__table_dir *dir, walrow_error *err)
{
    uint32_t n = dir->n_chunks;
    dir->n_chunks = 0; /* recorded: from here on the next open would complete it */
    for (uint32_t chunk = 0; chunk < n; chunk++)
        WALROW_TRY(rename_chunk(dir, dir->chunk_lsn, chunk, err));
    raise_to_snapshot(dir);
    return n == 0 ? WALROW_OK : walrow__files_sync_dir(dir->path, err);
}

void
walrow__table_dir_discard_chunks(walrow__table_dir *dir)
{
    discard_part(&dir->chunk);
    for (uint32_t chunk = 0; chunk < dir->n_chunks; chunk++) {
        walrow__name name = {.kind = WALROW__NAME_STAGED_CHUNK, .lsn = dir->chunk_lsn, .chunk = chunk};
        char *path = file_path(dir, &name);
        if (path != NULL)
            unlink(path);
        free(path);
    }
    dir->n_chunks = 0;
}
