#include "stream/ledger.h"

#include "base/error.h"
#include "state/damaged.h"
#include "stream/tally.h"

#include <stdlib.h>
#include <string.h>

struct walrow__ledger_entry {
    uint64_t end_lsn;
    bool open; /* ends in a transaction that goes on: durable with the change set that ends it */
    walrow_report counts;
    json_t *dead_letters; /* by column; NULL: none */
    walrow__ledger_entry *next;
};

walrow_code
walrow__ledger_init(walrow__ledger *ledger, const char *text, walrow_error *err)
{
    *ledger = (walrow__ledger){.totals = text == NULL ? json_object() : json_loads(text, 0, NULL)};
    if (ledger->totals != NULL)
        return WALROW_OK;
    if (text == NULL)
        return walrow__fail_memory(err);
    walrow__fail(err, WALROW_ERR_STATE, "the state's counters are not JSON");
    return walrow__hint_damaged(err);
}

/* ---- adding ---- */

static bool
increase(json_t *object, const char *key, uint64_t by)
{
    json_int_t before = json_integer_value(json_object_get(object, key));
    return by == 0 || json_object_set_new(object, key, json_integer(before + (json_int_t)by)) == 0;
}

static bool
count_dead_letters(walrow__ledger_entry *entry, const walrow_changes *changes)
{
    for (size_t i = 0; i < changes->n_dead_letters; i++) {
        const walrow_dead_letter *letter = &changes->dead_letters[i];
        char *column;
        if (entry->dead_letters == NULL && (entry->dead_letters = json_object()) == NULL)
            return false;
        if (asprintf(&column, "%s.%s.%s", letter->schema_name, letter->table_name, letter->column) < 0)
            return false;
        bool ok = increase(entry->dead_letters, column, 1);
        free(column);
        if (!ok)
            return false;
    }
    return true;
}

/* Parts of one transaction share an entry. */
static walrow__ledger_entry *
entry_for(walrow__ledger *ledger)
{
    if (ledger->last != NULL && ledger->last->open)
        return ledger->last;
    walrow__ledger_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    if (ledger->last == NULL)
        ledger->first = entry;
    else
        ledger->last->next = entry;
    ledger->last = entry;
    return entry;
}

walrow_code
walrow__ledger_add(walrow__ledger *ledger, const walrow_changes *changes, walrow_error *err)
{
    walrow__ledger_entry *entry = entry_for(ledger);
    if (entry == NULL)
        return walrow__fail_memory(err);
    walrow__tally_changes(&entry->counts, changes);
    entry->open = changes->partial;
    entry->end_lsn = changes->end_lsn;
    return count_dead_letters(entry, changes) ? WALROW_OK : walrow__fail_memory(err);
}

/* ---- settling ---- */

static json_t *
child_of(json_t *totals, const char *key)
{
    json_t *child = json_object_get(totals, key);
    if (child == NULL && json_object_set_new(totals, key, json_object()) == 0)
        child = json_object_get(totals, key);
    return child;
}

static bool
count(json_t *totals, const walrow__ledger_entry *entry)
{
    const walrow_report *counts = &entry->counts;
    json_t *changes = child_of(totals, "changes"), *dead_letters = child_of(totals, "dead_letters"), *n;
    const char *column;
    bool ok = increase(changes, "I", counts->inserts) && increase(changes, "U", counts->updates) &&
              increase(changes, "D", counts->deletes) && increase(changes, "T", counts->truncates) &&
              increase(changes, "R", counts->reads) &&
              increase(totals, "transactions", counts->transactions) &&
              increase(totals, "messages", counts->messages);
    json_object_foreach(entry->dead_letters, column, n) ok =
        ok && increase(dead_letters, column, (uint64_t)json_integer_value(n));
    return ok;
}

static void
drop_first(walrow__ledger *ledger)
{
    walrow__ledger_entry *entry = ledger->first;
    ledger->first = entry->next;
    if (ledger->first == NULL)
        ledger->last = NULL;
    json_decref(entry->dead_letters);
    free(entry);
}

walrow_code
walrow__ledger_settle(walrow__ledger *ledger, uint64_t durable_lsn, char **news, walrow_error *err)
{
    bool changed = false;
    *news = NULL;
    while (ledger->first != NULL && !ledger->first->open && ledger->first->end_lsn <= durable_lsn) {
        if (!count(ledger->totals, ledger->first))
            return walrow__fail_memory(err);
        drop_first(ledger);
        changed = true;
    }
    if (changed && (*news = json_dumps(ledger->totals, 0)) == NULL)
        return walrow__fail_memory(err);
    return WALROW_OK;
}

void
walrow__ledger_release(walrow__ledger *ledger)
{
    while (ledger->first != NULL)
        drop_first(ledger);
    json_decref(ledger->totals);
    memset(ledger, 0, sizeof *ledger);
}
