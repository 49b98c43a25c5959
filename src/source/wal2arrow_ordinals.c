#include "source/wal2arrow_ordinals.h"

#include <stdlib.h>
#include <string.h>

void
walrow__ordinals_release(walrow__ordinals *ordinals)
{
    free(ordinals->dropped);
    memset(ordinals, 0, sizeof *ordinals);
}

bool
walrow__ordinals_drop(walrow__ordinals *ordinals, const walrow__wire_rows *rows)
{
    size_t needed = ordinals->n + (size_t)rows->n;
    if (needed > ordinals->capacity) {
        size_t capacity = needed > 2 * ordinals->capacity ? needed : 2 * ordinals->capacity;
        walrow__position *dropped = realloc(ordinals->dropped, capacity * sizeof *dropped);
        if (dropped == NULL)
            return false;
        ordinals->dropped = dropped;
        ordinals->capacity = capacity;
    }
    for (int64_t i = 0; i < rows->n; i++)
        ordinals->dropped[ordinals->n++] = walrow__wire_position(rows, i);
    return true;
}

static int
compare(const void *a, const void *b)
{
    return walrow__position_compare(*(const walrow__position *)a, *(const walrow__position *)b);
}

void
walrow__ordinals_sort(walrow__ordinals *ordinals)
{
    if (ordinals->n > 0)
        qsort(ordinals->dropped, ordinals->n, sizeof *ordinals->dropped, compare);
}

/* How many lie before it. */
static size_t
count_before(const walrow__ordinals *ordinals, walrow__position position)
{
    size_t low = 0, high = ordinals->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (walrow__position_compare(ordinals->dropped[middle], position) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t
walrow__ordinals_renumber(const walrow__ordinals *ordinals, walrow__position position)
{
    if (!walrow__ordinals_differ(ordinals))
        return position.seq;
    walrow__position first = {.commit_lsn = position.commit_lsn};
    size_t dropped = count_before(ordinals, position) - count_before(ordinals, first);
    return position.seq - ordinals->n_before - (uint32_t)dropped;
}

void
walrow__ordinals_carry(walrow__ordinals *ordinals, uint64_t commit_lsn)
{
    walrow__position first = {.commit_lsn = commit_lsn};
    ordinals->n_before += (uint32_t)(ordinals->n - count_before(ordinals, first));
    ordinals->n = 0;
}
