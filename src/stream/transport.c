#include "stream/transport.h"

#include "base/error.h"
#include "base/log.h"
#include "pg/slot_lock.h"
#include "stream/receiver.h"

#include <stdio.h>
#include <string.h>

enum { REFUSED_MS = 600000, PATIENCE_MS = 10000, PATIENT_TURN_MS = 20 };

/* ---- why ---- */

static void
refuse(walrow__receiver *r, const walrow_error *err)
{
    r->transport.refused_until = walrow__now_ms() + REFUSED_MS;
    snprintf(r->transport.why, sizeof r->transport.why, "%s", err->message);
}

/* For the log, and for "status". */
static walrow_code
note(walrow__receiver *r, const char *name, walrow_error *err)
{
    const char *why = r->transport.why;
    walrow__log(WALROW_LOG_INFO, "changes are %sed%s%s", name, *why == '\0' ? "" : ": ", why);
    if (r->state == NULL)
        return WALROW_OK;
    walrow__store_write *write = walrow__store_begin();
    walrow__state_put_transport(write, name, why);
    return walrow__state_commit(r->state, write, 0, err);
}

/* ---- opening ---- */

static walrow_code
check_not_pulled(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    int pid;
    WALROW_TRY(walrow__slot_locked_by(r->sql, options->slot, options->timeout_ms, &pid, err));
    return pid == 0 ? WALROW_OK : walrow__slot_taken(options->slot, "another walrow", pid, err);
}

static walrow_code
open_push(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    PGconn *conn;
    WALROW_TRY(check_not_pulled(r, options, err));
    WALROW_TRY(walrow__session_connect(r, true, &conn, err));
    WALROW_TRY(walrow__push_start(&r->transport.push, conn, options, err));
    r->source = &r->transport.push.base;
    return WALROW_OK;
}

static walrow_code
open_pull(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    PGconn *conn, *mover;
    WALROW_TRY(walrow__session_connect(r, false, &conn, err));
    walrow_code code = walrow__session_connect(r, false, &mover, err);
    if (code != WALROW_OK) {
        PQfinish(conn);
        return code;
    }
    WALROW_TRY(walrow__pull_start(&r->transport.pull, conn, mover, options, err));
    r->source = &r->transport.pull.base;
    return WALROW_OK;
}

static bool
wants_pull(const walrow__receiver *r)
{
    return r->options->transport == WALROW__TRANSPORT_PULL && walrow__now_ms() >= r->transport.refused_until;
}

static walrow_code
open_either(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    if (wants_pull(r)) {
        r->transport.why[0] = '\0';
        walrow_code code = open_pull(r, options, err);
        if (code == WALROW_OK || !walrow__pull_refused(&r->transport.pull, err))
            return code;
        refuse(r, err);
    }
    return open_push(r, options, err);
}

/* The server lets go of a slot a moment after it was told to. */
static bool
waits_for_release(const walrow__receiver *r, const walrow_error *err)
{
    return strcmp(err->sqlstate, "55006") == 0 && walrow__now_ms() < r->transport.patient_until &&
           !atomic_load(&r->stop);
}

walrow_code
walrow__transport_open(walrow__receiver *r, const walrow__source_options *options, walrow_error *err)
{
    walrow_error why = {0};
    walrow_code code;
    while ((code = open_either(r, options, &why)) != WALROW_OK && waits_for_release(r, &why))
        walrow__queue_wait(&r->queue, PATIENT_TURN_MS);
    if (code == WALROW_OK)
        return note(r, r->source->ops->name, err);
    if (err != NULL)
        *err = why;
    return code;
}

/* ---- going over ---- */

bool
walrow__transport_gives_way(walrow__receiver *r, const walrow_error *err)
{
    if (r->source != &r->transport.pull.base || !walrow__pull_refused(&r->transport.pull, err))
        return false;
    refuse(r, err);
    r->transport.patient_until = walrow__now_ms() + PATIENCE_MS;
    return true;
}
