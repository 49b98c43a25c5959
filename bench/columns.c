/*
 * bench/columns.c
 *	  What reading a value costs, for the types tables are made of and for a row of eight: ns per append.
 *	  ninja -C build bench/columns && build/bench/columns
 */
#include "columns/column.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { VALUES = 1000, ROUNDS = 100, SLICES = 40 };

typedef struct subject {
    const char *name;
    walrow__type type;
    const char *bytes;
    size_t size;
} subject;

#define BYTES(literal) .bytes = (literal), .size = sizeof(literal) - 1
#define PLAIN(kind_) .kind = WALROW__##kind_, .wire = WALROW__WIRE_PLAIN

static const subject subjects[] = {
    {"int8", {PLAIN(INT64)}, BYTES("\0\0\0\0\0\x12\x34\x56")},
    {"int4", {PLAIN(INT32)}, BYTES("\0\x12\x34\x56")},
    {"another int4", {PLAIN(INT32)}, BYTES("\0\x12\x34\x57")},
    {"text, 12 bytes", {.kind = WALROW__UTF8, .wire = WALROW__WIRE_TEXT}, BYTES("hello, world")},
    {"another text", {.kind = WALROW__UTF8, .wire = WALROW__WIRE_TEXT}, BYTES("hello, there")},
    {"numeric(12,2)",
     {PLAIN(DECIMAL128), .precision = 12, .scale = 2},
     BYTES("\0\3\0\1\0\0\0\2\0\x0c\x1d\x4c\x1e\xdc")},
    {"timestamptz", {PLAIN(TIMESTAMPTZ)}, BYTES("\0\2\xee\x12\x34\x56\x78\x9a")},
    {"bool", {PLAIN(BOOL)}, BYTES("\1")},
};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

static double
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
append(walrow__column *column, const subject *of)
{
    const char *reason = "";
    if (walrow__column_append_binary(column, (const uint8_t *)of->bytes, of->size, &reason) !=
        WALROW__APPENDED) {
        fprintf(stderr, "%s: %s\n", of->name, reason);
        exit(1);
    }
}

static void
finish(walrow__column *column)
{
    struct ArrowArray array;
    if (walrow__column_finish(column, &array, NULL) != WALROW_OK)
        exit(1);
    array.release(&array);
}

/* A quiet machine's slice is the one that says what the code costs: the best of many counts. */
static double
measure_slice(walrow__column *columns, const subject *chosen, int n)
{
    double start = now_ns();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < VALUES; i++)
            for (int c = 0; c < n; c++)
                append(&columns[c], &chosen[c]);
        for (int c = 0; c < n; c++)
            finish(&columns[c]);
    }
    return (now_ns() - start) / VALUES / ROUNDS;
}

static double
measure(const subject *chosen, int n)
{
    walrow__column columns[N_SUBJECTS];
    for (int c = 0; c < n; c++)
        if (walrow__column_init(&columns[c], &chosen[c].type, ArrowBufferAllocatorDefault(), NULL) !=
            WALROW_OK)
            exit(1);
    double best = 1e18;
    for (int slice = 0; slice < SLICES; slice++) {
        double ns = measure_slice(columns, chosen, n);
        best = ns < best ? ns : best;
    }
    for (int c = 0; c < n; c++)
        walrow__column_release(&columns[c]);
    return best;
}

int
main(void)
{
    for (int c = 0; c < N_SUBJECTS; c++)
        printf("%-20s %6.1f ns\n", subjects[c].name, measure(&subjects[c], 1));
    printf("%-20s %6.1f ns\n", "the row of eight", measure(subjects, N_SUBJECTS));
    return 0;
}
