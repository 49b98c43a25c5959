#include "state/owner.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char key[] = "identity";

static json_t *
owner_of(const walrow__identity *identity, uint32_t timeline)
{
    char system[24];
    snprintf(system, sizeof system, "%" PRIu64, identity->system_identifier);
    return json_pack("{s:s, s:I, s:s, s:s}", "system_identifier", system, "timeline", (json_int_t)timeline,
                     "database", identity->database, "slot", identity->slot);
}

walrow_code
walrow__owner_get(walrow__store *store, json_t **out, walrow_error *err)
{
    char *text;
    WALROW_TRY(walrow__store_get(store, key, &text, NULL, err));
    json_t *owner = text == NULL ? NULL : json_loads(text, 0, NULL);
    free(text);
    json_int_t timeline = json_integer_value(json_object_get(owner, "timeline"));
    if (timeline < 0 || timeline > UINT32_MAX || !json_is_object(owner)) {
        json_decref(owner);
        owner = NULL;
    }
    *out = owner;
    return WALROW_OK;
}

uint32_t
walrow__owner_timeline(const json_t *owner)
{
    return (uint32_t)json_integer_value(json_object_get(owner, "timeline"));
}

static walrow_code
belongs_elsewhere(const json_t *owner, const json_t *ours, const char *path, walrow_error *err)
{
    char *theirs_text = json_dumps(owner, 0), *ours_text = json_dumps(ours, 0);
    walrow__fail(err, WALROW_ERR_STATE, "the state in \"%s\" belongs to %s, and this is %s", path,
                 theirs_text == NULL ? "" : theirs_text, ours_text == NULL ? "" : ours_text);
    free(theirs_text);
    free(ours_text);
    return walrow__hint(err, "name another directory with --state, or use the server, database and slot it "
                             "belongs to");
}

walrow_code
walrow__owner_check(const json_t *owner, const walrow__identity *identity, const char *path,
                    walrow_error *err)
{
    json_t *ours = owner_of(identity, identity->timeline);
    json_t *followed = owner_of(identity, walrow__owner_timeline(owner));
    walrow_code code = WALROW_OK;
    if (ours == NULL || followed == NULL)
        code = walrow__fail_memory(err);
    else if (!json_equal(owner, followed))
        code = belongs_elsewhere(owner, ours, path, err);
    json_decref(ours);
    json_decref(followed);
    return code;
}

static walrow_code
put(walrow__store_write *write, const json_t *owner, walrow_error *err)
{
    char *text = owner == NULL ? NULL : json_dumps(owner, 0);
    if (text == NULL)
        return walrow__fail_memory(err);
    walrow__store_put_text(write, key, text);
    free(text);
    return WALROW_OK;
}

walrow_code
walrow__owner_put(walrow__store_write *write, const walrow__identity *identity, walrow_error *err)
{
    json_t *owner = owner_of(identity, identity->timeline);
    walrow_code code = put(write, owner, err);
    json_decref(owner);
    return code;
}

walrow_code
walrow__owner_move(json_t *owner, uint32_t timeline, walrow__store_write *write, walrow_error *err)
{
    return json_object_set_new(owner, "timeline", json_integer(timeline)) == 0 ? put(write, owner, err)
                                                                               : walrow__fail_memory(err);
}
