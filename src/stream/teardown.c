/*
 * stream/teardown.c
 *	  walrow_teardown: what walrow made on the server goes first, then what it remembers of it.
 */
#include "pg/teardown.h"
#include "pg/actions.h"
#include "state/place.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static walrow_code
forget(const char *path, bool dry_run, walrow_actions *out, walrow_error *err)
{
    char what[4200];
    if (access(path, F_OK) != 0)
        return WALROW_OK;
    snprintf(what, sizeof what, "-- remove the directory %s", path);
    WALROW_TRY(walrow__actions_add(out, "remove state", path, what, err));
    if (dry_run)
        return WALROW_OK;
    WALROW_TRY(walrow__place_remove(path, err));
    out->items[out->count - 1].done = true;
    return WALROW_OK;
}

walrow_code
walrow_teardown(const walrow_options *options, bool dry_run, walrow_actions *out, walrow_error *err)
{
    char *path = NULL;
    WALROW_TRY(walrow__teardown_server(options, dry_run, out, err));
    if (walrow__state_is_off(options))
        return WALROW_OK;
    walrow_code code = walrow__state_place(options, &path, err);
    if (code == WALROW_OK)
        code = forget(path, dry_run, out, err);
    free(path);
    if (code != WALROW_OK)
        walrow_actions_release(out);
    return code;
}
