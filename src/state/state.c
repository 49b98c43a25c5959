#include "state/state.h"

#include "base/error.h"
#include "base/files.h"
#include "base/parse.h"
#include "state/damaged.h"
#include "state/owner.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char format_version[] = "1";

struct walrow__state {
    walrow__store *store;
    char *path;
    int lock_fd;          /* -1: only read */
    pthread_mutex_t lock; /* positions must not overtake each other */
    uint64_t confirmed_lsn;
    uint64_t reached_lsn, stored_reached_lsn;
    json_t *owner;
    bool made_slot;
};

/* ---- what is stored ---- */

walrow_code
walrow__state_damaged(const walrow__state *state, const char *key, walrow_error *err)
{
    walrow__fail(err, WALROW_ERR_STATE,
                 "the state in \"%s\" is damaged: \"%s\" is missing or not what was written", state->path,
                 key);
    return walrow__hint_damaged(err);
}

static walrow_code
check_version(walrow__state *state, walrow_error *err)
{
    char *version;
    WALROW_TRY(walrow__store_get(state->store, "version", &version, NULL, err));
    walrow_code code = WALROW_OK;
    if (version == NULL)
        code = walrow__state_damaged(state, "version", err);
    else if (strcmp(version, format_version) != 0) {
        walrow__fail(err, WALROW_ERR_STATE,
                     "the state in \"%s\" is of version %s, and this walrow reads version %s", state->path,
                     version, format_version);
        code = walrow__hint(err, "use the walrow that wrote it, or a newer one");
    }
    free(version);
    return code;
}

static walrow_code
check_owner(walrow__state *state, const walrow__identity *identity, walrow_error *err)
{
    WALROW_TRY(walrow__owner_get(state->store, &state->owner, err));
    return state->owner == NULL ? walrow__state_damaged(state, "identity", err)
                                : walrow__owner_check(state->owner, identity, state->path, err);
}

/* A key with an LSN; 0 if there is none. */
static walrow_code
get_lsn(walrow__state *state, const char *key, uint64_t *lsn, walrow_error *err)
{
    char *text;
    *lsn = 0;
    WALROW_TRY(walrow__store_get(state->store, key, &text, NULL, err));
    bool bad = text != NULL && !walrow_lsn_parse(text, lsn);
    free(text);
    return bad ? walrow__state_damaged(state, key, err) : WALROW_OK;
}

/* Before there was such a key, all that was confirmed may have been delivered. */
static walrow_code
get_reached(walrow__state *state, walrow_error *err)
{
    char *text;
    WALROW_TRY(walrow__store_get(state->store, "reached", &text, NULL, err));
    bool known = text != NULL;
    free(text);
    state->reached_lsn = state->confirmed_lsn;
    if (known)
        WALROW_TRY(get_lsn(state, "reached", &state->reached_lsn, err));
    state->stored_reached_lsn = state->reached_lsn;
    return WALROW_OK;
}

static void
put_lsn(walrow__store_write *write, const char *key, uint64_t lsn)
{
    char text[WALROW_LSN_SIZE];
    walrow__store_put_text(write, key, walrow_lsn_format(lsn, text));
}

static walrow_code
get_made_slot(walrow__state *state, walrow_error *err)
{
    char *slot;
    WALROW_TRY(walrow__store_get(state->store, "slot", &slot, NULL, err));
    state->made_slot = slot != NULL;
    free(slot);
    return WALROW_OK;
}

/* ---- open ---- */

static walrow__state *
new_state(const char *path)
{
    walrow__state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return NULL;
    state->lock_fd = -1;
    pthread_mutex_init(&state->lock, NULL);
    state->path = strdup(path);
    if (state->path != NULL)
        return state;
    walrow__state_close(state);
    return NULL;
}

static walrow_code
open_store(walrow__state *state, const char *name, walrow__store_mode mode, walrow_error *err)
{
    char *db = walrow__files_join(state->path, name);
    if (db == NULL)
        return walrow__fail_memory(err);
    walrow_code code = walrow__store_open(db, mode, &state->store, err);
    free(db);
    return code;
}

/* A new store takes its name when it says whose it is: what a crash left half made is not there. */
static walrow_code
make(walrow__state *state, const walrow__identity *identity, walrow_error *err)
{
    WALROW_TRY(walrow__place_clear_new(state->path, err));
    WALROW_TRY(open_store(state, WALROW__PLACE_NEW, WALROW__STORE_CREATE, err));
    walrow__store_write *write = walrow__store_begin();
    walrow__store_put_text(write, "version", format_version);
    put_lsn(write, "reached", 0);
    walrow_code code = walrow__owner_put(write, identity, err);
    if (code == WALROW_OK)
        code = walrow__store_commit(state->store, write, err);
    else
        walrow__store_abandon(write);
    walrow__store_close(state->store);
    state->store = NULL;
    return code == WALROW_OK ? walrow__place_keep_new(state->path, err) : code;
}

static walrow_code
open_existing(walrow__state *state, const walrow__identity *identity, walrow_error *err)
{
    WALROW_TRY(open_store(state, WALROW__PLACE_STORE, WALROW__STORE_EXISTING, err));
    WALROW_TRY(check_version(state, err));
    WALROW_TRY(check_owner(state, identity, err));
    WALROW_TRY(get_made_slot(state, err));
    WALROW_TRY(get_lsn(state, "confirmed", &state->confirmed_lsn, err));
    return get_reached(state, err);
}

static walrow_code
lock_and_open(walrow__state *state, const walrow__identity *identity, walrow_error *err)
{
    WALROW_TRY(walrow__place_lock(state->path, &state->lock_fd, err));
    if (!walrow__place_is_used(state->path))
        WALROW_TRY(make(state, identity, err));
    return open_existing(state, identity, err);
}

walrow_code
walrow__state_open(const char *path, const walrow__identity *identity, walrow__state **out, walrow_error *err)
{
    walrow__state *state = new_state(path);
    walrow_code code = state == NULL ? walrow__fail_memory(err) : lock_and_open(state, identity, err);
    if (code == WALROW_OK)
        *out = state;
    else
        walrow__state_close(state);
    return code;
}

static walrow_code
open_to_change(walrow__state *state, walrow_error *err)
{
    WALROW_TRY(walrow__place_lock(state->path, &state->lock_fd, err));
    WALROW_TRY(open_store(state, WALROW__PLACE_STORE, WALROW__STORE_EXISTING, err));
    WALROW_TRY(check_version(state, err));
    return get_lsn(state, "confirmed", &state->confirmed_lsn, err);
}

walrow_code
walrow__state_change(const char *path, walrow__state **out, walrow_error *err)
{
    if (!walrow__place_is_used(path)) {
        walrow__fail(err, WALROW_ERR_STATE, "there is no state in \"%s\"", path);
        return walrow__hint(err, "walrow stream makes it; --slot and --state say which is meant");
    }
    walrow__state *state = new_state(path);
    walrow_code code = state == NULL ? walrow__fail_memory(err) : open_to_change(state, err);
    if (code == WALROW_OK)
        *out = state;
    else
        walrow__state_close(state);
    return code;
}

walrow_code
walrow__state_read(const char *path, walrow__state **out, walrow_error *err)
{
    *out = NULL;
    if (!walrow__place_is_used(path))
        return WALROW_OK;
    walrow__state *state = new_state(path);
    if (state == NULL)
        return walrow__fail_memory(err);
    walrow_code code = open_store(state, WALROW__PLACE_STORE, WALROW__STORE_READ_ONLY, err);
    if (code == WALROW_OK)
        code = check_version(state, err);
    if (code == WALROW_OK)
        code = get_lsn(state, "confirmed", &state->confirmed_lsn, err);
    if (code == WALROW_OK)
        *out = state;
    else
        walrow__state_close(state);
    return code;
}

void
walrow__state_close(walrow__state *state)
{
    if (state == NULL)
        return;
    walrow__store_close(state->store);
    if (state->lock_fd >= 0)
        close(state->lock_fd);
    pthread_mutex_destroy(&state->lock);
    json_decref(state->owner);
    free(state->path);
    free(state);
}

/* ---- reading ---- */

uint64_t
walrow__state_confirmed(const walrow__state *state)
{
    return state->confirmed_lsn;
}

uint64_t
walrow__state_reached(const walrow__state *state)
{
    return state->reached_lsn;
}

uint32_t
walrow__state_timeline(const walrow__state *state)
{
    return walrow__owner_timeline(state->owner);
}

bool
walrow__state_made_slot(const walrow__state *state)
{
    return state->made_slot;
}

walrow_code
walrow__state_note_slot_made(walrow__state *state, walrow_error *err)
{
    walrow__store_write *write = walrow__store_begin();
    walrow__store_put_text(write, "slot", "made");
    WALROW_TRY(walrow__store_commit(state->store, write, err));
    state->made_slot = true;
    return WALROW_OK;
}

/* A sink is known by its URI without parameters, which may change from run to run; malloc'ed. */
static char *
sink_key(const char *kind, const char *uri)
{
    char *key;
    return asprintf(&key, "%s/%.*s", kind, (int)strcspn(uri, "?"), uri) < 0 ? NULL : key;
}

walrow_code
walrow__state_sink(walrow__state *state, const char *uri, uint64_t *lsn, walrow_error *err)
{
    char *key = sink_key("sink", uri);
    walrow_code code = key == NULL ? walrow__fail_memory(err) : get_lsn(state, key, lsn, err);
    free(key);
    return code;
}

/* A key with a number. */
static walrow_code
get_number(walrow__state *state, const char *key, bool *known, uint64_t *number, walrow_error *err)
{
    char *text;
    int64_t value = 0;
    WALROW_TRY(walrow__store_get(state->store, key, &text, NULL, err));
    bool bad = text != NULL && !walrow__parse_int(text, &value);
    *known = text != NULL;
    *number = (uint64_t)value;
    free(text);
    return bad ? walrow__state_damaged(state, key, err) : WALROW_OK;
}

static void
put_number(walrow__store_write *write, const char *key, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    walrow__store_put_text(write, key, text);
}

walrow_code
walrow__state_cursor(walrow__state *state, const char *uri, bool *known, uint64_t *number, walrow_error *err)
{
    char *key = sink_key("cursor", uri);
    walrow_code code = key == NULL ? walrow__fail_memory(err) : get_number(state, key, known, number, err);
    free(key);
    return code;
}

walrow_code
walrow__state_log_next(walrow__state *state, uint64_t *number, walrow_error *err)
{
    bool known;
    return get_number(state, "log", &known, number, err);
}

walrow__store *
walrow__state_store(walrow__state *state)
{
    return state->store;
}

walrow_code
walrow__state_counters(walrow__state *state, char **json, walrow_error *err)
{
    return walrow__store_get(state->store, "counters", json, NULL, err);
}

walrow_code
walrow__state_transport(walrow__state *state, char **text, walrow_error *err)
{
    return walrow__store_get(state->store, "transport", text, NULL, err);
}

/* ---- writing ---- */

walrow_code
walrow__state_put_sink(walrow__store_write *write, const char *uri, uint64_t lsn, walrow_error *err)
{
    char *key = sink_key("sink", uri);
    if (key == NULL)
        return walrow__fail_memory(err);
    put_lsn(write, key, lsn);
    free(key);
    return WALROW_OK;
}

walrow_code
walrow__state_put_cursor(walrow__store_write *write, const char *uri, uint64_t number, walrow_error *err)
{
    char *key = sink_key("cursor", uri);
    if (key == NULL)
        return walrow__fail_memory(err);
    put_number(write, key, number);
    free(key);
    return WALROW_OK;
}

void
walrow__state_put_log_next(walrow__store_write *write, uint64_t number)
{
    put_number(write, "log", number);
}

void
walrow__state_put_counters(walrow__store_write *write, const char *json)
{
    walrow__store_put_text(write, "counters", json);
}

void
walrow__state_put_transport(walrow__store_write *write, const char *name, const char *why)
{
    char text[600];
    snprintf(text, sizeof text, "%s%s%s", name, *why == '\0' ? "" : ": ", why);
    walrow__store_put_text(write, "transport", text);
}

void
walrow__state_reach(walrow__state *state, uint64_t lsn)
{
    pthread_mutex_lock(&state->lock);
    if (lsn > state->reached_lsn)
        state->reached_lsn = lsn;
    pthread_mutex_unlock(&state->lock);
}

typedef walrow_code (*write_fn)(walrow__store *store, walrow__store_write *write, walrow_error *err);

/* With the lock held: what is news goes into the write, which is made if there is none. */
static walrow_code
write_news(write_fn fn, walrow__state *state, walrow__store_write *write, uint64_t confirmed_lsn,
           walrow_error *err)
{
    bool confirms = confirmed_lsn > state->confirmed_lsn;
    bool reaches = state->reached_lsn > state->stored_reached_lsn;
    if (write == NULL && !confirms && !reaches)
        return WALROW_OK;
    if (write == NULL)
        write = walrow__store_begin();
    if (confirms)
        put_lsn(write, "confirmed", confirmed_lsn);
    if (reaches)
        put_lsn(write, "reached", state->reached_lsn);
    WALROW_TRY(fn(state->store, write, err));
    if (confirms)
        state->confirmed_lsn = confirmed_lsn;
    state->stored_reached_lsn = state->reached_lsn;
    return WALROW_OK;
}

static walrow_code
write_by(write_fn fn, walrow__state *state, walrow__store_write *write, uint64_t confirmed_lsn,
         walrow_error *err)
{
    pthread_mutex_lock(&state->lock);
    walrow_code code = write_news(fn, state, write, confirmed_lsn, err);
    pthread_mutex_unlock(&state->lock);
    return code;
}

walrow_code
walrow__state_commit(walrow__state *state, walrow__store_write *write, uint64_t confirmed_lsn,
                     walrow_error *err)
{
    return write_by(walrow__store_commit, state, write, confirmed_lsn, err);
}

walrow_code
walrow__state_write_out(walrow__state *state, walrow__store_write *write, uint64_t confirmed_lsn,
                        walrow_error *err)
{
    return write_by(walrow__store_write_out, state, write, confirmed_lsn, err);
}

static walrow_code
commit_follow(walrow__state *state, uint32_t timeline, uint64_t confirmed_lsn, walrow_error *err)
{
    walrow__store_write *write = walrow__store_begin();
    walrow_code code = walrow__owner_move(state->owner, timeline, write, err);
    if (code != WALROW_OK) {
        walrow__store_abandon(write);
        return code;
    }
    put_lsn(write, "confirmed", confirmed_lsn);
    WALROW_TRY(walrow__store_commit(state->store, write, err));
    state->confirmed_lsn = confirmed_lsn;
    return WALROW_OK;
}

walrow_code
walrow__state_follow(walrow__state *state, uint32_t timeline, uint64_t branch_lsn, walrow_error *err)
{
    pthread_mutex_lock(&state->lock);
    uint64_t confirmed_lsn = state->confirmed_lsn < branch_lsn ? state->confirmed_lsn : branch_lsn;
    walrow_code code = commit_follow(state, timeline, confirmed_lsn, err);
    pthread_mutex_unlock(&state->lock);
    return code;
}
