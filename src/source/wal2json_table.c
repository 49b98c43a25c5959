#include "source/wal2json_table.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "pg/catalog.h"

#include <stdlib.h>
#include <string.h>

/* ---- by name ---- */

static bool
is_text(walrow__json_text text, const char *bytes, size_t size)
{
    return text.size == size && memcmp(text.bytes, bytes, size) == 0;
}

static bool
is_named(const walrow__wal2json_table *table, const walrow__wal2json_message *change)
{
    return is_text(change->table, table->name, table->name_size) &&
           is_text(change->schema, table->schema, table->schema_size);
}

static walrow__wal2json_table *
add_table(walrow__wal2json_table **bucket, const walrow__wal2json_message *change)
{
    walrow__wal2json_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->schema = strdup(change->schema.bytes);
    table->name = strdup(change->table.bytes);
    table->schema_size = change->schema.size;
    table->name_size = change->table.size;
    if (table->schema == NULL || table->name == NULL) {
        free(table->schema);
        free(table->name);
        free(table);
        return NULL;
    }
    table->next = *bucket;
    *bucket = table;
    return table;
}

static walrow__wal2json_table *
find_or_add(walrow__wal2json_tables *tables, const walrow__wal2json_message *change)
{
    if (tables->latest != NULL && is_named(tables->latest, change))
        return tables->latest;
    uint64_t hash = walrow__hash_bytes(WALROW__HASH_START, change->schema.bytes, change->schema.size + 1);
    hash = walrow__hash_finish(walrow__hash_bytes(hash, change->table.bytes, change->table.size));
    walrow__wal2json_table **bucket = &tables->buckets[hash % WALROW__WAL2JSON_BUCKETS];
    walrow__wal2json_table *table = *bucket;
    while (table != NULL && !is_named(table, change))
        table = table->next;
    if (table == NULL)
        table = add_table(bucket, change);
    tables->latest = table;
    return table;
}

static void
release_columns(walrow__wal2json_table *table)
{
    for (int i = 0; i < table->n_slots; i++) {
        free(table->slots[i].name);
        free(table->slots[i].type);
    }
    free(table->slots);
    free(table->specs);
    table->slots = NULL;
    table->specs = NULL;
    table->n_slots = table->n_specs = 0;
}

void
walrow__wal2json_tables_release(walrow__wal2json_tables *tables)
{
    for (int i = 0; i < WALROW__WAL2JSON_BUCKETS; i++)
        while (tables->buckets[i] != NULL) {
            walrow__wal2json_table *table = tables->buckets[i];
            tables->buckets[i] = table->next;
            release_columns(table);
            free(table->schema);
            free(table->name);
            free(table->published_schema);
            free(table->published_name);
            free(table);
        }
    walrow__announced_release(&tables->announced);
    tables->latest = NULL;
}

/* ---- does a change agree? ---- */

static bool
is_of_slot(const walrow__wal2json_column *column, const walrow__wal2json_slot *slot)
{
    return is_text(column->name, slot->name, slot->name_size) &&
           (column->oid == 0 || column->oid == slot->oid) &&
           (column->type.bytes == NULL || slot->type == NULL ||
            is_text(column->type, slot->type, slot->type_size));
}

static void
clear_tuple(walrow__tuple *tuple, int n_fields)
{
    tuple->n_fields = n_fields;
    for (int i = 0; i < n_fields; i++)
        tuple->fields[i].kind = 'n';
}

/* A new row: every column in its order, but for those that an update may leave out. */
static bool
place_row(const walrow__wal2json_table *table, const walrow__wal2json_columns *columns, bool is_update,
          walrow__tuple *out, int *missing)
{
    int next = 0;
    *missing = 0;
    clear_tuple(out, table->n_specs);
    for (int i = 0; i < table->n_slots; i++) {
        const walrow__wal2json_slot *slot = &table->slots[i];
        bool came = next < columns->count && is_of_slot(&columns->items[next], slot);
        if (!came && !(is_update && slot->may_be_missing))
            return false;
        if (slot->at >= 0 && came)
            out->fields[slot->at] = columns->items[next].value;
        else if (slot->at >= 0)
            out->fields[slot->at].kind = 'u';
        next += came;
        *missing += !came;
    }
    return next == columns->count;
}

/* A key: some of the columns, in their order. */
static bool
place_key(const walrow__wal2json_table *table, const walrow__wal2json_columns *columns, walrow__tuple *out)
{
    int next = 0;
    clear_tuple(out, table->n_specs);
    for (int i = 0; i < table->n_slots && next < columns->count; i++) {
        const walrow__wal2json_slot *slot = &table->slots[i];
        if (!is_of_slot(&columns->items[next], slot))
            continue;
        if (slot->at >= 0)
            out->fields[slot->at] = columns->items[next].value;
        next++;
    }
    return next == columns->count;
}

/*
 * Are these columns the key? An update that leaves the key alone does not send what of it is in TOAST. A partition has
 * an identity of its own, which is nobody's here.
 */
static bool
is_key(const walrow__wal2json_table *table, const walrow__wal2json_columns *columns)
{
    int next = 0;
    if (table->is_partition || !columns->present || table->announced == NULL)
        return true;
    for (int i = 0; i < table->n_slots; i++) {
        const walrow__wal2json_slot *slot = &table->slots[i];
        bool came = next < columns->count && is_of_slot(&columns->items[next], slot);
        bool expected = slot->at >= 0 ? table->specs[slot->at].is_key || table->identity == 'f' : came;
        if (came != expected && !(expected && slot->may_be_missing))
            return false;
        next += came;
    }
    return next == columns->count;
}

/* What the change says of keys is what is known of them: its identity, and by default the primary key. */
static bool
has_same_key(const walrow__wal2json_table *table, const walrow__wal2json_message *change)
{
    return is_key(table, &change->identity) && (table->identity != 'd' || is_key(table, &change->key));
}

/* false: the change is of another shape than the table. */
static bool
place(const walrow__wal2json_table *table, const walrow__wal2json_message *change, walrow__tuple *new,
      walrow__tuple *old, int *missing)
{
    *missing = 0;
    old->n_fields = -1;
    switch (change->action) {
    case 'T':
        clear_tuple(new, table->n_specs);
        return true;
    case 'D':
        return place_key(table, &change->identity, new);
    default:
        return place_row(table, &change->columns, change->action == 'U', new, missing) &&
               (!change->identity.present || place_key(table, &change->identity, old));
    }
}

/* ---- what is known of a table ---- */

/*
 * As wal2json prints it: a name in quotes loses them, because they are taken for those of JSON. Of PostgreSQL's own types
 * that is "char". With a schema in quotes it is JSON from 2.7 on, and all there.
 */
static walrow_code
printed_type(walrow__catalog *catalog, uint32_t oid, int32_t typmod, char **out, walrow_error *err)
{
    const char *text;
    WALROW_TRY(catalog->format(catalog, oid, typmod, &text, err));
    size_t size = strlen(text);
    bool is_bare = size > 1 && text[0] == '"' && text[size - 1] == '"' && strstr(text, "\".\"") == NULL;
    *out = is_bare ? strndup(text + 1, size - 2) : strdup(text);
    return *out == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
make_slot(walrow__decoder *decoder, const char *name, uint32_t oid, int32_t typmod,
          walrow__wal2json_slot *out, walrow_error *err)
{
    *out = (walrow__wal2json_slot){.name = strdup(name), .name_size = strlen(name), .oid = oid, .at = -1};
    const walrow__pg_type *type;
    if (out->name == NULL)
        return walrow__fail_memory(err);
    WALROW_TRY(decoder->catalog->type(decoder->catalog, oid, &type, err));
    if (type->kind == 'd')
        return WALROW_OK;
    WALROW_TRY(printed_type(decoder->catalog, oid, typmod, &out->type, err));
    out->type_size = strlen(out->type);
    return WALROW_OK;
}

static walrow_code
make_room(walrow__wal2json_table *table, int n, walrow_error *err)
{
    release_columns(table);
    table->slots = calloc((size_t)n + 1, sizeof *table->slots);
    table->specs = calloc((size_t)n + 1, sizeof *table->specs);
    return table->slots == NULL || table->specs == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static void
publish_slot(walrow__wal2json_table *table, walrow__wal2json_slot *slot, int at, int32_t typmod, bool is_key)
{
    slot->at = at;
    table->specs[at] =
        (walrow__column_spec){.name = slot->name, .oid = slot->oid, .typmod = typmod, .is_key = is_key};
    table->n_specs++;
}

static walrow_code
take_columns(walrow__wal2json_table *table, walrow__decoder *decoder, const walrow__pg_table *known,
             walrow_error *err)
{
    WALROW_TRY(make_room(table, known->n_columns, err));
    for (int i = 0; i < known->n_columns; i++) {
        const walrow__pg_attribute *column = &known->columns[i];
        walrow__wal2json_slot *slot = &table->slots[table->n_slots++];
        WALROW_TRY(make_slot(decoder, column->name, column->oid, column->typmod, slot, err));
        slot->may_be_missing = column->may_be_toasted;
        if (!column->is_generated)
            publish_slot(table, slot, column->published_at, column->typmod, column->is_key);
    }
    return WALROW_OK;
}

static walrow_code
take_names(walrow__wal2json_table *table, const walrow__pg_table *known, walrow_error *err)
{
    bool exists = known->relid != 0;
    char *schema = strdup(exists ? known->schema : table->schema);
    char *name = strdup(exists ? known->name : table->name);
    free(table->published_schema);
    free(table->published_name);
    table->published_schema = schema;
    table->published_name = name;
    if (exists) {
        table->relid = known->relid;
        table->identity = known->identity;
        table->own_identity = known->own_identity;
        table->is_partition = known->is_partition;
    }
    if (table->identity == '\0')
        table->identity = table->own_identity = 'd';
    return schema == NULL || name == NULL ? walrow__fail_memory(err) : WALROW_OK;
}

static walrow_code
announce(walrow__wal2json_tables *tables, walrow__decoder *decoder, walrow__wal2json_table *table,
         walrow_error *err)
{
    walrow__relation_message message = {.relid = table->relid,
                                        .schema = table->published_schema,
                                        .name = table->published_name,
                                        .identity = table->identity,
                                        .n_columns = table->n_specs,
                                        .columns = table->specs};
    WALROW_TRY(walrow__announced_announce(&tables->announced, decoder, &message, err));
    table->announced = walrow__announced_find(&tables->announced, table->relid);
    table->wanted = table->announced->feed != NULL;
    if (table->wanted)
        table->epoch = table->announced->feed->builder.table->epoch;
    return WALROW_OK;
}

/* The last announcement of the relation was another one's: of another partition, or of a table of another name. */
static bool
is_announced(const walrow__wal2json_table *table)
{
    const walrow__feed *feed = table->announced == NULL ? NULL : table->announced->feed;
    return feed != NULL && feed->builder.table->epoch == table->epoch &&
           table->announced->identity == table->identity &&
           strcmp(feed->builder.table->name, table->published_name) == 0 &&
           strcmp(feed->builder.table->schema_name, table->published_schema) == 0;
}

/* ---- a change that the catalogue knows nothing of ---- */

static const walrow__pg_attribute *
find_attribute(const walrow__pg_table *known, const char *name)
{
    for (int i = 0; i < known->n_columns; i++)
        if (strcmp(known->columns[i].name, name) == 0)
            return &known->columns[i];
    return NULL;
}

/* Where a column of that name is; -1: nowhere. */
static int
find_column(const walrow__wal2json_columns *columns, const char *name)
{
    for (int i = 0; i < columns->count; i++)
        if (strcmp(columns->items[i].name.bytes, name) == 0)
            return i;
    return -1;
}

static walrow_code
find_typmod(walrow__decoder *decoder, const walrow__wal2json_column *column, int32_t *out, walrow_error *err)
{
    walrow__catalog *catalog = decoder->catalog;
    char *plain = NULL;
    *out = -1;
    WALROW_TRY(printed_type(catalog, column->oid, -1, &plain, err));
    bool has_none = column->type.bytes == NULL || strcmp(plain, column->type.bytes) == 0;
    free(plain);
    if (has_none)
        return WALROW_OK;
    uint32_t oid;
    WALROW_TRY(catalog->parse_type(catalog, column->type.bytes, &oid, out, err));
    if (oid != column->oid)
        *out = -1;
    return WALROW_OK;
}

/* Up to 2.3 format 2 has no oids. What it prints may be what it does of the type that the column has today. */
static walrow_code
find_printed_type(walrow__decoder *decoder, const walrow__wal2json_column *column,
                  const walrow__pg_attribute *attribute, uint32_t *oid, int32_t *typmod, walrow_error *err)
{
    walrow__catalog *catalog = decoder->catalog;
    if (column->type.bytes == NULL)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "a column without its type's oid: include-type-oids is needed");
    if (attribute != NULL) {
        char *today;
        WALROW_TRY(printed_type(catalog, attribute->oid, attribute->typmod, &today, err));
        bool is_same = strcmp(today, column->type.bytes) == 0;
        free(today);
        *oid = attribute->oid;
        *typmod = attribute->typmod;
        if (is_same)
            return WALROW_OK;
    }
    WALROW_TRY(catalog->parse_type(catalog, column->type.bytes, oid, typmod, err));
    if (*oid != 0)
        return WALROW_OK;
    return walrow__fail(err, WALROW_ERR_PROTOCOL, "column %s was of type %s, which is there no more",
                        column->name.bytes, column->type.bytes);
}

static walrow_code
find_type(walrow__decoder *decoder, const walrow__wal2json_column *column,
          const walrow__pg_attribute *attribute, uint32_t *oid, int32_t *typmod, walrow_error *err)
{
    if (column->oid == 0)
        return find_printed_type(decoder, column, attribute, oid, typmod, err);
    *oid = column->oid;
    return find_typmod(decoder, column, typmod, err);
}

static walrow_code
take_sent_column(walrow__wal2json_table *table, walrow__decoder *decoder, const walrow__pg_table *known,
                 const walrow__wal2json_message *change, const walrow__wal2json_column *column,
                 walrow_error *err)
{
    uint32_t oid;
    int32_t typmod;
    const walrow__pg_attribute *attribute = find_attribute(known, column->name.bytes);
    if (table->n_slots == WALROW__MAX_COLUMNS)
        return walrow__fail(err, WALROW_ERR_PROTOCOL, "more columns than a table has");
    walrow__wal2json_slot *slot = &table->slots[table->n_slots++];
    WALROW_TRY(find_type(decoder, column, attribute, &oid, &typmod, err));
    WALROW_TRY(make_slot(decoder, column->name.bytes, oid, typmod, slot, err));
    if (column->type.bytes != NULL &&
        slot->type != NULL) { /* a type that was renamed since is still the type it was */
        free(slot->type);
        slot->type = strdup(column->type.bytes);
        slot->type_size = column->type.size;
        if (slot->type == NULL)
            return walrow__fail_memory(err);
    }
    slot->may_be_missing = attribute != NULL && attribute->may_be_toasted;
    bool is_key = attribute != NULL ? attribute->is_key
                                    : known->relid == 0 && find_column(&change->key, slot->name) >= 0;
    if (attribute == NULL || !attribute->is_generated)
        publish_slot(table, slot, table->n_specs, typmod, is_key);
    return WALROW_OK;
}

/* Columns of the old row up to one of them, which an update's new row does not have: they are unchanged in it. */
static walrow_code
take_old_columns(walrow__wal2json_table *table, walrow__decoder *decoder, const walrow__pg_table *known,
                 const walrow__wal2json_message *change, int *next, int end, walrow_error *err)
{
    for (; *next < end; ++*next) {
        const walrow__wal2json_column *column = &change->identity.items[*next];
        if (find_column(&change->columns, column->name.bytes) >= 0)
            continue;
        WALROW_TRY(take_sent_column(table, decoder, known, change, column, err));
        table->slots[table->n_slots - 1].may_be_missing = true;
    }
    return WALROW_OK;
}

static walrow_code
take_sent(walrow__wal2json_table *table, walrow__decoder *decoder, const walrow__pg_table *known,
          const walrow__wal2json_message *change, walrow_error *err)
{
    const walrow__wal2json_columns *columns = &change->columns, *identity = &change->identity;
    int next = 0;
    walrow__log(WALROW_LOG_INFO,
                "%s.%s: a change from before or after the table was altered; what it does not say is missing",
                table->schema, table->name);
    WALROW_TRY(make_room(table, columns->count + identity->count, err));
    for (int i = 0; i < columns->count; i++) {
        int at = find_column(identity, columns->items[i].name.bytes);
        WALROW_TRY(take_old_columns(table, decoder, known, change, &next, at, err));
        WALROW_TRY(take_sent_column(table, decoder, known, change, &columns->items[i], err));
    }
    return take_old_columns(table, decoder, known, change, &next, identity->count, err);
}

/* ---- all of it ---- */

/* Do the columns that the change left out still exist? Then it did not change them. */
static bool
still_has(const walrow__pg_table *known, const walrow__wal2json_table *table, const walrow__tuple *new)
{
    for (int i = 0; i < table->n_specs; i++)
        if (new->fields[i].kind == 'u' && find_attribute(known, table->specs[i].name) == NULL)
            return false;
    return true;
}

typedef struct placing {
    walrow__wal2json_tables *tables;
    walrow__decoder *decoder;
    const walrow__wal2json_message *change;
    walrow__tuple *new, *old;
} placing;

/* Ask the catalogue; unless it confirms what is known, make the table anew. */
static walrow_code
look_up(const placing *p, walrow__wal2json_table *table, const walrow__pg_table *known, bool confirm,
        walrow_error *err)
{
    int missing;
    table->as_of_lsn = known->as_of_lsn;
    if (confirm && still_has(known, table, p->new))
        return WALROW_OK;
    WALROW_TRY(take_names(table, known, err));
    table->wanted = (known->relid == 0 || known->is_table) &&
                    walrow__announced_wants(p->decoder, table->published_schema, table->published_name);
    if (!table->wanted || (known->relid == 0 && p->change->action == 'T' && table->specs != NULL))
        return WALROW_OK;
    WALROW_TRY(take_columns(table, p->decoder, known, err));
    if (!place(table, p->change, p->new, p->old, &missing))
        WALROW_TRY(take_sent(table, p->decoder, known, p->change, err));
    return announce(p->tables, p->decoder, table, err);
}

static walrow_code
ask(const placing *p, walrow__wal2json_table *table, bool confirm, walrow_error *err)
{
    walrow__pg_table known;
    walrow__catalog *catalog = p->decoder->catalog;
    WALROW_TRY(catalog->table(catalog, table->schema, table->name, &known, err));
    walrow_code code = look_up(p, table, &known, confirm, err);
    walrow__pg_table_release(&known);
    return code;
}

walrow_code
walrow__wal2json_place(walrow__wal2json_tables *tables, walrow__decoder *decoder,
                       const walrow__wal2json_message *change, walrow__tuple *new, walrow__tuple *old,
                       walrow__wal2json_table **out, walrow_error *err)
{
    placing p = {tables, decoder, change, new, old};
    uint64_t commit_lsn = decoder->collector->transaction.commit_lsn;
    walrow__wal2json_table *table = find_or_add(tables, change);
    int missing = 0;
    *out = NULL;
    if (table == NULL)
        return walrow__fail_memory(err);
    if (table->published_name != NULL && !table->wanted)
        return WALROW_OK;
    bool fits = table->announced != NULL && place(table, change, new, old, &missing);
    bool is_old = table->as_of_lsn <= commit_lsn;
    bool differs = !fits || (is_old && !has_same_key(table, change));
    if (differs || (is_old && missing > 0)) {
        WALROW_TRY(ask(&p, table, !differs, err));
        if (!table->wanted)
            return WALROW_OK;
        fits = place(table, change, new, old, &missing);
    }
    if (!fits)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "%s.%s: columns of the old and the new row contradict each other", table->schema,
                            table->name);
    if (!is_announced(table))
        WALROW_TRY(announce(tables, decoder, table, err));
    *out = table;
    return WALROW_OK;
}
