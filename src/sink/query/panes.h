/*
 * sink/query/panes.h
 *	  Time in panes of one slide each, aligned to 1970-01-01 UTC; a window is the last n of them. Nothing here knows
 *	  rows.
 *
 * Commit times do not quite grow from one commit to the next. A change counts in the pane of its commit time, or, if
 *	  that is over, in the one that is open when it comes: so panes are runs of the stream, one after the other.
 */
#ifndef WALROW_SINK_QUERY_PANES_H
#define WALROW_SINK_QUERY_PANES_H

#include "sink/query/settings.h"

/* One in which something came. */
typedef struct walrow__pane {
    int64_t number;
    uint64_t segment;    /* where its rows are kept; they grow */
    uint64_t before_lsn; /* end of the last transaction before its first */
    int64_t since;       /* that one's commit time */
} walrow__pane;

typedef struct walrow__panes {
    int64_t slide_us;
    int n_slides;
    bool started;
    int64_t open;                              /* what comes is in this pane or a later one */
    walrow__pane kept[WALROW__MAX_SLIDES + 1]; /* of the next window, oldest first */
    int n_kept;
    uint64_t next_segment;
} walrow__panes;

void walrow__panes_init(walrow__panes *panes, const walrow__query_settings *settings);
/* The pane a change of that commit time is in. */
int64_t walrow__panes_of(const walrow__panes *panes, int64_t commit_time);
/* Something comes in the open pane: true if it is the first, and has a segment now. */
bool walrow__panes_enter(walrow__panes *panes, uint64_t before_lsn, int64_t commit_time);
/* The window that ends with the open pane is over: what the next one does not need is kept no more. */
void walrow__panes_close(walrow__panes *panes);
/* The oldest is kept no more. */
void walrow__panes_drop(walrow__panes *panes);
/* The first segment that is kept; all before are not. */
uint64_t walrow__panes_first_segment(const walrow__panes *panes);

static inline int64_t
walrow__panes_start_us(const walrow__panes *panes)
{
    return (panes->open + 1 - panes->n_slides) * panes->slide_us;
}

static inline int64_t
walrow__panes_end_us(const walrow__panes *panes)
{
    return (panes->open + 1) * panes->slide_us;
}

#endif
