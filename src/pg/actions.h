/*
 * pg/actions.h
 *	  What set-up and teardown do to a server: a list of statements, then carried out one by one.
 */
#ifndef WALROW_PG_ACTIONS_H
#define WALROW_PG_ACTIONS_H

#include <libpq-fe.h>
#include <walrow.h>

/**
 * Add one.
 * @param sql  what is to be done; "" for what is there already, which is only listed
 */
walrow_code walrow__actions_add(walrow_actions *actions, const char *action, const char *object,
                                const char *sql, walrow_error *err) WALROW_MUST_CHECK;
/**
 * Carry out the actions from position first on that are not done, and mark them done. Each is its own
 * transaction. A statement that needs a lock gives way to the application: it waits some seconds at a time,
 * not for ever.
 * @param code  of a failure whose SQLSTATE says nothing better
 */
walrow_code walrow__actions_run(PGconn *conn, walrow_actions *actions, size_t first, walrow_code code,
                                walrow_error *err) WALROW_MUST_CHECK;

#endif
