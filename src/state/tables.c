#include "state/tables.h"

#include "base/error.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* malloc'ed */
static char *
key_of(const char *kind, const char *schema, const char *name)
{
    char *key;
    return asprintf(&key, "%s/%s.%s", kind, schema, name) < 0 ? NULL : key;
}

static int64_t
count_of(const json_t *object, const char *name)
{
    const json_t *count = json_object_get(object, name);
    return json_is_integer(count) ? json_integer_value(count) : -1;
}

/* ---- read ---- */

/* One snapshot's record; false: not what was written. */
static bool
read_table(const char *text, walrow__state_table *out)
{
    json_t *object = json_loads(text, 0, NULL);
    const char *lsn = json_string_value(json_object_get(object, "point"));
    const json_t *oid = json_object_get(object, "relid");
    bool good = lsn != NULL && json_is_integer(oid) && walrow_lsn_parse(lsn, &out->point);
    out->relid = (uint32_t)json_integer_value(oid);
    out->entry = (uint64_t)json_integer_value(json_object_get(object, "entry"));
    out->rows = count_of(object, "rows");
    json_decref(object);
    return good;
}

walrow_code
walrow__state_snapshot(walrow__state *state, const char *schema, const char *name, uint32_t relid,
                       bool *known, walrow__state_table *out, walrow_error *err)
{
    char *key = key_of("snapshot", schema, name), *text = NULL;
    *known = false;
    *out = (walrow__state_table){.schema = schema, .name = name};
    walrow_code code = key == NULL ? walrow__fail_memory(err)
                                   : walrow__store_get(walrow__state_store(state), key, &text, NULL, err);
    if (text != NULL) {
        if (!read_table(text, out))
            code = walrow__state_damaged(state, key, err);
        else
            *known = relid == 0 || out->relid == relid;
    }
    free(text);
    free(key);
    return code;
}

static walrow_code
forget_one(walrow__store_write *write, const char *schema, const char *name, walrow_error *err)
{
    char *key = key_of("reading", schema, name);
    if (key == NULL)
        return walrow__fail_memory(err);
    walrow__store_delete(write, key);
    free(key);
    return WALROW_OK;
}

walrow_code
walrow__state_put_snapshot(walrow__store_write *write, const walrow__state_table *table, walrow_error *err)
{
    char lsn[WALROW_LSN_SIZE], value[160];
    char *key = key_of("snapshot", table->schema, table->name);
    if (key == NULL)
        return walrow__fail_memory(err);
    snprintf(value, sizeof value,
             "{\"relid\": %" PRIu32 ", \"point\": \"%s\", \"entry\": %" PRIu64 ", \"rows\": %" PRId64 "}",
             table->relid, walrow_lsn_format(table->point, lsn), table->entry, table->rows);
    walrow__store_put_text(write, key, value);
    free(key);
    return forget_one(write, table->schema, table->name, err);
}

/* ---- on their way ---- */

walrow_code
walrow__state_put_reading(walrow__store_write *write, const walrow__state_reading *table, walrow_error *err)
{
    char value[80];
    char *key = key_of("reading", table->schema, table->name);
    if (key == NULL)
        return walrow__fail_memory(err);
    snprintf(value, sizeof value, "{\"rows\": %" PRId64 ", \"total\": %" PRId64 "}", table->rows,
             table->total);
    walrow__store_put_text(write, key, value);
    free(key);
    return WALROW_OK;
}

static walrow_code
forget_key(void *arg, const char *key, const char *value, walrow_error *err)
{
    (void)value;
    (void)err;
    walrow__store_delete(arg, key);
    return WALROW_OK;
}

walrow_code
walrow__state_forget_reading(walrow__state *state, walrow__store_write *write, walrow_error *err)
{
    return walrow__store_each_key(walrow__state_store(state), "reading/", forget_key, write, err);
}

/* ---- all of them ---- */

typedef struct visit {
    walrow__state_each_table_fn each;
    void *arg;
    bool done;
} visit;

/* Only to be looked at: what is not as it was written is not known. */
static walrow_code
visit_table(void *arg, const char *key, const char *value, walrow_error *err)
{
    const visit *visit = arg;
    json_t *object = json_loads(value, 0, NULL);
    int64_t rows = count_of(object, "rows"), total = count_of(object, "total");
    json_decref(object);
    return visit->each(visit->arg, strchr(key, '/') + 1, rows, total, visit->done, err);
}

walrow_code
walrow__state_each_table(walrow__state *state, walrow__state_each_table_fn each, void *arg, walrow_error *err)
{
    walrow__store *store = walrow__state_store(state);
    visit read = {each, arg, true}, reading = {each, arg, false};
    WALROW_TRY(walrow__store_each_key(store, "snapshot/", visit_table, &read, err));
    return walrow__store_each_key(store, "reading/", visit_table, &reading, err);
}
