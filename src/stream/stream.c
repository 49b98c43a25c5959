#include "stream/stream.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/catalog.h"
#include "pg/check.h"
#include "pg/plugin.h"
#include "pg/publication.h"
#include "pg/query.h"
#include "pg/slot.h"
#include "pg/timelines.h"
#include "stream/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is captured ---- */

/* A sink that has a table's snapshot while the slot is missing: what changed since is kept by nobody. */
static walrow_code
check_nothing_read(const walrow_stream *s, walrow_error *err)
{
    for (size_t i = 0; i < s->plan.n_tables; i++) {
        const walrow__planned_table *table = &s->plan.tables[i];
        if (table->from_lsn == 0)
            continue;
        walrow__fail(
            err, WALROW_ERR_SLOT,
            "replication slot \"%s\" does not exist, but the sink has rows of %s.%s already: what changed "
            "without a slot would be missing",
            s->options->slot, table->schema, table->name);
        return walrow__hint(
            err, "name another place with --to, to begin anew, or the slot that goes with this one");
    }
    return WALROW_OK;
}

static walrow_code
plan_tables(walrow_stream *s, const walrow__discovery *tables, bool slot_exists, walrow_error *err)
{
    /* a slot that is there already has been read from: unless somebody remembers, its tables have been, too
     */
    bool wanted = s->options->snapshot != WALROW__SNAPSHOT_NEVER;
    if (wanted && slot_exists && !walrow__memory_knows_snapshots(s) &&
        s->options->snapshot == WALROW__SNAPSHOT_INITIAL)
        walrow__log(WALROW_LOG_INFO, "slot %s was there already: rows that are there are not read again",
                    s->options->slot);
    bool unread =
        !slot_exists || walrow__memory_knows_snapshots(s) || s->options->snapshot == WALROW__SNAPSHOT_ONLY;
    for (size_t i = 0; i < tables->count; i++)
        if (tables->items[i].streamable)
            WALROW_TRY(walrow__stream_plan_table(s, &tables->items[i], wanted && unread, err));
    return slot_exists || s->options->snapshot == WALROW__SNAPSHOT_ONLY ? WALROW_OK
                                                                        : check_nothing_read(s, err);
}

static walrow_code
can_read_binary(walrow_stream *s, const walrow__found_column *column, bool *out, walrow_error *err)
{
    walrow__type type;
    WALROW_TRY(walrow__type_resolve(s->catalog, column->oid, column->typmod, NULL, &type, err));
    *out = type.wire != WALROW__WIRE_NONE;
    walrow__type_release(&type);
    return WALROW_OK;
}

/* The first column without a binary form that can be read, as far as the catalogue says now. */
static walrow_code
find_text_column(walrow_stream *s, const walrow__discovery *tables, const walrow__found **table,
                 const walrow__found_column **column, walrow_error *err)
{
    for (size_t i = 0; i < tables->count; i++) {
        *table = &tables->items[i];
        for (size_t c = 0; (*table)->streamable && c < (*table)->n_columns; c++) {
            bool binary;
            *column = &(*table)->columns[c];
            WALROW_TRY(can_read_binary(s, *column, &binary, err));
            if (!binary)
                return WALROW_OK;
        }
    }
    *table = NULL;
    return WALROW_OK;
}

static walrow_code
choose_encoding(walrow_stream *s, const walrow__discovery *tables, walrow_error *err)
{
    int encoding = s->options->encoding;
    if (!s->receiver.dialect->has_encodings)
        return WALROW_OK;
    s->receiver.binary = encoding != WALROW__ENCODING_TEXT && s->server.version >= 140000;
    if (encoding == WALROW__ENCODING_BINARY && !s->receiver.binary) {
        walrow__fail(err, WALROW_ERR_USAGE, "servers before 14 send text only");
        return walrow__hint(err, "leave out --encoding binary");
    }
    if (encoding != WALROW__ENCODING_AUTO || !s->receiver.binary)
        return WALROW_OK;
    const walrow__found *table;
    const walrow__found_column *column;
    WALROW_TRY(find_text_column(s, tables, &table, &column, err));
    if (table != NULL) {
        walrow__log(WALROW_LOG_INFO,
                    "values come in text: type %s of %s.%s.%s has no binary form that can be read",
                    column->pg_type, table->schema, table->name, column->name);
        s->receiver.binary = false;
    }
    return WALROW_OK;
}

/* ---- opening ---- */

static walrow_code
check_start(const walrow_stream *s, const walrow__slot *slot, walrow_error *err)
{
    const walrow_options *options = s->options;
    if (options->start_lsn > s->server.flush_lsn && s->server.flush_lsn != 0) {
        char asked[WALROW_LSN_SIZE], flushed[WALROW_LSN_SIZE];
        walrow__fail(err, WALROW_ERR_USAGE, "--start %s is in the future: the server has written up to %s",
                     walrow_lsn_format(options->start_lsn, asked),
                     walrow_lsn_format(s->server.flush_lsn, flushed));
        return walrow__hint(err, "leave out --start, or give an LSN up to %s", flushed);
    }
    if (options->start_lsn == 0 || !slot->exists || options->start_lsn >= slot->confirmed_flush_lsn)
        return WALROW_OK;
    char asked[WALROW_LSN_SIZE], confirmed[WALROW_LSN_SIZE];
    walrow__fail(err, WALROW_ERR_SLOT, "slot %s is confirmed up to %s: it cannot begin at %s", slot->name,
                 walrow_lsn_format(slot->confirmed_flush_lsn, confirmed),
                 walrow_lsn_format(options->start_lsn, asked));
    return walrow__hint(err, "leave out --start, or give an LSN from %s on", confirmed);
}

/* What this version cannot do, said before anything is made on the server. */
static walrow_code
check_supported(const walrow_options *options, walrow_error *err)
{
    return walrow__plugin_readable(options, err);
}

/* The snapshot would fail after the slot was made: better now. */
static walrow_code
check_readable(const walrow_stream *s, const walrow__discovery *tables, bool slot_exists, walrow_error *err)
{
    if (slot_exists || s->options->snapshot == WALROW__SNAPSHOT_NEVER)
        return WALROW_OK;
    for (size_t i = 0; i < tables->count; i++) {
        const walrow__found *table = &tables->items[i];
        if (!table->streamable || table->can_select)
            continue;
        walrow__fail(err, WALROW_ERR_SERVER, "role %s may not read table %s.%s", s->server.user,
                     table->schema, table->name);
        return walrow__hint(
            err, "GRANT SELECT ON %s.%s TO %s, or leave the rows that are there with --snapshot never",
            table->schema, table->name, s->server.user);
    }
    return WALROW_OK;
}

static walrow_code
check_slot(walrow_stream *s, walrow__slot *slot, walrow_error *err)
{
    WALROW_TRY(walrow__slot_get(s->sql, s->options->slot, slot, err));
    s->receiver.slot_exists = slot->exists;
    if (slot->exists)
        WALROW_TRY(walrow__slot_fits(slot, s->options, s->server.database, err));
    WALROW_TRY(walrow__memory_check_slot(s, slot, err));
    if (slot->exists) {
        return check_start(s, slot, err);
    }
    if (s->options->no_setup && s->options->snapshot != WALROW__SNAPSHOT_ONLY)
        return walrow__slot_fits(slot, s->options, s->server.database, err);
    return walrow__check_server(s->sql, s->options, err); /* before anything is made there */
}

static walrow_code
choose_plugin(walrow_stream *s, const walrow__slot *slot, walrow_error *err)
{
    walrow__plugin_choice choice;
    WALROW_TRY(walrow__plugin_choose(s->sql, s->options, slot, &choice, err));
    if (choice.why[0] != '\0')
        walrow__log(WALROW_LOG_INFO, "%s: %s is used", choice.why, choice.name);
    s->receiver.plugin = choice.name;
    s->receiver.dialect = walrow__dialect_of(choice.name);
    return WALROW_OK;
}

static walrow_code
find_until(walrow_stream *s, walrow_error *err)
{
    s->receiver.until_lsn = s->options->until_lsn;
    if (!s->options->until_now)
        return WALROW_OK;
    PGresult *result = NULL;
    WALROW_TRY(walrow__pg_exec(s->sql, "SELECT pg_catalog.pg_current_wal_flush_lsn()", WALROW_ERR_SERVER,
                               "asking for the flush LSN", &result, err));
    s->receiver.until_lsn = walrow__pg_lsn(result, 0, 0);
    PQclear(result);
    return WALROW_OK;
}

/* Publications first, the slot after them: a slot cannot see what was published later (DESIGN "Delivery"). */
static walrow_code
prepare(walrow_stream *s, walrow_error *err)
{
    walrow__discovery tables = {0};
    walrow__slot slot;
    WALROW_TRY(check_slot(s, &slot, err));
    WALROW_TRY(choose_plugin(s, &slot, err));
    walrow_code code = walrow__discover(s->sql, s->options, false, &tables, err);
    walrow_actions actions = {0};
    if (code == WALROW_OK)
        code = walrow__discovery_require(&tables, s->options, err);
    if (code == WALROW_OK)
        code = check_readable(s, &tables, slot.exists, err);
    if (code == WALROW_OK)
        code = walrow__publication_ensure(s->sql, s->options, &tables, false, &actions, NULL, err);
    walrow_actions_release(&actions);
    bool publishes = walrow__slot_has_publications(&slot, s->options);
    if (code == WALROW_OK && publishes)
        code = walrow__publication_names(s->sql, s->options, &s->publications, err);
    if (code == WALROW_OK && publishes && slot.exists)
        code = walrow__publication_check_age(s->sql, s->options, &s->publications, err);
    if (code == WALROW_OK)
        code = plan_tables(s, &tables, slot.exists, err);
    if (code == WALROW_OK)
        code = choose_encoding(s, &tables, err);
    if (code == WALROW_OK)
        code = find_until(s, err);
    if (code == WALROW_OK)
        code = walrow__memory_adopt(s, &slot, err);
    s->patterns = tables.patterns;
    tables.patterns = NULL;
    s->plan.patterns = s->patterns;
    walrow__discovery_release(&tables);
    return code;
}

walrow_code
walrow__stream_reconnect(walrow_stream *s, walrow_error *err)
{
    PQfinish(s->sql);
    s->sql = s->receiver.sql = NULL;
    if (s->catalog != NULL)
        walrow__catalog_use(s->catalog, NULL);
    WALROW_TRY(walrow__pg_connect(s->options, false, &s->sql, err));
    s->receiver.sql = s->sql;
    if (s->catalog == NULL)
        return walrow__catalog_new(s->sql, &s->catalog, err);
    walrow__catalog_use(s->catalog, s->sql);
    return WALROW_OK;
}

static walrow_code
identify_by_walsender(walrow_stream *s, PGconn *conn, walrow_error *err)
{
    walrow__pg_server told;
    WALROW_TRY(walrow__pg_identify(conn, true, &told, err));
    if (s->server.timeline != 0 && told.timeline != s->server.timeline)
        return walrow__timelines_torn(err);
    s->server.system_identifier = told.system_identifier;
    s->server.timeline = told.timeline;
    return walrow__pg_timelines(conn, told.timeline, &s->timelines, err);
}

/* What positions belong to; what SQL does not tell (every role) is told on a replication connection. */
static walrow_code
identify(walrow_stream *s, walrow_error *err)
{
    WALROW_TRY(walrow__pg_identify(s->sql, false, &s->server, err));
    if (s->server.system_identifier != 0 && s->server.timeline == 1)
        return WALROW_OK;
    PGconn *conn = NULL;
    WALROW_TRY(walrow__pg_connect(s->options, true, &conn, err));
    walrow_code code = identify_by_walsender(s, conn, err);
    PQfinish(conn);
    return code;
}

walrow__identity
walrow__stream_identity(const walrow_stream *s)
{
    return (walrow__identity){.system_identifier = s->server.system_identifier,
                              .timeline = s->server.timeline,
                              .database = s->server.database,
                              .slot = s->options->slot,
                              .timelines = &s->timelines};
}

walrow_code
walrow__stream_prepare(walrow_stream *s, walrow_error *err)
{
    WALROW_TRY(check_supported(s->options, err));
    WALROW_TRY(walrow__stream_reconnect(s, err));
    WALROW_TRY(identify(s, err));
    s->plan.options = s->options;
    s->plan.reads_new = !s->options->no_setup && s->options->publish != WALROW__PUBLISH_WIDE &&
                        s->options->snapshot != WALROW__SNAPSHOT_NEVER;
    if (s->keeps_state)
        WALROW_TRY(walrow__memory_open(s, err));
    walrow__identity identity = walrow__stream_identity(s);
    if (s->hooks.opened != NULL)
        WALROW_TRY(s->hooks.opened(s->hooks.arg, &identity, &s->receiver, err));
    return prepare(s, err);
}

/* --start, else where all was durable, which the slot may not have been told. */
static uint64_t
start_lsn(const walrow_stream *s)
{
    if (s->options->start_lsn != 0 || s->receiver.state == NULL || !s->receiver.slot_exists)
        return s->options->start_lsn;
    return walrow__state_confirmed(s->receiver.state);
}

static walrow_code
open_stream(walrow_stream *s, walrow_error *err)
{
    s->keeps_state = true;
    WALROW_TRY(walrow__stream_prepare(s, err));
    walrow__receiver *r = &s->receiver;
    r->options = s->options;
    r->plan = &s->plan;
    r->catalog = s->catalog;
    r->publications = s->publications.items;
    r->server_version = s->server.version;
    r->system_identifier = s->server.system_identifier;
    atomic_store(&r->timeline, s->server.timeline);
    r->eager = s->hooks.eager;
    r->patient = s->hooks.patient;
    r->start_lsn = start_lsn(s);
    return walrow__receiver_start(r, err);
}

walrow_code
walrow__stream_open(const walrow_options *options, const walrow__stream_hooks *hooks, walrow_stream **out,
                    walrow_error *err)
{
    walrow_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return walrow__fail_memory(err);
    s->options = options;
    s->hooks = *hooks;
    walrow_code code = open_stream(s, err);
    if (code != WALROW_OK)
        walrow_close(s);
    else
        *out = s;
    return code;
}

walrow_code
walrow_open(const walrow_options *options, walrow_stream **out, walrow_error *err)
{
    return walrow__stream_open(options, &(walrow__stream_hooks){.eager = true}, out, err);
}

walrow_code
walrow_next(walrow_stream *stream, walrow_changes *out, int timeout_ms, walrow_error *err)
{
    return walrow__queue_take(&stream->receiver.queue, out, timeout_ms, err);
}

walrow_code
walrow_ack(walrow_stream *stream, uint64_t end_lsn, walrow_error *err)
{
    uint64_t before = atomic_load(&stream->receiver.acked_lsn);
    if (end_lsn < before)
        return walrow__fail(err, WALROW_ERR_USAGE, "an acknowledgement cannot be taken back");
    atomic_store(&stream->receiver.acked_lsn, end_lsn);
    return WALROW_OK;
}

void
walrow__stream_stop(walrow_stream *stream)
{
    atomic_store(&stream->receiver.stop, true);
    walrow__queue_wake(&stream->receiver.queue);
}

void
walrow__stream_release(walrow_stream *stream)
{
    walrow__timelines_release(&stream->timelines);
    walrow__plan_release(&stream->plan);
    walrow__texts_release(&stream->publications);
    walrow_patterns_free(stream->patterns);
    if (stream->catalog != NULL)
        stream->catalog->free(stream->catalog);
    PQfinish(stream->sql);
    walrow__state_close(stream->receiver.state);
}

void
walrow_close(walrow_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->reading.release != NULL)
        stream->reading.release(&stream->reading);
    walrow__receiver_stop(&stream->receiver);
    walrow__stream_release(stream);
    free(stream);
}
