/*
 * state/store_log.c
 *	  The store's log: entries in a column family of their own, by number, and their labels in the map.
 */
#include "state/store_inside.h"

#include "base/error.h"

#include <string.h>

/* Big-endian, so that numbers sort as bytes do. */
typedef struct log_key {
    char bytes[8];
} log_key;

static log_key
key_of(uint64_t number)
{
    log_key key;
    number = __builtin_bswap64(number);
    memcpy(key.bytes, &number, sizeof number);
    return key;
}

static uint64_t
number_of(const void *key)
{
    uint64_t number;
    memcpy(&number, key, sizeof number);
    return __builtin_bswap64(number);
}

/*
 * What is known of an entry without reading it is in the map, under a key of this prefix and the entry's own: its first
 * byte and its size. Where an older walrow wrote entries, or trimmed them, there are fewer labels, or more.
 */
static const char label_prefix[] = "entry/";
enum {
    PREFIX_SIZE = sizeof label_prefix - 1,
    LABEL_KEY_SIZE = PREFIX_SIZE + sizeof(log_key),
    LABEL_SIZE = 9
};

typedef struct label_key {
    char bytes[LABEL_KEY_SIZE];
} label_key;

static label_key
label_of(uint64_t number)
{
    label_key label;
    log_key key = key_of(number);
    memcpy(label.bytes, label_prefix, PREFIX_SIZE);
    memcpy(label.bytes + PREFIX_SIZE, key.bytes, sizeof key);
    return label;
}

void
walrow__store_append(walrow__store *store, walrow__store_write *write, uint64_t number, const char *bytes,
                     size_t size)
{
    log_key key = key_of(number), size_bytes = key_of(size);
    label_key label = label_of(number);
    char value[LABEL_SIZE] = {bytes[0]};
    if (write == NULL)
        return;
    memcpy(value + 1, size_bytes.bytes, sizeof size_bytes);
    rocksdb_writebatch_put_cf(walrow__store_batch(write), store->families[WALROW__STORE_LOG], key.bytes,
                              sizeof key, bytes, size);
    rocksdb_writebatch_put(walrow__store_batch(write), label.bytes, sizeof label, value, sizeof value);
}

void
walrow__store_remove(walrow__store *store, walrow__store_write *write, uint64_t first, uint64_t end)
{
    log_key from = key_of(first), to = key_of(end);
    label_key label_from = label_of(first), label_to = label_of(end);
    if (write == NULL || first >= end)
        return;
    rocksdb_writebatch_delete_range_cf(walrow__store_batch(write), store->families[WALROW__STORE_LOG],
                                       from.bytes, sizeof from, to.bytes, sizeof to);
    rocksdb_writebatch_delete_range(walrow__store_batch(write), label_from.bytes, sizeof label_from,
                                    label_to.bytes, sizeof label_to);
}

walrow_code
walrow__store_read_entry(walrow__store *store, uint64_t number, walrow__store_read_fn fn, void *arg,
                         walrow_error *err)
{
    log_key key = key_of(number);
    return walrow__store_read(store, WALROW__STORE_LOG, key.bytes, sizeof key.bytes, fn, arg, err);
}

/* 0: there is none, or it is not a number's. */
static uint64_t
number_at(rocksdb_iterator_t *at, size_t prefix_size)
{
    size_t size = 0;
    const char *key = rocksdb_iter_valid(at) ? rocksdb_iter_key(at, &size) : NULL;
    return size == prefix_size + sizeof(log_key) ? number_of(key + prefix_size) : 0;
}

typedef struct span {
    uint64_t first, last, count;
} span;

/* Read are the first and the last one. */
static walrow_code
find_entries(walrow__store *store, span *out, walrow_error *err)
{
    rocksdb_iterator_t *at = walrow__store_iterate(store, WALROW__STORE_LOG);
    rocksdb_iter_seek_to_first(at);
    out->first = number_at(at, 0);
    rocksdb_iter_seek_to_last(at);
    out->last = number_at(at, 0);
    out->count = out->first == 0 ? 0 : out->last - out->first + 1; /* numbers are given without a gap */
    return walrow__store_end_iteration(store, at, err);
}

static void
add_to_span(void *arg, uint64_t number, char first, size_t size)
{
    span *span = arg;
    (void)first, (void)size;
    if (span->count++ == 0)
        span->first = number;
    span->last = number;
}

static walrow_code
each_label(walrow__store *store, walrow__store_each_fn each, void *arg, walrow_error *err)
{
    label_key least = label_of(0);
    rocksdb_iterator_t *at = walrow__store_iterate(store, WALROW__STORE_MAP);
    for (rocksdb_iter_seek(at, least.bytes, sizeof least); walrow__store_has_prefix(at, label_prefix);
         rocksdb_iter_next(at)) {
        size_t size;
        const char *label = rocksdb_iter_value(at, &size);
        if (size == LABEL_SIZE)
            each(arg, number_at(at, PREFIX_SIZE), label[0], number_of(label + 1));
    }
    return walrow__store_end_iteration(store, at, err);
}

/* The slow way, which reads them. */
static walrow_code
each_unlabelled(walrow__store *store, walrow__store_each_fn each, void *arg, walrow_error *err)
{
    rocksdb_iterator_t *at = walrow__store_iterate(store, WALROW__STORE_LOG);
    for (rocksdb_iter_seek_to_first(at); rocksdb_iter_valid(at); rocksdb_iter_next(at)) {
        size_t size;
        const char *bytes = rocksdb_iter_value(at, &size);
        each(arg, number_at(at, 0), size == 0 ? '\0' : bytes[0], size);
    }
    return walrow__store_end_iteration(store, at, err);
}

walrow_code
walrow__store_each_entry(walrow__store *store, walrow__store_each_fn each, void *arg, walrow_error *err)
{
    span entries, labels = {0};
    WALROW_TRY(find_entries(store, &entries, err));
    WALROW_TRY(each_label(store, add_to_span, &labels, err));
    bool labelled =
        labels.first == entries.first && labels.last == entries.last && labels.count == entries.count;
    return labelled ? each_label(store, each, arg, err) : each_unlabelled(store, each, arg, err);
}
