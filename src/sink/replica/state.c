#include "sink/replica/state.h"

#include "base/error.h"
#include "base/files.h"
#include "sink/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LAYOUT_VERSION = 1 };

/* ---- statements ---- */

/* DuckDB has words for what went wrong, not errno. */
static int
errno_in(const char *message)
{
    static const int known[] = {ENOSPC, EDQUOT, EROFS, EACCES, EPERM, EISDIR, ENOTDIR, EIO};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(message, strerror(known[i])) != NULL)
            return known[i];
    return 0;
}

walrow_code
walrow__replica_explain(walrow_code code, walrow_error *err)
{
    if (err == NULL || code != WALROW_ERR_SINK)
        return code;
    err->message[strcspn(err->message, "\n")] = '\0';
    if (err->hint[0] != '\0')
        return code;
    if (strstr(err->message, "Could not set lock") != NULL)
        walrow__hint(err, "DuckDB gives a file to one writer and nobody beside it: stop the other process, "
                          "and let readers use ?publish=FILE2");
    else
        walrow__hint(err, "%s", walrow__files_way_out(errno_in(err->message)));
    return code;
}

walrow_code
walrow__replica_run(walrow__replica *replica, walrow__strbuf *sql, walrow_error *err)
{
    if (sql->failed)
        return walrow__fail_memory(err);
    walrow_code code = walrow__duckdb_query(replica->duckdb, walrow__strbuf_text(sql), NULL, NULL, err);
    walrow__strbuf_clear(sql);
    return walrow__replica_explain(code, err);
}

typedef struct numbers {
    int64_t *values;
    int n;
} numbers;

static walrow_code
take_numbers(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    numbers *out = arg;
    char text[32];
    (void)err;
    for (int i = 0; i < out->n && i < n_cells; i++) {
        size_t size = cells[i].data == NULL ? 0 : (size_t)cells[i].size_bytes;
        size = size < sizeof text ? size : sizeof text - 1;
        memcpy(text, size == 0 ? "" : cells[i].data, size);
        text[size] = '\0';
        out->values[i] = text[0] == '-' ? strtoll(text, NULL, 10) : (int64_t)strtoull(text, NULL, 10);
    }
    return WALROW_OK;
}

walrow_code
walrow__replica_numbers(walrow__replica *replica, walrow__strbuf *sql, int64_t *values, int n,
                        walrow_error *err)
{
    numbers out = {values, n};
    memset(values, 0, (size_t)n * sizeof *values);
    if (sql->failed)
        return walrow__fail_memory(err);
    walrow_code code =
        walrow__duckdb_query(replica->duckdb, walrow__strbuf_text(sql), take_numbers, &out, err);
    walrow__strbuf_clear(sql);
    return walrow__replica_explain(code, err);
}

/* A statement that needs no building. */
static walrow_code
run_text(walrow__replica *replica, const char *text, walrow_error *err)
{
    return walrow__replica_explain(walrow__duckdb_query(replica->duckdb, text, NULL, NULL, err), err);
}

void
walrow__replica_add_name(walrow__strbuf *sql, const char *schema_name, const char *table_name)
{
    walrow__strbuf_add_text(sql, WALROW__REPLICA ".");
    walrow__duckdb_add_name(sql, schema_name);
    walrow__strbuf_add_char(sql, '.');
    walrow__duckdb_add_name(sql, table_name);
}

/* ---- what is remembered ---- */

static char *
copy_cell(struct ArrowStringView cell)
{
    return cell.data == NULL ? strdup("") : strndup(cell.data, (size_t)cell.size_bytes);
}

static uint64_t
number_of(struct ArrowStringView cell)
{
    char text[32] = "";
    if (cell.data != NULL && cell.size_bytes < (int64_t)sizeof text)
        memcpy(text, cell.data, (size_t)cell.size_bytes);
    return strtoull(text, NULL, 10);
}

/* The row of _walrow.state. */
typedef struct stored {
    bool found;
    uint64_t version;
    char *mode, *database, *slot;
    walrow__identity identity;
    walrow__replica *replica;
} stored;

static walrow_code
take_state(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    stored *s = arg;
    if (n_cells != 10 || s->found)
        return walrow__fail(err, WALROW_ERR_STATE, "_walrow.state is not what walrow wrote");
    s->found = true;
    s->version = number_of(cells[0]);
    s->mode = copy_cell(cells[1]);
    s->identity.system_identifier = number_of(cells[2]);
    s->replica->timeline = (uint32_t)number_of(cells[3]);
    s->identity.database = s->database = copy_cell(cells[4]);
    s->identity.slot = s->slot = copy_cell(cells[5]);
    s->replica->position.commit_lsn = number_of(cells[6]);
    s->replica->position.seq = (uint32_t)number_of(cells[7]);
    s->replica->end_lsn = number_of(cells[8]);
    s->replica->message_lsn = number_of(cells[9]);
    return s->mode == NULL || s->database == NULL || s->slot == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
check_stored(const walrow__replica *replica, const stored *s, const walrow__identity *identity,
             walrow_error *err)
{
    const char *mode = replica->append ? "append" : "replica";
    if (!s->found || s->version != LAYOUT_VERSION) {
        walrow__fail(err, WALROW_ERR_STATE, "\"%s\" is of layout %" PRIu64 ", this walrow knows %d",
                     replica->path, s->version, LAYOUT_VERSION);
        return walrow__hint(err, "use a newer walrow, or name another file for this stream");
    }
    WALROW_TRY(walrow__identity_compare(&s->identity, identity, replica->path, err));
    if (strcmp(s->mode, mode) == 0)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_STATE, "\"%s\" is of mode %s, and this is mode %s", replica->path, s->mode,
                 mode);
    return walrow__hint(err, "a file keeps its mode: name another file, or %s ?mode=append",
                        replica->append ? "leave out" : "add");
}

static walrow_code
read_state(walrow__replica *replica, const walrow__identity *identity, walrow_error *err)
{
    stored s = {.replica = replica};
    walrow_code code = walrow__duckdb_query(
        replica->duckdb,
        "SELECT version, mode, system_identifier, timeline, database, slot, commit_lsn, seq, end_lsn, "
        "message_lsn FROM " WALROW__REPLICA "._walrow.state",
        take_state, &s, err);
    code = walrow__replica_explain(code, err);
    if (code == WALROW_OK)
        code = check_stored(replica, &s, identity, err);
    free(s.mode);
    free(s.database);
    free(s.slot);
    return code;
}

static walrow_code
add_table(walrow__replica *replica, const char *schema_name, const char *table_name,
          walrow__replica_table **out, walrow_error *err)
{
    walrow__replica_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return walrow__fail_memory(err);
    table->next = replica->tables;
    replica->tables = table; /* from here on walrow__replica_close frees it */
    table->schema_name = strdup(schema_name);
    table->table_name = strdup(table_name);
    *out = table;
    return table->schema_name == NULL || table->table_name == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
take_table(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    walrow__replica_table *table = NULL;
    (void)n_cells;
    char *schema_name = copy_cell(cells[0]), *table_name = copy_cell(cells[1]);
    walrow_code code = schema_name == NULL || table_name == NULL
                           ? walrow__fail_memory(err)
                           : add_table(arg, schema_name, table_name, &table, err);
    if (code == WALROW_OK) {
        table->relid = (uint32_t)number_of(cells[2]);
        table->epoch = number_of(cells[3]);
        table->point = number_of(cells[4]);
    }
    free(schema_name);
    free(table_name);
    return code;
}

static walrow_code
read_tables(walrow__replica *replica, walrow_error *err)
{
    walrow_code code = walrow__duckdb_query(replica->duckdb,
                                            "SELECT schema_name, table_name, relid, epoch, snapshot_point "
                                            "FROM " WALROW__REPLICA "._walrow.tables",
                                            take_table, replica, err);
    return walrow__replica_explain(code, err);
}

static walrow_code
create_state(walrow__replica *replica, const walrow__identity *identity, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(
        &sql,
        "BEGIN; CREATE SCHEMA " WALROW__REPLICA "._walrow;"
        "CREATE TABLE " WALROW__REPLICA "._walrow.state (version INTEGER, walrow VARCHAR, mode VARCHAR, "
        "system_identifier UBIGINT, timeline UINTEGER, \"database\" VARCHAR, slot VARCHAR, "
        "commit_lsn UBIGINT, seq UINTEGER, end_lsn UBIGINT, message_lsn UBIGINT);"
        "CREATE TABLE " WALROW__REPLICA "._walrow.tables (schema_name VARCHAR, table_name VARCHAR, "
        "relid UINTEGER, epoch UBIGINT, snapshot_point UBIGINT);"
        "CREATE TABLE " WALROW__REPLICA "._walrow.messages (prefix VARCHAR, content BLOB, "
        "transactional BOOLEAN, lsn UBIGINT, commit_lsn UBIGINT, seq UINTEGER, xid UINTEGER);"
        "CREATE TABLE " WALROW__REPLICA "._walrow.dead_letters (schema_name VARCHAR, table_name VARCHAR, "
        "column_name VARCHAR, \"tuple\" VARCHAR, op VARCHAR, commit_lsn UBIGINT, seq UINTEGER, xid UINTEGER, "
        "pg_type VARCHAR, text VARCHAR, bytes BLOB, reason VARCHAR);");
    walrow__strbuf_addf(&sql,
                        "INSERT INTO " WALROW__REPLICA "._walrow.state VALUES (%d, '%s', '%s', %" PRIu64
                        ", %" PRIu32 ", ",
                        LAYOUT_VERSION, walrow_version(), replica->append ? "append" : "replica",
                        identity->system_identifier, identity->timeline);
    walrow__duckdb_add_text(&sql, identity->database);
    walrow__strbuf_add_text(&sql, ", ");
    walrow__duckdb_add_text(&sql, identity->slot);
    walrow__strbuf_add_text(&sql, ", 0, 0, 0, 0); COMMIT");
    walrow_code code = walrow__replica_run(replica, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

/* ---- open and close ---- */

static walrow_code
attach(walrow__replica *replica, uint64_t memory, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(&sql, "SET memory_limit = '%" PRIu64 "B'; SET temp_directory = ", memory);
    char *spill = NULL;
    bool made = asprintf(&spill, "%s.tmp", replica->path) >= 0;
    if (made)
        walrow__duckdb_add_text(&sql, spill);
    /* the type is said because DuckDB would guess another from some names */
    walrow__strbuf_add_text(&sql, "; ATTACH ");
    walrow__duckdb_add_text(&sql, replica->path);
    walrow__strbuf_add_text(&sql, " AS " WALROW__REPLICA " (TYPE duckdb)");
    walrow_code code = made ? walrow__replica_run(replica, &sql, err) : walrow__fail_memory(err);
    free(spill);
    walrow__strbuf_release(&sql);
    return code;
}

static walrow_code
claim(walrow__replica *replica, const walrow__identity *identity, walrow_error *err)
{
    walrow__strbuf sql;
    int64_t counts[2];
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql,
                            "SELECT count(*), count(*) FILTER (schema_name = '_walrow' AND table_name "
                            "= 'state') FROM duckdb_tables() WHERE database_name = '" WALROW__REPLICA "'");
    walrow_code code = walrow__replica_numbers(replica, &sql, counts, 2, err);
    walrow__strbuf_release(&sql);
    if (code != WALROW_OK)
        return code;
    replica->timeline = identity->timeline;
    if (counts[0] == 0)
        return create_state(replica, identity, err);
    if (counts[1] == 1)
        return read_state(replica, identity, err);
    walrow__fail(err, WALROW_ERR_STATE, "\"%s\" has tables and no record of walrow's", replica->path);
    return walrow__hint(err, "name a file that is not there yet; queries may ATTACH it beside this one");
}

/* Tables of snapshots that were not finished. */
static walrow_code
take_drop(void *arg, int64_t n_cells, const struct ArrowStringView *cells, walrow_error *err)
{
    (void)n_cells, (void)err;
    walrow__strbuf_add_text(arg, "DROP TABLE ");
    walrow__strbuf_add(arg, cells[0].data, (size_t)cells[0].size_bytes);
    walrow__strbuf_add_text(arg, ";");
    return WALROW_OK;
}

static walrow_code
drop_unfinished(walrow__replica *replica, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow_code code = walrow__duckdb_query(
        replica->duckdb,
        "SELECT '" WALROW__REPLICA ".\"' || replace(schema_name, '\"', '\"\"') || '\".\"' || "
        "replace(table_name, '\"', '\"\"') || '\"' FROM duckdb_tables() WHERE database_name = "
        "'" WALROW__REPLICA "' AND starts_with(table_name, '_walrow loading ')",
        take_drop, &sql, err);
    code = walrow__replica_explain(code, err);
    if (code == WALROW_OK && sql.size > 0)
        code = walrow__replica_run(replica, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

walrow_code
walrow__replica_open(walrow__replica *replica, const char *path, bool append, uint64_t memory,
                     const walrow__identity *identity, walrow_error *err)
{
    memset(replica, 0, sizeof *replica);
    replica->append = append;
    replica->path = strdup(path);
    replica->parent = walrow__files_parent(path);
    if (replica->path == NULL || replica->parent == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(walrow__files_claim_dirs(replica->parent, err));
    WALROW_TRY(walrow__duckdb_open(&replica->duckdb, err));
    WALROW_TRY(attach(replica, memory, err));
    WALROW_TRY(claim(replica, identity, err));
    WALROW_TRY(drop_unfinished(replica, err));
    WALROW_TRY(read_tables(replica, err));
    return walrow__files_sync_dir(replica->parent, err);
}

void
walrow__replica_close(walrow__replica *replica)
{
    walrow__duckdb_free(replica->duckdb);
    while (replica->tables != NULL) {
        walrow__replica_table *table = replica->tables;
        replica->tables = table->next;
        free(table->schema_name);
        free(table->table_name);
        free(table);
    }
    free(replica->path);
    free(replica->parent);
    memset(replica, 0, sizeof *replica);
}

/* ---- tables and the position ---- */

static bool
has_name(const walrow__replica_table *table, const char *schema_name, const char *table_name)
{
    return strcmp(table->schema_name, schema_name) == 0 && strcmp(table->table_name, table_name) == 0;
}

static walrow_code
fail_name(const walrow__replica_table *other, const char *schema_name, const char *table_name,
          walrow_error *err)
{
    if (other == NULL)
        walrow__fail(err, WALROW_ERR_SINK, "%s.%s: the schema _walrow is where walrow keeps its own tables",
                     schema_name, table_name);
    else
        walrow__fail(err, WALROW_ERR_SINK, "%s.%s and %s.%s are one table to DuckDB, which folds case",
                     schema_name, table_name, other->schema_name, other->table_name);
    return walrow__hint(err, "leave one of them out (--tables '...,!%s.%s'), or use parquet:DIR", schema_name,
                        table_name);
}

walrow_code
walrow__replica_find(walrow__replica *replica, const char *schema_name, const char *table_name,
                     uint32_t relid, walrow__replica_table **out, walrow_error *err)
{
    walrow__replica_table *same_relid = NULL;
    if (strcasecmp(schema_name, "_walrow") == 0)
        return fail_name(NULL, schema_name, table_name, err);
    for (walrow__replica_table *table = replica->tables; table != NULL; table = table->next) {
        if (has_name(table, schema_name, table_name)) {
            *out = table;
            return WALROW_OK;
        }
        if (relid != 0 && table->relid == relid)
            same_relid = table;
        else if (strcasecmp(table->schema_name, schema_name) == 0 &&
                 strcasecmp(table->table_name, table_name) == 0)
            return fail_name(table, schema_name, table_name, err);
    }
    if (same_relid == NULL)
        return add_table(replica, schema_name, table_name, out, err);
    *out = same_relid;
    return WALROW_OK;
}

uint64_t
walrow__replica_from_lsn(const walrow__replica *replica, const char *schema_name, const char *table_name,
                         uint32_t relid)
{
    uint64_t from_lsn = replica->end_lsn;
    for (const walrow__replica_table *table = replica->tables; table != NULL; table = table->next)
        if ((has_name(table, schema_name, table_name) || (relid != 0 && table->relid == relid)) &&
            table->point > from_lsn)
            from_lsn = table->point;
    return from_lsn;
}

walrow_code
walrow__replica_save_table(walrow__replica *replica, const walrow__replica_table *table, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_addf(
        &sql, "DELETE FROM " WALROW__REPLICA "._walrow.tables WHERE relid = %" PRIu32 " OR (schema_name = ",
        table->relid);
    walrow__duckdb_add_text(&sql, table->schema_name);
    walrow__strbuf_add_text(&sql, " AND table_name = ");
    walrow__duckdb_add_text(&sql, table->table_name);
    walrow__strbuf_add_text(&sql, "); INSERT INTO " WALROW__REPLICA "._walrow.tables VALUES (");
    walrow__duckdb_add_text(&sql, table->schema_name);
    walrow__strbuf_add_text(&sql, ", ");
    walrow__duckdb_add_text(&sql, table->table_name);
    walrow__strbuf_addf(&sql, ", %" PRIu32 ", %" PRIu64 ", nullif(%" PRIu64 ", 0))", table->relid,
                        table->epoch, table->point);
    walrow_code code = walrow__replica_run(replica, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

walrow_code
walrow__replica_save_timeline(walrow__replica *replica, uint32_t timeline, walrow_error *err)
{
    char sql[96];
    snprintf(sql, sizeof sql, "UPDATE " WALROW__REPLICA "._walrow.state SET timeline = %" PRIu32, timeline);
    WALROW_TRY(run_text(replica, sql, err));
    replica->timeline = timeline;
    return walrow__files_sync_dir(replica->parent, err);
}

walrow_code
walrow__replica_save_position(walrow__replica *replica, walrow__position position, uint64_t end_lsn,
                              uint64_t message_lsn, walrow_error *err)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "UPDATE " WALROW__REPLICA "._walrow.state SET commit_lsn = %" PRIu64 ", seq = %" PRIu32
             ", end_lsn = %" PRIu64 ", message_lsn = %" PRIu64,
             position.commit_lsn, position.seq, end_lsn, message_lsn);
    return run_text(replica, sql, err);
}
