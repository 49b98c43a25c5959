#include "query/sieve.h"

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "pg/patterns.h"
#include "query/mesh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walrow__sieve {
    walrow__rules wheres, columns;
    walrow__ops ops;
    bool has_ops;
    walrow__duckdb *duckdb; /* NULL: there is no --where */
    walrow__mesh *meshes;   /* newest first */
};

/* ---- options ---- */

static walrow_code
read_events(walrow__sieve *sieve, const walrow__texts *given, walrow_error *err)
{
    const char *unknown = walrow__ops_add_lists(&sieve->ops, given);
    sieve->has_ops = given->count > 0;
    if (unknown == NULL)
        return WALROW_OK;
    walrow__fail(err, WALROW_ERR_USAGE, "--events: unknown event \"%.*s\"", (int)strcspn(unknown, ","),
                 unknown);
    return walrow__hint(err, WALROW__OPS_HINT);
}

static walrow_code
open_duckdb(walrow__sieve *sieve, walrow_error *err)
{
    walrow_error why = {0};
    if (walrow__duckdb_open(&sieve->duckdb, &why) != WALROW_OK) {
        walrow__fail(err, WALROW_ERR_USAGE, "--where needs libduckdb: %s", why.message);
        return walrow__hint(err, "%s", why.hint);
    }
    /* it would leave out columns that an expression need not look at, and take the others for them: see duckdb.h */
    return walrow__duckdb_query(sieve->duckdb, "PRAGMA disable_optimizer", NULL, NULL, err);
}

static walrow_code
init(walrow__sieve *sieve, const walrow_options *options, const char *const *search_path, walrow_error *err)
{
    WALROW_TRY(read_events(sieve, &options->events, err));
    WALROW_TRY(walrow__rules_init(&sieve->wheres, "where", &options->where, search_path, err));
    WALROW_TRY(walrow__rules_init(&sieve->columns, "columns", &options->columns, search_path, err));
    return sieve->wheres.count == 0 ? WALROW_OK : open_duckdb(sieve, err);
}

walrow_code
walrow__sieve_new(const walrow_options *options, const char *const *search_path, walrow__sieve **out,
                  walrow_error *err)
{
    *out = NULL;
    if (options->events.count + options->where.count + options->columns.count == 0)
        return WALROW_OK;
    walrow__sieve *sieve = calloc(1, sizeof *sieve);
    if (sieve == NULL)
        return walrow__fail_memory(err);
    walrow_code code = init(sieve, options, search_path, err);
    if (code == WALROW_OK)
        *out = sieve;
    else
        walrow__sieve_free(sieve);
    return code;
}

void
walrow__sieve_free(walrow__sieve *sieve)
{
    if (sieve == NULL)
        return;
    while (sieve->meshes != NULL) {
        walrow__mesh *mesh = sieve->meshes;
        sieve->meshes = mesh->next;
        walrow__mesh_free(mesh);
    }
    walrow__rules_release(&sieve->wheres);
    walrow__rules_release(&sieve->columns);
    walrow__duckdb_free(sieve->duckdb);
    free(sieve);
}

/* ---- tables ---- */

static bool
has_rule(const walrow__rules *rules, const char *schema_name, const char *table_name)
{
    for (size_t i = 0; i < rules->count; i++)
        if (walrow__rule_matches(&rules->items[i], schema_name, table_name))
            return true;
    return false;
}

bool
walrow__sieve_concerns(const walrow__sieve *sieve, const char *schema_name, const char *table_name)
{
    return has_rule(&sieve->wheres, schema_name, table_name) ||
           has_rule(&sieve->columns, schema_name, table_name);
}

static walrow_code
add_mesh(walrow__sieve *sieve, const walrow__table *table, walrow__mesh **out, walrow_error *err)
{
    WALROW_TRY(walrow__mesh_new(&sieve->wheres, &sieve->columns, sieve->has_ops ? &sieve->ops : NULL, table,
                                sieve->duckdb, out, err));
    (*out)->next = sieve->meshes;
    sieve->meshes = *out;
    return WALROW_OK;
}

walrow_code
walrow__sieve_check_table(walrow__sieve *sieve, const walrow__table *table, walrow_error *err)
{
    walrow__mesh *mesh;
    return add_mesh(sieve, table, &mesh, err);
}

/* The identity is not in the schema, and its key is all that matters here. */
static walrow_code
find_mesh(walrow__sieve *sieve, const walrow_batch *batch, walrow__mesh **out, walrow_error *err)
{
    walrow__table *table;
    for (walrow__mesh *mesh = sieve->meshes; mesh != NULL; mesh = mesh->next)
        if (walrow__mesh_is_of(mesh, batch)) {
            *out = mesh;
            return WALROW_OK;
        }
    WALROW_TRY(walrow__table_from_schema(batch->schema, batch->relid, 'd', &table, err));
    walrow_code code = add_mesh(sieve, table, out, err);
    walrow__table_unref(table);
    return code;
}

static walrow_code
check_rules(const walrow__rules *rules, const char *const (*tables)[2], size_t n, walrow_error *err)
{
    for (size_t i = 0; i < rules->count; i++) {
        const walrow__rule *rule = &rules->items[i];
        size_t at = 0;
        while (at < n && !walrow__rule_matches(rule, tables[at][0], tables[at][1]))
            at++;
        if (at < n)
            continue;
        walrow__rule_fail(rules, rule, err, "the pattern matches none of the tables that are streamed");
        return walrow__hint(
            err, "\"walrow tables\" lists what there is; --allow-empty waits for one to be created");
    }
    return WALROW_OK;
}

walrow_code
walrow__sieve_check_patterns(const walrow__sieve *sieve, const char *const (*tables)[2], size_t n,
                             walrow_error *err)
{
    WALROW_TRY(check_rules(&sieve->wheres, tables, n, err));
    return check_rules(&sieve->columns, tables, n, err);
}

static bool
matched_any(const walrow__rule *rule, const walrow__mesh *mesh)
{
    for (; mesh != NULL; mesh = mesh->next) {
        const walrow__table *table = walrow__mesh_table(mesh);
        if (walrow__rule_matches(rule, table->schema_name, table->name))
            return true;
    }
    return false;
}

static void
warn_of_idle(const walrow__rules *rules, const walrow__mesh *meshes)
{
    walrow_error said;
    for (size_t i = 0; i < rules->count; i++)
        if (!matched_any(&rules->items[i], meshes)) {
            walrow__rule_fail(rules, &rules->items[i], &said, "no change came of a table that matches");
            walrow__log(WALROW_LOG_WARN, "%s", said.message);
        }
}

void
walrow__sieve_warn_of_idle(const walrow__sieve *sieve)
{
    warn_of_idle(&sieve->wheres, sieve->meshes);
    warn_of_idle(&sieve->columns, sieve->meshes);
}

/* ---- change sets ---- */

/* A change set made of another one, which it keeps. */
typedef struct sifting {
    walrow_changes source;
    walrow_batch *batches;
    walrow__table **tables; /* a reference for each batch */
    size_t n_batches;
    walrow_dead_letter *letters;
    size_t n_letters;
} sifting;

static void
free_sifting(sifting *self)
{
    for (size_t i = 0; i < self->n_batches; i++) {
        if (self->batches[i].array.release != NULL)
            ArrowArrayRelease(&self->batches[i].array);
        walrow__table_unref(self->tables[i]);
    }
    free(self->batches);
    free(self->tables);
    free(self->letters);
    if (self->source.release != NULL)
        self->source.release(&self->source);
    free(self);
}

static void
release_changes(walrow_changes *changes)
{
    free_sifting(changes->private_data);
    memset(changes, 0, sizeof *changes);
}

static walrow_code
new_sifting(const walrow_changes *source, sifting **out, walrow_error *err)
{
    sifting *self = calloc(1, sizeof *self);
    if (self == NULL)
        return walrow__fail_memory(err);
    self->batches = calloc(source->n_batches + 1, sizeof *self->batches);
    self->tables = calloc(source->n_batches + 1, sizeof(walrow__table *));
    self->letters = calloc(source->n_dead_letters + 1, sizeof *self->letters);
    if (self->batches == NULL || self->tables == NULL || self->letters == NULL) {
        free_sifting(self);
        return walrow__fail_memory(err);
    }
    self->n_letters = source->n_dead_letters;
    if (source->n_dead_letters > 0)
        memcpy(self->letters, source->dead_letters, source->n_dead_letters * sizeof *self->letters);
    *out = self;
    return WALROW_OK;
}

static void
sift_letters(sifting *self, const walrow__sifted *sifted, const walrow_batch *batch)
{
    size_t n = 0;
    for (size_t i = 0; i < self->n_letters; i++) {
        walrow_dead_letter *letter = &self->letters[i];
        bool concerned = strcmp(letter->table_name, batch->table_name) == 0 &&
                         strcmp(letter->schema_name, batch->schema_name) == 0;
        if (!concerned || walrow__sifted_keeps_letter(sifted, letter))
            self->letters[n++] = *letter;
    }
    self->n_letters = n;
}

/* Moves the batch's array, if any of it is left. */
static walrow_code
add_batch(sifting *self, const walrow__sifted *sifted, walrow_batch *batch, bool keep_empty,
          walrow_error *err)
{
    if (sifted->n_left == 0 && !keep_empty)
        return WALROW_OK;
    walrow_batch *to = &self->batches[self->n_batches];
    self->tables[self->n_batches++] = walrow__table_ref(walrow__mesh_table(sifted->mesh));
    *to = *batch;
    ArrowArrayMove(&batch->array, &to->array);
    return walrow__sifted_apply(sifted, to, err);
}

static walrow_code
sift_batch(walrow__sieve *sieve, sifting *self, walrow_changes *changes, walrow_batch *batch,
           walrow_error *err)
{
    walrow__mesh *mesh;
    walrow__sifted sifted;
    WALROW_TRY(find_mesh(sieve, batch, &mesh, err));
    WALROW_TRY(walrow__mesh_sift(mesh, &batch->array, &sifted, err));
    sift_letters(self, &sifted, batch);
    walrow_code code = add_batch(self, &sifted, batch, changes->snapshot_end, err);
    walrow__sifted_release(&sifted);
    if (code == WALROW_OK && changes->snapshot) {
        mesh->next_chunk = changes->chunk == 0 ? 0 : mesh->next_chunk;
        changes->chunk = mesh->next_chunk;
        mesh->next_chunk += self->n_batches > 0;
    }
    return code;
}

walrow_code
walrow__sieve_changes(walrow__sieve *sieve, walrow_changes *changes, bool *nothing, walrow_error *err)
{
    sifting *self = NULL;
    WALROW_TRY(new_sifting(changes, &self, err));
    walrow_code code = WALROW_OK;
    for (size_t i = 0; i < changes->n_batches && code == WALROW_OK; i++)
        code = sift_batch(sieve, self, changes, &changes->batches[i], err);
    if (code != WALROW_OK) {
        free_sifting(self);
        return code;
    }
    self->source = *changes;
    changes->batches = self->batches;
    changes->n_batches = self->n_batches;
    changes->dead_letters = self->letters;
    changes->n_dead_letters = self->n_letters;
    if (sieve->has_ops && !sieve->ops.has['M'])
        changes->n_messages = 0;
    changes->release = release_changes;
    changes->private_data = self;
    *nothing = changes->snapshot && changes->n_batches == 0;
    return WALROW_OK;
}
