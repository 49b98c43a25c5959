/*
 * pg/publication_age.c
 *	  A slot decodes changes with the catalogue as it was when they were made. A publication made after the
 *	  slot is not in it: an error up to 17, from 18 on a warning and changes that are left out.
 *
 *	  The catalogue has no creation time. But a publication whose row was written by a transaction that the
 *	  slot's catalog_xmin already holds back may be younger; for those the slot is read a little way ahead, which
 *	  moves nothing, to see whether the server complains.
 */
#include "pg/publication.h"

#include "base/error.h"
#include "pg/query.h"
#include "pg/slot.h"

#include <string.h>

#define LOOK_AHEAD_BYTES (16 * 1024 * 1024)

static walrow_code
may_be_younger(PGconn *conn, const walrow_options *options, const char *name, bool *out, walrow_error *err)
{
    const char *params[2] = {options->slot, name};
    PGresult *result;
    WALROW_TRY(walrow__pg_query(conn,
                                "SELECT 1 FROM pg_publication p, pg_replication_slots s"
                                " WHERE s.slot_name = $1 AND s.plugin IN ('pgoutput', 'wal2arrow')"
                                " AND NOT s.active"
                                " AND s.database = current_database()"
                                " AND s.restart_lsn IS NOT NULL AND p.pubname = $2"
                                " AND age(p.xmin) <= age(s.catalog_xmin)",
                                2, params, WALROW_ERR_SERVER, "comparing publication and slot", &result,
                                err));
    *out = PQntuples(result) > 0;
    PQclear(result);
    return WALROW_OK;
}

/* From 18 on it is a warning, of the function that loads publications. */
static void
note_skipped(void *arg, const PGresult *result)
{
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (function != NULL && strcmp(function, "LoadPublications") == 0)
        *(bool *)arg = true;
}

static walrow_code
look_ahead(PGconn *conn, const walrow_options *options, const char *name, bool *younger, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE];
    walrow__slot slot;
    walrow__strbuf quoted;
    WALROW_TRY(walrow__slot_get(conn, options->slot, &slot, err));
    walrow__strbuf_init(&quoted);
    walrow__sql_identifier(&quoted, conn, name);
    if (quoted.failed) {
        walrow__strbuf_release(&quoted);
        return walrow__fail_memory(err);
    }
    const char *params[3] = {
        options->slot, walrow_lsn_format(slot.confirmed_flush_lsn + LOOK_AHEAD_BYTES, lsn), quoted.data};

    walrow_error failure = {0};
    PQnoticeReceiver before = PQsetNoticeReceiver(conn, note_skipped, younger);
    const char *sql = strcmp(slot.plugin, "pgoutput") == 0
                          ? "SELECT 1 FROM pg_logical_slot_peek_binary_changes($1, $2::pg_lsn, 1,"
                            " 'proto_version', '1', 'publication_names', $3)"
                          : "SELECT 1 FROM pg_logical_slot_peek_binary_changes($1, $2::pg_lsn, 1,"
                            " 'publication_names', $3)";
    walrow_code code =
        walrow__pg_query(conn, sql, 3, params, WALROW_ERR_SLOT, "reading ahead in the slot", NULL, &failure);
    PQsetNoticeReceiver(conn, before, NULL);
    walrow__strbuf_release(&quoted);
    if (code == WALROW_ERR_PUBLICATION)
        *younger = true;
    if (code == WALROW_ERR_NET && err != NULL)
        *err = failure;
    /* anything else (the slot became active, the role may not) says nothing about the publication */
    return code == WALROW_ERR_NET ? code : WALROW_OK;
}

walrow_code
walrow__publication_check_age(PGconn *conn, const walrow_options *options, const walrow__texts *names,
                              walrow_error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        bool possible, younger = false;
        WALROW_TRY(may_be_younger(conn, options, names->items[i], &possible, err));
        if (possible)
            WALROW_TRY(look_ahead(conn, options, names->items[i], &younger, err));
        if (!younger)
            continue;
        walrow__fail(
            err, WALROW_ERR_PUBLICATION,
            "publication \"%s\" is younger than slot \"%s\", which decodes changes with the catalogue as it "
            "was then and cannot see it",
            names->items[i], options->slot);
        return walrow__hint(
            err, "name the publication the slot was used with (--publication), or drop the slot with "
                 "\"walrow teardown\" and begin anew, with a new snapshot");
    }
    return WALROW_OK;
}
