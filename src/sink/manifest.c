#include "sink/manifest.h"

#include "base/error.h"
#include "base/files.h"
#include "sink/identity.h"
#include "sink/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYOUT_VERSION 1

uint64_t
walrow__manifest_u64(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

uint64_t
walrow__manifest_lsn(const json_t *object, const char *key)
{
    uint64_t lsn;
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && walrow_lsn_parse(text, &lsn) ? lsn : 0;
}

json_t *
walrow__manifest_lsn_json(uint64_t lsn)
{
    char text[WALROW_LSN_SIZE];
    return json_string(walrow_lsn_format(lsn, text));
}

/* ---- reading ---- */

static walrow_code
fail_damaged(const walrow__manifest *manifest, const char *why, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_STATE, "\"%s\" is not what walrow wrote: %s", manifest->path, why);
    walrow__hint(err, "name another place for this stream, or put the file back");
    return WALROW_ERR_STATE;
}

static walrow_code
parse(walrow__manifest *manifest, const char *bytes, size_t size, walrow_error *err)
{
    json_error_t error;
    manifest->root = json_loadb(bytes, size, 0, &error);
    if (!json_is_object(manifest->root))
        return fail_damaged(manifest, manifest->root == NULL ? error.text : "no object", err);
    json_int_t version = json_integer_value(json_object_get(manifest->root, "version"));
    if (version != LAYOUT_VERSION) {
        walrow__fail(err, WALROW_ERR_STATE, "\"%s\" is of layout %lld, this walrow knows %d", manifest->path,
                     (long long)version, LAYOUT_VERSION);
        walrow__hint(err, "use a newer walrow, or name another place for this stream");
        return WALROW_ERR_STATE;
    }
    manifest->found = true;
    return WALROW_OK;
}

static walrow_code
init(walrow__manifest *manifest, const char *path, const char *place, walrow_error *err)
{
    memset(manifest, 0, sizeof *manifest);
    manifest->path = strdup(path);
    manifest->place = strdup(place);
    return manifest->path == NULL || manifest->place == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
parse_or_begin(walrow__manifest *manifest, const char *bytes, size_t size, walrow_error *err)
{
    if (bytes != NULL)
        return parse(manifest, bytes, size, err);
    manifest->root = json_object();
    return manifest->root == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__manifest_read(walrow__manifest *manifest, const char *path, const char *place, walrow_error *err)
{
    char *bytes;
    size_t size;
    WALROW_TRY(init(manifest, path, place, err));
    WALROW_TRY(walrow__files_read(path, &bytes, &size, err));
    walrow_code code = parse_or_begin(manifest, bytes, size, err);
    free(bytes);
    return code;
}

walrow_code
walrow__manifest_take(walrow__manifest *manifest, const char *place, const char *bytes, size_t size,
                      walrow_error *err)
{
    WALROW_TRY(init(manifest, place, place, err));
    return parse_or_begin(manifest, bytes, size, err);
}

void
walrow__manifest_release(walrow__manifest *manifest)
{
    json_decref(manifest->root);
    free(manifest->path);
    free(manifest->place);
    memset(manifest, 0, sizeof *manifest);
}

/* ---- whose it is ---- */

static walrow_code
fill(walrow__manifest *manifest, const walrow__identity *identity, const char *format, const char *partition,
     walrow_error *err)
{
    char system[24];
    snprintf(system, sizeof system, "%" PRIu64, identity->system_identifier);
    json_t *root = manifest->root;
    int failed = json_object_set_new(root, "version", json_integer(LAYOUT_VERSION)) |
                 json_object_set_new(root, "walrow", json_string(walrow_version())) |
                 json_object_set_new(root, "format", json_string(format)) |
                 json_object_set_new(root, "system_identifier", json_string(system)) |
                 json_object_set_new(root, "timeline", json_integer(identity->timeline)) |
                 json_object_set_new(root, "database", json_string(identity->database)) |
                 json_object_set_new(root, "slot", json_string(identity->slot)) |
                 json_object_set_new(root, "snapshot", json_object());
    if (partition != NULL)
        failed |= json_object_set_new(root, "partition", json_string(partition));
    return failed ? walrow__fail_memory(err) : WALROW_OK;
}

static const char *
text_of(const walrow__manifest *manifest, const char *key)
{
    const char *text = json_string_value(json_object_get(manifest->root, key));
    return text == NULL ? "" : text;
}

static walrow_code
compare_identity(const walrow__manifest *manifest, const walrow__identity *identity, walrow_error *err)
{
    walrow__identity stored = {
        .system_identifier = strtoull(text_of(manifest, "system_identifier"), NULL, 10),
        .database = text_of(manifest, "database"),
        .slot = text_of(manifest, "slot"),
    };
    return walrow__identity_compare(&stored, identity, manifest->place, err);
}

static walrow_code
compare_layout(const walrow__manifest *manifest, const char *format, const char *partition, walrow_error *err)
{
    const char *wanted = partition == NULL ? "" : partition;
    if (strcmp(text_of(manifest, "format"), format) == 0 &&
        strcmp(text_of(manifest, "partition"), wanted) == 0)
        return WALROW_OK;
    const char *has = text_of(manifest, "partition");
    walrow__fail(err, WALROW_ERR_STATE, "\"%s\" holds %s files%s%s, and this would write %s files%s%s",
                 manifest->place, text_of(manifest, "format"), *has == '\0' ? "" : " partitioned by ", has,
                 format, partition == NULL ? "" : " partitioned by ", wanted);
    walrow__hint(err, "the names tell what was delivered, so one place keeps one layout: name another place");
    return WALROW_ERR_STATE;
}

walrow_code
walrow__manifest_claim(walrow__manifest *manifest, const walrow__identity *identity, const char *format,
                       const char *partition, walrow_error *err)
{
    if (!manifest->found)
        return fill(manifest, identity, format, partition, err);
    WALROW_TRY(compare_identity(manifest, identity, err));
    return compare_layout(manifest, format, partition, err);
}

walrow_code
walrow__manifest_save(walrow__manifest *manifest, walrow_error *err)
{
    char *text = json_dumps(manifest->root, JSON_INDENT(2));
    if (text == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__files_replace(manifest->path, text, strlen(text), err);
    free(text);
    return code;
}

uint32_t
walrow__manifest_timeline(const walrow__manifest *manifest)
{
    return (uint32_t)walrow__manifest_u64(manifest->root, "timeline");
}

walrow_code
walrow__manifest_set_timeline(walrow__manifest *manifest, uint32_t timeline, walrow_error *err)
{
    return json_object_set_new(manifest->root, "timeline", json_integer(timeline)) == 0
               ? WALROW_OK
               : walrow__fail_memory(err);
}

/* ---- snapshots ---- */

uint64_t
walrow__manifest_last_point(const walrow__manifest *manifest)
{
    const char *table;
    json_t *object;
    uint64_t last = 0;
    json_object_foreach(json_object_get(manifest->root, "snapshot"), table, object)
    {
        walrow__snapshot_record record;
        if (walrow__manifest_snapshot(manifest, table, &record) && record.point > last)
            last = record.point;
    }
    return last;
}

bool
walrow__manifest_snapshot(const walrow__manifest *manifest, const char *table, walrow__snapshot_record *out)
{
    const json_t *record = json_object_get(json_object_get(manifest->root, "snapshot"), table);
    if (record == NULL)
        return false;
    const char *state = json_string_value(json_object_get(record, "state"));
    *out = (walrow__snapshot_record){
        .schema_name = json_string_value(json_object_get(record, "schema")),
        .table_name = json_string_value(json_object_get(record, "table")),
        .relid = (uint32_t)walrow__manifest_u64(record, "relid"),
        .point = walrow__manifest_lsn(record, "point"),
        .files = (uint32_t)walrow__manifest_u64(record, "files"),
        .done = state != NULL && strcmp(state, "done") == 0,
    };
    return true;
}

bool
walrow__manifest_counts(void *manifest, const char *schema_name, const char *table_name, uint64_t lsn)
{
    walrow__snapshot_record record;
    char *table = walrow__name_table(schema_name, table_name);
    bool counts =
        table != NULL && walrow__manifest_snapshot(manifest, table, &record) && record.point == lsn + 1;
    free(table);
    return counts;
}

walrow_code
walrow__manifest_set_snapshot(walrow__manifest *manifest, const char *table,
                              const walrow__snapshot_record *record, walrow_error *err)
{
    json_t *object = json_object();
    int failed = json_object_set_new(object, "schema", json_string(record->schema_name)) |
                 json_object_set_new(object, "table", json_string(record->table_name)) |
                 json_object_set_new(object, "relid", json_integer(record->relid)) |
                 json_object_set_new(object, "point", walrow__manifest_lsn_json(record->point)) |
                 json_object_set_new(object, "files", json_integer(record->files)) |
                 json_object_set_new(object, "state", json_string(record->done ? "done" : "renaming")) |
                 json_object_set_new(json_object_get(manifest->root, "snapshot"), table, object);
    return failed ? walrow__fail_memory(err) : WALROW_OK;
}
