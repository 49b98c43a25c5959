#include "kernels/key.h"

#include "base/error.h"
#include "base/nearest.h"
#include "base/strbuf.h"
#include "base/texts.h"
#include "kernels/rows.h"

#include <stdlib.h>
#include <yyjson.h>

struct ArrowStringView
walrow__metadata(const struct ArrowSchema *schema, const char *name)
{
    struct ArrowStringView value = {.data = NULL};
    if (schema->metadata == NULL ||
        ArrowMetadataGetValue(schema->metadata, ArrowCharView(name), &value) != NANOARROW_OK)
        value = (struct ArrowStringView){.data = NULL};
    return value;
}

static const char *
name_of(const struct ArrowSchema *field)
{
    return field->name == NULL ? "" : field->name;
}

/* The table's columns, and old ones of the same types. */
static bool
has_old_columns(const struct ArrowSchema *schema)
{
    const struct ArrowSchema *old = schema->children[WALROW__OLD];
    if (old->n_children != schema->n_children - WALROW__N_META)
        return false;
    for (int64_t i = 0; i < old->n_children; i++)
        if (!walrow__same_type(old->children[i], schema->children[WALROW__N_META + i]))
            return false;
    return true;
}

/* What walrow itself makes: somebody may have left columns out, and the metadata in. */
static bool
is_change_batch(const struct ArrowSchema *schema)
{
    static const char *const formats[WALROW__N_META] = {"u", "L", "I", "I", "tsu:UTC", "+l", "+s"};
    if (walrow__metadata(schema, "walrow.key").data == NULL || schema->n_children < WALROW__N_META)
        return false;
    bool prefixed = strcmp(name_of(schema->children[0]), walrow__meta_name(true, 0)) == 0;
    for (int i = 0; i < WALROW__N_META; i++)
        if (strcmp(name_of(schema->children[i]), walrow__meta_name(prefixed, i)) != 0 ||
            strcmp(schema->children[i]->format, formats[i]) != 0)
            return false;
    return has_old_columns(schema);
}

static walrow_code
read_metadata_key(const struct ArrowSchema *schema, walrow__texts *out, walrow_error *err)
{
    struct ArrowStringView text = walrow__metadata(schema, "walrow.key");
    if (text.data == NULL)
        return WALROW_OK;
    yyjson_doc *document = yyjson_read(text.data, (size_t)text.size_bytes, 0);
    yyjson_val *name;
    size_t i, n;
    bool good = yyjson_is_arr(yyjson_doc_get_root(document)), enough = true;
    yyjson_arr_foreach(yyjson_doc_get_root(document), i, n, name)
    {
        good = good && yyjson_is_str(name);
        enough = enough && (!good || walrow__texts_add(out, yyjson_get_str(name)));
    }
    yyjson_doc_free(document);
    if (!enough)
        return walrow__fail_memory(err);
    return good ? WALROW_OK
                : walrow__fail(err, WALROW_ERR_USAGE, "the schema's walrow.key is no list of names");
}

static walrow_code
find_column(const struct ArrowSchema *schema, const walrow__row_key *key, const char *name, int *out,
            walrow_error *err)
{
    char buffer[256];
    walrow__nearest nearest;
    walrow__nearest_init(&nearest, name);
    for (int i = key->of_changes ? WALROW__N_META : 0; i < schema->n_children; i++) {
        const char *candidate = name_of(schema->children[i]);
        if (strcmp(candidate, name) == 0) {
            *out = i;
            return WALROW_OK;
        }
        walrow__nearest_offer(&nearest, candidate);
    }
    walrow__fail(err, WALROW_ERR_USAGE, "%s has no column \"%s\" to partition by", key->table, name);
    const char *near = walrow__nearest_text(&nearest, buffer, sizeof buffer);
    if (near[0] != '\0')
        walrow__hint(err, "did you mean %s?", near);
    return WALROW_ERR_USAGE;
}

static walrow_code
find_columns(const struct ArrowSchema *schema, const char *const *names, size_t n,
             const walrow__texts *identity, walrow__row_key *out, walrow_error *err)
{
    out->columns = calloc(n, sizeof *out->columns);
    if (out->columns == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        WALROW_TRY(find_column(schema, out, names[i], &out->columns[i], err));
        out->n_columns++;
        if (out->stranger == NULL && !walrow__texts_has(identity, names[i]) &&
            (out->stranger = strdup(names[i])) == NULL)
            return walrow__fail_memory(err);
    }
    return WALROW_OK;
}

static char *
table_name(const struct ArrowSchema *schema)
{
    struct ArrowStringView of = walrow__metadata(schema, "walrow.schema");
    struct ArrowStringView table = walrow__metadata(schema, "walrow.table");
    if (of.data == NULL || table.data == NULL)
        return strdup("the batch");
    walrow__strbuf name;
    walrow__strbuf_init(&name);
    walrow__strbuf_add(&name, of.data, (size_t)of.size_bytes);
    walrow__strbuf_add_char(&name, '.');
    walrow__strbuf_add(&name, table.data, (size_t)table.size_bytes);
    return walrow__strbuf_take(&name);
}

static walrow_code
find(const struct ArrowSchema *schema, const char *const *names, size_t n, walrow__texts *identity,
     walrow__row_key *out, walrow_error *err)
{
    out->of_changes = is_change_batch(schema);
    out->table = table_name(schema);
    if (out->table == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(read_metadata_key(schema, identity, err));
    if (n == 0) {
        names = (const char *const *)identity->items;
        n = identity->count;
    }
    if (n > 0)
        return find_columns(schema, names, n, identity, out, err);
    walrow__fail(err, WALROW_ERR_USAGE, "%s has no key to partition by", out->table);
    return walrow__hint(err, "name columns, or partition by table");
}

walrow_code
walrow__row_key_find(const struct ArrowSchema *schema, const char *const *names, size_t n,
                     walrow__row_key *out, walrow_error *err)
{
    walrow__texts identity = {0};
    memset(out, 0, sizeof *out);
    walrow_code code = find(schema, names, n, &identity, out, err);
    walrow__texts_release(&identity);
    if (code != WALROW_OK)
        walrow__row_key_release(out);
    return code;
}

void
walrow__row_key_release(walrow__row_key *key)
{
    free(key->columns);
    free(key->stranger);
    free(key->table);
    memset(key, 0, sizeof *key);
}
