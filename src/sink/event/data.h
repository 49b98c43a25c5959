/*
 * sink/event/data.h
 *	  A row's columns as a JSON object, as events have them.
 */
#ifndef WALROW_SINK_EVENT_DATA_H
#define WALROW_SINK_EVENT_DATA_H

#include "sink/event/table.h"

typedef enum walrow__event_choice {
    WALROW__EVENT_ALL,   /* the new row: what came */
    WALROW__EVENT_KNOWN, /* an old row: the key, and what is not null */
    WALROW__EVENT_KEY
} walrow__event_choice;

/* of_old: of the row's _old */
void walrow__event_add_columns(const walrow__event_table *table, walrow__event_choice choice, bool of_old,
                               int64_t row, walrow__strbuf *buf);
/* insert, update, delete, truncate; read, by a snapshot. */
const char *walrow__event_type(char op);
/* Instead of values the columns' types, as PostgreSQL names them. */
void walrow__event_add_types(const walrow__event_table *table, walrow__strbuf *buf);
/* A list of names. */
void walrow__event_add_key(const walrow__event_table *table, walrow__strbuf *buf);

#endif
