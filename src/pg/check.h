/*
 * pg/check.h
 *	  What keeps options from working against the server, as a list of findings; each check is a function in a
 *	  table.
 */
#ifndef WALROW_PG_CHECK_H
#define WALROW_PG_CHECK_H

#include "pg/connection.h"
#include "pg/discover.h"
#include "pg/plugin.h"
#include "pg/publication.h"
#include "pg/slot.h"

/* Settings and counts every check may look at. */
typedef struct walrow__facts {
    walrow__pg_server server;
    char wal_level[16];
    int64_t max_replication_slots, used_slots;
    int64_t max_wal_senders, used_wal_senders;
    int64_t wal_sender_timeout_ms;
    int64_t max_slot_wal_keep_mb; /* -1: no limit, or before 13 */
    bool has_plugin_list;         /* the server knows output_plugin_libraries, and shows it to this role */
    bool plugin_list_restart;     /* a new value counts after a restart only */
    char plugin_list[1024];
    bool role_may_replicate;
    bool is_rds; /* Amazon RDS, where other words lead to the same */
    bool is_superuser;
    bool may_create; /* in the database */
} walrow__facts;

typedef struct walrow__check {
    PGconn *conn;
    const walrow_options *options;
    walrow__facts facts;
    walrow__discovery tables;
    walrow__publication publication, inserts;
    walrow__slot slot;
    walrow__plugin_choice plugin;
    walrow_findings *out;
} walrow__check;

/**
 * What a new slot and publication need of the server itself: wal_level, free slots and senders, a role that
 * may replicate, no standby. The first that is missing is the error. Errors: WALROW_ERR_SERVER
 */
walrow_code walrow__check_server(PGconn *conn, const walrow_options *options,
                                 walrow_error *err) WALROW_MUST_CHECK;

/* ---- for the checks ---- */

typedef struct walrow__check_row {
    const char *id;
    walrow_code (*run)(walrow__check *check, const char *id, walrow_error *err);
} walrow__check_row;

extern const walrow__check_row walrow__server_checks[]; /* the last one's id is NULL */
extern const walrow__check_row walrow__table_checks[];
extern const walrow__check_row walrow__object_checks[];
extern const walrow__check_row walrow__plugin_checks[];

/** walrow_check, with checks of tables that this layer knows nothing of: more, the last one's id is NULL. */
walrow_code walrow__check_all(const walrow_options *options, const walrow__check_row *more,
                              walrow_findings *out, walrow_error *err) WALROW_MUST_CHECK;

/* What a finding has besides its id; NULL is "". */
typedef struct walrow__finding {
    walrow_severity severity;
    walrow_code code;
    const char *object, *current, *required, *fix;
    bool restart;
} walrow__finding;

walrow_code walrow__check_add(walrow__check *check, const char *id, const walrow__finding *finding,
                              walrow_error *err, const char *message, ...)
    __attribute__((format(printf, 5, 6)));

#endif
