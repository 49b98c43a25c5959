#include "source/snapshot.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/connection.h"
#include "pg/error.h"
#include "pg/query.h"
#include "source/copy.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* ---- waiting without being deaf ---- */

static bool
stopping(const walrow__snapshot_request *request)
{
    return request->stopping != NULL && request->stopping(request->arg);
}

static walrow_code
interrupted(walrow_error *err)
{
    return walrow__fail(err, WALROW_INTERRUPTED, "stopped while the snapshot was being read");
}

/* Wait up to 200 ms for the server. */
static walrow_code
wait_for_server(const walrow__snapshot_request *request, PGconn *conn, walrow_error *err)
{
    if (stopping(request))
        return interrupted(err);
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
    poll(&fd, 1, 200);
    if (!PQconsumeInput(conn))
        return walrow__pg_error(conn, NULL, WALROW_ERR_NET, "reading the snapshot", err);
    return WALROW_OK;
}

static void
cancel(PGconn *conn)
{
    char ignored[256];
    PGcancel *request = PQgetCancel(conn);
    PQcancel(request, ignored, sizeof ignored);
    PQfreeCancel(request);
}

/* Run a statement that may wait long for others: *out is its result. */
static walrow_code
exec_patiently(const walrow__snapshot_request *request, PGconn *conn, const char *sql, PGresult **out,
               walrow_error *err)
{
    enum { FIRST_REPORT = 5, REPORT_EVERY = 50 }; /* in waits of 200 ms */
    if (!PQsendQuery(conn, sql))
        return walrow__pg_error(conn, NULL, WALROW_ERR_NET, "reading the snapshot", err);
    for (int waits = 1; PQisBusy(conn); waits++) {
        walrow_code code = wait_for_server(request, conn, err);
        if (code != WALROW_OK) {
            cancel(conn);
            return code;
        }
        if (PQisBusy(conn) && waits % REPORT_EVERY == FIRST_REPORT && request->waiting != NULL)
            request->waiting(request->arg, PQbackendPID(conn));
    }
    *out = PQgetResult(conn);
    return WALROW_OK;
}

/* ---- slot and snapshot ---- */

/* slot_name, consistent_point, snapshot_name, output_plugin */
static walrow_code
read_created(const walrow__snapshot_request *request, PGconn *conn, PGresult *result, walrow__snapshot *out,
             walrow__strbuf *snapshot_name, walrow_error *err)
{
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQnfields(result) < 3)
        return walrow__pg_error(conn, result, WALROW_ERR_SLOT, "creating the replication slot", err);
    if (!walrow_lsn_parse(PQgetvalue(result, 0, 1), &out->consistent_lsn))
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "slot %s: consistent point is not an LSN: %s",
                            request->slot, PQgetvalue(result, 0, 1));
    walrow__strbuf_add_text(snapshot_name, PQgetvalue(result, 0, 2));
    return WALROW_OK;
}

static walrow_code
create_slot(const walrow__snapshot_request *request, PGconn *conn, walrow__snapshot *out,
            walrow__strbuf *snapshot_name, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "CREATE_REPLICATION_SLOT ");
    walrow__sql_identifier(&sql, conn, request->slot);
    walrow__strbuf_add_text(&sql, request->temporary ? " TEMPORARY LOGICAL " : " LOGICAL ");
    walrow__sql_identifier(&sql, conn, request->plugin);
    walrow__strbuf_add_text(&sql, " EXPORT_SNAPSHOT");
    PGresult *result = NULL;
    walrow_code code = sql.failed ? walrow__fail_memory(err)
                                  : exec_patiently(request, conn, walrow__strbuf_text(&sql), &result, err);
    walrow__strbuf_release(&sql);
    if (code == WALROW_OK)
        code = read_created(request, conn, result, out, snapshot_name, err);
    PQclear(result);
    return code;
}

static walrow_code
run(PGconn *conn, const char *sql, PGresult **out, walrow_error *err)
{
    return walrow__pg_exec(conn, sql, WALROW_ERR_SERVER, "taking the snapshot", out, err);
}

static const char time_sql[] =
    "SELECT pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.now()) * 1000000)::pg_catalog.int8";

static walrow_code
import_snapshot(walrow__snapshot *snapshot, const char *name, walrow_error *err)
{
    PGconn *conn = snapshot->sql;
    /* a row hidden by a policy would be missing for ever: let the server refuse instead */
    WALROW_TRY(run(conn, "SET row_security = off", NULL, err));
    WALROW_TRY(run(conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, err));
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "SET TRANSACTION SNAPSHOT ");
    walrow__sql_literal(&sql, conn, name);
    walrow_code code =
        sql.failed ? walrow__fail_memory(err) : run(conn, walrow__strbuf_text(&sql), NULL, err);
    walrow__strbuf_release(&sql);
    if (code != WALROW_OK && err != NULL)
        err->retryable = true; /* it was exported a moment ago: that connection has ended since */
    WALROW_TRY(code);
    PGresult *result = NULL;
    WALROW_TRY(run(conn, time_sql, &result, err));
    snapshot->time = walrow__pg_int(result, 0, 0, 0);
    PQclear(result);
    return WALROW_OK;
}

walrow_code
walrow__snapshot_open(const walrow__snapshot_request *request, walrow__snapshot *out, walrow_error *err)
{
    *out = (walrow__snapshot){.request = *request};
    PGconn *slot_conn = NULL;
    walrow__strbuf name;
    walrow__strbuf_init(&name);
    walrow_code code = walrow__pg_connect(request->options, true, &slot_conn, err);
    if (code == WALROW_OK)
        code = request->connected(request->arg, slot_conn, err);
    if (code == WALROW_OK)
        code = create_slot(request, slot_conn, out, &name, err);
    if (code == WALROW_OK)
        code = walrow__pg_connect(request->options, false, &out->sql, err);
    if (code == WALROW_OK)
        code = import_snapshot(out, walrow__strbuf_text(&name), err);
    /* the exported snapshot lives as long as this connection is idle; imported, it lives in the other one */
    PQfinish(slot_conn);
    walrow__strbuf_release(&name);
    if (code != WALROW_OK)
        walrow__snapshot_close(out);
    return code;
}

void
walrow__snapshot_close(walrow__snapshot *snapshot)
{
    PQfinish(snapshot->sql);
    snapshot->sql = NULL;
}

/* ---- a table's shape ---- */

/*
 * The columns as pgoutput announces them: live, not generated, the replica identity's marked (without the
 * columns an index merely includes).
 */
#define COLUMNS_SQL(not_generated)                                                                           \
    "SELECT c.oid, c.relreplident, c.relkind, a.attname, a.atttypid, a.atttypmod,"                           \
    " c.relreplident = 'f' OR coalesce(a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - "     \
    "1]), false)"                                                                                            \
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"                   \
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid"                                                  \
    " LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisvalid"                                \
    " AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)"            \
    " WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped"                       \
    " AND " not_generated " ORDER BY a.attnum"

static const char columns_sql[] = COLUMNS_SQL("a.attgenerated = ''");
static const char columns_sql_before_12[] = COLUMNS_SQL("true");

static walrow_code
make_table(walrow__snapshot *snapshot, const char *schema, const char *name, PGresult *result,
           walrow__table **out, walrow_error *err)
{
    const walrow__capture *capture = &snapshot->request.capture;
    int n = PQntuples(result);
    walrow__column_spec *columns = calloc((size_t)n, sizeof *columns);
    if (columns == NULL)
        return walrow__fail_memory(err);
    for (int i = 0; i < n; i++) {
        columns[i] = (walrow__column_spec){
            .name = PQgetvalue(result, i, 3),
            .oid = walrow__pg_oid(result, i, 4),
            .typmod = (int32_t)walrow__pg_int(result, i, 5, -1),
            .is_key = walrow__pg_bool(result, i, 6),
        };
        if (capture->override != NULL)
            columns[i].override = capture->override(capture->arg, schema, name, columns[i].name);
    }
    walrow_code code =
        walrow__table_new(snapshot->request.catalog, schema, name, walrow__pg_oid(result, 0, 0),
                          PQgetvalue(result, 0, 1)[0], columns, n, out, err);
    free(columns);
    return code;
}

static walrow_code
describe(walrow__snapshot *snapshot, const char *schema, const char *name, walrow__table **out,
         bool *partitioned, walrow_error *err)
{
    const char *values[] = {schema, name};
    const char *sql = PQserverVersion(snapshot->sql) < 120000 ? columns_sql_before_12 : columns_sql;
    PGresult *result = NULL;
    WALROW_TRY(walrow__pg_query(snapshot->sql, sql, 2, values, WALROW_ERR_SERVER,
                                "reading the table's columns", &result, err));
    walrow_code code;
    if (PQntuples(result) == 0) {
        code =
            walrow__fail(err, WALROW_ERR_SERVER, "table %s.%s has no columns in the snapshot", schema, name);
    } else {
        *partitioned = PQgetvalue(result, 0, 2)[0] == 'p';
        code = make_table(snapshot, schema, name, result, out, err);
    }
    PQclear(result);
    return code;
}

/* ---- its rows ---- */

/* COPY (SELECT ...), not COPY table: that reads through a partitioned table's root and leaves out generated
 * columns. */
static char *
copy_statement(PGconn *conn, const walrow__table *table, bool partitioned, bool binary)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "COPY (SELECT ");
    for (int i = 0; i < table->n_columns; i++) {
        if (i > 0)
            walrow__strbuf_add_text(&sql, ", ");
        walrow__sql_identifier(&sql, conn, table->columns[i].name);
    }
    walrow__strbuf_add_text(&sql, partitioned ? " FROM " : " FROM ONLY ");
    walrow__sql_table(&sql, conn, table->schema_name, table->name);
    walrow__strbuf_add_text(&sql, binary ? ") TO STDOUT (FORMAT binary)" : ") TO STDOUT");
    if (sql.failed) {
        walrow__strbuf_release(&sql);
        return NULL;
    }
    return walrow__strbuf_take(&sql);
}

/* A chunk: all rows so far. */
static walrow_code
emit_chunk(walrow__snapshot *snapshot, walrow__copy *copy, uint32_t *chunk, bool last, walrow_error *err)
{
    walrow_changes changes;
    size_t bytes = copy->collector->bytes;
    WALROW_TRY(walrow__collector_cut_feed(copy->collector, copy->feed, &changes, err));
    changes.snapshot = true;
    changes.chunk = (*chunk)++;
    changes.snapshot_end = last;
    changes.end_lsn = 0;
    changes.snapshot_lsn = snapshot->consistent_lsn; /* an empty table has no row that says */
    return snapshot->request.emit(snapshot->request.arg, &changes, bytes, err);
}

static bool
is_full(const walrow__snapshot *snapshot, const walrow__collector *collector)
{
    const walrow_options *options = snapshot->request.options;
    return collector->rows >= walrow__live(&options->batch_rows) ||
           (int64_t)collector->bytes >= walrow__batch_share(options, snapshot->request.shares);
}

static walrow_code
end_copy(walrow__snapshot *snapshot, walrow_error *err)
{
    PGresult *result = PQgetResult(snapshot->sql);
    walrow_code code = WALROW_OK;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        code = walrow__pg_error(snapshot->sql, result, WALROW_ERR_SERVER, "reading the table", err);
    PQclear(result);
    while ((result = PQgetResult(snapshot->sql)) != NULL)
        PQclear(result);
    return code;
}

static walrow_code
read_rows(walrow__snapshot *snapshot, walrow__copy *copy, walrow_error *err)
{
    uint32_t chunk = 0;
    for (;;) {
        char *buffer = NULL;
        int size = PQgetCopyData(snapshot->sql, &buffer, 1);
        if (size == 0) {
            WALROW_TRY(wait_for_server(&snapshot->request, snapshot->sql, err));
            continue;
        }
        if (size < 0) {
            WALROW_TRY(end_copy(snapshot, err));
            return emit_chunk(snapshot, copy, &chunk, true, err);
        }
        walrow_code code = walrow__copy_feed(copy, (const uint8_t *)buffer, (size_t)size, err);
        PQfreemem(buffer);
        WALROW_TRY(code);
        if (is_full(snapshot, copy->collector))
            WALROW_TRY(emit_chunk(snapshot, copy, &chunk, false, err));
    }
}

static walrow_code
begin_copy(walrow__snapshot *snapshot, const walrow__table *table, bool partitioned, bool binary,
           walrow_error *err)
{
    char *sql = copy_statement(snapshot->sql, table, partitioned, binary);
    if (sql == NULL)
        return walrow__fail_memory(err);
    PGresult *result = NULL;
    walrow_code code = exec_patiently(&snapshot->request, snapshot->sql, sql, &result, err);
    free(sql);
    if (code == WALROW_OK && PQresultStatus(result) != PGRES_COPY_OUT)
        code = walrow__pg_error(snapshot->sql, result, WALROW_ERR_SERVER, "reading the table", err);
    PQclear(result);
    return code;
}

static walrow_code
copy_table(walrow__snapshot *snapshot, walrow__table *table, bool partitioned, walrow_error *err)
{
    bool binary = snapshot->request.binary && walrow__table_has_binary(table, NULL);
    walrow__collector collector;
    WALROW_TRY(walrow__collector_init(&collector, snapshot->request.options->strict, err));
    collector.snapshot = true;
    walrow_transaction stand_in = {.commit_lsn = snapshot->consistent_lsn - 1, .commit_time = snapshot->time};
    walrow__feed *feed = NULL;
    walrow_code code = walrow__collector_begin(&collector, &stand_in, err);
    if (code == WALROW_OK)
        code = walrow__feed_new(table, 0, &feed, err);
    if (code == WALROW_OK)
        code = begin_copy(snapshot, table, partitioned, binary, err);
    if (code == WALROW_OK) {
        walrow__copy copy;
        walrow__copy_init(&copy, &collector, feed, binary);
        code = read_rows(snapshot, &copy, err);
        walrow__copy_release(&copy);
    }
    walrow__feed_free(feed);
    walrow__collector_release(&collector);
    return code;
}

walrow_code
walrow__snapshot_read(walrow__snapshot *snapshot, const char *schema, const char *name, walrow_error *err)
{
    walrow__table *table = NULL;
    bool partitioned = false;
    WALROW_TRY(describe(snapshot, schema, name, &table, &partitioned, err));
    walrow_code code = copy_table(snapshot, table, partitioned, err);
    walrow__table_unref(table);
    return code;
}
