#include "source/wal2json_document.h"

#include "base/error.h"
#include "columns/datetime.h"

#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum {
    USUAL_SIZE = 16 << 10, /* messages up to it need no memory of their own */
    /* yyjson_read_max_memory_usage of as much */
    POOL_SIZE = USUAL_SIZE * 12 + 256
};

/* Bytes that are not UTF-8, from an SQL_ASCII database, are for the columns to refuse: such a value is a dead letter. */
static const yyjson_read_flag read_flags =
    YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_ALLOW_INVALID_UNICODE;

static walrow_code
broken(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "%s", what);
}

/* ---- members of an object ---- */

/*
 * The values of the known keys, by their position in names. Keys come in the order of names, so that the next one
 * is where the last one was found; any other order is found as well. Unknown keys are passed over.
 */
static void
find_members(yyjson_val *object, const walrow__json_text *names, int n_names, yyjson_val **out)
{
    size_t i, n;
    yyjson_val *key, *value;
    int at = 0;
    memset(out, 0, (size_t)n_names * sizeof *out);
    yyjson_obj_foreach(object, i, n, key, value)
    {
        size_t size = yyjson_get_len(key);
        const char *name = yyjson_get_str(key);
        for (int tried = 0; tried < n_names; tried++, at = at + 1 == n_names ? 0 : at + 1)
            if (names[at].size == size && memcmp(names[at].bytes, name, size) == 0) {
                out[at] = value;
                break;
            }
    }
}

static walrow__json_text
text_of(yyjson_val *value)
{
    const char *bytes = yyjson_get_str(value); /* NULL: not a text; other values have a length, too */
    return (walrow__json_text){bytes, bytes == NULL ? 0 : yyjson_get_len(value)};
}

/* A text that will be a C string. */
static bool
read_name(yyjson_val *value, walrow__json_text *out)
{
    *out = text_of(value);
    return out->bytes != NULL && memchr(out->bytes, 0, out->size) == NULL;
}

/* Oids pass through a signed %d in wal2json. */
static bool
read_u32(yyjson_val *value, uint32_t *out)
{
    const char *at = yyjson_get_raw(value);
    size_t size = yyjson_get_len(value);
    bool negative = at != NULL && size > 0 && *at == '-';
    uint64_t number = 0;
    if (at == NULL || size > 11 || size == (size_t)negative)
        return false;
    for (size_t i = negative; i < size; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(at[i] - '0');
    }
    *out = (uint32_t)(negative ? 0 - number : number);
    return number <= (negative ? UINT64_C(1) << 31 : UINT32_MAX);
}

static bool
read_lsn(yyjson_val *value, uint64_t *out)
{
    walrow__json_text text;
    return read_name(value, &text) && walrow_lsn_parse(text.bytes, out);
}

static bool
read_time(yyjson_val *value, int64_t *out)
{
    const char *reason;
    walrow__json_text text = text_of(value);
    return text.bytes != NULL && walrow__parse_timestamp((const uint8_t *)text.bytes, text.size, true, out,
                                                         &reason) == WALROW__APPENDED;
}

/* ---- columns ---- */

#define NAME(text)                                                                                           \
    {                                                                                                        \
        text, sizeof text - 1                                                                                \
    }

static bool
read_value(yyjson_val *value, walrow__field *out)
{
    const char *bytes;
    *out = (walrow__field){.kind = 't'};
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_NULL:
        out->kind = 'n';
        return true;
    case YYJSON_TYPE_BOOL: /* as boolout prints them */
        out->bytes = (const uint8_t *)(yyjson_get_bool(value) ? "t" : "f");
        out->size = 1;
        return true;
    case YYJSON_TYPE_STR:
        bytes = yyjson_get_str(value);
        break;
    case YYJSON_TYPE_RAW:
        bytes = yyjson_get_raw(value);
        break;
    default:
        return false;
    }
    out->bytes = (const uint8_t *)bytes;
    out->size = (uint32_t)yyjson_get_len(value);
    return true;
}

static bool
read_column(yyjson_val *object, bool has_value, walrow__wal2json_column *out)
{
    enum { KEY_NAME, KEY_TYPE, KEY_OID, KEY_VALUE, N_KEYS };
    static const walrow__json_text names[N_KEYS] = {NAME("name"), NAME("type"), NAME("typeoid"),
                                                    NAME("value")};
    yyjson_val *members[N_KEYS];
    if (!yyjson_is_obj(object))
        return false;
    find_members(object, names, N_KEYS, members);
    out->oid = 0;
    out->value.kind = 'n';
    out->type = (walrow__json_text){NULL, 0};
    return read_name(members[KEY_NAME], &out->name) &&
           (members[KEY_TYPE] == NULL || read_name(members[KEY_TYPE], &out->type)) &&
           (members[KEY_OID] == NULL || read_u32(members[KEY_OID], &out->oid)) &&
           (!has_value || (members[KEY_VALUE] != NULL && read_value(members[KEY_VALUE], &out->value)));
}

static walrow_code
make_room(walrow__wal2json_columns *columns, size_t count, walrow_error *err)
{
    if (count > WALROW__MAX_COLUMNS)
        return broken("more columns than a table has", err);
    if ((int)count <= columns->capacity)
        return WALROW_OK;
    walrow__wal2json_column *items = realloc(columns->items, count * sizeof *items);
    if (items == NULL)
        return walrow__fail_memory(err);
    columns->items = items;
    columns->capacity = (int)count;
    return WALROW_OK;
}

static walrow_code
read_columns(yyjson_val *array, bool has_values, walrow__wal2json_columns *out, walrow_error *err)
{
    size_t i, n;
    yyjson_val *object;
    out->count = 0;
    out->present = array != NULL;
    if (array == NULL)
        return WALROW_OK;
    if (!yyjson_is_arr(array))
        return broken("columns that are not a list", err);
    WALROW_TRY(make_room(out, yyjson_arr_size(array), err));
    yyjson_arr_foreach(array, i, n, object)
    {
        if (!read_column(object, has_values, &out->items[out->count++]))
            return broken("a column without name or value", err);
    }
    return WALROW_OK;
}

/* ---- messages ---- */

enum {
    KEY_ACTION,
    KEY_XID,
    KEY_TIME,
    KEY_ORIGIN,
    KEY_LSN,
    KEY_NEXT_LSN,
    KEY_SCHEMA,
    KEY_TABLE,
    KEY_COLUMNS,
    KEY_IDENTITY,
    KEY_PK,
    KEY_TRANSACTIONAL,
    KEY_PREFIX,
    KEY_CONTENT,
    N_KEYS
};

static const walrow__json_text keys[N_KEYS] = {
    NAME("action"),  NAME("xid"),           NAME("timestamp"), NAME("origin"),  NAME("lsn"),
    NAME("nextlsn"), NAME("schema"),        NAME("table"),     NAME("columns"), NAME("identity"),
    NAME("pk"),      NAME("transactional"), NAME("prefix"),    NAME("content")};

static walrow_code
read_boundary(yyjson_val **members, walrow__wal2json_message *out, walrow_error *err)
{
    walrow_transaction *transaction = &out->transaction;
    *transaction = (walrow_transaction){0};
    out->origin = 0;
    if (!read_lsn(members[KEY_LSN], &transaction->commit_lsn) ||
        !read_lsn(members[KEY_NEXT_LSN], &transaction->end_lsn))
        return broken("begin or commit without its positions: include-lsn is needed", err);
    if (!read_u32(members[KEY_XID], &transaction->xid) ||
        !read_time(members[KEY_TIME], &transaction->commit_time))
        return broken(
            "begin or commit without transaction id or time: include-xids and include-timestamp are "
            "needed",
            err);
    if (members[KEY_ORIGIN] != NULL && !read_u32(members[KEY_ORIGIN], &out->origin))
        return broken("an origin that is not a number", err);
    return WALROW_OK;
}

static walrow_code
read_change(yyjson_val **members, walrow__wal2json_message *out, walrow_error *err)
{
    if (!read_name(members[KEY_SCHEMA], &out->schema) || !read_name(members[KEY_TABLE], &out->table))
        return broken("a change without schema and table", err);
    WALROW_TRY(read_columns(members[KEY_COLUMNS], true, &out->columns, err));
    WALROW_TRY(read_columns(members[KEY_IDENTITY], true, &out->identity, err));
    WALROW_TRY(read_columns(members[KEY_PK], false, &out->key, err));
    bool has_new = out->action == 'I' || out->action == 'U';
    if (has_new && !out->columns.present)
        return broken("a row without columns", err);
    return WALROW_OK;
}

static walrow_code
read_logical(yyjson_val **members, walrow__wal2json_message *out, walrow_error *err)
{
    out->transactional = yyjson_is_true(members[KEY_TRANSACTIONAL]);
    out->content = text_of(members[KEY_CONTENT]);
    if (!yyjson_is_bool(members[KEY_TRANSACTIONAL]) || !read_name(members[KEY_PREFIX], &out->prefix) ||
        out->content.bytes == NULL || !read_lsn(members[KEY_LSN], &out->lsn))
        return broken("a logical message that is not whole", err);
    return WALROW_OK;
}

static walrow_code
read_object(yyjson_val *object, walrow__wal2json_message *out, walrow_error *err)
{
    yyjson_val *members[N_KEYS];
    if (!yyjson_is_obj(object))
        return broken("not a JSON object", err);
    find_members(object, keys, N_KEYS, members);
    walrow__json_text action = text_of(members[KEY_ACTION]);
    out->action = action.size == 1 ? action.bytes[0] : '\0';
    switch (out->action) {
    case 'B':
    case 'C':
        return read_boundary(members, out, err);
    case 'I':
    case 'U':
    case 'D':
    case 'T':
        return read_change(members, out, err);
    case 'M':
        return read_logical(members, out, err);
    default:
        broken("not a message of wal2json's format 2", err);
        return walrow__hint(err, "format 1 says neither begin nor commit: walrow asks for format-version 2");
    }
}

/* ---- the document ---- */

static void
forget(walrow__wal2json_reader *reader)
{
    yyjson_doc_free(reader->doc);
    reader->doc = NULL;
    if (reader->copy_size <= USUAL_SIZE)
        return;
    free(reader->copy); /* one huge message does not keep its memory */
    reader->copy = NULL;
    reader->copy_size = 0;
}

static bool
take_copy(walrow__wal2json_reader *reader, const uint8_t *bytes, size_t size)
{
    if (reader->copy == NULL || reader->copy_size < size) {
        free(reader->copy);
        reader->copy_size = size < USUAL_SIZE ? USUAL_SIZE : size;
        reader->copy = malloc(reader->copy_size + YYJSON_PADDING_SIZE);
    }
    if (reader->pool == NULL)
        reader->pool = malloc(POOL_SIZE);
    if (reader->copy == NULL || reader->pool == NULL)
        return false;
    memcpy(reader->copy, bytes, size);
    memset(reader->copy + size, 0, YYJSON_PADDING_SIZE);
    return true;
}

/* wal2json prints a type whose schema needs quotes without quotes of its own. */
static walrow_code
fail_json(const yyjson_read_err *why, walrow_error *err)
{
    if (why->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return walrow__fail_memory(err);
    walrow__fail(err, WALROW_ERR_PROTOCOL, "not JSON at byte %zu: %s", why->pos, why->msg);
    return walrow__hint(err,
                        "up to 2.6 wal2json prints types of schemas whose names need quotes as broken JSON, "
                        "which --plugin-option include-types=off leaves out, and so what include-default "
                        "adds");
}

static walrow_code
parse(walrow__wal2json_reader *reader, size_t size, walrow_error *err)
{
    yyjson_alc pool;
    yyjson_read_err why;
    yyjson_alc_pool_init(&pool, reader->pool, POOL_SIZE);
    reader->doc =
        yyjson_read_opts((char *)reader->copy, size, read_flags, size <= USUAL_SIZE ? &pool : NULL, &why);
    return reader->doc == NULL ? fail_json(&why, err) : WALROW_OK;
}

walrow_code
walrow__wal2json_read(walrow__wal2json_reader *reader, const uint8_t *bytes, size_t size,
                      const walrow__wal2json_message **out, walrow_error *err)
{
    forget(reader);
    if (!take_copy(reader, bytes, size))
        return walrow__fail_memory(err);
    WALROW_TRY(parse(reader, size, err));
    *out = &reader->message;
    return read_object(yyjson_doc_get_root(reader->doc), &reader->message, err);
}

/* ---- the head of a document of format 1 ---- */

enum { HEAD_SIZE = 512 /* what can be before the list of changes is less than half of it */ };

static bool
find_list(const uint8_t *bytes, size_t size, size_t *at)
{
    static const char key[] = "\"change\":";
    const uint8_t *end = bytes + (size < HEAD_SIZE ? size : HEAD_SIZE);
    const uint8_t *found = memmem(bytes, (size_t)(end - bytes), key, sizeof key - 1);
    if (found == NULL)
        return false;
    found += sizeof key - 1;
    while (found < end && *found == ' ')
        found++;
    *at = (size_t)(found - bytes) + 1;
    return found < end && *found == '[';
}

static walrow_code
read_head(yyjson_val *object, walrow_transaction *out, walrow_error *err)
{
    yyjson_val *members[N_KEYS];
    if (!yyjson_is_obj(object))
        return broken("not a JSON object", err);
    find_members(object, keys, N_KEYS, members);
    *out = (walrow_transaction){0};
    if ((members[KEY_XID] != NULL && !read_u32(members[KEY_XID], &out->xid)) ||
        (members[KEY_TIME] != NULL && !read_time(members[KEY_TIME], &out->commit_time)) ||
        (members[KEY_NEXT_LSN] != NULL &&
         (!read_lsn(members[KEY_NEXT_LSN], &out->end_lsn) || out->end_lsn == 0)))
        return broken("a transaction id, time or position that is none", err);
    return WALROW_OK;
}

walrow_code
walrow__wal2json_read_head(walrow__wal2json_reader *reader, const uint8_t *bytes, size_t size,
                           walrow_transaction *out, size_t *at, walrow_error *err)
{
    uint8_t head[HEAD_SIZE + 2];
    forget(reader);
    if (!find_list(bytes, size, at))
        return broken("not a document of wal2json's format 1", err);
    memcpy(head, bytes, *at);
    memcpy(head + *at, "]}", 2); /* as if nothing was changed */
    if (!take_copy(reader, head, *at + 2))
        return walrow__fail_memory(err);
    WALROW_TRY(parse(reader, *at + 2, err));
    return read_head(yyjson_doc_get_root(reader->doc), out, err);
}

void
walrow__wal2json_reader_release(walrow__wal2json_reader *reader)
{
    yyjson_doc_free(reader->doc);
    free(reader->copy);
    free(reader->pool);
    free(reader->message.columns.items);
    free(reader->message.identity.items);
    free(reader->message.key.items);
    memset(reader, 0, sizeof *reader);
}

char
walrow__wal2json_peek(const uint8_t *bytes, size_t size)
{
    static const char head[] = "{\"action\":\"";
    size_t n = sizeof head - 1;
    return size > n && memcmp(bytes, head, n) == 0 ? (char)bytes[n] : '\0';
}
