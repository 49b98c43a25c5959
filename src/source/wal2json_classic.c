/*
 * source/wal2json_classic.c
 *	  The plugin wal2json, format 1: one JSON document for a transaction (wal2json's README, "Examples"), whole or, with
 *	  write-in-chunks, a message for its head, one for each change and one for its end. Of a document only the head is
 *	  read, which says where the transaction ends, and of the rest whether it is all there: what wal2json has printed is
 *	  handed on as it is, and takes no memory but its own.
 */
#include "source/wal2json_document.h"

#include "base/error.h"
#include "source/decoder.h"

#include <stdlib.h>
#include <string.h>

typedef struct classic {
    walrow__decoder base;
    walrow__wal2json_reader reader;
    uint32_t part; /* of the document under way, from 1 on */
} classic;

/* ---- what a message is ---- */

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
trim(const uint8_t **bytes, size_t *size)
{
    for (; *size > 0 && is_blank(**bytes); (*bytes)++)
        (*size)--;
    while (*size > 0 && is_blank((*bytes)[*size - 1]))
        (*size)--;
}

/* Does what its first bracket opens end with its last byte? Strings and nesting are all that is looked at. */
static bool
is_closed(const uint8_t *bytes, size_t size)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']') && (depth == 0 || --depth == 0))
            return depth == 0 && i > 0 && i + 1 == size;
    }
    return false;
}

/* The list's end and the document's: ]} */
static bool
is_end(const uint8_t *bytes, size_t size)
{
    trim(&bytes, &size);
    if (size < 2 || bytes[0] != ']' || bytes[size - 1] != '}')
        return false;
    bytes++, size -= 2;
    trim(&bytes, &size);
    return size == 0;
}

/* {"kind": ... }, after a comma unless it is the first. */
static bool
is_change(const uint8_t *bytes, size_t size)
{
    static const char kind[] = "\"kind\"";
    trim(&bytes, &size);
    if (size > 0 && *bytes == ',')
        bytes++, size--;
    trim(&bytes, &size);
    if (!is_closed(bytes, size) || *bytes != '{')
        return false;
    bytes++, size--;
    trim(&bytes, &size);
    return size > sizeof kind && memcmp(bytes, kind, sizeof kind - 1) == 0;
}

/* ---- handing on ---- */

static walrow_code
broken(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "format 1: %s", what);
}

/* Of a transaction the parts are told by their number, one outside of any by its LSN. */
static walrow_code
add(classic *c, const uint8_t *bytes, size_t size, uint64_t lone_lsn, walrow_error *err)
{
    const walrow__collector *collector = c->base.collector;
    const walrow_transaction *transaction = &collector->transaction;
    bool is_lone = lone_lsn != 0;
    walrow_message message = {
        .transactional = !is_lone,
        .lsn = is_lone ? lone_lsn : ++c->part,
        .prefix = "",
        .content = bytes,
        .content_size = size,
        .commit_lsn = is_lone ? lone_lsn : transaction->commit_lsn,
        .xid = is_lone ? 0 : transaction->xid,
    };
    return walrow__collector_message(c->base.collector, &message, err);
}

/* The document says where the commit record ends, not where it begins; any place between them will do. */
static walrow_code
begin(classic *c, const walrow_transaction *head, walrow_error *err)
{
    walrow_transaction transaction = *head;
    transaction.commit_lsn = head->end_lsn - 1;
    if (c->base.stop_lsn != 0 && transaction.commit_lsn >= c->base.stop_lsn) {
        c->base.stopped = true;
        return WALROW_OK;
    }
    c->part = 0;
    WALROW_TRY(walrow__collector_begin(c->base.collector, &transaction, err));
    c->base.collector->transaction.end_lsn = head->end_lsn;
    return WALROW_OK;
}

static walrow_code
commit(classic *c, walrow_error *err)
{
    return walrow__collector_commit(c->base.collector, c->base.collector->transaction.end_lsn, err);
}

/* A message outside of transactions is a document that says no position: that of the stream is its own. */
static walrow_code
take_lone(classic *c, const uint8_t *bytes, size_t size, uint64_t lsn, walrow_error *err)
{
    if (lsn == 0)
        return broken("a document without nextlsn: include-lsn is needed", err);
    return add(c, bytes, size, lsn, err);
}

static walrow_code
take_beginning(classic *c, const uint8_t *bytes, size_t size, uint64_t lsn, walrow_error *err)
{
    walrow_transaction head;
    const uint8_t *all = bytes;
    size_t all_size = size, at;
    WALROW_TRY(walrow__wal2json_read_head(&c->reader, bytes, size, &head, &at, err));
    trim(&all, &all_size);
    bool is_whole = is_closed(all, all_size);
    if (!is_whole && all + all_size != bytes + at) /* and not a head alone */
        return broken("a document that does not end", err);
    if (head.end_lsn == 0)
        return is_whole ? take_lone(c, bytes, size, lsn, err)
                        : broken("a document without nextlsn: include-lsn is needed", err);
    WALROW_TRY(begin(c, &head, err));
    if (c->base.stopped)
        return WALROW_OK;
    WALROW_TRY(add(c, bytes, size, 0, err));
    return is_whole ? commit(c, err) : WALROW_OK;
}

static walrow_code
take_part(classic *c, const uint8_t *bytes, size_t size, walrow_error *err)
{
    bool ends = is_end(bytes, size);
    if (!ends && !is_change(bytes, size))
        return broken("neither a change of the document under way nor its end", err);
    WALROW_TRY(add(c, bytes, size, 0, err));
    return ends ? commit(c, err) : WALROW_OK;
}

static walrow_code
feed(walrow__decoder *decoder, const uint8_t *bytes, size_t size, uint64_t lsn, walrow_error *err)
{
    classic *c = (classic *)decoder;
    if (decoder->stopped)
        return WALROW_OK;
    walrow_code code = decoder->collector->in_transaction ? take_part(c, bytes, size, err)
                                                          : take_beginning(c, bytes, size, lsn, err);
    return walrow__decoder_locate("wal2json", code,
                                  lsn != 0 ? lsn : decoder->collector->transaction.commit_lsn, err);
}

static void
free_classic(walrow__decoder *decoder)
{
    walrow__wal2json_reader_release(&((classic *)decoder)->reader);
    free(decoder);
}

walrow_code
walrow__wal2json_classic_new(walrow__collector *collector, walrow__catalog *catalog, walrow__capture capture,
                             walrow__decoder **out, walrow_error *err)
{
    classic *c = calloc(1, sizeof *c);
    if (c == NULL)
        return walrow__fail_memory(err);
    c->base = (walrow__decoder){
        .collector = collector, .catalog = catalog, .capture = capture, .feed = feed, .free = free_classic};
    collector->documents = true;
    *out = &c->base;
    return WALROW_OK;
}
