#include "sink/kafka/position.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char position_key[] = "position";
static const char snapshot_key[] = "snapshot ";

/* ---- reading ---- */

/* The last record of each key. */
typedef struct found {
    walrow__strbuf position;
    json_t *snapshots;
} found;

static bool
is_key(walrow__kafka_bytes key, const char *text)
{
    return key.size == strlen(text) && memcmp(key.data, text, key.size) == 0;
}

static walrow_code
take_record(void *arg, walrow__kafka_bytes key, walrow__kafka_bytes value, walrow_error *err)
{
    found *found = arg;
    size_t prefix = strlen(snapshot_key);
    if (key.data == NULL || value.data == NULL)
        return WALROW_OK;
    if (is_key(key, position_key)) {
        walrow__strbuf_clear(&found->position);
        walrow__strbuf_add(&found->position, value.data, value.size);
        return found->position.failed ? walrow__fail_memory(err) : WALROW_OK;
    }
    if (key.size <= prefix || memcmp(key.data, snapshot_key, prefix) != 0)
        return WALROW_OK; /* of a newer walrow: the position's version says whether it matters */
    char *table = strndup((const char *)key.data + prefix, key.size - prefix);
    int failed = table == NULL || json_object_set_new(found->snapshots, table,
                                                      json_loadb(value.data, value.size, 0, NULL)) != 0;
    free(table);
    return failed ? walrow__fail(err, WALROW_ERR_STATE,
                                 "a record \"%s...\" of the position is not what walrow wrote", snapshot_key)
                  : WALROW_OK;
}

static walrow_code
take_all(walrow__kafka_position *position, const found *found, const char *place,
         const walrow__identity *identity, walrow_error *err)
{
    walrow__manifest *manifest = &position->manifest;
    WALROW_TRY(walrow__manifest_take(manifest, place, found->position.data, found->position.size, err));
    WALROW_TRY(walrow__manifest_claim(manifest, identity, "kafka", NULL, err));
    return json_object_set(manifest->root, "snapshot", found->snapshots) == 0 ? WALROW_OK
                                                                              : walrow__fail_memory(err);
}

static walrow_code
read_topic(walrow__kafka_position *position, walrow__kafka *kafka, const char *name, const char *place,
           const walrow__identity *identity, walrow_error *err)
{
    bool made;
    found found = {.snapshots = json_object()};
    walrow__strbuf_init(&found.position);
    walrow_code code = walrow__kafka_topic(kafka, name, true, &position->topic, &made, err);
    if (code == WALROW_OK && !made)
        code = walrow__kafka_read(kafka, name, take_record, &found, err);
    if (code == WALROW_OK)
        code = take_all(position, &found, place, identity, err);
    walrow__strbuf_release(&found.position);
    json_decref(found.snapshots);
    return code;
}

walrow_code
walrow__kafka_position_open(walrow__kafka_position *position, walrow__kafka *kafka,
                            const walrow__identity *identity, walrow_error *err)
{
    const walrow__kafka_settings *settings = kafka->settings;
    char *name = NULL, *place = NULL;
    walrow_code code = WALROW_OK;
    if (asprintf(&name, "%s.walrow.position", settings->prefix) < 0 ||
        asprintf(&place, "kafka://%s/%s", settings->brokers, settings->prefix) < 0)
        code = walrow__fail_memory(err);
    else
        code = read_topic(position, kafka, name, place, identity, err);
    free(name);
    free(place);
    return code;
}

void
walrow__kafka_position_close(walrow__kafka_position *position)
{
    if (position->topic != NULL)
        rd_kafka_topic_destroy(position->topic);
    walrow__manifest_release(&position->manifest);
    position->topic = NULL;
}

/* ---- writing ---- */

static walrow_code
put(const walrow__kafka_position *position, walrow__kafka *kafka, const char *key, const json_t *record,
    walrow_error *err)
{
    char *text = json_dumps(record, JSON_COMPACT);
    if (text == NULL)
        return walrow__fail_memory(err);
    walrow_code code =
        walrow__kafka_produce(kafka, position->topic, 0, (walrow__kafka_bytes){key, strlen(key)},
                              (walrow__kafka_bytes){text, strlen(text)}, err);
    free(text);
    return code;
}

walrow_code
walrow__kafka_position_put(const walrow__kafka_position *position, walrow__kafka *kafka, walrow_error *err)
{
    json_t *record = json_copy(position->manifest.root);
    json_object_del(record, "snapshot");
    walrow_code code = put(position, kafka, position_key, record, err);
    json_decref(record);
    return code;
}

walrow_code
walrow__kafka_position_put_snapshot(const walrow__kafka_position *position, walrow__kafka *kafka,
                                    const char *table, walrow_error *err)
{
    const json_t *snapshots = json_object_get(position->manifest.root, "snapshot");
    char *key;
    if (asprintf(&key, "%s%s", snapshot_key, table) < 0)
        return walrow__fail_memory(err);
    walrow_code code = put(position, kafka, key, json_object_get(snapshots, table), err);
    free(key);
    return code;
}
