#include "pg/error.h"

#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/*
 * What an SQLSTATE means here (PostgreSQL documentation, "PostgreSQL Error Codes"). Messages are translated
 * by the server, SQLSTATE and source file are not; so a row may also ask for the source file or function that
 * raised it. The first row that fits wins; KEEP leaves the caller's code.
 */
#define KEEP WALROW_OK
#define SLOT_GONE_HINT                                                                                       \
    "\"walrow status\" says why; what an invalidated slot missed is lost: \"walrow teardown\" drops it, "    \
    "and "                                                                                                   \
    "a new stream begins with a new snapshot"
#define YOUNGER_HINT                                                                                         \
    "the publication is missing, or was created after the slot, which then cannot see it: with "             \
    "\"walrow teardown\" and \"walrow setup\" both are made anew, in the right order"

static const struct meaning {
    const char *sqlstate; /* a prefix */
    const char *source;   /* file or function of the server's source, NULL: any */
    walrow_code code;
    bool retryable;
    const char *hint; /* NULL: what the server hints */
} meanings[] = {
    {"08", NULL, WALROW_ERR_NET, true, NULL},
    {"57P0", NULL, WALROW_ERR_NET, true, "the server is shutting down or starting; try again when it is up"},
    {"25P03", NULL, WALROW_ERR_NET, true, NULL},
    {"28P01", NULL, WALROW_ERR_CONNECT, false,
     "check the password: in the URL, in PGPASSWORD or in ~/.pgpass; the user must exist"},
    {"28", NULL, WALROW_ERR_CONNECT, false,
     "pg_hba.conf must let this user, database and address in, and the user must exist and may log in; "
     "an edit there takes effect after: select pg_reload_conf()"},
    {"3D000", NULL, WALROW_ERR_CONNECT, false,
     "name an existing database at the end of the URL; psql -l lists them"},
    {"53300", NULL, WALROW_ERR_CONNECT, true,
     "the server, the database or the role is at its connection limit; raise it or close other connections"},
    {"53400", "fd.c", WALROW_ERR_SERVER, false, "raise temp_file_limit, for the role or the database"},
    {"53400", NULL, WALROW_ERR_SERVER, false,
     "every replication slot is taken: raise max_replication_slots (needs a restart), or drop one that "
     "nobody uses; select slot_name, active from pg_replication_slots lists them"},
    {"55006", NULL, WALROW_ERR_SLOT, true,
     "another client streams from this slot; stop it, or choose another name with --slot"},
    {"42704", "pg_publication.c", WALROW_ERR_PUBLICATION, false, YOUNGER_HINT},
    {"42704", "get_publication_oid", WALROW_ERR_PUBLICATION, false, YOUNGER_HINT}, /* 16 and 17 */
    {"42704", "publicationcmds.c", WALROW_ERR_PUBLICATION, false, "\"walrow setup\" creates it"},
    {"42704", "slot.c", WALROW_ERR_SLOT, false, "\"walrow setup\" or \"walrow stream\" creates it"},
    {"42704", "slotfuncs.c", WALROW_ERR_SLOT, false, "\"walrow setup\" or \"walrow stream\" creates it"},
    {"55000", "CheckLogicalDecodingRequirements", WALROW_ERR_SERVER, false,
     "ALTER SYSTEM SET wal_level = logical; then restart the server. \"walrow check\" lists all it lacks"},
    {"0A000", "CheckLogicalDecodingRequirements", WALROW_ERR_SERVER, false,
     "this server is a standby: connect to the primary"},
    {"0A000", "CheckSlotRequirements", WALROW_ERR_SERVER, false,
     "\"walrow check\" lists all the server lacks"},
    {"55000", "CheckSlotRequirements", WALROW_ERR_SERVER, false,
     "raise max_replication_slots and restart the server. \"walrow check\" lists all it lacks"},
    {"55000", "logical.c", WALROW_ERR_SLOT, false, SLOT_GONE_HINT}, /* up to 17 */
    {"55000", "slot.c", WALROW_ERR_SLOT, false, SLOT_GONE_HINT},
    {"42710", "slot.c", WALROW_ERR_SLOT, false, "choose another name with --slot"},
    {"58P01", "dfmgr.c", WALROW_ERR_SERVER, false,
     "the output plugin is not installed on the server: \"make plugin install-plugin\"; a new slot with "
     "--plugin "
     "pgoutput needs none"},
    {"0A000", "publications.c", WALROW_ERR_PUBLICATION, false,
     "--publication names another, of whole tables; or \"walrow teardown\", and a new slot with --plugin "
     "pgoutput"},
    {"22023", "options.c", WALROW_ERR_SERVER, false,
     "the output plugin on the server is of another version than this walrow: install the same"},
    {"58P01", "SendTimeLineHistory", WALROW_ERR_SERVER, false,
     "bring the file back into pg_wal, from the WAL archive or another server of the cluster"},
    {"58P01", NULL, WALROW_ERR_SLOT, false,
     "the server no longer has WAL this slot needs; \"walrow teardown\" drops the slot, a new stream begins "
     "with a new snapshot"},
    {"42501", "logical.c", WALROW_ERR_SERVER, false, NULL}, /* output_plugin_libraries; the server says it */
    {"42501", "walsender.c", WALROW_ERR_SERVER, false,
     "the role may not replicate: ALTER ROLE ... REPLICATION (on Amazon RDS: GRANT rds_replication TO ...)"},
    {"42501", "postinit.c", WALROW_ERR_SERVER, false,
     "the role may not replicate: ALTER ROLE ... REPLICATION (on Amazon RDS: GRANT rds_replication TO ...)"},
    {"42501", "slot.c", WALROW_ERR_SERVER, false,
     "the role may not replicate: ALTER ROLE ... REPLICATION (on Amazon RDS: GRANT rds_replication TO ...)"},
    {"42501", NULL, WALROW_ERR_SERVER, false,
     "\"walrow check\" says what this role lacks; \"walrow setup --grant-to ROLE\", run by an owner, grants "
     "it"},
    {"25006", NULL, WALROW_ERR_SERVER, false,
     "the server or the session is read-only; connect to the primary (target_session_attrs=read-write in the "
     "URL)"},
    {"40", NULL, KEEP, true, NULL},
    {"57014", NULL, KEEP, true, "somebody cancelled it: pg_cancel_backend"},
    {"55P03", NULL, KEEP, true, "something holds a lock on it; try again when it is released"},
    {"53", NULL, KEEP, true, NULL},
};

static const struct meaning *
find_meaning(const char *sqlstate, const char *file, const char *function)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        const struct meaning *row = &meanings[i];
        if (strncmp(sqlstate, row->sqlstate, strlen(row->sqlstate)) == 0 &&
            (row->source == NULL || strcmp(file, row->source) == 0 || strcmp(function, row->source) == 0))
            return row;
    }
    return NULL;
}

static const char *
field_or_empty(const PGresult *result, int field)
{
    const char *text = result == NULL ? NULL : PQresultErrorField(result, field);
    return text == NULL ? "" : text;
}

/* Cut at size, blanks and line ends at the end removed, line ends within made spaces. */
static void
tidy(char *text)
{
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        text[--size] = '\0';
    for (; *text != '\0'; text++)
        if (*text == '\n' || *text == '\t')
            *text = ' ';
}

static void
set_hint(walrow_error *err, const char *ours, const char *servers)
{
    if (ours != NULL)
        walrow__hint(err, "%s", ours);
    else if (*servers != '\0')
        walrow__hint(err, "%s", servers);
}

static walrow_code
fail_from_connection(PGconn *conn, walrow_code code, const char *doing, walrow_error *err)
{
    bool broken = PQstatus(conn) == CONNECTION_BAD;
    char message[400];
    snprintf(message, sizeof message, "%s", PQerrorMessage(conn));
    tidy(message);
    walrow__fail(err, broken ? WALROW_ERR_NET : code, "%s%s%s", doing == NULL ? "" : doing,
                 doing == NULL ? "" : ": ", *message == '\0' ? "the connection was closed" : message);
    return broken ? WALROW_ERR_NET : code;
}

walrow_code
walrow__pg_error(PGconn *conn, const PGresult *result, walrow_code code, const char *doing, walrow_error *err)
{
    const char *sqlstate = field_or_empty(result, PG_DIAG_SQLSTATE);
    if (*sqlstate == '\0')
        return fail_from_connection(conn, code, doing, err);

    const struct meaning *meaning = find_meaning(sqlstate, field_or_empty(result, PG_DIAG_SOURCE_FILE),
                                                 field_or_empty(result, PG_DIAG_SOURCE_FUNCTION));
    if (meaning != NULL && meaning->code != KEEP)
        code = meaning->code;
    const char *detail = field_or_empty(result, PG_DIAG_MESSAGE_DETAIL);
    walrow__fail(err, code, "%s%s%s%s%s%s", doing == NULL ? "" : doing, doing == NULL ? "" : ": ",
                 field_or_empty(result, PG_DIAG_MESSAGE_PRIMARY), *detail == '\0' ? "" : " (", detail,
                 *detail == '\0' ? "" : ")");
    if (err != NULL) {
        tidy(err->message);
        snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate);
        err->retryable = meaning != NULL && meaning->retryable;
        set_hint(err, meaning == NULL ? NULL : meaning->hint, field_or_empty(result, PG_DIAG_MESSAGE_HINT));
    }
    return code;
}

/* ---- connection attempts: libpq gives no result, only text; verbose, it has ": SQLSTATE: " in it ---- */

static bool
is_sqlstate(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (!isdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i]))
            return false;
    return text[5] == ':' && text[6] == ' ';
}

/* Where "28P01: password ..." begins, or NULL. */
static const char *
find_sqlstate(const char *message)
{
    for (const char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 1, ":  "))
        if (strlen(at + 3) > 6 && is_sqlstate(at + 3))
            return at + 3;
    return NULL;
}

static const char *
hint_without_sqlstate(PGconn *conn, const char *message, bool *retryable)
{
    *retryable = false;
    if (PQconnectionNeedsPassword(conn))
        return "give the password in PGPASSWORD or ~/.pgpass, or in the URL: "
               "postgresql://USER:PASSWORD@HOST/DATABASE";
    if (strstr(message, "authentication method") != NULL || strstr(message, "channel binding") != NULL)
        return "pg_hba.conf must offer a way to log in that this libpq knows: scram-sha-256, for one";
    if (strstr(message, "SSL") != NULL || strstr(message, "certificate") != NULL)
        return "see sslmode, sslrootcert and sslcert in the URL's parameters";
    if (strstr(message, "invalid connection option") != NULL || strstr(message, "invalid port") != NULL)
        return "the URL is postgresql://USER@HOST:PORT/DATABASE";
    *retryable = true;
    return "is the server up, and does it listen there? the URL is postgresql://USER@HOST:PORT/DATABASE";
}

walrow_code
walrow__pg_connect_error(PGconn *conn, bool replication, walrow_error *err)
{
    char message[1024];
    snprintf(message, sizeof message, "%s", PQerrorMessage(conn));
    const char *what = replication ? "cannot open a replication connection" : "cannot connect";
    const char *state = find_sqlstate(message);

    if (state == NULL) {
        bool retryable;
        const char *hint = hint_without_sqlstate(conn, message, &retryable);
        tidy(message);
        walrow__fail(err, WALROW_ERR_CONNECT, "%s: %s", what, message);
        if (err != NULL)
            err->retryable = retryable;
        walrow__hint(err, "%s", hint);
        return WALROW_ERR_CONNECT;
    }

    /* the verbose form goes on with "\nLOCATION:  function, file.c:line" */
    char sqlstate[6], file[64] = "";
    memcpy(sqlstate, state, 5);
    sqlstate[5] = '\0';
    const char *location = strrchr(state, ',');
    if (location != NULL)
        sscanf(location, ", %63[^:]", file);
    size_t before = (size_t)(state - message);
    size_t line = strcspn(state + 7, "\n");
    const struct meaning *meaning = find_meaning(sqlstate, file, "");
    walrow_code code = meaning == NULL || meaning->code == KEEP || meaning->code == WALROW_ERR_NET
                           ? WALROW_ERR_CONNECT
                           : meaning->code;
    walrow__fail(err, code, "%s: %.*s%.*s", what, (int)before, message, (int)line, state + 7);
    if (err != NULL) {
        tidy(err->message);
        memcpy(err->sqlstate, sqlstate, sizeof sqlstate);
        err->retryable = meaning != NULL && meaning->retryable;
        set_hint(err, meaning == NULL ? NULL : meaning->hint, "");
        /* the same SQLSTATE and file as "too many clients", but the setting's name is never translated */
        if (strstr(message, "max_wal_senders") != NULL)
            walrow__hint(
                err, "every WAL sender is taken: raise max_wal_senders (needs a restart), or stop another "
                     "replication client");
    }
    return code;
}
