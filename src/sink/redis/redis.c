/*
 * sink/redis/redis.c
 *	  Keeps a cache in Redis true (redis://HOST): the keys of rows that changed are deleted, announced, or set to the
 *	  rows as they are now. At least once, in commit order; all of it may be repeated.
 *
 *	  A change is a command, or two. Commands are printed by event/ in a style of their own, so in the order of all
 *	  tables' changes, and sent when there are enough of them or the change set ends; sync awaits their answers.
 *
 *	  Rows that a snapshot reads did not change: nothing is done about them, unless rows are what is kept.
 */
#include "base/error.h"
#include "base/log.h"
#include "sink/dead_letters.h"
#include "sink/event/data.h"
#include "sink/event/style.h"
#include "sink/redis/client.h"
#include "sink/redis/template.h"
#include "sink/sinks.h"

#include <stdlib.h>
#include <string.h>

enum { SEND_BYTES = 64 * 1024 };

/* What a table's keys are called at a schema epoch: a change set may have several. */
typedef struct redis_table {
    char *schema_name, *table_name;
    uint64_t epoch;
    walrow__redis_template key, channel;
    struct redis_table *next;
} redis_table;

typedef struct redis_sink {
    walrow__sink base;
    walrow__redis_settings settings;
    walrow__redis redis;
    walrow__event_printer printer;
    redis_table *tables, *last;
    walrow__strbuf key, old_key, text; /* of the row at hand */
    uint64_t n_commands;               /* in the printer's buffer */
    uint64_t written_lsn, durable_lsn;
    walrow_error failure; /* the first; nothing more is written after it */
} redis_sink;

/* ---- tables ---- */

static bool
is_of(const redis_table *table, const walrow_batch *batch)
{
    return table->epoch == batch->epoch && strcmp(table->table_name, batch->table_name) == 0 &&
           strcmp(table->schema_name, batch->schema_name) == 0;
}

/* Changes of one table follow each other. */
static redis_table *
find_table(redis_sink *self, const walrow_batch *batch)
{
    redis_table *table = self->last;
    if (table == NULL || !is_of(table, batch)) {
        table = self->tables;
        while (table != NULL && !is_of(table, batch))
            table = table->next;
    }
    return self->last = table;
}

static void
free_table(redis_table *table)
{
    walrow__redis_template_release(&table->key);
    walrow__redis_template_release(&table->channel);
    free(table->schema_name);
    free(table->table_name);
    free(table);
}

static walrow_code
make_table(const redis_sink *self, redis_table *table, const walrow_batch *batch, walrow_error *err)
{
    const walrow__redis_settings *settings = &self->settings;
    const char *key = walrow__redis_settings_key(settings, batch->schema_name, batch->table_name);
    table->epoch = batch->epoch;
    table->schema_name = strdup(batch->schema_name);
    table->table_name = strdup(batch->table_name);
    if (table->schema_name == NULL || table->table_name == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__redis_template_make(&table->key, key, batch, err));
    return walrow__redis_template_make(&table->channel, settings->channel, batch, err);
}

static walrow_code
prepare(redis_sink *self, const walrow_batch *batch, walrow_error *err)
{
    if (find_table(self, batch) != NULL)
        return WALROW_OK;
    redis_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return walrow__fail_memory(err);
    walrow_code code = make_table(self, table, batch, err);
    if (code != WALROW_OK) {
        free_table(table);
        return code;
    }
    table->next = self->tables;
    self->tables = table;
    return WALROW_OK;
}

/* ---- commands ---- */

static walrow__strbuf *
begin_command(redis_sink *self, const char *name, int n_words)
{
    walrow__redis_add_command(&self->printer.buf, n_words);
    walrow__redis_add_text(&self->printer.buf, name);
    self->n_commands++;
    return &self->printer.buf;
}

static void
add_strbuf(walrow__strbuf *buf, const walrow__strbuf *word)
{
    walrow__redis_add_word(buf, word->data, word->size);
    buf->failed = buf->failed || word->failed;
}

static void
publish(redis_sink *self, const redis_table *table, const walrow__strbuf *key)
{
    walrow__strbuf *buf = begin_command(self, "PUBLISH", 3);
    walrow__strbuf_clear(&self->text);
    walrow__redis_template_print(&table->channel, NULL, 0, false, &self->text);
    add_strbuf(buf, &self->text);
    add_strbuf(buf, key);
}

/* The key has no row, or nobody knows it. */
static void
invalidate(redis_sink *self, const redis_table *table, const walrow__strbuf *key)
{
    if (self->settings.action == WALROW__REDIS_PUBLISH)
        publish(self, table, key);
    else
        add_strbuf(begin_command(self, self->settings.action == WALROW__REDIS_DEL ? "DEL" : "UNLINK", 2),
                   key);
}

static void
set(redis_sink *self, const walrow__event_table *rows, int64_t row)
{
    walrow__strbuf *buf = begin_command(self, "SET", self->settings.ttl_s > 0 ? 5 : 3);
    add_strbuf(buf, &self->key);
    walrow__strbuf_clear(&self->text);
    walrow__event_add_columns(rows, WALROW__EVENT_ALL, false, row, &self->text);
    add_strbuf(buf, &self->text);
    if (self->settings.ttl_s == 0)
        return;
    walrow__redis_add_text(buf, "EX");
    walrow__strbuf_clear(&self->text);
    walrow__strbuf_add_integer(&self->text, (int64_t)self->settings.ttl_s);
    add_strbuf(buf, &self->text);
}

/* Of a row whose large values were not sent, only that it changed is known. */
static void
refresh(redis_sink *self, const redis_table *table, const walrow__event_table *rows, int64_t row)
{
    size_t size;
    if (self->settings.action == WALROW__REDIS_SET &&
        walrow__event_table_unchanged(rows, row, 0, &size) == NULL)
        set(self, rows, row);
    else
        invalidate(self, table, &self->key);
}

/* In its place among the commands: what was set before goes, too. */
static walrow_code
unlink_all(redis_sink *self, walrow_error *err)
{
    WALROW_TRY(walrow__event_flush(&self->printer, err));
    return walrow__redis_unlink_matching(&self->redis, &self->key, err);
}

/* Nobody says which rows there were: what there is, is the pattern of their keys. */
static void
truncate_all(redis_sink *self, const redis_table *table)
{
    walrow__strbuf_clear(&self->key);
    if (!table->key.tells_rows) {
        walrow__redis_template_print(&table->key, NULL, 0, false, &self->key);
        invalidate(self, table, &self->key);
        return;
    }
    walrow__redis_template_print_pattern(&table->key, &self->key);
    if (self->settings.action == WALROW__REDIS_PUBLISH)
        publish(self, table, &self->key);
    else if (self->settings.scans && self->failure.code == WALROW_OK)
        self->failure.code = unlink_all(self, &self->failure);
    else if (!self->settings.scans)
        walrow__log(WALROW_LOG_WARN, "%s.%s was truncated: its keys %s stay in Redis at %s",
                    table->schema_name, table->table_name, walrow__strbuf_text(&self->key),
                    self->settings.place);
}

static bool
is_same(const walrow__strbuf *a, const walrow__strbuf *b)
{
    return a->size == b->size && memcmp(walrow__strbuf_text(a), walrow__strbuf_text(b), a->size) == 0;
}

static void
leave_old_key(redis_sink *self, const redis_table *table, const walrow__event_table *rows, int64_t row)
{
    if (!walrow__event_table_has_old(rows, row))
        return;
    walrow__strbuf_clear(&self->old_key);
    walrow__redis_template_print(&table->key, rows, row, true, &self->old_key);
    if (!is_same(&self->old_key, &self->key))
        invalidate(self, table, &self->old_key);
}

static void
print_row(walrow__event_printer *printer, walrow__event_table *rows, int64_t row, walrow__position position)
{
    redis_sink *self = printer->arg;
    const redis_table *table = find_table(self, rows->bound);
    char op = walrow__event_op(rows->bound, row);
    (void)position;
    if (op == 'T') {
        truncate_all(self, table);
        return;
    }
    walrow__strbuf_clear(&self->key);
    walrow__redis_template_print(&table->key, rows, row, false, &self->key);
    if (op == 'D') {
        invalidate(self, table, &self->key);
        return;
    }
    leave_old_key(self, table, rows, row);
    refresh(self, table, rows, row);
}

/* ---- the rest of the style: there is nothing but rows ---- */

static void
no_texts(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time)
{
    (void)printer, (void)facts, (void)has_time;
}

static void
no_message(walrow__event_printer *printer, const walrow_message *message)
{
    (void)printer, (void)message;
}

static const walrow__event_style commands = {
    .end = "",
    .transaction = no_texts,
    .row = print_row,
    .message = no_message,
};

static walrow_code
send_commands(void *arg, walrow__strbuf *buf, walrow_error *err)
{
    redis_sink *self = arg;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    walrow_code code = walrow__redis_send(&self->redis, buf, self->n_commands, err);
    walrow__strbuf_clear(buf);
    self->n_commands = 0;
    return code;
}

/* ---- open, write, sync ---- */

static walrow_code
redis_open(walrow__sink *sink, const walrow__identity *identity, walrow_error *err)
{
    redis_sink *self = (redis_sink *)sink;
    (void)identity;
    return walrow__sink_note(sink, &self->failure, walrow__redis_open(&self->redis, &self->settings, err),
                             err);
}

/* What was changed before the rows were read comes later, and is older than they are. */
static walrow_code
end_snapshot(redis_sink *self, const walrow_changes *changes, walrow_error *err)
{
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(walrow__event_skip_below(&self->printer, changes->batches[i].schema_name,
                                            changes->batches[i].table_name, changes->snapshot_lsn, err));
    return WALROW_OK;
}

static walrow_code
write_changes(redis_sink *self, const walrow_changes *changes, walrow_error *err)
{
    if (changes->snapshot && self->settings.action != WALROW__REDIS_SET)
        return WALROW_OK;
    walrow__dead_letters_warn(self->settings.place, changes);
    for (size_t i = 0; i < changes->n_batches; i++)
        WALROW_TRY(prepare(self, &changes->batches[i], err));
    WALROW_TRY(walrow__event_print(&self->printer, changes, err));
    WALROW_TRY(walrow__event_flush(&self->printer, err));
    if (self->failure.code != WALROW_OK) /* of a truncate */
        return walrow__sink_fail_again(&self->failure, err);
    if (!changes->snapshot)
        self->written_lsn = changes->end_lsn;
    return changes->snapshot_end ? end_snapshot(self, changes, err) : WALROW_OK;
}

static walrow_code
redis_write(walrow__sink *sink, const walrow_changes *changes, walrow_error *err)
{
    redis_sink *self = (redis_sink *)sink;
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    return walrow__sink_note(sink, &self->failure, write_changes(self, changes, err), err);
}

static walrow_code
await(redis_sink *self, walrow_error *err)
{
    if (self->failure.code != WALROW_OK)
        return walrow__sink_fail_again(&self->failure, err);
    WALROW_TRY(walrow__sink_note(&self->base, &self->failure, walrow__redis_await(&self->redis, err), err));
    self->durable_lsn = self->written_lsn;
    return WALROW_OK;
}

static walrow_code
redis_sync(walrow__sink *sink, bool finish_files, uint64_t *durable_lsn, walrow_error *err)
{
    redis_sink *self = (redis_sink *)sink;
    (void)finish_files;
    WALROW_TRY(await(self, err));
    *durable_lsn = self->durable_lsn;
    return WALROW_OK;
}

static walrow_code
redis_finish(walrow__sink *sink, walrow_error *err)
{
    return await((redis_sink *)sink, err);
}

/* ---- make and free ---- */

static void
redis_free(walrow__sink *sink)
{
    redis_sink *self = (redis_sink *)sink;
    while (self->tables != NULL) {
        redis_table *table = self->tables;
        self->tables = table->next;
        free_table(table);
    }
    walrow__redis_close(&self->redis);
    walrow__event_release(&self->printer);
    walrow__strbuf_release(&self->key);
    walrow__strbuf_release(&self->old_key);
    walrow__strbuf_release(&self->text);
    walrow__redis_settings_release(&self->settings);
    free(sink->uri);
    free(self);
}

static const walrow__sink_ops redis_ops = {
    .open = redis_open,
    .write = redis_write,
    .sync = redis_sync,
    .finish = redis_finish,
    .free = redis_free,
};

walrow_code
walrow__redis_make(const char *uri, const char *path, const char *params, walrow__sink **out,
                   walrow_error *err)
{
    walrow__event_options options;
    redis_sink *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->base.ops = &redis_ops;
    self->base.eager = true;
    walrow__event_options_init(&options);
    walrow__event_init(&self->printer, &options, send_commands, self);
    self->printer.style = &commands;
    self->printer.flush_bytes = SEND_BYTES;
    walrow__strbuf_init(&self->key);
    walrow__strbuf_init(&self->old_key);
    walrow__strbuf_init(&self->text);
    walrow_code code = walrow__redis_settings_parse(&self->settings, uri, path, params, err);
    if (code == WALROW_OK)
        *out = &self->base;
    else
        redis_free(&self->base);
    return code;
}
