#include "stream/reading.h"

#include "base/clock.h"
#include "base/error.h"
#include "state/tables.h"

#include <stdio.h>

enum { NOTE_EVERY_MS = 1000 };

void
walrow__reading_init(walrow__reading *reading)
{
    *reading = (walrow__reading){0};
    pthread_mutex_init(&reading->lock, NULL);
}

void
walrow__reading_release(walrow__reading *reading)
{
    pthread_mutex_destroy(&reading->lock);
}

/* ---- in the state ---- */

static walrow_code
put(walrow__store_write *write, const walrow__planned_table *table, int64_t rows, walrow_error *err)
{
    walrow__state_reading reading = {
        .schema = table->schema, .name = table->name, .rows = rows, .total = table->rows};
    return walrow__state_put_reading(write, &reading, err);
}

static walrow_code
put_plan(walrow__state *state, walrow__store_write *write, const walrow__plan *plan, walrow_error *err)
{
    WALROW_TRY(walrow__state_forget_reading(state, write, err));
    for (size_t i = 0; i < plan->n_tables; i++)
        if (plan->tables[i].needs_snapshot)
            WALROW_TRY(put(write, &plan->tables[i], 0, err));
    return WALROW_OK;
}

static walrow_code
commit(walrow__state *state, walrow__store_write *write, walrow_code code, walrow_error *err)
{
    if (code == WALROW_OK)
        return walrow__state_commit(state, write, 0, err);
    walrow__store_abandon(write);
    return code;
}

walrow_code
walrow__reading_plan(walrow__reading *reading, walrow__state *state, const walrow__plan *plan,
                     walrow_error *err)
{
    reading->state = state;
    if (state == NULL)
        return WALROW_OK;
    walrow__store_write *write = walrow__store_begin();
    return commit(state, write, put_plan(state, write, plan, err), err);
}

static walrow_code
note(walrow__reading *reading, walrow_error *err)
{
    int64_t now = walrow__now_ms();
    if (reading->state == NULL || now - reading->noted_at < NOTE_EVERY_MS)
        return WALROW_OK;
    reading->noted_at = now;
    walrow__store_write *write = walrow__store_begin();
    return commit(reading->state, write, put(write, reading->planned, reading->rows, err), err);
}

/* ---- how far it is ---- */

void
walrow__reading_begin(walrow__reading *reading, const walrow__planned_table *table)
{
    reading->planned = table;
    pthread_mutex_lock(&reading->lock);
    snprintf(reading->table, sizeof reading->table, "%s.%s", table->schema, table->name);
    reading->rows = 0;
    reading->total = table->rows;
    pthread_mutex_unlock(&reading->lock);
}

walrow_code
walrow__reading_add(walrow__reading *reading, int64_t rows, walrow_error *err)
{
    pthread_mutex_lock(&reading->lock);
    reading->rows += rows;
    pthread_mutex_unlock(&reading->lock);
    return note(reading, err);
}

void
walrow__reading_end(walrow__reading *reading)
{
    pthread_mutex_lock(&reading->lock);
    reading->table[0] = '\0';
    pthread_mutex_unlock(&reading->lock);
}

bool
walrow__reading_now(walrow__reading *reading, char *table, size_t size, uint64_t *rows, uint64_t *total)
{
    pthread_mutex_lock(&reading->lock);
    bool some = reading->table[0] != '\0';
    snprintf(table, size, "%s", reading->table);
    *rows = (uint64_t)reading->rows;
    *total = reading->total > 0 ? (uint64_t)reading->total : 0;
    pthread_mutex_unlock(&reading->lock);
    return some;
}
