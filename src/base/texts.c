#include "base/texts.h"

#include <stdlib.h>
#include <string.h>

bool
walrow__texts_add(walrow__texts *texts, const char *text)
{
    char **items = realloc(texts->items, (texts->count + 2) * sizeof *items);
    if (items == NULL)
        return false;
    texts->items = items;
    if ((items[texts->count] = strdup(text)) == NULL)
        return false;
    items[++texts->count] = NULL;
    return true;
}

bool
walrow__texts_has(const walrow__texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(texts->items[i], text) == 0)
            return true;
    return false;
}

void
walrow__texts_release(walrow__texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (walrow__texts){0};
}
