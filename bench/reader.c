/*
 * reader.c
 *	  The rows of a table, read by libwalrow and acknowledged: how many, and the seconds from the first to the last.
 *
 * usage: reader SCHEMA.TABLE N NAME=VALUE...   until N rows came; options of walrow stream
 */
#include "caller.h"

#include <time.h>

static double
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int64_t
read_rows(struct walrow_reader *reader)
{
    walrow_error err = {.message = ""};
    walrow_rows rows;
    demand(walrow_reader_next(reader, &rows, -1, &err) == WALROW_OK, err.message);
    int64_t n = rows.array.length;
    demand(walrow_reader_ack(reader, rows.commit_lsn, rows.seq, &err) == WALROW_OK, err.message);
    rows.array.release(&rows.array);
    return n;
}

int
main(int argc, char **argv)
{
    walrow_error err = {.message = ""};
    struct walrow_reader *reader;
    demand(argc > 2, "usage: reader SCHEMA.TABLE N NAME=VALUE...");
    int64_t wanted = atoll(argv[2]);
    walrow_stream *stream = open_stream(argc - 3, argv + 3);
    demand(walrow_reader(stream, argv[1], 0, &reader, &err) == WALROW_OK, err.message);
    int64_t came = read_rows(reader);
    double first = now();
    while (came < wanted)
        came += read_rows(reader);
    printf("%lld %.6f\n", (long long)came, now() - first);
    walrow_reader_close(reader);
    walrow_close(stream);
    return 0;
}
