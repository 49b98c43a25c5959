#include "state/buffer.h"

#include "base/clock.h"
#include "base/error.h"
#include "state/codec.h"
#include "state/damaged.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* An entry is one of these, then the change set as walrow__changes_encode makes it. */
enum { WHOLE = 'w', UNFINISHED = 'u' };

struct walrow__buffer {
    walrow__store *store; /* borrowed */
    pthread_mutex_t lock;
    pthread_cond_t published;
    uint64_t first, next;
    size_t *sizes; /* of entries first, first + 1 ... as a ring */
    size_t capacity;
    int64_t bytes, max_bytes;
    size_t put_size;    /* of what was put and not published yet; 0: nothing */
    uint64_t whole_end; /* when reading: after the last entry that finishes something */
    bool ended, failed;
};

/* ---- sizes ---- */

static bool
add_size(walrow__buffer *buffer, size_t size)
{
    size_t count = (size_t)(buffer->next - buffer->first);
    if (count == buffer->capacity) {
        size_t capacity = count == 0 ? 64 : 2 * count;
        size_t *sizes = calloc(capacity, sizeof *sizes);
        if (sizes == NULL)
            return false;
        for (size_t i = 0; i < count; i++)
            sizes[(buffer->first + i) % capacity] = buffer->sizes[(buffer->first + i) % buffer->capacity];
        free(buffer->sizes);
        buffer->sizes = sizes;
        buffer->capacity = capacity;
    }
    buffer->sizes[buffer->next % buffer->capacity] = size;
    buffer->bytes += (int64_t)size;
    buffer->next++;
    return true;
}

static void
drop_last(walrow__buffer *buffer)
{
    buffer->next--;
    buffer->bytes -= (int64_t)buffer->sizes[buffer->next % buffer->capacity];
}

static void
drop_first(walrow__buffer *buffer)
{
    buffer->bytes -= (int64_t)buffer->sizes[buffer->first % buffer->capacity];
    buffer->first++;
}

/* ---- open ---- */

static void
note_entry(void *arg, uint64_t number, char kind, size_t size)
{
    walrow__buffer *buffer = arg;
    if (buffer->first == buffer->next && buffer->bytes == 0)
        buffer->first = buffer->next = number;
    if (number != buffer->next || size == 0 || !add_size(buffer, size))
        buffer->failed = true;
    else if (kind == WHOLE)
        buffer->whole_end = buffer->next;
}

static walrow_code
drop_unfinished(walrow__buffer *buffer, walrow_error *err)
{
    uint64_t end = buffer->whole_end > buffer->first ? buffer->whole_end : buffer->first;
    if (end == buffer->next)
        return WALROW_OK;
    walrow__store_write *write = walrow__store_begin();
    walrow__store_remove(buffer->store, write, end, buffer->next);
    walrow__state_put_log_next(write, end); /* no cursor has passed it: the numbers are free again */
    while (buffer->next > end)
        drop_last(buffer);
    return walrow__store_commit(buffer->store, write, err);
}

static walrow_code
read_entries(walrow__buffer *buffer, uint64_t at_least, walrow_error *err)
{
    WALROW_TRY(walrow__store_each_entry(buffer->store, note_entry, buffer, err));
    if (buffer->failed) {
        walrow__fail(err, WALROW_ERR_STATE, "the buffer is damaged: entry %" PRIu64 " is missing",
                     buffer->next);
        return walrow__hint_damaged(err);
    }
    if (buffer->first == buffer->next) /* all were taken: cursors stand at the next one */
        buffer->first = buffer->next = at_least == 0 ? 1 : at_least;
    return drop_unfinished(buffer, err);
}

walrow_code
walrow__buffer_open(walrow__state *state, int64_t max_bytes, walrow__buffer **out, walrow_error *err)
{
    walrow__buffer *buffer = calloc(1, sizeof *buffer);
    uint64_t next;
    if (buffer == NULL)
        return walrow__fail_memory(err);
    pthread_mutex_init(&buffer->lock, NULL);
    walrow__cond_init(&buffer->published);
    buffer->store = walrow__state_store(state);
    buffer->max_bytes = max_bytes;
    walrow_code code = walrow__state_log_next(state, &next, err);
    if (code == WALROW_OK)
        code = read_entries(buffer, next, err);
    if (code != WALROW_OK)
        walrow__buffer_free(buffer);
    else
        *out = buffer;
    return code;
}

walrow_code
walrow__buffer_require_empty(walrow__state *state, walrow_error *err)
{
    walrow__buffer *buffer;
    WALROW_TRY(walrow__buffer_open(state, 0, &buffer, err));
    uint64_t waiting = buffer->next - buffer->first;
    walrow__buffer_free(buffer);
    if (waiting == 0)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_STATE,
                 "the buffer holds %" PRIu64 " change sets that a sink does not have yet", waiting);
    return walrow__hint(err, "run with --buffer on until it is empty (with --until now, it is at the end)");
}

void
walrow__buffer_free(walrow__buffer *buffer)
{
    if (buffer == NULL)
        return;
    pthread_cond_destroy(&buffer->published);
    pthread_mutex_destroy(&buffer->lock);
    free(buffer->sizes);
    free(buffer);
}

/* ---- how full it is ---- */

uint64_t
walrow__buffer_first(walrow__buffer *buffer)
{
    pthread_mutex_lock(&buffer->lock);
    uint64_t first = buffer->first;
    pthread_mutex_unlock(&buffer->lock);
    return first;
}

uint64_t
walrow__buffer_next(walrow__buffer *buffer)
{
    pthread_mutex_lock(&buffer->lock);
    uint64_t next = buffer->next;
    pthread_mutex_unlock(&buffer->lock);
    return next;
}

int64_t
walrow__buffer_bytes(walrow__buffer *buffer)
{
    pthread_mutex_lock(&buffer->lock);
    int64_t bytes = buffer->bytes;
    pthread_mutex_unlock(&buffer->lock);
    return bytes;
}

bool
walrow__buffer_has_room(walrow__buffer *buffer)
{
    int64_t bytes = walrow__buffer_bytes(buffer);
    return bytes == 0 || bytes < buffer->max_bytes;
}

/* ---- putting ---- */

/* More of the same is to come before a sink can have it for good. */
static bool
is_unfinished(const walrow_changes *changes)
{
    return changes->partial || (changes->snapshot && !changes->snapshot_end);
}

walrow_code
walrow__buffer_put(walrow__buffer *buffer, walrow__store_write *write, const walrow_changes *changes,
                   walrow_error *err)
{
    walrow__strbuf bytes;
    walrow__strbuf_init(&bytes);
    walrow__strbuf_add_char(&bytes, is_unfinished(changes) ? UNFINISHED : WHOLE);
    walrow_code code = walrow__changes_encode(changes, &bytes, err);
    if (code == WALROW_OK) {
        walrow__store_append(buffer->store, write, buffer->next, bytes.data, bytes.size);
        walrow__state_put_log_next(write, buffer->next + 1);
        buffer->put_size = bytes.size;
    }
    walrow__strbuf_release(&bytes);
    return code;
}

void
walrow__buffer_publish(walrow__buffer *buffer)
{
    pthread_mutex_lock(&buffer->lock);
    if (buffer->put_size > 0 && !add_size(buffer, buffer->put_size))
        buffer->failed = true;
    buffer->put_size = 0;
    pthread_cond_broadcast(&buffer->published);
    pthread_mutex_unlock(&buffer->lock);
}

void
walrow__buffer_trim(walrow__buffer *buffer, walrow__store_write *write, uint64_t before)
{
    pthread_mutex_lock(&buffer->lock);
    walrow__store_remove(buffer->store, write, buffer->first, before);
    while (buffer->first < before && buffer->first < buffer->next)
        drop_first(buffer);
    pthread_mutex_unlock(&buffer->lock);
}

void
walrow__buffer_end(walrow__buffer *buffer)
{
    pthread_mutex_lock(&buffer->lock);
    buffer->ended = true;
    pthread_cond_broadcast(&buffer->published);
    pthread_mutex_unlock(&buffer->lock);
}

/* ---- taking ---- */

static walrow_code
wait_for(walrow__buffer *buffer, uint64_t number, int timeout_ms, walrow_error *err)
{
    struct timespec until = walrow__deadline_in(timeout_ms);
    pthread_mutex_lock(&buffer->lock);
    int waited = 0;
    while (number >= buffer->next && !buffer->ended && !buffer->failed && waited == 0)
        waited = pthread_cond_timedwait(&buffer->published, &buffer->lock, &until);
    walrow_code code = buffer->failed          ? WALROW_ERR_MEMORY
                       : number < buffer->next ? WALROW_OK
                       : buffer->ended         ? WALROW_END
                                               : WALROW_TIMEOUT;
    pthread_mutex_unlock(&buffer->lock);
    return code == WALROW_ERR_MEMORY ? walrow__fail_memory(err) : code;
}

typedef struct wanted {
    uint64_t number;
    walrow_changes *out;
} wanted;

static walrow_code
decode_entry(void *arg, const char *bytes, size_t size, walrow_error *err)
{
    const wanted *entry = arg;
    if (bytes != NULL && size > 0)
        return walrow__changes_decode(bytes + 1, size - 1, entry->out, err);
    walrow__fail(err, WALROW_ERR_STATE, "the buffer is damaged: entry %" PRIu64 " is missing", entry->number);
    return walrow__hint_damaged(err);
}

walrow_code
walrow__buffer_take(walrow__buffer *buffer, uint64_t number, int timeout_ms, walrow_changes *out,
                    walrow_error *err)
{
    wanted entry = {number, out};
    WALROW_TRY(wait_for(buffer, number, timeout_ms, err));
    return walrow__store_read_entry(buffer->store, number, decode_entry, &entry, err);
}
