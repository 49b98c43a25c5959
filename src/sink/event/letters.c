#include "sink/event/letters.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static int
compare(const walrow_dead_letter *letter, uint64_t lsn, uint32_t seq)
{
    if (letter->lsn != lsn)
        return letter->lsn < lsn ? -1 : 1;
    return letter->seq == seq ? 0 : letter->seq < seq ? -1 : 1;
}

static int
compare_two(const void *a, const void *b)
{
    const walrow_dead_letter *other = *(const walrow_dead_letter *const *)b;
    return compare(*(const walrow_dead_letter *const *)a, other->lsn, other->seq);
}

walrow_code
walrow__event_letters_find(walrow__event_letters *letters, const walrow_changes *changes, walrow_error *err)
{
    letters->count = changes->snapshot ? 0 : changes->n_dead_letters;
    letters->items = calloc(letters->count + 1, sizeof(const walrow_dead_letter *));
    if (letters->items == NULL)
        return walrow__fail_memory(err);
    for (size_t i = 0; i < letters->count; i++)
        letters->items[i] = &changes->dead_letters[i];
    qsort(letters->items, letters->count, sizeof(const walrow_dead_letter *), compare_two);
    return WALROW_OK;
}

void
walrow__event_letters_release(walrow__event_letters *letters)
{
    free(letters->items);
    memset(letters, 0, sizeof *letters);
}

const walrow_dead_letter *
walrow__event_letters_at(const walrow__event_letters *letters, uint64_t lsn, uint32_t seq, const char *column,
                         bool old)
{
    size_t low = 0, high = letters->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(letters->items[middle], lsn, seq) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < letters->count && compare(letters->items[low], lsn, seq) == 0; low++)
        if (letters->items[low]->old == old && strcmp(letters->items[low]->column, column) == 0)
            return letters->items[low];
    return NULL;
}
