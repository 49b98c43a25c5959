#include "source/announced.h"

#include "base/error.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static size_t
slot_of(const walrow__announced *relations, uint32_t relid)
{
    size_t mask = relations->capacity - 1;
    size_t slot = relid * UINT32_C(2654435769) & mask; /* Knuth's multiplicative hash */
    while (relations->slots[slot] != NULL && relations->slots[slot]->relid != relid)
        slot = (slot + 1) & mask;
    return slot;
}

walrow__announced_table *
walrow__announced_find(walrow__announced *relations, uint32_t relid)
{
    if (relations->latest != NULL && relations->latest->relid == relid)
        return relations->latest;
    if (relations->capacity == 0)
        return NULL;
    walrow__announced_table *found = relations->slots[slot_of(relations, relid)];
    if (found != NULL)
        relations->latest = found;
    return found;
}

static bool
grow(walrow__announced *relations)
{
    walrow__announced larger = {.capacity = relations->capacity == 0 ? 64 : relations->capacity * 2,
                                .count = relations->count};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < relations->capacity; i++)
        if (relations->slots[i] != NULL)
            larger.slots[slot_of(&larger, relations->slots[i]->relid)] = relations->slots[i];
    free(relations->slots);
    *relations = larger;
    return true;
}

walrow__announced_table *
walrow__announced_find_or_add(walrow__announced *relations, uint32_t relid)
{
    walrow__announced_table *found = walrow__announced_find(relations, relid);
    if (found != NULL)
        return found;
    if (relations->count * 2 >= relations->capacity && !grow(relations))
        return NULL;
    walrow__announced_table *added = calloc(1, sizeof *added);
    if (added == NULL)
        return NULL;
    added->relid = relid;
    relations->slots[slot_of(relations, relid)] = added;
    relations->count++;
    return added;
}

/* FOR ALL TABLES publishes user tables made in the system's schemas; they are nobody's data. */
static bool
is_system_schema(const char *schema)
{
    return strncmp(schema, "pg_", 3) == 0 || strcmp(schema, "information_schema") == 0;
}

bool
walrow__announced_wants(const walrow__decoder *decoder, const char *schema, const char *name)
{
    const walrow__capture *capture = &decoder->capture;
    return !is_system_schema(schema) && capture->matches(capture->arg, schema, name);
}

static bool
same_table(const walrow__table *a, const walrow__table *b)
{
    return a->epoch == b->epoch && a->identity == b->identity && strcmp(a->name, b->name) == 0 &&
           strcmp(a->schema_name, b->schema_name) == 0;
}

static walrow_code
open_epoch(walrow__announced_table *relation, walrow__decoder *decoder, walrow__table *table,
           walrow_error *err)
{
    const walrow__capture *capture = &decoder->capture;
    uint64_t from_lsn =
        capture->from_lsn == NULL ? 0 : capture->from_lsn(capture->arg, table->schema_name, table->name);
    walrow__feed *feed = relation->feed;
    if (feed != NULL && same_table(feed->builder.table, table)) {
        feed->from_lsn = from_lsn;
        return WALROW_OK;
    }
    relation->feed = NULL;
    if (feed != NULL)
        WALROW_TRY(walrow__collector_drop_feed(decoder->collector, feed, err));
    return walrow__feed_new(table, from_lsn, &relation->feed, err);
}

static walrow_code
make_table(const walrow__decoder *decoder, const walrow__relation_message *message, walrow__table **out,
           walrow_error *err)
{
    const walrow__capture *capture = &decoder->capture;
    if (capture->override != NULL)
        for (int i = 0; i < message->n_columns; i++)
            message->columns[i].override =
                capture->override(capture->arg, message->schema, message->name, message->columns[i].name);
    return walrow__table_new(decoder->catalog, message->schema, message->name, message->relid,
                             message->identity, message->columns, message->n_columns, out, err);
}

static walrow_code
lose_feed(walrow__announced_table *relation, walrow__decoder *decoder, walrow_error *err)
{
    walrow__feed *feed = relation->feed;
    relation->feed = NULL;
    return feed == NULL ? WALROW_OK : walrow__collector_drop_feed(decoder->collector, feed, err);
}

walrow_code
walrow__announced_announce(walrow__announced *relations, walrow__decoder *decoder,
                           const walrow__relation_message *message, walrow_error *err)
{
    walrow__announced_table *relation = walrow__announced_find_or_add(relations, message->relid);
    if (relation == NULL)
        return walrow__fail_memory(err);
    relation->n_columns = message->n_columns;
    relation->identity = message->identity;
    if (!walrow__announced_wants(decoder, message->schema, message->name))
        return lose_feed(relation, decoder, err);

    walrow__table *table = NULL;
    WALROW_TRY(make_table(decoder, message, &table, err));
    const char *column;
    if (decoder->binary && !walrow__table_has_binary(table, &column)) {
        walrow__log(WALROW_LOG_INFO, "%s.%s.%s: nobody outside the server can print this type's binary form",
                    message->schema, message->name, column);
        decoder->needs_text = true;
    }
    walrow_code code = open_epoch(relation, decoder, table, err);
    walrow__table_unref(table);
    return code;
}

walrow_code
walrow__announced_take(walrow__announced *relations, walrow__decoder *decoder, walrow__table *table,
                       walrow_error *err)
{
    walrow__announced_table *relation = walrow__announced_find_or_add(relations, table->relid);
    if (relation == NULL)
        return walrow__fail_memory(err);
    relation->n_columns = table->n_columns;
    relation->identity = table->identity;
    relation->wanted = walrow__announced_wants(decoder, table->schema_name, table->name);
    return relation->wanted ? open_epoch(relation, decoder, table, err) : lose_feed(relation, decoder, err);
}

void
walrow__announced_release(walrow__announced *relations)
{
    for (size_t i = 0; i < relations->capacity; i++) {
        walrow__announced_table *relation = relations->slots[i];
        if (relation == NULL)
            continue;
        walrow__feed_free(relation->feed);
        free(relation);
    }
    free(relations->slots);
    memset(relations, 0, sizeof *relations);
}
