/*
 * pg/slot_lock.h
 *	  One walrow at a time reads a slot. A slot that is pushed is active, which the server guards; one that is
 *	  pulled is not, so an advisory lock of the session that moves it stands for that.
 */
#ifndef WALROW_PG_SLOT_LOCK_H
#define WALROW_PG_SLOT_LOCK_H

#include <libpq-fe.h>
#include <walrow.h>

/**
 * Take the lock until conn is closed.
 * Errors: WALROW_ERR_SLOT (retryable, SQLSTATE 55006 as if the slot were active): who has it
 */
walrow_code walrow__slot_lock(PGconn *conn, const char *slot, int timeout_ms,
                              walrow_error *err) WALROW_MUST_CHECK;
/** Who has it: a process of the server; 0: nobody. */
walrow_code walrow__slot_locked_by(PGconn *conn, const char *slot, int timeout_ms, int *pid,
                                   walrow_error *err) WALROW_MUST_CHECK;
/** The error for somebody else who reads the slot. */
walrow_code walrow__slot_taken(const char *slot, const char *by, int pid, walrow_error *err);

#endif
