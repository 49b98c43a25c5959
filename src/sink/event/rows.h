/*
 * sink/event/rows.h
 *	  Change sets as rows of events: what jsonl: prints as lines, as a struct array.
 */
#ifndef WALROW_SINK_EVENT_ROWS_H
#define WALROW_SINK_EVENT_ROWS_H

#include <walrow.h>

typedef struct walrow__event_rows walrow__event_rows;

walrow_code walrow__event_rows_new(walrow__event_rows **out, walrow_error *err) WALROW_MUST_CHECK;
void walrow__event_rows_free(walrow__event_rows *rows); /* NULL is allowed */
/** Of every array; borrowed. */
const struct ArrowSchema *walrow__event_rows_schema(const walrow__event_rows *rows);
/** The events of a change set; there may be none. */
walrow_code walrow__event_rows_make(walrow__event_rows *rows, const walrow_changes *changes,
                                    struct ArrowArray *out, walrow_error *err) WALROW_MUST_CHECK;

#endif
