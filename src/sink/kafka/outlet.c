#include "sink/kafka/outlet.h"

#include "base/error.h"
#include "base/log.h"
#include "columns/ipc.h"
#include "kernels/rows.h"
#include "sink/dead_letters.h"
#include "sink/event/table.h"
#include "sink/kafka/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For a record batch of Kafka's own around a message. */
enum { MESSAGE_OVERHEAD = 1024 };

struct walrow__kafka_outlet {
    char *schema_name, *table_name; /* "": walrow's own */
    rd_kafka_topic_t *topic;
    bool said_truncate;
    walrow__kafka_outlet *next;
};

/* ---- topics ---- */

void
walrow__kafka_outlets_init(walrow__kafka_outlets *outlets, walrow__kafka *kafka)
{
    *outlets = (walrow__kafka_outlets){.kafka = kafka};
    walrow__strbuf_init(&outlets->key);
    walrow__strbuf_init(&outlets->value);
}

void
walrow__kafka_outlets_release(walrow__kafka_outlets *outlets)
{
    while (outlets->outlets != NULL) {
        walrow__kafka_outlet *outlet = outlets->outlets;
        outlets->outlets = outlet->next;
        if (outlet->topic != NULL)
            rd_kafka_topic_destroy(outlet->topic);
        free(outlet->schema_name);
        free(outlet->table_name);
        free(outlet);
    }
    walrow__strbuf_release(&outlets->key);
    walrow__strbuf_release(&outlets->value);
}

static bool
is_of(const walrow__kafka_outlet *outlet, const char *schema_name, const char *table_name)
{
    return strcmp(outlet->table_name, table_name) == 0 && strcmp(outlet->schema_name, schema_name) == 0;
}

static char *
name_of(const walrow__kafka_settings *settings, const char *schema_name, const char *table_name)
{
    char *name;
    if (*schema_name != '\0')
        return walrow__kafka_topic_name(settings, schema_name, table_name);
    return asprintf(&name, "%s.walrow.%s", settings->prefix, table_name) < 0 ? NULL : name;
}

static walrow_code
new_outlet(walrow__kafka_outlets *outlets, const char *schema_name, const char *table_name, walrow_error *err)
{
    bool made;
    walrow__kafka_outlet *outlet = calloc(1, sizeof *outlet);
    if (outlet == NULL)
        return walrow__fail_memory(err);
    outlet->next = outlets->outlets;
    outlets->outlets = outlet;
    outlet->schema_name = strdup(schema_name);
    outlet->table_name = strdup(table_name);
    char *name = name_of(outlets->kafka->settings, schema_name, table_name);
    walrow_code code = outlet->schema_name == NULL || outlet->table_name == NULL || name == NULL
                           ? walrow__fail_memory(err)
                           : walrow__kafka_topic(outlets->kafka, name, false, &outlet->topic, &made, err);
    free(name);
    return code;
}

/* Changes of one table follow each other. */
static walrow_code
find(walrow__kafka_outlets *outlets, const char *schema_name, const char *table_name,
     walrow__kafka_outlet **out, walrow_error *err)
{
    walrow__kafka_outlet *outlet = outlets->last;
    if (outlet == NULL || !is_of(outlet, schema_name, table_name)) {
        outlet = outlets->outlets;
        while (outlet != NULL && !is_of(outlet, schema_name, table_name))
            outlet = outlet->next;
    }
    if (outlet == NULL) {
        WALROW_TRY(new_outlet(outlets, schema_name, table_name, err));
        outlet = outlets->outlets;
    }
    *out = outlets->last = outlet;
    return WALROW_OK;
}

static walrow_code
put(walrow__kafka_outlets *outlets, const walrow__kafka_outlet *outlet, walrow__kafka_bytes key,
    walrow__kafka_bytes value, walrow_error *err)
{
    return walrow__kafka_produce(outlets->kafka, outlet->topic, RD_KAFKA_PARTITION_UA, key, value, err);
}

/* ---- events ---- */

static const walrow__kafka_bytes nothing = {NULL, 0};

static walrow_code
send_keyed(walrow__kafka_outlets *outlets, const walrow__kafka_outlet *outlet,
           const walrow__event_subject *subject, bool old_key, walrow__kafka_bytes value, bool tombstone,
           walrow_error *err)
{
    walrow__kafka_bytes key = nothing;
    walrow__strbuf_clear(&outlets->key);
    if (subject->table->has_key && walrow__event_op(subject->table->bound, subject->row) != 'T') {
        walrow__event_table_add_key(subject->table, subject->row, old_key, &outlets->key);
        if (outlets->key.failed)
            return walrow__fail_memory(err);
        key = (walrow__kafka_bytes){outlets->key.data, outlets->key.size};
    }
    WALROW_TRY(put(outlets, outlet, key, value, err));
    return tombstone && key.data != NULL && outlets->kafka->settings->tombstones
               ? put(outlets, outlet, key, nothing, err)
               : WALROW_OK;
}

static bool
is_left_out(walrow__kafka_outlets *outlets, walrow__kafka_outlet *outlet, char op)
{
    const walrow__kafka_settings *settings = outlets->kafka->settings;
    if (op != 'T' || settings->format != WALROW__KAFKA_DEBEZIUM || settings->truncates)
        return false;
    if (!outlet->said_truncate)
        walrow__log(WALROW_LOG_WARN,
                    "%s.%s was truncated, which readers of debezium-json do not know: left out, see "
                    "?truncates=on",
                    outlet->schema_name, outlet->table_name);
    outlet->said_truncate = true;
    return true;
}

static walrow_code
send_row(walrow__kafka_outlets *outlets, const walrow__event_subject *subject, walrow__kafka_bytes text,
         walrow_error *err)
{
    const walrow__event_table *table = subject->table;
    walrow__kafka_outlet *outlet;
    char op = walrow__event_op(table->bound, subject->row);
    bool has_old = walrow__event_table_has_old(table, subject->row);
    WALROW_TRY(find(outlets, table->schema_name, table->table_name, &outlet, err));
    if (is_left_out(outlets, outlet, op))
        return WALROW_OK;
    if (subject->split == 0)
        return send_keyed(outlets, outlet, subject, has_old, text, op == 'D', err);
    walrow__kafka_bytes first = {text.data, subject->split};
    walrow__kafka_bytes second = {(const char *)text.data + subject->split, text.size - subject->split};
    WALROW_TRY(send_keyed(outlets, outlet, subject, true, first, true, err));
    return send_keyed(outlets, outlet, subject, false, second, false, err);
}

walrow_code
walrow__kafka_send_event(walrow__kafka_outlets *outlets, const walrow__event_subject *subject,
                         const walrow__strbuf *text, walrow_error *err)
{
    walrow__kafka_outlet *outlet;
    walrow__kafka_bytes value = {text->data, text->size};
    if (subject->table != NULL)
        return send_row(outlets, subject, value, err);
    const char *prefix = subject->message->prefix;
    WALROW_TRY(find(outlets, "", "messages", &outlet, err));
    return put(outlets, outlet, (walrow__kafka_bytes){prefix, strlen(prefix)}, value, err);
}

walrow_code
walrow__kafka_send_dead_letter(walrow__kafka_outlets *outlets, const walrow_dead_letter *letter,
                               walrow_error *err)
{
    walrow__kafka_outlet *outlet;
    WALROW_TRY(find(outlets, "", "dead_letters", &outlet, err));
    walrow__strbuf_clear(&outlets->value);
    walrow__dead_letter_print(&outlets->value, letter);
    if (outlets->value.failed)
        return walrow__fail_memory(err);
    /* without the line's end */
    return put(outlets, outlet, nothing, (walrow__kafka_bytes){outlets->value.data, outlets->value.size - 1},
               err);
}

/* ---- Arrow ---- */

static walrow_code
add_bytes(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    walrow__strbuf_add(arg, bytes, size);
    return ((walrow__strbuf *)arg)->failed ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
encode(walrow__strbuf *value, const struct ArrowSchema *schema, const struct ArrowArray *rows,
       walrow_error *err)
{
    walrow__ipc_writer ipc = {0};
    walrow__strbuf_clear(value);
    WALROW_TRY(walrow__ipc_open(&ipc, WALROW__IPC_STREAM, schema, add_bytes, value, err));
    walrow_code code = walrow__ipc_write(&ipc, rows, err);
    if (code == WALROW_OK)
        code = walrow__ipc_finish(&ipc, err);
    walrow__ipc_release(&ipc);
    return code;
}

/* Arrow's writer takes no arrays with an offset, so a part of a batch is copied. */
static walrow_code
encode_range(walrow__strbuf *value, const walrow_batch *batch, int64_t start, int64_t n, walrow_error *err)
{
    walrow__rows rows;
    struct ArrowArray part = {.release = NULL};
    if (start == 0 && n == batch->array.length)
        return encode(value, batch->schema, &batch->array, err);
    WALROW_TRY(walrow__rows_init(&rows, batch->schema, err));
    walrow_code code = walrow__rows_append(&rows, &batch->array, start, n, err);
    if (code == WALROW_OK)
        code = walrow__rows_take(&rows, &part, err);
    if (code == WALROW_OK)
        code = encode(value, batch->schema, &part, err);
    if (part.release != NULL)
        ArrowArrayRelease(&part);
    walrow__rows_release(&rows);
    return code;
}

walrow_code
walrow__kafka_send_rows(walrow__kafka_outlets *outlets, const walrow_batch *batch, int64_t start,
                        walrow_error *err)
{
    walrow__kafka_outlet *outlet;
    walrow__strbuf *key = &outlets->key, *value = &outlets->value;
    WALROW_TRY(find(outlets, batch->schema_name, batch->table_name, &outlet, err));
    walrow__strbuf_clear(key);
    walrow__strbuf_addf(key, "%s.%s", batch->schema_name, batch->table_name);
    size_t most = walrow__kafka_settings_max_bytes(outlets->kafka->settings) - MESSAGE_OVERHEAD - key->size;
    int64_t at_once = batch->array.length - start;
    while (start < batch->array.length) {
        int64_t left = batch->array.length - start, n = left < at_once ? left : at_once;
        WALROW_TRY(encode_range(value, batch, start, n, err));
        if (value->size > most && n > 1) {
            at_once = (n + 1) / 2;
            continue;
        }
        WALROW_TRY(put(outlets, outlet, (walrow__kafka_bytes){key->data, key->size},
                       (walrow__kafka_bytes){value->data, value->size}, err));
        start += n;
    }
    return WALROW_OK;
}
