#include "source/source.h"

#include "base/cursor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "pg/plugin_options.h"

#include <inttypes.h>
#include <libpq-fe.h>

/* ---- the plugin's options ---- */

static void
add_identifier(walrow__strbuf *list, const char *name)
{
    walrow__strbuf_add_char(list, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            walrow__strbuf_add_char(list, '"');
        walrow__strbuf_add_char(list, *name);
    }
    walrow__strbuf_add_char(list, '"');
}

/* A list of identifiers inside one value. */
static bool
add_publications(walrow__texts *out, const char *const *names)
{
    walrow__strbuf list;
    walrow__strbuf_init(&list);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (i > 0)
            walrow__strbuf_add_char(&list, ',');
        add_identifier(&list, names[i]);
    }
    bool added = !list.failed && walrow__texts_add(out, "publication_names") &&
                 walrow__texts_add(out, walrow__strbuf_text(&list));
    walrow__strbuf_release(&list);
    return added;
}

/* "schema"."table"."column"=utf8,... */
static bool
add_types(walrow__texts *out, const walrow__type_override *types, size_t n_types)
{
    walrow__strbuf list;
    walrow__strbuf_init(&list);
    for (size_t i = 0; i < n_types; i++) {
        if (i > 0)
            walrow__strbuf_add_char(&list, ',');
        add_identifier(&list, types[i].schema);
        walrow__strbuf_add_char(&list, '.');
        add_identifier(&list, types[i].table);
        walrow__strbuf_add_char(&list, '.');
        add_identifier(&list, types[i].column);
        walrow__strbuf_addf(&list, "=%s", types[i].arrow_type);
    }
    bool added =
        !list.failed && walrow__texts_add(out, "types") && walrow__texts_add(out, walrow__strbuf_text(&list));
    walrow__strbuf_release(&list);
    return added;
}

static bool
add(walrow__texts *out, const char *name, const char *value)
{
    return walrow__texts_add(out, name) && walrow__texts_add(out, value);
}

static bool
add_number(walrow__texts *out, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return add(out, name, text);
}

static bool
add_pgoutput(walrow__texts *out, const walrow__source_options *options)
{
    return add(out, "proto_version", "1") && add_publications(out, options->publications) &&
           (!options->binary || add(out, "binary", "true")) &&
           (!options->messages || add(out, "messages", "true"));
}

/* PROTOCOL.md, "Options" */
static bool
add_wal2arrow(walrow__texts *out, const walrow__source_options *options)
{
    return add(out, "format", "compact") && add_number(out, "max_rows", options->max_rows) &&
           add_number(out, "max_bytes", options->max_bytes) && add_publications(out, options->publications) &&
           (options->n_types == 0 || add_types(out, options->types, options->n_types)) &&
           (!options->messages || add(out, "messages", "on"));
}

static bool
add_wal2json(walrow__texts *out, const walrow__source_options *options)
{
    const char *name, *value;
    bool added = true;
    for (size_t i = 0;
         added && walrow__plugin_option_at(options->wal2json, options->wal2json_format, i, &name, &value);
         i++)
        if (value != NULL && !(options->lacks_numbers && strcmp(name, WALROW__NUMBERS_AS_TEXT) == 0))
            added = add(out, name, value);
    return added;
}

bool
walrow__source_settings(const walrow__source_options *options, walrow__texts *out)
{
    if (options->wal2json != NULL)
        return add_wal2json(out, options);
    return options->wal2arrow ? add_wal2arrow(out, options) : add_pgoutput(out, options);
}

/* Up to 2.5 wal2json has no option for it, and says so. */
walrow_code
walrow__source_ask_less(walrow__source_options *options, walrow_error *failure)
{
    static const char what[] =
        "the server's wal2json is older than 2.6 and sends NaN and infinities as nulls";
    if (options->wal2json == NULL || options->lacks_numbers || strcmp(failure->sqlstate, "22023") != 0 ||
        strstr(failure->message, WALROW__NUMBERS_AS_TEXT) == NULL)
        return failure->code;
    if (options->strict) {
        walrow__fail(failure, WALROW_ERR_SERVER, "%s", what);
        return walrow__hint(failure, "install a newer one, use another plugin, or leave out --strict");
    }
    walrow__log(WALROW_LOG_WARN, "%s", what);
    options->lacks_numbers = true;
    return WALROW_OK;
}

/* ---- what comes ---- */

walrow_code
walrow__incoming_read(const void *bytes, size_t size, walrow__incoming *out, walrow_error *err)
{
    walrow__cursor cursor = walrow__cursor_over(bytes, size);
    uint8_t kind = walrow__read_u8(&cursor);
    if (kind == 'w') {
        out->kind = WALROW__INCOMING_DATA;
        out->lsn = walrow__read_u64(&cursor);
        walrow__read_u64(&cursor); /* walEnd: zero in all but the last write of a callback */
        walrow__read_u64(&cursor); /* the server's clock */
        out->bytes = cursor.at;
        out->size = walrow__cursor_left(&cursor);
    } else if (kind == 'k') {
        out->kind = WALROW__INCOMING_KEEPALIVE;
        out->lsn = walrow__read_u64(&cursor);
        walrow__read_u64(&cursor);
        out->wants_reply = walrow__read_u8(&cursor) != 0;
    } else {
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "replication stream: unknown message 0x%02X", kind);
    }
    if (cursor.failed)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "replication stream: message '%c' of %zu bytes is too short", kind, size);
    return WALROW_OK;
}

static void
free_message(struct ArrowBufferAllocator *allocator, uint8_t *bytes, int64_t size)
{
    (void)bytes; /* a view of the message may begin anywhere in it */
    (void)size;
    PQfreemem(allocator->private_data);
}

void
walrow__incoming_take(char **message, struct ArrowBuffer *out)
{
    ArrowBufferInit(out);
    out->data = (uint8_t *)*message;
    out->allocator = ArrowBufferDeallocator(free_message, *message);
    *message = NULL;
}
