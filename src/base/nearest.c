#include "nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORD 127

static int
min3(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

static int
fold(char c)
{
    return tolower((unsigned char)c);
}

/* Optimal string alignment: Levenshtein's rows, and the one before for swapped neighbours. */
int
walrow__edit_distance(const char *a, const char *b)
{
    size_t size_a = strnlen(a, MAX_WORD), size_b = strnlen(b, MAX_WORD);
    int rows[3][MAX_WORD + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= size_b; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= size_a; i++) {
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = (int)i;
        for (size_t j = 1; j <= size_b; j++) {
            int replace = above[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));
            row[j] = min3(above[j] + 1, row[j - 1] + 1, replace);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
    }
    return row[size_b];
}

void
walrow__nearest_init(walrow__nearest *nearest, const char *word)
{
    *nearest = (walrow__nearest){.word = word};
}

void
walrow__nearest_offer(walrow__nearest *nearest, const char *name)
{
    const int slots = (int)(sizeof nearest->names / sizeof nearest->names[0]);
    int distance = walrow__edit_distance(nearest->word, name);
    int longest = (int)strnlen(nearest->word, MAX_WORD);
    if (distance > 1 + longest / 4 || (nearest->count > 0 && distance > nearest->distances[0] + 1))
        return;

    int at = nearest->count;
    while (at > 0 && distance < nearest->distances[at - 1])
        at--;
    if (at == slots)
        return;
    if (nearest->count < slots)
        nearest->count++;
    for (int i = nearest->count - 1; i > at; i--) {
        nearest->names[i] = nearest->names[i - 1];
        nearest->distances[i] = nearest->distances[i - 1];
    }
    nearest->names[at] = name;
    nearest->distances[at] = distance;
    while (nearest->distances[nearest->count - 1] > nearest->distances[0] + 1)
        nearest->count--;
}

const char *
walrow__nearest_text(const walrow__nearest *nearest, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int i = 0; i < nearest->count && used < size; i++) {
        const char *between = i == 0 ? "" : i == nearest->count - 1 ? " or " : ", ";
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", between, nearest->names[i]);
    }
    return buffer;
}
