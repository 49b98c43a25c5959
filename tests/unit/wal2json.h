/*
 * wal2json.h
 *	  A catalogue that says of tables what a test wants it to say, around one that knows types.
 */
#ifndef WALROW_TEST_WAL2JSON_H
#define WALROW_TEST_WAL2JSON_H

#include "changes.h"

#include "source/decoder.h"

#include <inttypes.h>

typedef struct told_catalog {
    walrow__catalog base;
    walrow__catalog *types;         /* borrowed */
    const walrow__pg_table *tables; /* matched by name; of no schema: of any */
    size_t n_tables, asked;
    uint64_t as_of_lsn;
} told_catalog;

static walrow_code
told_type(walrow__catalog *base, uint32_t oid, const walrow__pg_type **out, walrow_error *err)
{
    walrow__catalog *types = ((told_catalog *)base)->types;
    return types->type(types, oid, out, err);
}

static walrow_code
told_format(walrow__catalog *base, uint32_t oid, int32_t typmod, const char **out, walrow_error *err)
{
    walrow__catalog *types = ((told_catalog *)base)->types;
    return types->format(types, oid, typmod, out, err);
}

static walrow_code
told_table(walrow__catalog *base, const char *schema, const char *name, walrow__pg_table *out,
           walrow_error *err)
{
    told_catalog *catalog = (told_catalog *)base;
    const walrow__pg_table *table = NULL;
    (void)schema;
    (void)err;
    catalog->asked++;
    for (size_t i = 0; i < catalog->n_tables; i++)
        if (strcmp(catalog->tables[i].name, name) == 0)
            table = &catalog->tables[i];
    *out = (walrow__pg_table){.as_of_lsn = catalog->as_of_lsn};
    if (table == NULL)
        return WALROW_OK;
    *out = *table;
    out->as_of_lsn = catalog->as_of_lsn;
    out->schema = strdup(table->schema);
    out->name = strdup(table->name);
    out->columns = calloc((size_t)table->n_columns + 1, sizeof *out->columns);
    for (int i = 0; i < table->n_columns; i++) {
        out->columns[i] = table->columns[i];
        out->columns[i].name = strdup(table->columns[i].name);
    }
    return WALROW_OK;
}

/* numeric(p,s) is all that tests ask for. */
static walrow_code
told_parse_type(walrow__catalog *base, const char *text, uint32_t *oid, int32_t *typmod, walrow_error *err)
{
    int p, s;
    (void)base;
    (void)err;
    *oid = 0;
    *typmod = -1;
    if (sscanf(text, "numeric(%d,%d)", &p, &s) == 2) {
        *oid = NUMERIC;
        *typmod = NUMERIC_TYPMOD(p, s);
    }
    return WALROW_OK;
}

static walrow_code
told_origin(walrow__catalog *base, uint32_t number, char **out, walrow_error *err)
{
    (void)base;
    (void)err;
    *out = number == 7 ? strdup("elsewhere") : NULL;
    return WALROW_OK;
}

UNUSED_FN static told_catalog
told(walrow__catalog *types, const walrow__pg_table *tables, size_t n_tables)
{
    return (told_catalog){.base = {.type = told_type,
                                   .format = told_format,
                                   .table = told_table,
                                   .parse_type = told_parse_type,
                                   .origin = told_origin},
                          .types = types,
                          .tables = tables,
                          .n_tables = n_tables};
}

#endif
