/*
 * pg/slot.h
 *	  The replication slot: what it is, whether it fits, making and dropping it.
 */
#ifndef WALROW_PG_SLOT_H
#define WALROW_PG_SLOT_H

#include "base/options.h"

#include <libpq-fe.h>

typedef struct walrow__slot {
    bool exists;
    char name[64];
    char plugin[64];
    char database[64]; /* "" of a physical slot */
    bool temporary;
    bool two_phase;
    bool active;
    int pid;                      /* 0 if not active */
    char application[64];         /* of that pid, "" if not known */
    uint64_t restart_lsn;         /* 0 if it has none (any more) */
    uint64_t confirmed_flush_lsn; /* 0 likewise */
    int64_t lag_bytes;            /* behind the server's flush LSN */
    int64_t retained_bytes;       /* WAL kept for it; -1 unknown */
    int64_t safe_wal_bytes; /* that may still be written before it may be lost; -1: no limit, or not known */
    char wal_status[16];    /* "" before 13 */
    char invalidation_reason[32]; /* "" if it is valid */
} walrow__slot;

/** What the server says of the slot; a missing one is no error: out->exists. */
walrow_code walrow__slot_get(PGconn *conn, const char *name, walrow__slot *out,
                             walrow_error *err) WALROW_MUST_CHECK;
/**
 * Can walrow stream from it, as options ask? Whether it is active is not asked.
 * Errors: WALROW_ERR_SLOT (missing, invalidated, of another database, physical, two_phase, of a plugin that
 * walrow does not read or that --plugin does not name), with why
 */
walrow_code walrow__slot_fits(const walrow__slot *slot, const walrow_options *options, const char *database,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Does what the slot sends, or will once it is made, depend on publications? wal2json knows none. */
bool walrow__slot_has_publications(const walrow__slot *slot, const walrow_options *options);
/** Of two plugins that walrow reads, --plugin names the one that is not the slot's: better leave it out. */
bool walrow__slot_wants_no_plugin(const walrow__slot *slot, const walrow_options *options);

/**
 * Create a slot; waits for the transactions that run, and logs which.
 * @param options         for a second connection, which looks at the transactions
 * @param consistent_lsn  may be NULL
 */
walrow_code walrow__slot_create(PGconn *conn, const walrow_options *options, const char *name,
                                const char *plugin, bool temporary, uint64_t *consistent_lsn,
                                walrow_error *err) WALROW_MUST_CHECK;
/** Log which transactions keep the creation of a slot in session pid from finishing; nothing if it does not
 * wait. */
void walrow__slot_wait_report(PGconn *conn, int pid);

#endif
