#include "sink/dead_letters.h"

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_BYTES = 64 * 1024 };

/* ---- which one it is ---- */

static uint64_t
identify(const char *schema_name, const char *table_name, const char *column, const char *tuple,
         const char *lsn, uint32_t seq)
{
    uint64_t hash = walrow__hash_text(WALROW__HASH_START, schema_name);
    hash = walrow__hash_text(hash, table_name);
    hash = walrow__hash_text(hash, column);
    hash = walrow__hash_text(hash, tuple);
    hash = walrow__hash_text(hash, lsn);
    return walrow__hash_finish(walrow__hash_u32(hash, seq));
}

static int
compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool
is_known(const walrow__dead_letters *letters, uint64_t id)
{
    return letters->n_known > 0 &&
           bsearch(&id, letters->known, letters->n_known, sizeof id, compare_u64) != NULL;
}

/* ---- reading what is there ---- */

typedef struct reading {
    walrow__dead_letters *letters;
    walrow__snapshot_counts_fn counts;
    void *arg;
    size_t capacity;
} reading;

static bool
remember(reading *reading, uint64_t id)
{
    walrow__dead_letters *letters = reading->letters;
    if (letters->n_known == reading->capacity) {
        size_t capacity = reading->capacity == 0 ? 64 : 2 * reading->capacity;
        uint64_t *known = realloc(letters->known, capacity * sizeof *known);
        if (known == NULL)
            return false;
        letters->known = known;
        reading->capacity = capacity;
    }
    letters->known[letters->n_known++] = id;
    return true;
}

static const char *
text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text == NULL ? "" : text;
}

/* Keep the line? Those of changes are remembered; those of a snapshot belong to it as a whole. */
static bool
keep_line(reading *reading, const char *text, size_t size, bool *no_memory)
{
    json_t *line = text[size - 1] == '\n' ? json_loadb(text, size, 0, NULL) : NULL;
    bool keep = json_is_object(line);
    uint64_t lsn = 0;
    if (keep && walrow_lsn_parse(text_of(line, "lsn"), &lsn)) {
        if (strcmp(text_of(line, "op"), "R") == 0)
            keep = reading->counts == NULL ||
                   reading->counts(reading->arg, text_of(line, "schema"), text_of(line, "table"), lsn);
        else
            *no_memory |= !remember(
                reading, identify(text_of(line, "schema"), text_of(line, "table"), text_of(line, "column"),
                                  text_of(line, "tuple"), text_of(line, "lsn"),
                                  (uint32_t)json_integer_value(json_object_get(line, "seq"))));
    }
    json_decref(line);
    return keep;
}

/* kept: what stays. *dropped: something does not. */
static walrow_code
read_lines(reading *reading, FILE *file, uint64_t max_size, walrow__strbuf *kept, bool *dropped,
           walrow_error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    uint64_t at = 0;
    bool no_memory = false;
    while ((n = getline(&line, &capacity, file)) > 0) {
        at += (uint64_t)n;
        if (at <= max_size && keep_line(reading, line, (size_t)n, &no_memory))
            walrow__strbuf_add(kept, line, (size_t)n);
        else
            *dropped = true;
    }
    free(line);
    if (ferror(file))
        return walrow__files_fail(err, errno, "cannot read", reading->letters->path);
    return no_memory || kept->failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
read_file(reading *reading, uint64_t max_size, walrow_error *err)
{
    walrow__dead_letters *letters = reading->letters;
    FILE *file = fopen(letters->path, "re");
    if (file == NULL)
        return errno == ENOENT ? WALROW_OK : walrow__files_fail(err, errno, "cannot open", letters->path);
    walrow__strbuf kept;
    walrow__strbuf_init(&kept);
    bool dropped = false;
    walrow_code code = read_lines(reading, file, max_size, &kept, &dropped, err);
    fclose(file);
    if (code == WALROW_OK && dropped)
        code = walrow__files_replace(letters->path, walrow__strbuf_text(&kept), kept.size, err);
    letters->size = kept.size;
    walrow__strbuf_release(&kept);
    if (letters->n_known > 0)
        qsort(letters->known, letters->n_known, sizeof *letters->known, compare_u64);
    return code;
}

walrow_code
walrow__dead_letters_open(walrow__dead_letters *letters, const char *path, uint64_t max_size,
                          walrow__snapshot_counts_fn counts, void *arg, walrow_error *err)
{
    memset(letters, 0, sizeof *letters);
    letters->fd = -1;
    walrow__strbuf_init(&letters->pending);
    letters->path = strdup(path);
    if (letters->path == NULL)
        return walrow__fail_memory(err);
    reading reading = {.letters = letters, .counts = counts, .arg = arg};
    return read_file(&reading, max_size, err);
}

void
walrow__dead_letters_release(walrow__dead_letters *letters)
{
    if (letters->path == NULL)
        return;
    if (letters->fd >= 0)
        close(letters->fd);
    walrow__strbuf_release(&letters->pending);
    free(letters->known);
    free(letters->path);
    memset(letters, 0, sizeof *letters);
}

/* ---- writing ---- */

void
walrow__dead_letter_print(walrow__strbuf *buf, const walrow_dead_letter *letter)
{
    char lsn[WALROW_LSN_SIZE];
    walrow_lsn_format(letter->lsn, lsn);
    walrow__strbuf_add_text(buf, "{\"schema\":");
    walrow__json_add_text(buf, letter->schema_name);
    walrow__strbuf_add_text(buf, ",\"table\":");
    walrow__json_add_text(buf, letter->table_name);
    walrow__strbuf_add_text(buf, ",\"column\":");
    walrow__json_add_text(buf, letter->column);
    walrow__strbuf_addf(buf,
                        ",\"tuple\":\"%s\",\"op\":\"%c\",\"lsn\":\"%s\",\"seq\":%u,\"xid\":%u,\"pg_type\":",
                        letter->old ? "old" : "new", letter->op, lsn, letter->seq, letter->xid);
    walrow__json_add_text(buf, letter->pg_type);
    if (walrow__utf8_valid(letter->text, letter->text_size)) {
        walrow__strbuf_add_text(buf, ",\"text\":");
        walrow__json_add_string(buf, letter->text, letter->text_size);
    } else {
        walrow__strbuf_add_text(buf, ",\"base64\":");
        walrow__json_add_base64(buf, letter->text, letter->text_size);
    }
    walrow__strbuf_add_text(buf, ",\"reason\":");
    walrow__json_add_text(buf, letter->reason);
    walrow__strbuf_add_text(buf, "}\n");
}

static walrow_code
open_file(walrow__dead_letters *letters, walrow_error *err)
{
    letters->fd = open(letters->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (letters->fd < 0)
        return walrow__files_fail(err, errno, "cannot open", letters->path);
    char *parent = walrow__files_parent(letters->path);
    walrow_code code = parent == NULL ? walrow__fail_memory(err) : walrow__files_sync_dir(parent, err);
    free(parent);
    return code;
}

static walrow_code
flush(walrow__dead_letters *letters, walrow_error *err)
{
    if (letters->pending.size == 0)
        return WALROW_OK;
    if (letters->fd < 0)
        WALROW_TRY(open_file(letters, err));
    WALROW_TRY(
        walrow__files_write(letters->fd, letters->path, letters->pending.data, letters->pending.size, err));
    walrow__strbuf_clear(&letters->pending);
    letters->unsynced = true;
    return WALROW_OK;
}

walrow_code
walrow__dead_letters_add(walrow__dead_letters *letters, const walrow_dead_letter *letter, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    walrow_lsn_format(letter->lsn, lsn);
    if (letter->op != 'R' &&
        is_known(letters, identify(letter->schema_name, letter->table_name, letter->column,
                                   letter->old ? "old" : "new", lsn, letter->seq)))
        return WALROW_OK;
    size_t before = letters->pending.size;
    walrow__dead_letter_print(&letters->pending, letter);
    if (letters->pending.failed)
        return walrow__fail_memory(err);
    letters->size += letters->pending.size - before;
    return letters->pending.size < FLUSH_BYTES ? WALROW_OK : flush(letters, err);
}

walrow_code
walrow__dead_letters_add_all(walrow__dead_letters *letters, const walrow_changes *changes, walrow_error *err)
{
    for (size_t i = 0; i < changes->n_dead_letters; i++)
        WALROW_TRY(walrow__dead_letters_add(letters, &changes->dead_letters[i], err));
    return WALROW_OK;
}

walrow_code
walrow__dead_letters_sync(walrow__dead_letters *letters, walrow_error *err)
{
    WALROW_TRY(flush(letters, err));
    if (!letters->unsynced)
        return WALROW_OK;
    WALROW_TRY(walrow__files_sync(letters->fd, letters->path, err));
    letters->unsynced = false;
    return WALROW_OK;
}

void
walrow__dead_letters_warn(const char *uri, const walrow_changes *changes)
{
    if (changes->n_dead_letters == 0)
        return;
    const walrow_dead_letter *first = &changes->dead_letters[0];
    char lsn[WALROW_LSN_SIZE];
    walrow__log(
        WALROW_LOG_WARN,
        "sink %s keeps no dead letters; values that became null: %zu, the first %s.%s.%s at %s,%u (%s)", uri,
        changes->n_dead_letters, first->schema_name, first->table_name, first->column,
        walrow_lsn_format(first->lsn, lsn), first->seq, first->reason);
}
