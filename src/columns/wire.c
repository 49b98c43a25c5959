#include "columns/wire.h"

#include "columns/wire_frame.h"

enum { VERSION = 1 };

static const uint8_t head[7] = {'w', '2', 'a', VERSION};

bool
walrow__wire_write_head(walrow__wire_out *out)
{
    uint8_t *at = out->reserve(out->arg, sizeof head);
    if (at == NULL)
        return false;
    memcpy(at, head, sizeof head);
    return true;
}

bool
walrow__wire_read_head(walrow__cursor *cursor, uint8_t *version)
{
    const uint8_t *bytes = walrow__read_bytes(cursor, sizeof head);
    if (bytes == NULL || memcmp(bytes, head, 3) != 0)
        return false;
    *version = bytes[3];
    return true;
}

/* ---- frames ---- */

uint8_t *
walrow__wire_open_frame(walrow__wire_out *out, uint8_t type, size_t size)
{
    size_t padded = walrow__wire_padded(size);
    if (size > UINT32_MAX)
        return NULL;
    uint8_t *at = out->reserve(out->arg, 8 + padded);
    if (at == NULL)
        return NULL;
    at = walrow__put_u32(at, type);
    at = walrow__put_u32(at, (uint32_t)size);
    memset(at + size, 0, padded - size);
    return at;
}

bool
walrow__wire_read_frame(walrow__cursor *cursor, walrow__wire_frame *out)
{
    out->type = (uint8_t)walrow__read_le_u32(cursor); /* three bytes of it are zero */
    out->payload.size = walrow__read_le_u32(cursor);
    out->payload.bytes = walrow__read_bytes(cursor, out->payload.size);
    walrow__read_bytes(cursor, walrow__wire_padded(out->payload.size) - out->payload.size);
    return !cursor->failed;
}

static walrow__wire_bytes
read_bytes(walrow__cursor *cursor, size_t size)
{
    const uint8_t *bytes = walrow__read_bytes(cursor, size);
    return (walrow__wire_bytes){.bytes = bytes, .size = bytes == NULL ? 0 : size};
}

static walrow__wire_bytes
read_rest(walrow__cursor *cursor)
{
    return read_bytes(cursor, walrow__cursor_left(cursor));
}

static walrow__cursor
over(walrow__wire_bytes payload)
{
    return walrow__cursor_over(payload.bytes, payload.size);
}

/* ---- B ---- */

bool
walrow__wire_write_begin(walrow__wire_out *out, const walrow__wire_begin *begin)
{
    uint8_t *at = walrow__wire_open_frame(out, WALROW__WIRE_BEGIN, 24 + begin->origin.size);
    if (at == NULL)
        return false;
    at = walrow__put_u32(at, begin->xid);
    at = walrow__put_u32(at, (uint32_t)begin->origin.size);
    at = walrow__put_u64(at, begin->commit_lsn);
    at = walrow__put_u64(at, (uint64_t)begin->commit_time);
    walrow__put_bytes(at, begin->origin.bytes, begin->origin.size);
    return true;
}

bool
walrow__wire_read_begin(walrow__wire_bytes payload, walrow__wire_begin *out)
{
    walrow__cursor cursor = over(payload);
    out->xid = walrow__read_le_u32(&cursor);
    size_t origin_size = walrow__read_le_u32(&cursor);
    out->commit_lsn = walrow__read_le_u64(&cursor);
    out->commit_time = (int64_t)walrow__read_le_u64(&cursor);
    out->origin = read_bytes(&cursor, origin_size);
    return !cursor.failed;
}

/* ---- C ---- */

bool
walrow__wire_write_commit(walrow__wire_out *out, const walrow__wire_commit *commit)
{
    uint8_t *at = walrow__wire_open_frame(out, WALROW__WIRE_COMMIT, 16);
    if (at == NULL)
        return false;
    at = walrow__put_u64(at, commit->commit_lsn);
    walrow__put_u64(at, commit->end_lsn);
    return true;
}

bool
walrow__wire_read_commit(walrow__wire_bytes payload, walrow__wire_commit *out)
{
    walrow__cursor cursor = over(payload);
    out->commit_lsn = walrow__read_le_u64(&cursor);
    out->end_lsn = walrow__read_le_u64(&cursor);
    return !cursor.failed;
}

/* ---- S: written in wire_ipc.c ---- */

bool
walrow__wire_read_schema(walrow__wire_bytes payload, walrow__wire_schema *out)
{
    walrow__cursor cursor = over(payload);
    out->relid = walrow__read_le_u32(&cursor);
    out->identity = (char)walrow__read_le_u32(&cursor);
    out->epoch = walrow__read_le_u64(&cursor);
    out->ipc = read_rest(&cursor);
    return !cursor.failed;
}

/* ---- R: its body is written in wire_batch.c and wire_ipc.c ---- */

uint8_t *
walrow__wire_put_batch_head(uint8_t *at, const walrow__table *table, int64_t rows)
{
    at = walrow__put_u32(at, table->relid);
    at = walrow__put_u32(at, (uint32_t)rows);
    return walrow__put_u64(at, table->epoch);
}

bool
walrow__wire_read_batch(walrow__wire_bytes payload, walrow__wire_batch *out)
{
    walrow__cursor cursor = over(payload);
    out->relid = walrow__read_le_u32(&cursor);
    out->rows = walrow__read_le_u32(&cursor);
    out->epoch = walrow__read_le_u64(&cursor);
    out->body = read_rest(&cursor);
    return !cursor.failed && out->rows > 0;
}

/* ---- X ---- */

bool
walrow__wire_write_dead_letter(walrow__wire_out *out, const walrow__wire_dead_letter *letter)
{
    uint8_t *at =
        walrow__wire_open_frame(out, WALROW__WIRE_DEAD_LETTER, 32 + letter->reason.size + letter->text.size);
    if (at == NULL)
        return false;
    at = walrow__put_u32(at, letter->relid);
    at = walrow__put_u32(at, letter->column);
    at = walrow__put_u64(at, letter->epoch);
    at = walrow__put_u32(at, letter->seq);
    at = walrow__put_u32(at, (uint32_t)(uint8_t)letter->op | (uint32_t)letter->old << 8);
    at = walrow__put_u32(at, (uint32_t)letter->reason.size);
    at = walrow__put_u32(at, (uint32_t)letter->text.size);
    at = walrow__put_bytes(at, letter->reason.bytes, letter->reason.size);
    walrow__put_bytes(at, letter->text.bytes, letter->text.size);
    return true;
}

bool
walrow__wire_read_dead_letter(walrow__wire_bytes payload, walrow__wire_dead_letter *out)
{
    walrow__cursor cursor = over(payload);
    out->relid = walrow__read_le_u32(&cursor);
    out->column = walrow__read_le_u32(&cursor);
    out->epoch = walrow__read_le_u64(&cursor);
    out->seq = walrow__read_le_u32(&cursor);
    uint32_t op_old = walrow__read_le_u32(&cursor);
    out->op = (char)op_old;
    out->old = (op_old >> 8 & 0xFF) != 0;
    size_t reason_size = walrow__read_le_u32(&cursor), text_size = walrow__read_le_u32(&cursor);
    out->reason = read_bytes(&cursor, reason_size);
    out->text = read_bytes(&cursor, text_size);
    return !cursor.failed;
}

/* ---- M ---- */

bool
walrow__wire_write_message(walrow__wire_out *out, const walrow__wire_message *message)
{
    uint8_t *at =
        walrow__wire_open_frame(out, WALROW__WIRE_MESSAGE, 24 + message->prefix.size + message->content.size);
    if (at == NULL)
        return false;
    at = walrow__put_u64(at, message->lsn);
    at = walrow__put_u32(at, message->transactional);
    at = walrow__put_u32(at, (uint32_t)message->prefix.size);
    at = walrow__put_u32(at, (uint32_t)message->content.size);
    at = walrow__put_u32(at, message->seq);
    at = walrow__put_bytes(at, message->prefix.bytes, message->prefix.size);
    walrow__put_bytes(at, message->content.bytes, message->content.size);
    return true;
}

bool
walrow__wire_read_message(walrow__wire_bytes payload, walrow__wire_message *out)
{
    walrow__cursor cursor = over(payload);
    out->lsn = walrow__read_le_u64(&cursor);
    out->transactional = (walrow__read_le_u32(&cursor) & 0xFF) != 0;
    size_t prefix_size = walrow__read_le_u32(&cursor), content_size = walrow__read_le_u32(&cursor);
    out->seq = walrow__read_le_u32(&cursor);
    out->prefix = read_bytes(&cursor, prefix_size);
    out->content = read_bytes(&cursor, content_size);
    return !cursor.failed;
}
