#include "sink/query/panes.h"

#include <string.h>

void
walrow__panes_init(walrow__panes *panes, const walrow__query_settings *settings)
{
    *panes = (walrow__panes){.slide_us = settings->slide_us, .n_slides = settings->n_slides};
}

int64_t
walrow__panes_of(const walrow__panes *panes, int64_t commit_time)
{
    if (panes->slide_us == 0)
        return panes->open;
    int64_t number = commit_time / panes->slide_us - (commit_time % panes->slide_us < 0);
    return panes->started && number < panes->open ? panes->open : number;
}

bool
walrow__panes_enter(walrow__panes *panes, uint64_t before_lsn, int64_t commit_time)
{
    panes->started = true;
    if (panes->n_kept > 0 && panes->kept[panes->n_kept - 1].number == panes->open)
        return false;
    panes->kept[panes->n_kept++] = (walrow__pane){.number = panes->open,
                                                  .segment = panes->next_segment++,
                                                  .before_lsn = before_lsn,
                                                  .since = commit_time};
    return true;
}

void
walrow__panes_drop(walrow__panes *panes)
{
    panes->n_kept--;
    memmove(panes->kept, panes->kept + 1, (size_t)panes->n_kept * sizeof *panes->kept);
}

void
walrow__panes_close(walrow__panes *panes)
{
    panes->open++;
    while (panes->n_kept > 0 && panes->kept[0].number <= panes->open - panes->n_slides)
        walrow__panes_drop(panes);
}

uint64_t
walrow__panes_first_segment(const walrow__panes *panes)
{
    return panes->n_kept > 0 ? panes->kept[0].segment : panes->next_segment;
}
