/*
 * pg/check_server.c
 *	  The server as a whole, and the role.
 */
#include "pg/check.h"

#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static walrow_code
check_version(walrow__check *check, const char *id, walrow_error *err)
{
    int version = check->facts.server.version;
    char current[32];
    snprintf(current, sizeof current, "%d.%d", version / 10000, version % 10000);
    walrow__finding finding = {.code = WALROW_ERR_SERVER, .current = current, .required = "13 to 18"};
    if (version < 100000) {
        finding.severity = WALROW_SEVERITY_ERROR;
        return walrow__check_add(check, id, &finding, err, "PostgreSQL %s has no logical replication",
                                 current);
    }
    if (version < 130000) {
        finding.severity = WALROW_SEVERITY_WARNING;
        return walrow__check_add(
            check, id, &finding, err,
            "PostgreSQL %s is older than those walrow is tested with; values are sent as text", current);
    }
    if (version >= 190000) {
        finding.severity = WALROW_SEVERITY_INFO;
        return walrow__check_add(check, id, &finding, err,
                                 "PostgreSQL %s is newer than those walrow is tested with", current);
    }
    return WALROW_OK;
}

static walrow_code
check_standby(walrow__check *check, const char *id, walrow_error *err)
{
    if (!check->facts.server.in_recovery)
        return WALROW_OK;
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_ERROR,
        .code = WALROW_ERR_SERVER,
        .current = "standby",
        .required = "primary",
        .fix = "connect to the primary: target_session_attrs=read-write in the URL",
    };
    return walrow__check_add(check, id, &finding, err,
                             "the server is a standby, where neither slot nor publication can be made");
}

static walrow_code
check_wal_level(walrow__check *check, const char *id, walrow_error *err)
{
    if (strcmp(check->facts.wal_level, "logical") == 0)
        return WALROW_OK;
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_ERROR,
        .code = WALROW_ERR_SERVER,
        .current = check->facts.wal_level,
        .required = "logical",
        .fix = check->facts.is_rds ? "rds.logical_replication = 1 in the instance's parameter group"
                                   : "ALTER SYSTEM SET wal_level = 'logical';",
        .restart = true,
    };
    return walrow__check_add(check, id, &finding, err,
                             "wal_level is %s: the WAL does not hold what changes are decoded from",
                             check->facts.wal_level);
}

/* A limit that leaves too little free: none is an error, one a warning, because something else needs another for a
 * while. */
static walrow_code
check_limit(walrow__check *check, const char *id, const char *setting, const char *things, const char *others,
            int64_t limit, int64_t used, bool needed, walrow_error *err)
{
    int64_t left = limit - used;
    if (left >= 2 || (left >= 1 && !needed))
        return WALROW_OK;
    char current[64], required[64], fix[128];
    snprintf(current, sizeof current, "%" PRId64 ", %" PRId64 " used", limit, used);
    snprintf(required, sizeof required, "%" PRId64 " or more", used + 2);
    snprintf(fix, sizeof fix, "ALTER SYSTEM SET %s = %" PRId64 ";", setting, used + 10);
    walrow__finding finding = {
        .severity = left < 1 && needed ? WALROW_SEVERITY_ERROR : WALROW_SEVERITY_WARNING,
        .code = WALROW_ERR_SERVER,
        .current = current,
        .required = required,
        .fix = fix,
        .restart = true,
    };
    if (left >= 1)
        return walrow__check_add(check, id, &finding, err, "only one %s is free; %s needs another", things,
                                 others);
    return walrow__check_add(check, id, &finding, err, "all %" PRId64 " %ss are taken; %s needs another",
                             limit, things, others);
}

static walrow_code
check_slots(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__facts *facts = &check->facts;
    return check_limit(check, id, "max_replication_slots", "replication slot",
                       "pulling, and reading tables that are created later,", facts->max_replication_slots,
                       facts->used_slots, !check->slot.exists, err);
}

static walrow_code
check_senders(walrow__check *check, const char *id, walrow_error *err)
{
    const walrow__facts *facts = &check->facts;
    bool ours_is_taken = check->slot.active;
    return check_limit(check, id, "max_wal_senders", "WAL sender", "reading tables that are created later",
                       facts->max_wal_senders, facts->used_wal_senders, !ours_is_taken, err);
}

static walrow_code
check_sender_timeout(walrow__check *check, const char *id, walrow_error *err)
{
    int64_t timeout_ms = check->facts.wal_sender_timeout_ms;
    char current[32];
    snprintf(current, sizeof current, "%" PRId64 " ms", timeout_ms);
    walrow__finding finding = {
        .code = WALROW_ERR_SERVER,
        .current = timeout_ms == 0 ? "0 (off)" : current,
        .required = "10 s or more",
        .fix = "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();",
    };
    if (timeout_ms == 0) {
        finding.severity = WALROW_SEVERITY_INFO;
        return walrow__check_add(
            check, id, &finding, err,
            "wal_sender_timeout is off: the server keeps a slot active for a client that is gone");
    }
    if (timeout_ms >= 10000)
        return WALROW_OK;
    finding.severity = WALROW_SEVERITY_WARNING;
    return walrow__check_add(check, id, &finding, err,
                             "wal_sender_timeout is short: a slow network costs the connection");
}

static walrow_code
check_role(walrow__check *check, const char *id, walrow_error *err)
{
    if (check->facts.role_may_replicate)
        return WALROW_OK;
    const char *user = check->facts.server.user;
    walrow__strbuf fix;
    walrow__strbuf_init(&fix);
    walrow__strbuf_add_text(&fix, check->facts.is_rds ? "GRANT rds_replication TO " : "ALTER ROLE ");
    walrow__sql_identifier(&fix, check->conn, user);
    walrow__strbuf_add_text(&fix, check->facts.is_rds ? ";" : " REPLICATION;");
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_ERROR,
        .code = WALROW_ERR_SERVER,
        .object = user,
        .current = "no REPLICATION",
        .required = "REPLICATION",
        .fix = walrow__strbuf_text(&fix),
    };
    walrow_code code = walrow__check_add(check, id, &finding, err, "role \"%s\" may not replicate", user);
    walrow__strbuf_release(&fix);
    return code;
}

static walrow_code
add_encoding(walrow__check *check, const char *id, walrow_error *err)
{
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_ERROR,
        .code = WALROW_ERR_SERVER,
        .object = check->facts.server.database,
        .current = check->facts.server.encoding,
        .required = "UTF8",
        .fix = "use pgoutput or wal2arrow, which send it in UTF-8",
    };
    return walrow__check_add(check, id, &finding, err,
                             "wal2json sends the text of this database as it is, in %s", finding.current);
}

static walrow_code
check_encoding(walrow__check *check, const char *id, walrow_error *err)
{
    if (!walrow__plugin_knows_encoding(check->plugin.name, check->facts.server.encoding))
        return add_encoding(check, id, err);
    if (strcmp(check->facts.server.encoding, "SQL_ASCII") != 0)
        return WALROW_OK;
    walrow__finding finding = {
        .severity = WALROW_SEVERITY_INFO,
        .code = WALROW_ERR_VALUE,
        .object = check->facts.server.database,
        .current = "SQL_ASCII",
    };
    return walrow__check_add(
        check, id, &finding, err,
        "the database does not say how its text is encoded; what is not UTF-8 goes to the dead "
        "letters");
}

const walrow__check_row walrow__server_checks[] = {
    {"server-version", check_version},
    {"standby", check_standby},
    {"wal-level", check_wal_level},
    {"max-replication-slots", check_slots},
    {"max-wal-senders", check_senders},
    {"wal-sender-timeout", check_sender_timeout},
    {"role-replication", check_role},
    {"server-encoding", check_encoding},
    {NULL, NULL},
};
