/*
 * bench/commits.c
 *	  What one commit point of the state costs, synced, beside what the machine takes to make as many bytes durable
 *	  in a plain file of the same directory; both in turns, so that they meet the same noise. Microseconds.
 *	  ninja -C build bench/commits && build/bench/commits DIRECTORY [COMMITS]
 */
#include "state/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COMMITS = 2000, RECORD_BYTES = 128 }; /* the two keys below, as RocksDB's log has them */

static double
now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
demand(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "commits: %s\n", what);
    exit(1);
}

/* A sink's position and what is confirmed, as after each sync of the sinks. */
static void
commit(walrow__state *state, uint64_t lsn)
{
    walrow_error err = {.message = ""};
    walrow__store_write *write = walrow__store_begin();
    demand(walrow__state_put_sink(write, "parquet:/somewhere/lake", lsn, &err) == WALROW_OK, err.message);
    demand(walrow__state_commit(state, write, lsn, &err) == WALROW_OK, err.message);
}

static void
append(int fd)
{
    static const char record[RECORD_BYTES];
    demand(write(fd, record, sizeof record) == sizeof record, "cannot write");
    demand(fdatasync(fd) == 0, "cannot sync");
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
print(const char *what, double *times, int n)
{
    qsort(times, (size_t)n, sizeof *times, compare);
    printf("%s %.0f %.0f %.0f\n", what, times[n / 2], times[n * 99 / 100], times[n - 1]);
}

static walrow__state *
open_state(const char *directory)
{
    walrow_error err = {.message = ""};
    walrow__state *state;
    walrow__identity identity = {.system_identifier = 1, .timeline = 1, .database = "bench", .slot = "bench"};
    demand(walrow__state_open(directory, &identity, &state, &err) == WALROW_OK, err.message);
    return state;
}

int
main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[2]) : COMMITS;
    demand(argc > 1 && n > 0, "usage: commits DIRECTORY [COMMITS]");
    walrow__state *state = open_state(argv[1]);
    demand(chdir(argv[1]) == 0, "cannot enter the directory");
    int fd = open("plain", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    double *commits = calloc((size_t)n, sizeof *commits), *syncs = calloc((size_t)n, sizeof *syncs);
    demand(fd >= 0 && commits != NULL && syncs != NULL, "cannot begin");
    for (int i = 0; i < n; i++) {
        double begun = now_us();
        commit(state, (uint64_t)i + 1);
        double committed = now_us();
        append(fd);
        commits[i] = committed - begun;
        syncs[i] = now_us() - committed;
    }
    print("commit", commits, n);
    print("fdatasync", syncs, n);
    free(commits);
    free(syncs);
    close(fd);
    walrow__state_close(state);
    return 0;
}
