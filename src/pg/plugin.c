#include "pg/plugin.h"

#include "base/error.h"
#include "pg/error.h"
#include "pg/plugin_options.h"
#include "pg/publication.h"
#include "pg/query.h"

#include <stdio.h>
#include <string.h>

/*
 * The library is loaded first; then the server waits for running transactions, which may take any time and says
 * nothing about the plugin any more.
 */
#define PROBE_TIMEOUT_MS 2000

static const char *const doing = "looking for the output plugin";

walrow_code
walrow__plugin_readable(const walrow_options *options, walrow_error *err)
{
    return walrow__plugin_options_check(options, err);
}

/* ---- can the server load it? ---- */

static const char *
field(const PGresult *result, int code)
{
    const char *text = PQresultErrorField(result, code);
    return text == NULL ? "" : text;
}

/* Messages are translated, SQLSTATE and source file are not; a library that was found has a path in its message. */
static bool
read_refusal(const PGresult *result, walrow__plugin_state *out)
{
    const char *sqlstate = field(result, PG_DIAG_SQLSTATE), *file = field(result, PG_DIAG_SOURCE_FILE);
    bool has_path = strchr(field(result, PG_DIAG_MESSAGE_PRIMARY), '/') != NULL;
    if (strcmp(sqlstate, "57014") == 0) /* the time-out: it was loaded long since */
        *out = WALROW__PLUGIN_LOADS;
    else if (strcmp(file, "dfmgr.c") == 0)
        *out = strcmp(sqlstate, "58P01") == 0 && !has_path ? WALROW__PLUGIN_MISSING : WALROW__PLUGIN_BROKEN;
    else if (strcmp(file, "logical.c") == 0 && strcmp(sqlstate, "42501") == 0)
        *out = WALROW__PLUGIN_UNTRUSTED;
    else if (strcmp(file, "logical.c") == 0 && strcmp(sqlstate, "XX000") == 0)
        *out = WALROW__PLUGIN_BROKEN;
    else
        return false;
    return true;
}

static walrow_code
read_probe(PGconn *conn, const PGresult *result, walrow__plugin_state *out, char *why, size_t size,
           walrow_error *err)
{
    why[0] = '\0';
    *out = WALROW__PLUGIN_LOADS;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return WALROW_OK;
    if (!read_refusal(result, out))
        return walrow__pg_error(conn, result, WALROW_ERR_SERVER, doing, err);
    if (*out != WALROW__PLUGIN_LOADS)
        snprintf(why, size, "%s", field(result, PG_DIAG_MESSAGE_PRIMARY));
    return WALROW_OK;
}

walrow_code
walrow__plugin_probe(PGconn *conn, const char *plugin, walrow__plugin_state *out, char *why, size_t size,
                     walrow_error *err)
{
    char slot[64];
    walrow__strbuf sql;
    snprintf(slot, sizeof slot, "walrow_probe_%d", PQbackendPID(conn));
    walrow__strbuf_init(&sql);
    /* one simple query is one transaction; an error in it drops the session's temporary slots */
    walrow__strbuf_addf(&sql,
                        "SET LOCAL statement_timeout = %d;"
                        " SELECT pg_catalog.pg_create_logical_replication_slot('%s', ",
                        PROBE_TIMEOUT_MS, slot);
    walrow__sql_literal(&sql, conn, plugin);
    walrow__strbuf_addf(&sql, ", true); SELECT pg_catalog.pg_drop_replication_slot('%s')", slot);
    walrow_code code;
    if (sql.failed) {
        code = walrow__fail_memory(err);
    } else {
        PGresult *result = PQexec(conn, sql.data);
        code = read_probe(conn, result, out, why, size, err);
        PQclear(result);
    }
    walrow__strbuf_release(&sql);
    return code;
}

/* ---- does the server trust it? ---- */

bool
walrow__plugin_list_has(const char *list, const char *name)
{
    size_t size = strlen(name);
    while (*list != '\0') {
        list += strspn(list, ", \"");
        size_t word = strcspn(list, ", \"");
        if (word == size && memcmp(list, name, size) == 0)
            return true;
        list += word;
    }
    return false;
}

/* PostgreSQL's own is always there, but may have been taken off the list. */
static walrow_code
check_pgoutput(PGconn *conn, walrow_error *err)
{
    PGresult *result;
    WALROW_TRY(walrow__pg_exec(conn, "SELECT setting FROM pg_settings WHERE name = 'output_plugin_libraries'",
                               WALROW_ERR_SERVER, doing, &result, err));
    bool refused = PQntuples(result) > 0 && !walrow__plugin_list_has(PQgetvalue(result, 0, 0), "pgoutput");
    PQclear(result);
    if (!refused)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SERVER,
                 "the server does not trust pgoutput: output_plugin_libraries does not name it");
    return walrow__hint(err, "\"walrow check\" prints the ALTER SYSTEM line that adds it");
}

/* ---- choosing ---- */

/* What comes is in the database's encoding, and nobody converts it on the way. */
bool
walrow__plugin_knows_encoding(const char *plugin, const char *encoding)
{
    return strcmp(plugin, "wal2json") != 0 || strcmp(encoding, "UTF8") == 0 ||
           strcmp(encoding, "SQL_ASCII") == 0;
}

static walrow_code
check_encoding(PGconn *conn, const char *plugin, walrow_error *err)
{
    const char *encoding = PQparameterStatus(conn, "server_encoding");
    if (encoding == NULL || walrow__plugin_knows_encoding(plugin, encoding))
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_SERVER, "wal2json sends the text of this database as it is, in %s",
                 encoding);
    return walrow__hint(err, "use pgoutput or wal2arrow, which send it in UTF-8");
}

static walrow_code
check_wal2json(PGconn *conn, walrow_error *err)
{
    walrow__plugin_state state;
    char said[160];
    if (PQserverVersion(conn) < 120000) {
        walrow__fail(err, WALROW_ERR_SERVER, "reading wal2json needs PostgreSQL 12");
        return walrow__hint(err, "leave out --plugin");
    }
    WALROW_TRY(walrow__plugin_probe(conn, "wal2json", &state, said, sizeof said, err));
    switch (state) {
    case WALROW__PLUGIN_MISSING:
        walrow__fail(err, WALROW_ERR_SERVER, "wal2json is not installed on the server");
        return walrow__hint(err, "install it, or leave out --plugin");
    case WALROW__PLUGIN_UNTRUSTED:
        walrow__fail(err, WALROW_ERR_SERVER,
                     "the server does not trust wal2json: output_plugin_libraries does not name it");
        return walrow__hint(err, "\"walrow check\" prints the ALTER SYSTEM line that adds it");
    case WALROW__PLUGIN_BROKEN:
        walrow__fail(err, WALROW_ERR_SERVER, "the server cannot load wal2json: %s", said);
        return walrow__hint(err, "install the one that was built for this server, or leave out --plugin");
    default:
        return WALROW_OK;
    }
}

/* What the publications to stream from ask for that wal2arrow does not do; NULL: nothing. */
static walrow_code
find_special(PGconn *conn, const walrow_options *options, const char **out, walrow_error *err)
{
    char inserts[64];
    const char *names[2] = {options->publication, NULL};
    if (walrow__publication_inserts_name(options, inserts))
        names[1] = inserts;
    *out = NULL;
    for (int i = 0; i < 2 && names[i] != NULL && *out == NULL; i++) {
        walrow__publication publication;
        WALROW_TRY(walrow__publication_get(conn, names[i], &publication, err));
        *out = walrow__publication_special(&publication);
        walrow__publication_release(&publication);
    }
    return WALROW_OK;
}

/* What keeps every slot from being made is said when that of pgoutput is; some servers refuse in ways of their own. */
static walrow_code
probe_wal2arrow(PGconn *conn, const walrow_options *options, walrow__plugin_state *out, char *said,
                size_t size, walrow_error *err)
{
    walrow_error failure = {0};
    walrow_code code = walrow__plugin_probe(conn, "wal2arrow", out, said, size, &failure);
    if (code == WALROW_OK)
        return WALROW_OK;
    if (PQstatus(conn) == CONNECTION_OK && options->plugin == WALROW__PLUGIN_AUTO) {
        *out = WALROW__PLUGIN_BROKEN;
        snprintf(said, size, "%.*s", (int)size - 1, failure.message);
        return WALROW_OK;
    }
    if (err != NULL)
        *err = failure;
    return code;
}

walrow_code
walrow__plugin_judge(PGconn *conn, const walrow_options *options, walrow__plugin_choice *out,
                     walrow_error *err)
{
    const char *special;
    char said[160];
    char *why = out->why;
    why[0] = '\0';
    out->name = walrow__plugin_name(WALROW__PLUGIN_PGOUTPUT);
    if (PQserverVersion(conn) < 130000) {
        out->state = WALROW__PLUGIN_MISSING;
        snprintf(why, sizeof out->why, "wal2arrow needs PostgreSQL 13");
        return WALROW_OK;
    }
    WALROW_TRY(find_special(conn, options, &special, err));
    WALROW_TRY(probe_wal2arrow(conn, options, &out->state, said, sizeof said, err));
    if (out->state == WALROW__PLUGIN_MISSING)
        snprintf(why, sizeof out->why, "wal2arrow is not installed on the server");
    else if (out->state == WALROW__PLUGIN_UNTRUSTED)
        snprintf(why, sizeof out->why,
                 "the server does not trust wal2arrow: output_plugin_libraries does not name it");
    else if (out->state == WALROW__PLUGIN_BROKEN)
        snprintf(why, sizeof out->why, "the server cannot load wal2arrow: %s", said);
    else if (special != NULL)
        snprintf(why, sizeof out->why, "publication \"%s\" has %s, which wal2arrow does not do",
                 options->publication, special);
    if (why[0] == '\0')
        out->name = walrow__plugin_name(WALROW__PLUGIN_WAL2ARROW);
    return WALROW_OK;
}

static walrow_code
fail_wal2arrow(const walrow__plugin_choice *choice, walrow_error *err)
{
    walrow_code code = choice->state == WALROW__PLUGIN_LOADS ? WALROW_ERR_PUBLICATION : WALROW_ERR_SERVER;
    walrow__fail(err, code, "%s", choice->why);
    if (choice->state == WALROW__PLUGIN_UNTRUSTED)
        return walrow__hint(err, "\"walrow check\" prints the ALTER SYSTEM line that adds it; or leave out "
                                 "--plugin: pgoutput gives the same");
    if (choice->state == WALROW__PLUGIN_LOADS)
        return walrow__hint(err, "leave out --plugin, or say pgoutput, which can");
    return walrow__hint(err,
                        "install it (\"make plugin install-plugin\"), or leave out --plugin: pgoutput gives "
                        "the same");
}

walrow_code
walrow__plugin_choose(PGconn *conn, const walrow_options *options, const walrow__slot *slot,
                      walrow__plugin_choice *out, walrow_error *err)
{
    *out = (walrow__plugin_choice){.name = walrow__plugin_name(options->plugin)};
    if (slot->exists) {
        out->name = walrow__plugin_name(walrow__plugin_number(slot->plugin));
        return check_encoding(conn, out->name, err);
    }
    if (options->plugin == WALROW__PLUGIN_WAL2JSON) {
        WALROW_TRY(check_encoding(conn, out->name, err));
        return check_wal2json(conn, err);
    }
    if (options->plugin == WALROW__PLUGIN_PGOUTPUT)
        return check_pgoutput(conn, err);
    WALROW_TRY(walrow__plugin_judge(conn, options, out, err));
    if (out->why[0] == '\0')
        return WALROW_OK;
    return options->plugin == WALROW__PLUGIN_WAL2ARROW ? fail_wal2arrow(out, err) : check_pgoutput(conn, err);
}
