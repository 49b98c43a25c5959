#include "sink/query/events.h"

#include "base/error.h"
#include "columns/table.h"
#include "sink/event/data.h"

/* In walrow's own schema, behind the user's in the search path. */
#define VIEW "_walrow.events"

static const char *
meta_name(const walrow__kept_table *table, int column)
{
    return table->newest->schema.children[column]->name;
}

static void
add_event_type(walrow__strbuf *sql, const walrow__kept_table *table)
{
    walrow__strbuf_add_text(sql, " SELECT CASE ");
    walrow__duckdb_add_name(sql, meta_name(table, WALROW__OP));
    for (const char *op = "IUDTR"; *op != '\0'; op++)
        walrow__strbuf_addf(sql, " WHEN '%c' THEN '%s'", *op, walrow__event_type(*op));
    walrow__strbuf_add_text(sql, " END AS event_type");
}

static void
add_column(walrow__strbuf *sql, const walrow__kept_table *table, int column, const char *name)
{
    walrow__strbuf_add_text(sql, ", ");
    walrow__duckdb_add_name(sql, meta_name(table, column));
    walrow__strbuf_addf(sql, " AS %s", name);
}

static void
add_changes(walrow__strbuf *sql, const walrow__kept_table *table)
{
    const char *lsn = meta_name(table, WALROW__COMMIT_LSN);
    add_event_type(sql, table);
    walrow__strbuf_add_text(sql, ", ");
    walrow__duckdb_add_text(sql, table->schema_name);
    walrow__strbuf_add_text(sql, " AS \"schema\", ");
    walrow__duckdb_add_text(sql, table->name);
    walrow__strbuf_addf(sql, " AS \"table\", printf('%%X/%%X', \"%s\" >> 32, \"%s\" & 4294967295) AS lsn",
                        lsn, lsn);
    add_column(sql, table, WALROW__SEQ, "seq");
    add_column(sql, table, WALROW__COMMIT_TIME, "\"timestamp\"");
    add_column(sql, table, WALROW__XID, "transaction_id");
    walrow__strbuf_add_text(sql, " FROM ");
    walrow__duckdb_add_name(sql, table->schema_name);
    walrow__strbuf_add_char(sql, '.');
    walrow__duckdb_add_name(sql, table->name);
}

static walrow_code
run(walrow__kept *kept, const walrow__strbuf *sql, walrow_error *err)
{
    return sql->failed ? walrow__fail_memory(err)
                       : walrow__duckdb_query(kept->duckdb, walrow__strbuf_text(sql), NULL, NULL, err);
}

walrow_code
walrow__kept_make_events(walrow__kept *kept, walrow_error *err)
{
    walrow__strbuf sql;
    walrow__strbuf_init(&sql);
    walrow__strbuf_add_text(&sql, "CREATE OR REPLACE VIEW " VIEW " AS");
    for (size_t i = 0; i < kept->n_tables; i++) {
        walrow__strbuf_add_text(&sql, i == 0 ? "" : " UNION ALL");
        add_changes(&sql, kept->tables[i]);
    }
    walrow_code code = run(kept, &sql, err);
    walrow__strbuf_release(&sql);
    return code;
}

walrow_code
walrow__kept_hide_events(walrow__kept *kept, walrow_error *err)
{
    return walrow__duckdb_query(kept->duckdb, "DROP VIEW IF EXISTS " VIEW, NULL, NULL, err);
}
