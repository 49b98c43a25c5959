#include "stream/dialect.h"

#include "base/cursor.h"
#include "base/error.h"
#include "columns/wire.h"
#include "source/wal2json_document.h"

#include <string.h>

/* PostgreSQL documentation, "Logical Replication Message Formats": the first byte says what it is. */
static walrow_code
outline_pgoutput(const uint8_t *bytes, size_t size, uint64_t lsn, walrow__outline *out, walrow_error *err)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint8_t kind = walrow__read_u8(&cursor);
    *out = (walrow__outline){.begins = kind == 'B', .commits = kind == 'C', .announces = kind == 'R'};
    if (out->begins)
        out->commit_lsn = walrow__read_u64(&cursor);
    if (out->commits) {
        walrow__read_u8(&cursor);  /* flags */
        walrow__read_u64(&cursor); /* the commit itself */
        out->end_lsn = walrow__read_u64(&cursor);
    }
    if (!cursor.failed)
        return WALROW_OK;
    walrow_code code = walrow__fail(err, WALROW_ERR_PROTOCOL, "a message that is too short");
    return walrow__decoder_locate("pgoutput", code, lsn, err);
}

static bool
outline_frame(const walrow__wire_frame *frame, walrow__outline *out)
{
    walrow__wire_begin begin;
    walrow__wire_commit commit;
    switch (frame->type) {
    case WALROW__WIRE_BEGIN:
        if (!walrow__wire_read_begin(frame->payload, &begin))
            return false;
        out->begins = true;
        out->commit_lsn = begin.commit_lsn;
        return true;
    case WALROW__WIRE_COMMIT:
        if (!walrow__wire_read_commit(frame->payload, &commit))
            return false;
        out->commits = true;
        out->end_lsn = commit.end_lsn;
        return true;
    default:
        return true;
    }
}

static walrow_code
outline_wal2arrow(const uint8_t *bytes, size_t size, uint64_t lsn, walrow__outline *out, walrow_error *err)
{
    uint8_t version;
    walrow__wire_frame frame;
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    *out = (walrow__outline){0};
    bool ok = walrow__wire_read_head(&cursor, &version);
    while (ok && walrow__cursor_left(&cursor) > 0)
        ok = walrow__wire_read_frame(&cursor, &frame) && outline_frame(&frame, out);
    if (ok)
        return WALROW_OK;
    walrow_code code = walrow__fail(err, WALROW_ERR_PROTOCOL, "a message that cannot be read");
    return walrow__decoder_locate("wal2arrow", code, lsn, err);
}

/* The first member says what it is; only begin and commit are read. */
static walrow_code
outline_wal2json(const uint8_t *bytes, size_t size, uint64_t lsn, walrow__outline *out, walrow_error *err)
{
    char action = walrow__wal2json_peek(bytes, size);
    *out = (walrow__outline){.begins = action == 'B', .commits = action == 'C'};
    if (!out->begins && !out->commits)
        return WALROW_OK;
    walrow__wal2json_reader reader = {0};
    const walrow__wal2json_message *message;
    walrow_code code = walrow__wal2json_read(&reader, bytes, size, &message, err);
    if (code == WALROW_OK) {
        out->commit_lsn = message->transaction.commit_lsn;
        out->end_lsn = message->transaction.end_lsn;
    }
    walrow__wal2json_reader_release(&reader);
    return walrow__decoder_locate("wal2json", code, lsn, err);
}

static const walrow__dialect dialects[] = {
    {.plugin = "pgoutput",
     .has_publications = true,
     .is_recordable = true,
     .has_encodings = true,
     .new_decoder = walrow__pgoutput_new,
     .outline = outline_pgoutput},
    {.plugin = "wal2arrow",
     .has_publications = true,
     .is_recordable = true,
     .new_decoder = walrow__wal2arrow_new,
     .outline = outline_wal2arrow},
    {.plugin = "wal2json", .new_decoder = walrow__wal2json_new, .outline = outline_wal2json},
};

static const walrow__dialect classic = {
    .plugin = "wal2json", .has_documents = true, .new_decoder = walrow__wal2json_classic_new};

const walrow__dialect *
walrow__dialect_of(const char *plugin, walrow__wal2json_format format)
{
    if (format == WALROW__WAL2JSON_1 && strcmp(classic.plugin, plugin) == 0)
        return &classic;
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        if (strcmp(dialects[i].plugin, plugin) == 0)
            return &dialects[i];
    return NULL;
}

static int64_t
clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/*
 * A change set ends at a message's end: with messages a quarter of its limits it is over them by a quarter, with
 * small transactions in front of a large one's first by twice that, at most. Larger ones than these fill the socket
 * while the server waits, instead of decoding on. Groups are smaller than what stays in its message: they are joined.
 */
walrow__source_options
walrow__dialect_options(const walrow__dialect *dialect, const walrow_options *options, int server_version,
                        bool binary)
{
    return (walrow__source_options){
        .slot = options->slot,
        .binary = dialect->has_encodings && binary,
        .messages = !dialect->has_encodings || server_version >= 140000,
        .wal2arrow = dialect->new_decoder == walrow__wal2arrow_new,
        .wal2json = strcmp(dialect->plugin, classic.plugin) == 0 ? &options->plugin_options : NULL,
        .wal2json_format = (walrow__wal2json_format)options->wal2json_format,
        .strict = options->strict,
        .timeout_ms = (int)options->connect_timeout_s * 1000,
        .max_rows = clamp(options->batch_rows / 4, 1, 65536),
        .max_bytes = clamp(options->batch_bytes / 4, 1024, 256 << 10),
        .group_bytes =
            options->batch == WALROW__BATCH_OF_SIZE ? clamp(options->batch_bytes / 4, 1024, 32 << 10) : 0,
        .types = options->types,
        .n_types = options->n_types,
    };
}
