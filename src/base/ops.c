#include "base/ops.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const struct {
    const char *word;
    char op;
} words_of_ops[] = {
    {"insert", 'I'}, {"update", 'U'}, {"delete", 'D'}, {"truncate", 'T'}, {"read", 'R'}, {"message", 'M'},
};

enum { N_WORDS = sizeof words_of_ops / sizeof *words_of_ops };

void
walrow__ops_add_all(walrow__ops *ops)
{
    memset(ops->has, true, sizeof ops->has);
}

static bool
add_word(walrow__ops *ops, const char *word, size_t size)
{
    for (size_t i = 0; i < N_WORDS; i++)
        if (strlen(words_of_ops[i].word) == size && memcmp(words_of_ops[i].word, word, size) == 0)
            return ops->has[(uint8_t)words_of_ops[i].op] = true;
    return false;
}

const char *
walrow__ops_add(walrow__ops *ops, const char *words)
{
    for (const char *at = words;; at++) {
        size_t size = strcspn(at, ",");
        if (!add_word(ops, at, size))
            return at;
        at += size;
        if (*at == '\0')
            return NULL;
    }
}

const char *
walrow__ops_add_lists(walrow__ops *ops, const walrow__texts *lists)
{
    const char *unknown = NULL;
    for (size_t i = 0; unknown == NULL && i < lists->count; i++)
        unknown = walrow__ops_add(ops, lists->items[i]);
    return unknown;
}
