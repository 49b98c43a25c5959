#include "sink/query/promises.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

walrow_code
walrow__promises_add(walrow__promises *promises, uint64_t lsn, walrow_error *err)
{
    if (promises->n == promises->capacity) {
        size_t capacity = 2 * promises->capacity + 16;
        walrow__promise *items = realloc(promises->items, capacity * sizeof *items);
        if (items == NULL)
            return walrow__fail_memory(err);
        promises->items = items;
        promises->capacity = capacity;
    }
    promises->items[promises->n++] = (walrow__promise){.inner_lsn = promises->written_lsn, .lsn = lsn};
    return WALROW_OK;
}

void
walrow__promises_raise(walrow__promises *promises, uint64_t lsn)
{
    if (lsn > promises->kept_lsn)
        promises->kept_lsn = lsn;
}

bool
walrow__promises_settle(walrow__promises *promises, uint64_t inner_lsn)
{
    size_t n = 0;
    while (n < promises->n && promises->items[n].inner_lsn <= inner_lsn)
        walrow__promises_raise(promises, promises->items[n++].lsn);
    promises->n -= n;
    if (n > 0)
        memmove(promises->items, promises->items + n, promises->n * sizeof *promises->items);
    return promises->written_lsn <= inner_lsn;
}

void
walrow__promises_release(walrow__promises *promises)
{
    free(promises->items);
    memset(promises, 0, sizeof *promises);
}
