#include "stream/filters.h"

#include "base/error.h"

#include <stdlib.h>

walrow_code
walrow__filters_check(const walrow_options *options, walrow_error *err)
{
    walrow__sieve *sieve;
    WALROW_TRY(walrow__sieve_new(options, NULL, &sieve, err));
    walrow__sieve_free(sieve);
    return WALROW_OK;
}

/* As a source would make it of what it is told. */
static walrow_code
make_table(const walrow_options *options, const walrow__found *found, walrow__catalog *catalog,
           walrow__table **out, walrow_error *err)
{
    walrow__column_spec *specs = calloc(found->n_columns + 1, sizeof *specs);
    if (specs == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < found->n_columns; i++) {
        const walrow__found_column *column = &found->columns[i];
        specs[i] = (walrow__column_spec){
            .name = column->name,
            .oid = column->oid,
            .typmod = column->typmod,
            .is_key = column->is_key,
            .override = walrow__options_override(options, found->schema, found->name, column->name)};
    }
    walrow_code code = walrow__table_new(catalog, found->schema, found->name, found->relid, found->identity,
                                         specs, (int)found->n_columns, out, err);
    free(specs);
    return code;
}

static walrow_code
check_table(walrow__sieve *sieve, const walrow_options *options, const walrow__found *found,
            walrow__catalog *catalog, walrow_error *err)
{
    walrow__table *table;
    if (!found->streamable || !walrow__sieve_concerns(sieve, found->schema, found->name))
        return WALROW_OK;
    WALROW_TRY(make_table(options, found, catalog, &table, err));
    walrow_code code = walrow__sieve_check_table(sieve, table, err);
    walrow__table_unref(table);
    return code;
}

static walrow_code
check_patterns(const walrow__sieve *sieve, const walrow__discovery *tables, walrow_error *err)
{
    const char *(*names)[2] = calloc(tables->count + 1, sizeof *names);
    size_t n = 0;
    if (names == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < tables->count; i++) {
        if (!tables->items[i].streamable)
            continue;
        names[n][0] = tables->items[i].schema;
        names[n++][1] = tables->items[i].name;
    }
    walrow_code code = walrow__sieve_check_patterns(sieve, (const char *const(*)[2])names, n, err);
    free(names);
    return code;
}

static walrow_code
check(walrow__sieve *sieve, const walrow_options *options, const walrow__discovery *tables,
      walrow__catalog *catalog, walrow_error *err)
{
    if (!options->allow_empty)
        WALROW_TRY(check_patterns(sieve, tables, err));
    for (size_t i = 0; i < tables->count; i++)
        WALROW_TRY(check_table(sieve, options, &tables->items[i], catalog, err));
    return WALROW_OK;
}

walrow_code
walrow__filters_new(const walrow_options *options, const walrow__discovery *tables, walrow__catalog *catalog,
                    walrow__sieve **out, walrow_error *err)
{
    WALROW_TRY(walrow__sieve_new(options, walrow__patterns_search_path(tables->patterns), out, err));
    if (*out == NULL)
        return WALROW_OK;
    walrow_code code = check(*out, options, tables, catalog, err);
    if (code != WALROW_OK) {
        walrow__sieve_free(*out);
        *out = NULL;
    }
    return code;
}
