/*
 * sink/event/style.h
 *	  How the lines of events look; event.c has their order, ends them, and writes them.
 */
#ifndef WALROW_SINK_EVENT_STYLE_H
#define WALROW_SINK_EVENT_STYLE_H

#include "columns/batch.h"
#include "sink/event/event.h"
#include "sink/event/table.h"

/* Each writes an object into printer->buf, without its end. */
struct walrow__event_style {
    const char *end;
    /* Make lsn_text and tail_text, which are empty; xid 0 and has_time false: not known. */
    void (*transaction)(walrow__event_printer *printer, const walrow_transaction *facts, bool has_time);
    void (*boundary)(walrow__event_printer *printer, bool is_commit);
    /* columns that _unchanged names are skipped already */
    void (*row)(walrow__event_printer *printer, walrow__event_table *table, int64_t row,
                walrow__position position);
    void (*message)(walrow__event_printer *printer, const walrow_message *message);
    /* NULL: not printed */
    void (*schema_change)(walrow__event_printer *printer, const walrow__event_table *table,
                          walrow__position position);
};

extern const walrow__event_style walrow__event_plain, walrow__event_arrow, walrow__event_wal2json,
    walrow__event_documents, walrow__event_debezium;

#endif
