#include "state/codec.h"

#include "base/cursor.h"
#include "base/error.h"
#include "columns/ipc.h"
#include "state/damaged.h"
#include "state/pack.h"

#include <stdlib.h>
#include <string.h>

static const char magic[4] = "WCS2";

enum { MAX_FIELD_BYTES = 0x7fffffff };

enum { PARTIAL = 1, SNAPSHOT = 2, SNAPSHOT_END = 4, DOCUMENTS = 8 };

/* ---- fields ---- */

static void
put_u32(walrow__strbuf *out, uint32_t value)
{
    uint32_t bytes = __builtin_bswap32(value);
    walrow__strbuf_add(out, &bytes, sizeof bytes);
}

static void
put_u64(walrow__strbuf *out, uint64_t value)
{
    uint64_t bytes = __builtin_bswap64(value);
    walrow__strbuf_add(out, &bytes, sizeof bytes);
}

static void
put_text(walrow__strbuf *out, const char *text)
{
    walrow__strbuf_add(out, text, strlen(text) + 1);
}

static void
put_bytes(walrow__strbuf *out, const void *bytes, size_t size)
{
    put_u64(out, size);
    walrow__strbuf_add(out, bytes, size);
}

/* Borrowed from the cursor's bytes. */
static const uint8_t *
read_sized(walrow__cursor *cursor, size_t *size)
{
    *size = walrow__read_u64(cursor);
    return walrow__read_bytes(cursor, *size);
}

/* How many items follow, each of which takes at least least bytes. */
static size_t
read_count(walrow__cursor *cursor, size_t least)
{
    size_t n = walrow__read_u32(cursor);
    if (n > walrow__cursor_left(cursor) / least)
        cursor->failed = true;
    return cursor->failed ? 0 : n;
}

/* ---- transactions ---- */

static void
put_transaction(walrow__strbuf *out, const walrow_transaction *transaction)
{
    put_u32(out, transaction->xid);
    put_u64(out, transaction->commit_lsn);
    put_u64(out, transaction->end_lsn);
    put_u64(out, (uint64_t)transaction->commit_time);
    walrow__strbuf_add_char(out, transaction->origin != NULL);
    if (transaction->origin != NULL)
        put_text(out, transaction->origin);
}

static void
read_transaction(walrow__cursor *cursor, walrow_transaction *out)
{
    out->xid = walrow__read_u32(cursor);
    out->commit_lsn = walrow__read_u64(cursor);
    out->end_lsn = walrow__read_u64(cursor);
    out->commit_time = (int64_t)walrow__read_u64(cursor);
    out->origin = walrow__read_u8(cursor) != 0 ? walrow__read_string(cursor) : NULL;
}

/* ---- logical messages ---- */

static void
put_message(walrow__strbuf *out, const walrow_message *message)
{
    put_text(out, message->prefix);
    put_bytes(out, message->content, message->content_size);
    walrow__strbuf_add_char(out, message->transactional);
    put_u64(out, message->lsn);
    put_u64(out, message->commit_lsn);
    put_u32(out, message->seq);
    put_u32(out, message->xid);
}

static void
read_message(walrow__cursor *cursor, walrow_message *out)
{
    out->prefix = walrow__read_string(cursor);
    out->content = read_sized(cursor, &out->content_size);
    out->transactional = walrow__read_u8(cursor) != 0;
    out->lsn = walrow__read_u64(cursor);
    out->commit_lsn = walrow__read_u64(cursor);
    out->seq = walrow__read_u32(cursor);
    out->xid = walrow__read_u32(cursor);
}

/* ---- dead letters ---- */

static void
put_dead_letter(walrow__strbuf *out, const walrow_dead_letter *letter)
{
    put_text(out, letter->schema_name);
    put_text(out, letter->table_name);
    put_text(out, letter->column);
    put_text(out, letter->pg_type);
    put_text(out, letter->reason);
    put_bytes(out, letter->text, letter->text_size);
    walrow__strbuf_add_char(out, letter->op);
    walrow__strbuf_add_char(out, letter->old);
    put_u64(out, letter->lsn);
    put_u32(out, letter->seq);
    put_u32(out, letter->xid);
}

static void
read_dead_letter(walrow__cursor *cursor, walrow_dead_letter *out)
{
    out->schema_name = walrow__read_string(cursor);
    out->table_name = walrow__read_string(cursor);
    out->column = walrow__read_string(cursor);
    out->pg_type = walrow__read_string(cursor);
    out->reason = walrow__read_string(cursor);
    out->text = read_sized(cursor, &out->text_size);
    out->op = (char)walrow__read_u8(cursor);
    out->old = walrow__read_u8(cursor) != 0;
    out->lsn = walrow__read_u64(cursor);
    out->seq = walrow__read_u32(cursor);
    out->xid = walrow__read_u32(cursor);
}

/* ---- batches ---- */

static void
put_batch(walrow__strbuf *out, const walrow_batch *batch)
{
    put_text(out, batch->schema_name);
    put_text(out, batch->table_name);
    put_u32(out, batch->relid);
    put_u64(out, batch->epoch);
}

static walrow_code
pack_rows(walrow__packer *packer, const walrow_batch *batch, walrow_error *err)
{
    walrow__ipc_writer writer;
    WALROW_TRY(walrow__ipc_open(&writer, WALROW__IPC_STREAM, batch->schema, walrow__pack, packer, err));
    walrow_code code = walrow__ipc_write(&writer, &batch->array, err);
    if (code == WALROW_OK)
        code = walrow__ipc_finish(&writer, err);
    walrow__ipc_release(&writer);
    return code;
}

static walrow_code
damaged(const char *what, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_STATE, "the buffer is damaged: %s", what);
    return walrow__hint_damaged(err);
}

static ArrowErrorCode
read_unpacked(struct ArrowIpcInputStream *stream, uint8_t *out, int64_t size, int64_t *got,
              struct ArrowError *error)
{
    (void)error;
    *got = (int64_t)walrow__unpack(stream->private_data, out, (size_t)size);
    return NANOARROW_OK;
}

static void
forget_stream(struct ArrowIpcInputStream *stream)
{
    stream->release = NULL;
}

/* The one batch of an IPC stream, whose body is unpacked into the memory that the array keeps. */
static walrow_code
unpack_rows(walrow__unpacker *unpacker, struct ArrowSchema *schema, struct ArrowArray *array,
            walrow_error *err)
{
    struct ArrowIpcInputStream stream = {read_unpacked, forget_stream, unpacker};
    struct ArrowArrayStream reader = {.release = NULL};
    struct ArrowArray end = {.release = NULL};
    if (ArrowIpcArrayStreamReaderInit(&reader, &stream, NULL) != NANOARROW_OK)
        return walrow__fail_memory(err);
    bool good = ArrowArrayStreamGetSchema(&reader, schema, NULL) == NANOARROW_OK &&
                ArrowArrayStreamGetNext(&reader, array, NULL) == NANOARROW_OK && array->release != NULL &&
                ArrowArrayStreamGetNext(&reader, &end, NULL) == NANOARROW_OK && end.release == NULL;
    if (end.release != NULL)
        end.release(&end);
    ArrowArrayStreamRelease(&reader);
    return good ? WALROW_OK : damaged("a batch that is not an Arrow IPC stream", err);
}

/* ---- a decoded change set ---- */

typedef struct decoded {
    char *fields;                /* what texts point into */
    struct ArrowSchema *schemas; /* of each batch */
    walrow_changes changes;
} decoded;

static void
free_decoded(decoded *d)
{
    walrow_changes *changes = &d->changes;
    for (size_t i = 0; i < changes->n_batches; i++) {
        if (changes->batches[i].array.release != NULL)
            changes->batches[i].array.release(&changes->batches[i].array);
        if (d->schemas[i].release != NULL)
            d->schemas[i].release(&d->schemas[i]);
    }
    free(changes->batches);
    free(changes->transactions);
    free(changes->messages);
    free(changes->dead_letters);
    free(d->schemas);
    free(d->fields);
    free(d);
}

static void
release_decoded(walrow_changes *changes)
{
    decoded *d = changes->private_data;
    d->changes = *changes; /* arrays may have been moved out */
    free_decoded(d);
    memset(changes, 0, sizeof *changes);
}

static walrow_code
read_batches(walrow__cursor *cursor, decoded *d, walrow_error *err)
{
    size_t n = read_count(cursor, 1 + 1 + 4 + 8);
    d->changes.batches = calloc(n + 1, sizeof *d->changes.batches);
    d->schemas = calloc(n + 1, sizeof *d->schemas);
    if (d->changes.batches == NULL || d->schemas == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        walrow_batch *batch = &d->changes.batches[d->changes.n_batches++];
        batch->schema_name = walrow__read_string(cursor);
        batch->table_name = walrow__read_string(cursor);
        batch->relid = walrow__read_u32(cursor);
        batch->epoch = walrow__read_u64(cursor);
        batch->schema = &d->schemas[i];
    }
    return WALROW_OK;
}

/* A list of what read_item reads; false: out of memory. */
#define READ_LIST(cursor, least, items, count, read_item)                                                    \
    do {                                                                                                     \
        size_t n_ = read_count(cursor, least);                                                               \
        (items) = calloc(n_ + 1, sizeof *(items));                                                           \
        for (; (items) != NULL && (count) < n_; (count)++)                                                   \
            read_item(cursor, &(items)[count]);                                                              \
    } while (0)

static walrow_code
read_changes(walrow__cursor *cursor, decoded *d, walrow_error *err)
{
    walrow_changes *changes = &d->changes;
    changes->end_lsn = walrow__read_u64(cursor);
    changes->snapshot_lsn = walrow__read_u64(cursor);
    changes->chunk = walrow__read_u32(cursor);
    uint8_t flags = walrow__read_u8(cursor);
    changes->partial = (flags & PARTIAL) != 0;
    changes->snapshot = (flags & SNAPSHOT) != 0;
    changes->snapshot_end = (flags & SNAPSHOT_END) != 0;
    changes->documents = (flags & DOCUMENTS) != 0;
    WALROW_TRY(read_batches(cursor, d, err));
    READ_LIST(cursor, 4 + 3 * 8 + 1, changes->transactions, changes->n_transactions, read_transaction);
    READ_LIST(cursor, 1 + 8 + 1 + 2 * 8 + 2 * 4, changes->messages, changes->n_messages, read_message);
    READ_LIST(cursor, 5 + 8 + 2 + 8 + 2 * 4, changes->dead_letters, changes->n_dead_letters,
              read_dead_letter);
    if (changes->transactions == NULL || changes->messages == NULL || changes->dead_letters == NULL)
        return walrow__fail_memory(err);
    return cursor->failed || walrow__cursor_left(cursor) != 0 ? damaged("a change set is cut off", err)
                                                              : WALROW_OK;
}

/* The fields' own memory; their number is known only here. */
static walrow_code
unpack_fields(walrow__unpacker *unpacker, decoded *d, size_t *size, walrow_error *err)
{
    uint8_t head[sizeof(uint64_t)];
    if (walrow__unpack(unpacker, head, sizeof head) != sizeof head ||
        walrow__load_u64(head) > MAX_FIELD_BYTES)
        return damaged("a change set cannot be decompressed", err);
    *size = walrow__load_u64(head);
    d->fields = malloc(*size + 1);
    if (d->fields == NULL)
        return walrow__fail_memory(err);
    return walrow__unpack(unpacker, d->fields, *size) == *size
               ? WALROW_OK
               : damaged("a change set cannot be decompressed", err);
}

static walrow_code
unpack_changes(walrow__unpacker *unpacker, decoded *d, walrow_error *err)
{
    size_t size = 0;
    WALROW_TRY(unpack_fields(unpacker, d, &size, err));
    walrow__cursor cursor = walrow__cursor_over(d->fields, size);
    WALROW_TRY(read_changes(&cursor, d, err));
    for (size_t i = 0; i < d->changes.n_batches; i++)
        WALROW_TRY(unpack_rows(unpacker, &d->schemas[i], &d->changes.batches[i].array, err));
    return walrow__unpack_is_done(unpacker) ? WALROW_OK : damaged("a change set does not end", err);
}

static walrow_code
decode(const void *bytes, size_t size, decoded *d, walrow_error *err)
{
    walrow__unpacker unpacker;
    if (size < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return damaged("what is there is not a change set", err);
    WALROW_TRY(
        walrow__unpacker_init(&unpacker, (const char *)bytes + sizeof magic, size - sizeof magic, err));
    walrow_code code = unpack_changes(&unpacker, d, err);
    walrow__unpacker_release(&unpacker);
    return code;
}

walrow_code
walrow__changes_decode(const void *bytes, size_t size, walrow_changes *out, walrow_error *err)
{
    decoded *d = calloc(1, sizeof *d);
    if (d == NULL)
        return walrow__fail_memory(err);
    walrow_code code = decode(bytes, size, d, err);
    if (code != WALROW_OK) {
        free_decoded(d);
        return code;
    }
    *out = d->changes;
    out->release = release_decoded;
    out->private_data = d;
    return WALROW_OK;
}

/* ---- encoding ---- */

static void
put_changes(walrow__strbuf *out, const walrow_changes *changes)
{
    put_u64(out, changes->end_lsn);
    put_u64(out, changes->snapshot_lsn);
    put_u32(out, changes->chunk);
    walrow__strbuf_add_char(
        out, (char)((changes->partial ? PARTIAL : 0) | (changes->snapshot ? SNAPSHOT : 0) |
                    (changes->snapshot_end ? SNAPSHOT_END : 0) | (changes->documents ? DOCUMENTS : 0)));
    put_u32(out, (uint32_t)changes->n_batches);
    for (size_t i = 0; i < changes->n_batches; i++)
        put_batch(out, &changes->batches[i]);
    put_u32(out, (uint32_t)changes->n_transactions);
    for (size_t i = 0; i < changes->n_transactions; i++)
        put_transaction(out, &changes->transactions[i]);
    put_u32(out, (uint32_t)changes->n_messages);
    for (size_t i = 0; i < changes->n_messages; i++)
        put_message(out, &changes->messages[i]);
    put_u32(out, (uint32_t)changes->n_dead_letters);
    for (size_t i = 0; i < changes->n_dead_letters; i++)
        put_dead_letter(out, &changes->dead_letters[i]);
}

static walrow_code
pack_fields(walrow__packer *packer, const walrow_changes *changes, walrow_error *err)
{
    walrow__strbuf fields;
    walrow__strbuf_init(&fields);
    put_changes(&fields, changes);
    uint64_t size = __builtin_bswap64(fields.size);
    walrow_code code =
        fields.failed ? walrow__fail_memory(err) : walrow__pack(packer, &size, sizeof size, err);
    if (code == WALROW_OK && fields.size > MAX_FIELD_BYTES)
        code = walrow__fail(err, WALROW_ERR_STATE,
                            "a change set with %zu bytes of messages does not fit the "
                            "buffer",
                            fields.size);
    if (code == WALROW_OK)
        code = walrow__pack(packer, fields.data, fields.size, err);
    walrow__strbuf_release(&fields);
    return code;
}

static walrow_code
pack_changes(walrow__packer *packer, const walrow_changes *changes, walrow_error *err)
{
    WALROW_TRY(pack_fields(packer, changes, err));
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(pack_rows(packer, &changes->batches[i], err));
    return walrow__pack_finish(packer, err);
}

walrow_code
walrow__changes_encode(const walrow_changes *changes, walrow__strbuf *out, walrow_error *err)
{
    walrow__packer packer;
    walrow__strbuf_add(out, magic, sizeof magic);
    walrow_code code = walrow__packer_init(&packer, out, err);
    if (code == WALROW_OK)
        code = pack_changes(&packer, changes, err);
    walrow__packer_release(&packer);
    return code;
}
