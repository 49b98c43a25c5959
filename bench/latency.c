/*
 * latency.c
 *	  How long after its commit a transaction is in the caller's hands: microseconds, a line for each.
 *
 * usage: latency N walrow NAME=VALUE...   change sets of libwalrow with these options, until N transactions came
 *        latency N lines                  lines of test_decoding with include-timestamp on standard input
 *
 * Commit times are the server's, so both have to run on one machine.
 */
#include "caller.h"

#include <time.h>

static int64_t *latencies;
static size_t wanted, came;

static void
note(int64_t commit_time_us)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (came < wanted)
        latencies[came++] = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - commit_time_us;
}

static void
read_changes(walrow_stream *stream)
{
    walrow_error err = {.message = ""};
    walrow_changes changes;
    while (came < wanted) {
        demand(walrow_next(stream, &changes, -1, &err) == WALROW_OK, err.message);
        for (size_t i = 0; i < changes.n_transactions; i++)
            note(changes.transactions[i].commit_time);
        demand(walrow_ack(stream, changes.end_lsn, &err) == WALROW_OK, err.message);
        changes.release(&changes);
    }
    walrow_close(stream);
}

/* COMMIT 733 (at 2026-11-21 14:00:00.123456+00) */
static void
read_lines(void)
{
    char line[65536];
    while (came < wanted && fgets(line, sizeof line, stdin) != NULL) {
        struct tm at = {.tm_isdst = 0};
        double seconds;
        if (sscanf(line, "COMMIT %*u (at %d-%d-%d %d:%d:%lf+00)", &at.tm_year, &at.tm_mon, &at.tm_mday,
                   &at.tm_hour, &at.tm_min, &seconds) != 6)
            continue;
        at.tm_year -= 1900;
        at.tm_mon -= 1;
        note((int64_t)timegm(&at) * 1000000 + (int64_t)(seconds * 1e6 + 0.5));
    }
}

int
main(int argc, char **argv)
{
    demand(argc > 2, "usage: latency N walrow NAME=VALUE... | latency N lines");
    wanted = strtoul(argv[1], NULL, 10);
    latencies = calloc(wanted, sizeof *latencies);
    demand(wanted > 0 && latencies != NULL, "cannot begin");
    if (strcmp(argv[2], "lines") == 0)
        read_lines();
    else
        read_changes(open_stream(argc - 3, argv + 3));
    for (size_t i = 0; i < came; i++)
        printf("%lld\n", (long long)latencies[i]);
    free(latencies);
    return came == wanted ? 0 : 1;
}
