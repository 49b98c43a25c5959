#include "stream/prepare.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/catalog.h"
#include "pg/check.h"
#include "pg/plugin.h"
#include "pg/publication.h"
#include "pg/query.h"
#include "pg/slot.h"
#include "stream/filters.h"
#include "stream/memory.h"
#include "stream/tables.h"

/* ---- what is captured ---- */

/* A sink that has a table's snapshot while the slot is missing: what changed since is kept by nobody. */
static walrow_code
check_nothing_read(const walrow__upstream *up, walrow_error *err)
{
    for (size_t i = 0; i < up->plan.n_tables; i++) {
        const walrow__planned_table *table = &up->plan.tables[i];
        if (table->from_lsn == 0)
            continue;
        walrow__fail(
            err, WALROW_ERR_SLOT,
            "replication slot \"%s\" does not exist, but the sink has rows of %s.%s already: what changed "
            "without a slot would be missing",
            up->options->slot, table->schema, table->name);
        return walrow__hint(
            err, "name another place with --to, to begin anew, or the slot that goes with this one");
    }
    return WALROW_OK;
}

static walrow_code
plan_tables(walrow__upstream *up, const walrow__discovery *tables, bool slot_exists, walrow_error *err)
{
    /* a slot that is there already has been read from: unless somebody remembers, its tables have been, too
     */
    bool wanted = walrow__options_snapshot(up->options) != WALROW__SNAPSHOT_NEVER;
    if (wanted && slot_exists && !walrow__memory_knows_snapshots(up) &&
        walrow__options_snapshot(up->options) == WALROW__SNAPSHOT_INITIAL)
        walrow__log(WALROW_LOG_INFO, "slot %s was there already: rows that are there are not read again",
                    up->options->slot);
    bool unread = !slot_exists || walrow__memory_knows_snapshots(up) ||
                  walrow__options_snapshot(up->options) == WALROW__SNAPSHOT_ONLY;
    for (size_t i = 0; i < tables->count; i++)
        if (tables->items[i].streamable)
            WALROW_TRY(walrow__tables_plan(up, &tables->items[i], wanted && unread, err));
    return slot_exists || walrow__options_snapshot(up->options) == WALROW__SNAPSHOT_ONLY
               ? WALROW_OK
               : check_nothing_read(up, err);
}

static walrow_code
can_read_binary(walrow__upstream *up, const walrow__found_column *column, bool *out, walrow_error *err)
{
    walrow__type type;
    WALROW_TRY(walrow__type_resolve(up->catalog, column->oid, column->typmod, NULL, &type, err));
    *out = type.wire != WALROW__WIRE_NONE;
    walrow__type_release(&type);
    return WALROW_OK;
}

/* The first column without a binary form that can be read, as far as the catalogue says now. */
static walrow_code
find_text_column(walrow__upstream *up, const walrow__discovery *tables, const walrow__found **table,
                 const walrow__found_column **column, walrow_error *err)
{
    for (size_t i = 0; i < tables->count; i++) {
        *table = &tables->items[i];
        for (size_t c = 0; (*table)->streamable && c < (*table)->n_columns; c++) {
            bool binary;
            *column = &(*table)->columns[c];
            WALROW_TRY(can_read_binary(up, *column, &binary, err));
            if (!binary)
                return WALROW_OK;
        }
    }
    *table = NULL;
    return WALROW_OK;
}

static walrow_code
choose_encoding(walrow__upstream *up, const walrow__discovery *tables, walrow_error *err)
{
    int encoding = up->options->encoding;
    if (!up->dialect->has_encodings)
        return WALROW_OK;
    up->binary = encoding != WALROW__ENCODING_TEXT && up->server.version >= 140000;
    if (encoding == WALROW__ENCODING_BINARY && !up->binary) {
        walrow__fail(err, WALROW_ERR_USAGE, "servers before 14 send text only");
        return walrow__hint(err, "leave out --encoding binary");
    }
    if (encoding != WALROW__ENCODING_AUTO || !up->binary)
        return WALROW_OK;
    const walrow__found *table;
    const walrow__found_column *column;
    WALROW_TRY(find_text_column(up, tables, &table, &column, err));
    if (table != NULL) {
        walrow__log(WALROW_LOG_INFO,
                    "values come in text: type %s of %s.%s.%s has no binary form that can be read",
                    column->pg_type, table->schema, table->name, column->name);
        up->binary = false;
    }
    return WALROW_OK;
}

/* ---- opening ---- */

static walrow_code
check_start(const walrow__upstream *up, const walrow__slot *slot, walrow_error *err)
{
    const walrow_options *options = up->options;
    if (options->start_lsn > up->server.flush_lsn && up->server.flush_lsn != 0) {
        char asked[WALROW_LSN_SIZE], flushed[WALROW_LSN_SIZE];
        walrow__fail(err, WALROW_ERR_USAGE, "--start %s is in the future: the server has written up to %s",
                     walrow_lsn_format(options->start_lsn, asked),
                     walrow_lsn_format(up->server.flush_lsn, flushed));
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

/* The snapshot would fail after the slot was made: better now. */
static walrow_code
check_readable(const walrow__upstream *up, const walrow__discovery *tables, bool slot_exists,
               walrow_error *err)
{
    if (slot_exists || walrow__options_snapshot(up->options) == WALROW__SNAPSHOT_NEVER)
        return WALROW_OK;
    for (size_t i = 0; i < tables->count; i++) {
        const walrow__found *table = &tables->items[i];
        if (!table->streamable || table->can_select)
            continue;
        walrow__fail(err, WALROW_ERR_SERVER, "role %s may not read table %s.%s", up->server.user,
                     table->schema, table->name);
        return walrow__hint(
            err, "GRANT SELECT ON %s.%s TO %s, or leave the rows that are there with --snapshot never",
            table->schema, table->name, up->server.user);
    }
    return WALROW_OK;
}

static walrow_code
check_slot(walrow__upstream *up, walrow__slot *slot, walrow_error *err)
{
    WALROW_TRY(walrow__slot_get(up->sql, up->options->slot, slot, err));
    up->slot_exists = slot->exists;
    if (slot->exists)
        WALROW_TRY(walrow__slot_fits(slot, up->options, up->server.database, err));
    WALROW_TRY(walrow__memory_check_slot(up, slot, err));
    if (slot->exists) {
        return check_start(up, slot, err);
    }
    if (up->options->no_setup && walrow__options_snapshot(up->options) != WALROW__SNAPSHOT_ONLY)
        return walrow__slot_fits(slot, up->options, up->server.database, err);
    return walrow__check_server(up->sql, up->options, err); /* before anything is made there */
}

static walrow_code
choose_plugin(walrow__upstream *up, const walrow__slot *slot, walrow_error *err)
{
    walrow__plugin_choice choice;
    WALROW_TRY(walrow__plugin_choose(up->sql, up->options, slot, &choice, err));
    if (choice.why[0] != '\0')
        walrow__log(WALROW_LOG_INFO, "%s: %s is used", choice.why, choice.name);
    up->plugin = choice.name;
    up->dialect = walrow__dialect_of(choice.name, (walrow__wal2json_format)up->options->wal2json_format);
    return WALROW_OK;
}

static walrow_code
find_until(walrow__upstream *up, walrow_error *err)
{
    up->until_lsn = up->options->until_lsn;
    if (!up->options->until_now)
        return WALROW_OK;
    PGresult *result = NULL;
    WALROW_TRY(walrow__pg_exec(up->sql, "SELECT pg_catalog.pg_current_wal_flush_lsn()", WALROW_ERR_SERVER,
                               "asking for the flush LSN", &result, err));
    up->until_lsn = walrow__pg_lsn(result, 0, 0);
    PQclear(result);
    return WALROW_OK;
}

/* Which tables there are, publications first: a slot cannot see what was published later (DESIGN "Delivery"). */
static walrow_code
prepare_tables(walrow__upstream *up, const walrow__slot *slot, walrow_error *err)
{
    walrow__discovery tables = {0};
    walrow_code code = walrow__discover(up->sql, up->options, false, &tables, err);
    walrow_actions actions = {0};
    if (code == WALROW_OK)
        code = walrow__discovery_require(&tables, up->options, err);
    if (code == WALROW_OK)
        code = check_readable(up, &tables, slot->exists, err);
    if (code == WALROW_OK)
        code = walrow__filters_new(up->options, &tables, up->catalog, &up->sieve, err);
    if (code == WALROW_OK)
        code = walrow__publication_ensure(up->sql, up->options, &tables, false, &actions, NULL, err);
    walrow_actions_release(&actions);
    bool publishes = walrow__slot_has_publications(slot, up->options);
    if (code == WALROW_OK && publishes)
        code = walrow__publication_names(up->sql, up->options, &up->publications, err);
    if (code == WALROW_OK && publishes && slot->exists)
        code = walrow__publication_check_age(up->sql, up->options, &up->publications, err);
    if (code == WALROW_OK)
        code = plan_tables(up, &tables, slot->exists, err);
    if (code == WALROW_OK)
        code = choose_encoding(up, &tables, err);
    up->patterns = tables.patterns;
    tables.patterns = NULL;
    up->plan.patterns = up->patterns;
    walrow__discovery_release(&tables);
    return code;
}

static walrow_code
prepare(walrow__upstream *up, walrow_error *err)
{
    walrow__slot slot;
    WALROW_TRY(check_slot(up, &slot, err));
    WALROW_TRY(choose_plugin(up, &slot, err));
    if (!up->dialect->has_documents)
        WALROW_TRY(prepare_tables(up, &slot, err));
    WALROW_TRY(find_until(up, err));
    return walrow__memory_adopt(up, &slot, err);
}

walrow_code
walrow__upstream_prepare(walrow__upstream *up, walrow_error *err)
{
    WALROW_TRY(walrow__plugin_readable(up->options, err));
    WALROW_TRY(walrow__filters_check(up->options, err));
    WALROW_TRY(walrow__upstream_connect(up, err));
    WALROW_TRY(walrow__upstream_identify(up, err));
    up->plan.options = up->options;
    up->plan.reads_new = !up->options->no_setup && up->options->publish != WALROW__PUBLISH_WIDE &&
                         walrow__options_snapshot(up->options) != WALROW__SNAPSHOT_NEVER;
    if (up->keeps_state)
        WALROW_TRY(walrow__memory_open(up, err));
    walrow__identity identity = walrow__upstream_identity(up);
    if (up->hooks.opened != NULL)
        WALROW_TRY(up->hooks.opened(up->hooks.arg, &identity, up, err));
    return prepare(up, err);
}
