/*
 * pg/catalog_json.c
 *	  A catalogue as a JSON document: what a recording carries, so that decoding it needs no server.
 *
 * {"types": [{"oid", "kind", "schema", "name", "output", "element", "delimiter", "base", "base_typmod",
 *             "fields": [{"name", "oid", "typmod"}]}],
 *  "formats": [{"oid", "typmod", "text"}]}
 */
#include "pg/catalog.h"

#include "base/error.h"
#include "pg/catalog_cache.h"

#include <jansson.h>

/* ---- writing ---- */

static json_t *
type_to_json(const walrow__pg_type *type)
{
    char kind[2] = {type->kind, '\0'}, delimiter[2] = {type->delimiter, '\0'};
    json_t *fields = json_array();
    for (int i = 0; i < type->n_fields; i++) {
        const walrow__pg_field *field = &type->fields[i];
        json_t *item = json_pack("{s:s, s:I, s:i}", "name", field->name, "oid", (json_int_t)field->oid,
                                 "typmod", (int)field->typmod);
        if (json_array_append_new(fields, item) != 0) {
            json_decref(fields);
            return NULL;
        }
    }
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:i, s:o}", "oid", (json_int_t)type->oid,
                     "kind", kind, "schema", type->schema, "name", type->name, "output", type->output,
                     "element", (json_int_t)type->element, "delimiter", delimiter, "base",
                     (json_int_t)type->base, "base_typmod", (int)type->base_typmod, "fields", fields);
}

static json_t *
types_to_json(const walrow__pg_catalog *catalog)
{
    json_t *types = json_array();
    for (int i = 0; i < WALROW__CATALOG_BUCKETS; i++)
        for (const walrow__type_entry *entry = catalog->types[i]; entry != NULL; entry = entry->next)
            if (json_array_append_new(types, type_to_json(&entry->type)) != 0) {
                json_decref(types);
                return NULL;
            }
    return types;
}

static json_t *
formats_to_json(const walrow__pg_catalog *catalog)
{
    json_t *formats = json_array();
    for (int i = 0; i < WALROW__CATALOG_BUCKETS; i++)
        for (const walrow__format_entry *entry = catalog->formats[i]; entry != NULL; entry = entry->next) {
            json_t *item = json_pack("{s:I, s:i, s:s}", "oid", (json_int_t)entry->oid, "typmod",
                                     (int)entry->typmod, "text", entry->text);
            if (json_array_append_new(formats, item) != 0) {
                json_decref(formats);
                return NULL;
            }
        }
    return formats;
}

walrow_code
walrow__catalog_dump(walrow__catalog *base, char **out, walrow_error *err)
{
    const walrow__pg_catalog *catalog = (const walrow__pg_catalog *)base;
    json_t *types = types_to_json(catalog), *formats = formats_to_json(catalog);
    json_t *document = NULL;
    if (types != NULL && formats != NULL)
        document = json_pack("{s:O, s:O}", "types", types, "formats", formats);
    json_decref(types);
    json_decref(formats);
    *out = document == NULL ? NULL : json_dumps(document, JSON_COMPACT);
    json_decref(document);
    if (*out != NULL)
        return WALROW_OK;
    return walrow__fail(err, WALROW_ERR_UNEXPECTED,
                        "cannot write the type catalogue: out of memory, or a type's "
                        "name is not UTF-8");
}

/* ---- reading ---- */

static walrow_code
fail_document(const char *what, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "recorded type catalogue: %s", what);
}

static walrow_code
load_type(walrow__pg_catalog *catalog, json_t *item, walrow_error *err)
{
    json_int_t oid, element, base;
    const char *kind, *delimiter, *schema, *name, *output;
    int base_typmod;
    json_t *fields, *each;
    json_error_t why;
    size_t i;

    if (json_unpack_ex(item, &why, 0, "{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:i, s:o}", "oid", &oid,
                       "kind", &kind, "schema", &schema, "name", &name, "output", &output, "element",
                       &element, "delimiter", &delimiter, "base", &base, "base_typmod", &base_typmod,
                       "fields", &fields) != 0)
        return fail_document(why.text, err);
    walrow__pg_type loaded = {
        .oid = (uint32_t)oid,
        .kind = kind[0],
        .schema = (char *)schema,
        .name = (char *)name,
        .output = (char *)output,
        .element = (uint32_t)element,
        .delimiter = delimiter[0],
        .base = (uint32_t)base,
        .base_typmod = base_typmod,
    };
    walrow__pg_type *type = walrow__catalog_add_type(catalog, &loaded);
    if (type == NULL)
        return walrow__fail_memory(err);
    json_array_foreach(fields, i, each)
    {
        const char *field;
        int typmod;
        if (json_unpack_ex(each, &why, 0, "{s:s, s:I, s:i}", "name", &field, "oid", &oid, "typmod",
                           &typmod) != 0)
            return fail_document(why.text, err);
        if (!walrow__catalog_add_field(type, field, (uint32_t)oid, typmod))
            return walrow__fail_memory(err);
    }
    return WALROW_OK;
}

static walrow_code
load_format(walrow__pg_catalog *catalog, json_t *item, walrow_error *err)
{
    json_int_t oid;
    int typmod;
    const char *text;
    json_error_t why;
    if (json_unpack_ex(item, &why, 0, "{s:I, s:i, s:s}", "oid", &oid, "typmod", &typmod, "text", &text) != 0)
        return fail_document(why.text, err);
    if (walrow__catalog_add_format(catalog, (uint32_t)oid, typmod, text) == NULL)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

static walrow_code
load_document(walrow__pg_catalog *catalog, json_t *document, walrow_error *err)
{
    json_t *types, *formats, *item;
    json_error_t why;
    size_t i;
    if (json_unpack_ex(document, &why, 0, "{s:o, s:o}", "types", &types, "formats", &formats) != 0)
        return fail_document(why.text, err);
    json_array_foreach(types, i, item)
    {
        WALROW_TRY(load_type(catalog, item, err));
    }
    json_array_foreach(formats, i, item)
    {
        WALROW_TRY(load_format(catalog, item, err));
    }
    return WALROW_OK;
}

walrow_code
walrow__catalog_load(const char *json, size_t size, walrow__catalog **out, walrow_error *err)
{
    json_error_t why;
    json_t *document = json_loadb(json, size, 0, &why);
    if (document == NULL)
        return fail_document(why.text, err);
    walrow__pg_catalog *catalog = walrow__catalog_create(NULL);
    walrow_code code = catalog == NULL ? walrow__fail_memory(err) : load_document(catalog, document, err);
    json_decref(document);
    if (code == WALROW_OK)
        *out = &catalog->base;
    else if (catalog != NULL)
        walrow__catalog_release(catalog);
    return code;
}
