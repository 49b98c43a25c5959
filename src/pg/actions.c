#include "pg/actions.h"

#include "base/error.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "pg/query.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOCK_ATTEMPTS 5

walrow_code
walrow__actions_add(walrow_actions *actions, const char *action, const char *object, const char *sql,
                    walrow_error *err)
{
    walrow_action *items = realloc(actions->items, (actions->count + 1) * sizeof *items);
    if (items == NULL)
        return walrow__fail_memory(err);
    actions->items = items;
    walrow_action *added = &items[actions->count++];
    *added = (walrow_action){.action = strdup(action), .object = strdup(object), .sql = strdup(sql)};
    if (added->action == NULL || added->object == NULL || added->sql == NULL)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

void
walrow_actions_release(walrow_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        free(actions->items[i].action);
        free(actions->items[i].object);
        free(actions->items[i].sql);
    }
    free(actions->items);
    *actions = (walrow_actions){0};
}

/*
 * An ALTER TABLE that waits for its lock makes everybody else wait behind it. Several statements in one
 * simple query are one transaction, so SET LOCAL ends with it.
 */
static walrow_code
run_once(PGconn *conn, const walrow_action *action, walrow_code code, walrow_error *err)
{
    walrow__strbuf sql, doing;
    walrow__strbuf_init(&sql);
    walrow__strbuf_init(&doing);
    walrow__strbuf_add_text(&sql, "SET LOCAL lock_timeout = '3s'; ");
    walrow__strbuf_add_text(&sql, action->sql);
    walrow__strbuf_addf(&doing, "%s %s", action->action, action->object);
    if (sql.failed || doing.failed)
        code = walrow__fail_memory(err);
    else
        code = walrow__pg_exec(conn, sql.data, code, doing.data, NULL, err);
    walrow__strbuf_release(&sql);
    walrow__strbuf_release(&doing);
    return code;
}

walrow_code
walrow__actions_run(PGconn *conn, walrow_actions *actions, size_t first, walrow_code code, walrow_error *err)
{
    for (size_t i = first; i < actions->count; i++) {
        walrow_action *action = &actions->items[i];
        if (action->done || action->sql[0] == '\0')
            continue;
        walrow_error failure = {0};
        walrow_code result = run_once(conn, action, code, &failure);
        for (int attempt = 1; attempt < LOCK_ATTEMPTS && strcmp(failure.sqlstate, "55P03") == 0; attempt++) {
            walrow__log(WALROW_LOG_WARN, "%s %s: the table is locked, trying again", action->action,
                        action->object);
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
            failure = (walrow_error){0};
            result = run_once(conn, action, code, &failure);
        }
        if (result != WALROW_OK) {
            if (err != NULL)
                *err = failure;
            return result;
        }
        walrow__log(WALROW_LOG_INFO, "%s %s", action->action, action->object);
        action->done = true;
    }
    return WALROW_OK;
}
