#include "state/store_inside.h"

#include "base/crash.h"
#include "base/error.h"
#include "state/damaged.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const family_names[WALROW__STORE_FAMILIES] = {"default", "log"};

enum {
    WRITE_BUFFER_BYTES = 1 << 20, /* positions are small and overwrite each other */
    LOG_BUFFER_BYTES = 4 << 20, /* two of them: what is trimmed before one is full costs one write, not two */
    LOG_BLOB_BYTES = 4096,      /* larger entries are not copied when RocksDB compacts */
    MAX_WAL_BYTES = 64 << 20,
    MAX_OPEN_FILES = 64,
    LOG_LEVEL_SILENT = 6 /* past rocksdb::InfoLogLevel::HEADER_LEVEL */
};

/* What RocksDB says becomes an error with the way out; takes message. */
static walrow_code
fail(const walrow__store *store, const char *what, char *message, walrow_error *err)
{
    bool damaged = strncmp(message, "Corruption", 10) == 0;
    const char *folder = store->look == NULL ? NULL : walrow__look_folder(store->look);
    const char *at = folder == NULL ? NULL : strstr(message, folder);
    if (at == NULL)
        walrow__fail(err, WALROW_ERR_STATE, "%s state in \"%s\": %s", what, store->path, message);
    else /* a file is where it is in the state, not where it is looked at */
        walrow__fail(err, WALROW_ERR_STATE, "%s state in \"%s\": %.*s%s%s", what, store->path,
                     (int)(at - message), message, store->path, at + strlen(folder));
    rocksdb_free(message);
    if (damaged)
        return walrow__hint_damaged(err);
    return walrow__hint(err,
                        "see that the directory can be written and has room, or name another with --state");
}

static walrow_code
prepare(walrow__store *store, walrow__store_mode mode, walrow_error *err)
{
    store->options = rocksdb_options_create();
    store->log_options = rocksdb_options_create();
    store->reading = rocksdb_readoptions_create();
    store->writing = rocksdb_writeoptions_create();
    store->committing = rocksdb_writeoptions_create();
    if (store->path == NULL || store->options == NULL || store->log_options == NULL ||
        store->reading == NULL || store->writing == NULL || store->committing == NULL)
        return walrow__fail_memory(err);
    rocksdb_options_set_create_missing_column_families(store->options, mode == WALROW__STORE_CREATE);
    rocksdb_options_set_max_total_wal_size(store->options, MAX_WAL_BYTES);
    rocksdb_options_set_write_buffer_size(store->log_options, LOG_BUFFER_BYTES);
    rocksdb_options_set_enable_blob_files(store->log_options, 1);
    rocksdb_options_set_min_blob_size(store->log_options, LOG_BLOB_BYTES);
    rocksdb_options_set_enable_blob_gc(store->log_options, 1);
    rocksdb_options_set_create_if_missing(store->options, mode == WALROW__STORE_CREATE);
    rocksdb_options_set_paranoid_checks(store->options, 1);
    /* not the default, which drops whatever follows a damaged record without a word */
    rocksdb_options_set_wal_recovery_mode(store->options, rocksdb_tolerate_corrupted_tail_records_recovery);
    rocksdb_options_set_write_buffer_size(store->options, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_open_files(store->options, MAX_OPEN_FILES);
    rocksdb_options_set_keep_log_file_num(store->options, 2);
    /* with assertions RocksDB aborts at the line of its own log that follows one a full disk has cut short */
    rocksdb_options_set_info_log_level(store->options, LOG_LEVEL_SILENT);
    rocksdb_options_set_stats_dump_period_sec(store->options, 0);
    rocksdb_readoptions_set_verify_checksums(store->reading, 1);
    rocksdb_writeoptions_set_sync(store->committing, 1);
    return WALROW_OK;
}

/* What RocksDB says of an open store; NULL: it is. */
static char *
open_families(walrow__store *store, const char *path, walrow__store_mode mode)
{
    const rocksdb_options_t *options[WALROW__STORE_FAMILIES] = {store->options, store->log_options};
    char *message = NULL;
    if (mode == WALROW__STORE_READ_ONLY)
        store->db =
            rocksdb_open_for_read_only_column_families(store->options, path, WALROW__STORE_FAMILIES,
                                                       family_names, options, store->families, 0, &message);
    else
        store->db = rocksdb_open_column_families(store->options, path, WALROW__STORE_FAMILIES, family_names,
                                                 options, store->families, &message);
    return message;
}

static void
close_families(walrow__store *store)
{
    for (int i = 0; store->db != NULL && i < WALROW__STORE_FAMILIES; i++)
        rocksdb_column_family_handle_destroy(store->families[i]);
    if (store->db != NULL)
        rocksdb_close(store->db);
    store->db = NULL;
}

/* Somebody else may be writing into it: what is opened are its files of this moment. */
static walrow_code
open_to_look(walrow__store *store, char **message, walrow_error *err)
{
    WALROW_TRY(walrow__look_open(store->path, &store->look, err));
    *message = open_families(store, walrow__look_folder(store->look), WALROW__STORE_READ_ONLY);
    return WALROW_OK;
}

walrow_code
walrow__store_open(const char *path, walrow__store_mode mode, walrow__store **out, walrow_error *err)
{
    walrow__store *store = calloc(1, sizeof *store);
    char *message = NULL;
    if (store == NULL)
        return walrow__fail_memory(err);
    store->path = strdup(path);
    walrow_code code = prepare(store, mode, err);
    if (code == WALROW_OK && mode == WALROW__STORE_READ_ONLY)
        code = open_to_look(store, &message, err);
    else if (code == WALROW_OK)
        message = open_families(store, path, mode);
    if (message != NULL)
        code = fail(store, "cannot open the", message, err);
    if (code != WALROW_OK)
        walrow__store_close(store);
    else
        *out = store;
    return code;
}

void
walrow__store_close(walrow__store *store)
{
    if (store == NULL)
        return;
    close_families(store);
    walrow__look_close(store->look);
    if (store->log_options != NULL)
        rocksdb_options_destroy(store->log_options);
    if (store->options != NULL)
        rocksdb_options_destroy(store->options);
    if (store->reading != NULL)
        rocksdb_readoptions_destroy(store->reading);
    if (store->writing != NULL)
        rocksdb_writeoptions_destroy(store->writing);
    if (store->committing != NULL)
        rocksdb_writeoptions_destroy(store->committing);
    free(store->path);
    free(store);
}

/* Call fn with the value, NULL if there is none. */
walrow_code
walrow__store_read(walrow__store *store, walrow__store_family family, const char *key, size_t key_size,
                   walrow__store_read_fn fn, void *arg, walrow_error *err)
{
    char *message = NULL;
    size_t size = 0;
    rocksdb_pinnableslice_t *slice =
        rocksdb_get_pinned_cf(store->db, store->reading, store->families[family], key, key_size, &message);
    if (message != NULL)
        return fail(store, "cannot read the", message, err);
    const char *bytes = slice == NULL ? NULL : rocksdb_pinnableslice_value(slice, &size);
    walrow_code code = fn(arg, bytes, size, err);
    rocksdb_pinnableslice_destroy(slice);
    return code;
}

typedef struct copied {
    char *bytes;
    size_t size;
} copied;

static walrow_code
copy_value(void *arg, const char *bytes, size_t size, walrow_error *err)
{
    copied *copy = arg;
    copy->size = size;
    if (bytes == NULL)
        return WALROW_OK;
    copy->bytes = malloc(size + 1);
    if (copy->bytes == NULL)
        return walrow__fail_memory(err);
    memcpy(copy->bytes, bytes, size);
    copy->bytes[size] = '\0';
    return WALROW_OK;
}

walrow_code
walrow__store_get(walrow__store *store, const char *key, char **value, size_t *size, walrow_error *err)
{
    copied copy = {0};
    walrow_code code = walrow__store_read(store, WALROW__STORE_MAP, key, strlen(key), copy_value, &copy, err);
    *value = copy.bytes;
    if (size != NULL)
        *size = copy.size;
    return code;
}

walrow__store_write *
walrow__store_begin(void)
{
    return (walrow__store_write *)rocksdb_writebatch_create();
}

void
walrow__store_put(walrow__store_write *write, const char *key, const void *value, size_t size)
{
    if (write != NULL)
        rocksdb_writebatch_put(walrow__store_batch(write), key, strlen(key), value, size);
}

void
walrow__store_put_text(walrow__store_write *write, const char *key, const char *text)
{
    walrow__store_put(write, key, text, strlen(text));
}

void
walrow__store_delete(walrow__store_write *write, const char *key)
{
    if (write != NULL)
        rocksdb_writebatch_delete(walrow__store_batch(write), key, strlen(key));
}

/* ---- several keys ---- */

static walrow_code
give_key(rocksdb_iterator_t *at, walrow__store_each_key_fn each, void *arg, walrow_error *err)
{
    size_t key_size, size;
    const char *key = rocksdb_iter_key(at, &key_size), *value = rocksdb_iter_value(at, &size);
    char *key_text = strndup(key, key_size), *value_text = strndup(value, size);
    walrow_code code = key_text == NULL || value_text == NULL ? walrow__fail_memory(err)
                                                              : each(arg, key_text, value_text, err);
    free(key_text);
    free(value_text);
    return code;
}

rocksdb_iterator_t *
walrow__store_iterate(walrow__store *store, walrow__store_family family)
{
    return rocksdb_create_iterator_cf(store->db, store->reading, store->families[family]);
}

walrow_code
walrow__store_end_iteration(walrow__store *store, rocksdb_iterator_t *at, walrow_error *err)
{
    char *message = NULL;
    rocksdb_iter_get_error(at, &message);
    rocksdb_iter_destroy(at);
    return message == NULL ? WALROW_OK : fail(store, "cannot read the", message, err);
}

bool
walrow__store_has_prefix(rocksdb_iterator_t *at, const char *prefix)
{
    size_t size, prefix_size = strlen(prefix);
    const char *key = rocksdb_iter_valid(at) ? rocksdb_iter_key(at, &size) : NULL;
    return key != NULL && size >= prefix_size && memcmp(key, prefix, prefix_size) == 0;
}

walrow_code
walrow__store_each_key(walrow__store *store, const char *prefix, walrow__store_each_key_fn each, void *arg,
                       walrow_error *err)
{
    rocksdb_iterator_t *at = walrow__store_iterate(store, WALROW__STORE_MAP);
    walrow_code code = WALROW_OK;
    rocksdb_iter_seek(at, prefix, strlen(prefix));
    for (; code == WALROW_OK && walrow__store_has_prefix(at, prefix); rocksdb_iter_next(at))
        code = give_key(at, each, arg, err);
    walrow_code ended = walrow__store_end_iteration(store, at, err);
    return ended == WALROW_OK ? code : ended;
}

/* ---- commit ---- */

/* RocksDB, built with its assertions, dies of a write to a log that a full disk has cut short. */
static walrow_code
fail_again(const walrow__store *store, walrow_error *err)
{
    if (err != NULL)
        *err = store->failure;
    return store->failure.code;
}

static walrow_code
write_out(walrow__store *store, const rocksdb_writeoptions_t *options, walrow__store_write *write,
          walrow_error *err)
{
    if (write == NULL)
        return walrow__fail_memory(err);
    char *message = NULL;
    if (store->failure.code == WALROW_OK) {
        WALROW__CRASH_POINT("before-state");
        rocksdb_write(store->db, options, walrow__store_batch(write), &message);
        WALROW__CRASH_POINT("after-state");
    }
    rocksdb_writebatch_destroy(walrow__store_batch(write));
    if (message != NULL)
        (void)fail(store, "cannot write the", message, &store->failure);
    return store->failure.code == WALROW_OK ? WALROW_OK : fail_again(store, err);
}

walrow_code
walrow__store_commit(walrow__store *store, walrow__store_write *write, walrow_error *err)
{
    return write_out(store, store->committing, write, err);
}

/* RocksDB's log is read in order after a crash, up to where it ends. */
walrow_code
walrow__store_write_out(walrow__store *store, walrow__store_write *write, walrow_error *err)
{
    return write_out(store, store->writing, write, err);
}

void
walrow__store_abandon(walrow__store_write *write)
{
    if (write != NULL)
        rocksdb_writebatch_destroy(walrow__store_batch(write));
}
