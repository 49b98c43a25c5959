#include "postgres.h"

#include "catalog.h"

#include "access/htup_details.h"
#include "base/error.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "encoding.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct format {
    Oid oid;
    int32 typmod;
    char *text;
} format;

typedef struct relation_catalog {
    walrow__catalog base;
    List *types;   /* of walrow__pg_type */
    List *formats; /* of format */
} relation_catalog;

/* ---- what is known ---- */

static walrow__pg_type *
find_type(const relation_catalog *catalog, Oid oid)
{
    ListCell *cell;
    foreach (cell, catalog->types) {
        walrow__pg_type *type = lfirst(cell);
        if (type->oid == oid)
            return type;
    }
    return NULL;
}

static format *
find_format(const relation_catalog *catalog, Oid oid, int32 typmod)
{
    ListCell *cell;
    foreach (cell, catalog->formats) {
        format *known = lfirst(cell);
        if (known->oid == oid && known->typmod == typmod)
            return known;
    }
    return NULL;
}

static walrow_code
fail_unknown(Oid oid, walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_UNEXPECTED, "type with oid %u was not loaded", oid);
}

static walrow_code
catalog_type(walrow__catalog *base, uint32_t oid, const walrow__pg_type **out, walrow_error *err)
{
    *out = find_type((relation_catalog *)base, oid);
    return *out != NULL ? WALROW_OK : fail_unknown(oid, err);
}

static walrow_code
catalog_format(walrow__catalog *base, uint32_t oid, int32_t typmod, const char **out, walrow_error *err)
{
    format *known = find_format((relation_catalog *)base, oid, typmod);
    if (known == NULL)
        return fail_unknown(oid, err);
    *out = known->text;
    return WALROW_OK;
}

static void
catalog_free(walrow__catalog *base)
{
    (void)base; /* its memory context does it */
}

/* ---- loading ---- */

/*
 * format_type as it prints with an empty search_path: only what is in pg_catalog is bare. Asked to qualify
 * everything, because the session may have any search_path.
 */
static char *
format_type_of(Oid oid, int32 typmod)
{
    bits16 flags = FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY;
    char *text = format_type_extended(oid, typmod, flags);
    char *prefix = psprintf("%s.", quote_identifier("pg_catalog"));
    if (strncmp(text, prefix, strlen(prefix)) == 0)
        text += strlen(prefix);
    return encoding_name(text);
}

static void
load_fields(walrow__pg_type *type)
{
    TupleDesc desc = lookup_rowtype_tupdesc_copy(type->oid, -1);
    type->fields = palloc0(sizeof *type->fields * (desc->natts + 1));
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        if (attribute->attisdropped)
            continue;
        type->fields[type->n_fields++] =
            (walrow__pg_field){.name = encoding_name(NameStr(attribute->attname)),
                               .oid = attribute->atttypid,
                               .typmod = attribute->atttypmod};
    }
}

static walrow__pg_type *
load_type(Oid oid)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
    if (!HeapTupleIsValid(tuple))
        elog(ERROR, "cache lookup failed for type %u", oid);
    Form_pg_type form = (Form_pg_type)GETSTRUCT(tuple);
    walrow__pg_type *type = palloc0(sizeof *type);
    *type = (walrow__pg_type){
        .oid = oid,
        .kind = form->typtype,
        .schema = encoding_name(get_namespace_name(form->typnamespace)),
        .name = encoding_name(NameStr(form->typname)),
        .output = get_func_name(form->typoutput),
        .element = form->typelem,
        .delimiter = form->typdelim,
        .base = form->typbasetype,
        .base_typmod = form->typtype == TYPTYPE_DOMAIN ? form->typtypmod : -1,
    };
    ReleaseSysCache(tuple);
    if (type->kind == TYPTYPE_COMPOSITE)
        load_fields(type);
    return type;
}

static void
add_format(relation_catalog *catalog, Oid oid, int32 typmod)
{
    if (find_format(catalog, oid, typmod) != NULL)
        return;
    format *added = palloc(sizeof *added);
    *added = (format){.oid = oid, .typmod = typmod, .text = format_type_of(oid, typmod)};
    catalog->formats = lappend(catalog->formats, added);
}

/* The type with all it is made of, in the order in which walrow__type_resolve asks. */
static void
add_type(relation_catalog *catalog, Oid oid, int32 typmod)
{
    check_stack_depth();
    add_format(catalog, oid, typmod);
    walrow__pg_type *type = find_type(catalog, oid);
    bool is_known = type != NULL;
    if (!is_known) {
        type = load_type(oid);
        catalog->types = lappend(catalog->types, type);
    }
    if (type->base != InvalidOid)
        add_type(catalog, type->base, type->base_typmod);
    if (type->element != InvalidOid)
        add_type(catalog, type->element, typmod);
    for (int i = 0; !is_known && i < type->n_fields; i++)
        add_type(catalog, type->fields[i].oid, type->fields[i].typmod);
}

walrow__catalog *
relation_catalog_load(TupleDesc desc)
{
    relation_catalog *catalog = palloc0(sizeof *catalog);
    catalog->base = (walrow__catalog){.type = catalog_type, .format = catalog_format, .free = catalog_free};
    for (int i = 0; i < desc->natts; i++) {
        Form_pg_attribute attribute = TupleDescAttr(desc, i);
        if (!attribute->attisdropped)
            add_type(catalog, attribute->atttypid, attribute->atttypmod);
    }
    return &catalog->base;
}
