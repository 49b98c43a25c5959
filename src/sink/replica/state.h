/*
 * sink/replica/state.h
 *	  The DuckDB file of duckdb:FILE, and what its schema "_walrow" remembers: whom it belongs to, how far it
 * is, and which tables it has.
 *
 *	  _walrow.state         one row: version, mode, system identifier, timeline, database, slot, commit_lsn, seq
 * (position of the last change), end_lsn, message_lsn (of the last message outside of transactions)
 *	  _walrow.tables        schema_name, table_name, relid, epoch, snapshot_point (NULL: none was read)
 *	  _walrow.messages      logical messages
 *	  _walrow.dead_letters  values their columns could not hold
 *
 * The file is attached to an in-memory database, whose temporary tables take what comes. So a transaction of
 * the file begins when all its input is there.
 */
#ifndef WALROW_SINK_REPLICA_STATE_H
#define WALROW_SINK_REPLICA_STATE_H

#include "duckdb/duckdb.h"
#include "sink/sink.h"

#define WALROW__REPLICA "walrow_replica" /* the file's name as a database */

/* A table of the source, as the file has it. */
typedef struct walrow__replica_table {
    char *schema_name, *table_name;
    uint32_t relid; /* 0: nothing of it is in the file */
    uint64_t epoch;
    uint64_t point; /* of its snapshot; 0: none was read */
    struct walrow__replica_table *next;
} walrow__replica_table;

typedef struct walrow__replica {
    walrow__duckdb *duckdb;
    char *path, *parent;
    bool append; /* the change log, not its outcome */
    uint32_t timeline;
    walrow__position position;
    uint64_t end_lsn, message_lsn;
    walrow__replica_table *tables;
} walrow__replica;

/**
 * Open the file, or make it, and read what it remembers.
 * @param memory  bytes DuckDB may take
 * Errors: WALROW_ERR_SINK: locked, no DuckDB file, no permission; WALROW_ERR_STATE: another's
 */
walrow_code walrow__replica_open(walrow__replica *replica, const char *path, bool append, uint64_t memory,
                                 const walrow__identity *identity, walrow_error *err) WALROW_MUST_CHECK;
/* Closes the file; what was not committed is gone. */
void walrow__replica_close(walrow__replica *replica);

/**
 * The table of that name; one of that relid under another name, if it has none of that name; else a new one,
 * not saved yet. Errors: WALROW_ERR_SINK: DuckDB would take it for another
 */
walrow_code walrow__replica_find(walrow__replica *replica, const char *schema_name, const char *table_name,
                                 uint32_t relid, walrow__replica_table **out,
                                 walrow_error *err) WALROW_MUST_CHECK;
/*
 * What was committed before it is in the file: as stored, or in the snapshot of the table that has the name now,
 * whichever table the changes are of. relid: 0 where it is not known.
 */
uint64_t walrow__replica_from_lsn(const walrow__replica *replica, const char *schema_name,
                                  const char *table_name, uint32_t relid);
walrow_code walrow__replica_save_table(walrow__replica *replica, const walrow__replica_table *table,
                                       walrow_error *err) WALROW_MUST_CHECK;
/** In a transaction of its own. */
walrow_code walrow__replica_save_timeline(walrow__replica *replica, uint32_t timeline,
                                          walrow_error *err) WALROW_MUST_CHECK;
walrow_code walrow__replica_save_position(walrow__replica *replica, walrow__position position,
                                          uint64_t end_lsn, uint64_t message_lsn,
                                          walrow_error *err) WALROW_MUST_CHECK;

/** Run the statements in sql, and empty it. */
walrow_code walrow__replica_run(walrow__replica *replica, walrow__strbuf *sql,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Run a SELECT of one row of n numbers, and empty sql. NULL counts as 0. */
walrow_code walrow__replica_numbers(walrow__replica *replica, walrow__strbuf *sql, int64_t *numbers, int n,
                                    walrow_error *err) WALROW_MUST_CHECK;
/* What to do about an error of DuckDB's, and its message on one line. Returns code. */
walrow_code walrow__replica_explain(walrow_code code, walrow_error *err);

/* walrow_replica."schema"."table" */
void walrow__replica_add_name(walrow__strbuf *sql, const char *schema_name, const char *table_name);

#endif
