#include "sink/kafka/settings.h"

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/texts.h"
#include "sink/params.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOPIC_MAX = 249,
    HASH_SIZE = 9
}; /* Kafka's org.apache.kafka.common.internals.Topic; "-" and 8 digits */

static const char default_topic[] = "{prefix}.{schema}.{table}";

/* ---- names of topics ---- */

static bool
is_topic_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* A name of PostgreSQL's as part of a topic's: the dot separates, so it is not part of it either. */
static void
add_part(walrow__strbuf *topic, const char *name, bool *changed)
{
    for (; *name != '\0'; name++) {
        *changed |= !is_topic_char(*name);
        walrow__strbuf_add_char(topic, is_topic_char(*name) ? *name : '_');
    }
}

static const char *
add_place(const walrow__kafka_settings *settings, const char *at, const char *schema_name,
          const char *table_name, walrow__strbuf *topic, bool *changed)
{
    if (strncmp(at, "{prefix}", 8) == 0) {
        walrow__strbuf_add_text(topic, settings->prefix);
        return at + 8;
    }
    if (strncmp(at, "{schema}", 8) == 0) {
        add_part(topic, schema_name, changed);
        return at + 8;
    }
    if (strncmp(at, "{table}", 7) == 0) {
        add_part(topic, table_name, changed);
        return at + 7;
    }
    walrow__strbuf_add_char(topic, *at);
    return at + 1;
}

char *
walrow__kafka_topic_name(const walrow__kafka_settings *settings, const char *schema_name,
                         const char *table_name)
{
    walrow__strbuf topic;
    bool changed = false;
    walrow__strbuf_init(&topic);
    for (const char *at = settings->topic; *at != '\0';)
        at = add_place(settings, at, schema_name, table_name, &topic, &changed);
    if (!topic.failed && (changed || topic.size > TOPIC_MAX)) {
        uint64_t hash = walrow__hash_text(WALROW__HASH_START, schema_name);
        hash = walrow__hash_finish(walrow__hash_text(hash, table_name));
        if (topic.size > TOPIC_MAX - HASH_SIZE)
            topic.size = TOPIC_MAX - HASH_SIZE;
        walrow__strbuf_addf(&topic, "-%08" PRIx32, (uint32_t)(hash >> 32));
    }
    return walrow__strbuf_take(&topic);
}

static bool
is_topic(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if (!is_topic_char(text[i]) && text[i] != '.')
            return false;
    return size > 0 && size <= TOPIC_MAX && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static walrow_code
check_topic(const walrow__kafka_settings *settings, const char *uri, walrow_error *err)
{
    char *sample = walrow__kafka_topic_name(settings, "s", "t");
    if (sample == NULL)
        return walrow__fail_memory(err);
    size_t size = strlen(settings->prefix);
    bool good = is_topic(sample);
    bool ours = strncmp(sample, settings->prefix, size) == 0 && strncmp(sample + size, ".walrow.", 8) == 0;
    free(sample);
    if (good && !ours)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": no topic can be called \"%s\"", uri, settings->topic);
    return walrow__hint(err, "topic= has letters, digits, \".\", \"_\" and \"-\", and {prefix}, {schema} and "
                             "{table}; PREFIX.walrow is walrow's own");
}

/* ---- the path ---- */

static walrow_code
read_path(walrow__kafka_settings *settings, const char *uri, const char *path, walrow_error *err)
{
    const char *brokers = strncmp(path, "//", 2) == 0 ? path + 2 : "";
    const char *prefix = strchr(brokers, '/');
    if (prefix == NULL || prefix == brokers || !is_topic(prefix + 1)) {
        walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\" is not kafka://BROKER[,BROKER]/PREFIX", uri);
        return walrow__hint(err, "PREFIX is what topics begin with: letters, digits, \".\", \"_\" and \"-\"");
    }
    settings->brokers = strndup(brokers, (size_t)(prefix - brokers));
    settings->prefix = strdup(prefix + 1);
    return settings->brokers == NULL || settings->prefix == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

/* ---- librdkafka's settings ---- */

/* What the promise stands on. */
static const char *const fixed[] = {
    "bootstrap.servers", "metadata.broker.list",     "enable.idempotence",
    "isolation.level",   "request.required.acks",    "enable.partition.eof",
    "group.id",          "allow.auto.create.topics", "transactional.id",
};

static const struct {
    const char *name, *value;
} defaults[] = {
    {"client.id", "walrow"},
    {"queue.buffering.max.kbytes", "32768"}, /* librdkafka's own is a gigabyte */
    {"queue.buffering.max.messages", "100000"},
    {"linger.ms", "5"},
    /* the most that a broker takes by itself (transaction.max.timeout.ms): a table's snapshot is one transaction */
    {"transaction.timeout.ms", "900000"},
    {"partitioner", "murmur2_random"}, /* as Java's producer */
    {"allow.auto.create.topics", "false"},
    {"log.queue", "true"},
    {"delivery.report.only.error", "true"},
};

static walrow_code
set(rd_kafka_conf_t *conf, const char *uri, const char *name, const char *value, walrow_error *err)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return WALROW_OK;
    /* the value may be a password, and what librdkafka says has the others */
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": %s is refused: %s", uri, name, why);
    return walrow__hint(err, "names with a dot are librdkafka's: see its CONFIGURATION.md");
}

static walrow_code
set_pair(rd_kafka_conf_t *conf, const char *uri, char *pair, walrow_error *err)
{
    char *value = strchr(pair, '=');
    *value++ = '\0';
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(pair, fixed[i]) == 0) {
            walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": %s is walrow's to set", uri, pair);
            return walrow__hint(err, "leave it out");
        }
    return set(conf, uri, pair, value, err);
}

static walrow_code
read_line(rd_kafka_conf_t *conf, const char *uri, const char *path, char *line, walrow_error *err)
{
    line[strcspn(line, "\r")] = '\0';
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#')
        return WALROW_OK;
    if (strchr(line, '=') != NULL)
        return set_pair(conf, uri, line, err);
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": a line of \"%s\" is not NAME=VALUE", uri, path);
    return walrow__hint(err, "it has settings of librdkafka, one a line, and comments after #");
}

/* What should not be seen in a list of processes or sinks. */
static walrow_code
read_file(rd_kafka_conf_t *conf, const char *uri, const char *path, walrow_error *err)
{
    char *bytes;
    size_t size;
    WALROW_TRY(walrow__files_read(path, &bytes, &size, err));
    if (bytes == NULL)
        return walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": there is no file \"%s\"", uri, path);
    walrow_code code = WALROW_OK;
    char *rest = bytes, *line;
    while (code == WALROW_OK && (line = strsep(&rest, "\n")) != NULL)
        code = read_line(conf, uri, path, line, err);
    free(bytes);
    return code;
}

static walrow_code
make_conf(walrow__kafka_settings *settings, const char *uri, const char *file, const walrow__texts *pairs,
          walrow_error *err)
{
    settings->conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        WALROW_TRY(set(settings->conf, uri, defaults[i].name, defaults[i].value, err));
    WALROW_TRY(set(settings->conf, uri, "bootstrap.servers", settings->brokers, err));
    if (file != NULL)
        WALROW_TRY(read_file(settings->conf, uri, file, err));
    for (size_t i = 0; i < pairs->count; i++)
        WALROW_TRY(set_pair(settings->conf, uri, pairs->items[i], err));
    return WALROW_OK;
}

size_t
walrow__kafka_settings_max_bytes(const walrow__kafka_settings *settings)
{
    char text[32] = "";
    size_t size = sizeof text;
    if (rd_kafka_conf_get(settings->conf, "message.max.bytes", text, &size) != RD_KAFKA_CONF_OK)
        return 1000000;
    return (size_t)strtoull(text, NULL, 10);
}

/* ---- all of it ---- */

static walrow_code
read_format(walrow__kafka_settings *settings, const char *uri, const char *format, walrow_error *err)
{
    static const char *const names[] = {
        [WALROW__KAFKA_JSON] = "json",
        [WALROW__KAFKA_DEBEZIUM] = "debezium-json",
        [WALROW__KAFKA_ARROW] = "arrow",
    };
    for (size_t i = 0; format != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(format, names[i]) == 0) {
            settings->format = (walrow__kafka_format)i;
            return WALROW_OK;
        }
    if (format == NULL)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "sink \"%s\": unknown format \"%s\"", uri, format);
    return walrow__hint(err, "formats are json, debezium-json and arrow");
}

static walrow_code
read_params(walrow__kafka_settings *settings, const char *uri, const char *params, char **format, char **file,
            walrow__texts *pairs, walrow_error *err)
{
    const walrow__param known[] = {
        {.name = "config", .kind = WALROW__PARAM_TEXT, .text = file},
        {.name = "format", .kind = WALROW__PARAM_TEXT, .text = format},
        {.name = "topic", .kind = WALROW__PARAM_TEXT, .text = &settings->topic},
        {.name = "exactly_once", .kind = WALROW__PARAM_SWITCH, .value = &settings->exactly_once},
        {.name = "tombstones", .kind = WALROW__PARAM_SWITCH, .value = &settings->tombstones},
        {.name = "truncates", .kind = WALROW__PARAM_SWITCH, .value = &settings->truncates},
        {.name = "partitions", .min = 1, .max = 10000, .value = &settings->partitions},
        {.name = "replication", .min = 1, .max = 100, .value = &settings->replication},
        {.name = "timeout_s", .min = 1, .max = 600, .value = &settings->timeout_s},
        {.name = "librdkafka's (names with a dot)", .kind = WALROW__PARAM_DOTTED, .texts = pairs},
    };
    settings->exactly_once = 1;
    settings->timeout_s = 30;
    WALROW_TRY(walrow__params_parse(uri, params, known, sizeof known / sizeof *known, err));
    if (settings->topic == NULL)
        settings->topic = strdup(default_topic);
    return settings->topic == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

walrow_code
walrow__kafka_settings_parse(walrow__kafka_settings *settings, const char *uri, const char *path,
                             const char *params, walrow_error *err)
{
    char *format = NULL, *file = NULL;
    walrow__texts pairs = {0};
    memset(settings, 0, sizeof *settings);
    /* for messages: a password may be in a parameter whose name is misspelt */
    char *sink = strndup(uri, strcspn(uri, "?"));
    walrow_code code = sink == NULL ? walrow__fail_memory(err) : read_path(settings, sink, path, err);
    if (code == WALROW_OK)
        code = read_params(settings, sink, params, &format, &file, &pairs, err);
    if (code == WALROW_OK)
        code = read_format(settings, sink, format, err);
    if (code == WALROW_OK)
        code = check_topic(settings, sink, err);
    if (code == WALROW_OK)
        code = make_conf(settings, sink, file, &pairs, err);
    walrow__texts_release(&pairs);
    free(format);
    free(file);
    free(sink);
    return code;
}

void
walrow__kafka_settings_release(walrow__kafka_settings *settings)
{
    if (settings->conf != NULL)
        rd_kafka_conf_destroy(settings->conf);
    free(settings->brokers);
    free(settings->prefix);
    free(settings->topic);
    memset(settings, 0, sizeof *settings);
}
