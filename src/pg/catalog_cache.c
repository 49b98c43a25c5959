#include "pg/catalog_cache.h"

#include <stdlib.h>
#include <string.h>

static size_t
bucket_of(uint32_t oid, int32_t typmod)
{
    return (oid * 2654435761u + (uint32_t)typmod * 40503u) >>
           24; /* Knuth's multiplicative hash, top 8 bits */
}

walrow__pg_type *
walrow__catalog_find_type(walrow__pg_catalog *catalog, uint32_t oid)
{
    walrow__type_entry *entry = catalog->types[bucket_of(oid, 0)];
    while (entry != NULL && entry->type.oid != oid)
        entry = entry->next;
    return entry == NULL ? NULL : &entry->type;
}

walrow__format_entry *
walrow__catalog_find_format(walrow__pg_catalog *catalog, uint32_t oid, int32_t typmod)
{
    walrow__format_entry *entry = catalog->formats[bucket_of(oid, typmod)];
    while (entry != NULL && (entry->oid != oid || entry->typmod != typmod))
        entry = entry->next;
    return entry;
}

static void
free_type(walrow__type_entry *entry)
{
    for (int i = 0; i < entry->type.n_fields; i++)
        free(entry->type.fields[i].name);
    free(entry->type.fields);
    free(entry->type.schema);
    free(entry->type.name);
    free(entry->type.output);
    free(entry);
}

walrow__pg_type *
walrow__catalog_add_type(walrow__pg_catalog *catalog, const walrow__pg_type *type)
{
    walrow__type_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->type = *type;
    entry->type.schema = strdup(type->schema);
    entry->type.name = strdup(type->name);
    entry->type.output = strdup(type->output);
    entry->type.fields = NULL;
    entry->type.n_fields = 0;
    if (entry->type.schema == NULL || entry->type.name == NULL || entry->type.output == NULL) {
        free_type(entry);
        return NULL;
    }
    walrow__type_entry **bucket = &catalog->types[bucket_of(type->oid, 0)];
    entry->next = *bucket;
    *bucket = entry;
    return &entry->type;
}

bool
walrow__catalog_add_field(walrow__pg_type *type, const char *name, uint32_t oid, int32_t typmod)
{
    walrow__pg_field *fields = realloc(type->fields, (size_t)(type->n_fields + 1) * sizeof *fields);
    char *copy = strdup(name);
    if (fields != NULL)
        type->fields = fields;
    if (fields == NULL || copy == NULL) {
        free(copy);
        return false;
    }
    type->fields[type->n_fields++] = (walrow__pg_field){.name = copy, .oid = oid, .typmod = typmod};
    return true;
}

walrow__format_entry *
walrow__catalog_add_format(walrow__pg_catalog *catalog, uint32_t oid, int32_t typmod, const char *text)
{
    walrow__format_entry *entry = calloc(1, sizeof *entry);
    char *copy = strdup(text);
    if (entry == NULL || copy == NULL) {
        free(entry);
        free(copy);
        return NULL;
    }
    walrow__format_entry **bucket = &catalog->formats[bucket_of(oid, typmod)];
    *entry = (walrow__format_entry){.oid = oid, .typmod = typmod, .text = copy, .next = *bucket};
    *bucket = entry;
    return entry;
}

void
walrow__catalog_release(walrow__pg_catalog *catalog)
{
    for (int i = 0; i < WALROW__CATALOG_BUCKETS; i++) {
        while (catalog->types[i] != NULL) {
            walrow__type_entry *entry = catalog->types[i];
            catalog->types[i] = entry->next;
            free_type(entry);
        }
        while (catalog->formats[i] != NULL) {
            walrow__format_entry *entry = catalog->formats[i];
            catalog->formats[i] = entry->next;
            free(entry->text);
            free(entry);
        }
    }
    free(catalog);
}
