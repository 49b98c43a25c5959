/*
 * cli/demo.c
 *	  walrow demo: a throw-away server with a small shop, a live workload, a stream into a Parquet lake beside
 *	  it, then SQL over the lake, and the proof that it agrees with the source.
 */
#include "command.h"

#include "demo_server.h"
#include "demo_shop.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <walrow.h>

enum { WORK_SECONDS = 10 };

typedef struct demo {
    demo_server server;
    char lake[300];
    pid_t work;
    uint64_t changes; /* of the runs before this one */
    double started;
    double shown; /* the last line of figures, seconds after the start */
    bool live;    /* stop when the workload has ended */
    bool worked;  /* it ended well */
} demo;

static volatile sig_atomic_t interrupted;

static void
note_interrupt(int signal_number)
{
    interrupted = signal_number;
}

static double
now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
headline(const char *text)
{
    printf("\n%s\n", text);
    fflush(stdout);
}

static bool
failed(const walrow_error *err)
{
    fprintf(stderr, "walrow: %s\n", err->message);
    if (err->hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", err->hint);
    return false;
}

/* ---- streaming ---- */

static int
should_stop(void *arg)
{
    demo *d = arg;
    if (interrupted)
        return 2;
    int status;
    if (d->live && d->work != 0 && waitpid(d->work, &status, WNOHANG) == d->work) {
        d->work = 0;
        d->worked = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return d->live && d->work == 0;
}

static uint64_t
count_changes(const walrow_report *report)
{
    return report->inserts + report->updates + report->deletes + report->truncates + report->reads;
}

static void
show_figures(void *arg, const walrow_progress *progress)
{
    demo *d = arg;
    uint64_t changes = d->changes + count_changes(progress->report);
    double seconds = now_seconds() - d->started;
    if (!isatty(1) && seconds - d->shown < 2) /* lines, not one line over and over */
        return;
    d->shown = seconds;
    printf("%s  %s: %llu rows and changes, %llu transactions, %.0f a second%s", isatty(1) ? "\r" : "",
           progress->phase, (unsigned long long)changes, (unsigned long long)progress->report->transactions,
           (double)changes / (seconds > 0 ? seconds : 1), isatty(1) ? "   " : "\n");
    fflush(stdout);
}

static walrow_code
make_options(const demo *d, bool until_now, walrow_options **out, walrow_error *err)
{
    char sink[400], state[400];
    snprintf(state, sizeof state, "%s/state", d->server.folder);
    snprintf(sink, sizeof sink, "parquet:%s?rotate_s=2", d->lake);
    const char *settings[][2] = {{"source", d->server.conninfo},
                                 {"tables", "shop.*"},
                                 {"to", sink},
                                 {"state", state},
                                 {"until", until_now ? "now" : NULL}};
    walrow_code code = walrow_options_new(out, err);
    for (size_t i = 0; code == WALROW_OK && i < sizeof settings / sizeof *settings; i++)
        if (settings[i][1] != NULL)
            code = walrow_options_set(*out, settings[i][0], settings[i][1], err);
    return code;
}

static bool
stream_once(demo *d, bool live)
{
    walrow_error err;
    walrow_report report;
    walrow_options *options = NULL;
    walrow_run_callbacks callbacks = {.arg = d, .stop = should_stop, .progress = live ? show_figures : NULL};
    d->live = live;
    walrow_code code = make_options(d, !live, &options, &err);
    if (code == WALROW_OK) {
        code = walrow_run(options, &callbacks, &report, &err);
        d->changes += count_changes(&report);
    }
    walrow_options_free(options);
    return code == WALROW_OK || failed(&err);
}

static void
say_plugin(const demo *d)
{
    char plugin[64] = "";
    if (!demo_server_sql(&d->server, "SELECT plugin FROM pg_replication_slots", plugin, sizeof plugin) ||
        plugin[0] == '\0')
        return;
    if (strcmp(plugin, "wal2arrow") == 0)
        printf("  through wal2arrow: the server itself made the Arrow batches\n");
    else
        printf("  through %s, which every server has; %s\n", plugin,
               d->server.has_plugin ? "wal2arrow was built for another one"
                                    : "with wal2arrow (make plugin) the server makes the batches itself");
}

static bool
stream_the_work(demo *d)
{
    char sql[64];
    snprintf(sql, sizeof sql, "CALL shop.work(%d);", WORK_SECONDS);
    headline("The shop opens; its changes are streamed into a Parquet lake while it works:");
    printf("  walrow stream --tables 'shop.*' --to parquet:lake\n");
    d->started = now_seconds();
    d->work = demo_server_sql_start(&d->server, sql);
    /* once beside the workload, then once more up to the server's end: a stream goes on where it stopped */
    bool ok = d->work != 0 && stream_once(d, true) && stream_once(d, false);
    printf("%s  %llu rows and changes in %.1f s\n", isatty(1) ? "\r" : "", (unsigned long long)d->changes,
           now_seconds() - d->started);
    say_plugin(d);
    if (ok && !d->worked)
        fprintf(stderr, "walrow: the workload failed\nhint: run again with WALROW_DEMO_DEBUG=1\n");
    return ok && d->worked;
}

/* ---- the result ---- */

static int
is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_name[0] != '_';
}

/* Files and bytes in one table's directory. */
static void
measure(const char *path, int *files, long long *bytes)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_visible, alphasort);
    *files = n < 0 ? 0 : n;
    *bytes = 0;
    for (int i = 0; i < n; i++) {
        char file[1024];
        struct stat info;
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (stat(file, &info) == 0)
            *bytes += info.st_size;
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

static void
show_lake(const demo *d)
{
    struct dirent **entries;
    int n = scandir(d->lake, &entries, is_visible, alphasort);
    headline("The lake:");
    for (int i = 0; i < n; i++) {
        char path[600];
        int files;
        long long bytes;
        snprintf(path, sizeof path, "%s/%s", d->lake, entries[i]->d_name);
        measure(path, &files, &bytes);
        printf("  lake/%-20s %3d Parquet files %8.1f kB\n", entries[i]->d_name, files, (double)bytes / 1024);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

/* Views that show each table as it is now: of each key the last change, unless that is a delete. */
static char *
with_views(const demo *d, const char *query)
{
    char *sql = NULL;
    size_t size;
    FILE *out = open_memstream(&sql, &size);
    if (out == NULL)
        return NULL;
    for (int i = 0; i < demo_n_tables; i++)
        fprintf(out,
                "%s %s AS (SELECT * FROM read_parquet('%s/shop.%s/*.parquet', union_by_name = true) "
                "QUALIFY row_number() OVER (PARTITION BY %s ORDER BY _commit_lsn DESC, _seq DESC) = 1 AND "
                "_op <> 'D')",
                i == 0 ? "WITH" : ",", demo_tables[i].name, d->lake, demo_tables[i].name, demo_tables[i].key);
    fprintf(out, " %s", query);
    fclose(out);
    return sql;
}

static bool
query_lake(const demo *d, const char *query, walrow_row_fn fn, void *arg)
{
    walrow_error err;
    char *sql = with_views(d, query);
    walrow_code code = sql == NULL ? WALROW_ERR_MEMORY : walrow_sql(sql, fn, arg, &err);
    free(sql);
    return code == WALROW_OK || failed(&err);
}

static int
print_row(void *arg, size_t row, size_t n_cells, const char *const *cells)
{
    (void)arg;
    (void)row;
    printf("   ");
    for (size_t i = 0; i < n_cells; i++)
        printf(" %-16s", cells[i] == NULL ? "" : cells[i]);
    printf("\n");
    return 0;
}

static bool
ask_questions(const demo *d)
{
    for (int i = 0; i < demo_n_questions; i++) {
        headline(demo_questions[i].title);
        if (!query_lake(d, demo_questions[i].sql, print_row, NULL))
            return false;
    }
    return true;
}

static int
keep_cell(void *arg, size_t row, size_t n_cells, const char *const *cells)
{
    if (row == 0 && n_cells > 0 && cells[0] != NULL)
        snprintf(arg, 128, "%s", cells[0]);
    return 0;
}

/* Rows and a checksum over all of them, in key order. */
static bool
compare_table(const demo *d, const demo_table *table, bool *equal)
{
    char sql[1024], source[128] = "", lake[128] = "";
    snprintf(sql, sizeof sql,
             "SELECT count(*) || ' ' || md5(string_agg(%s, E'\\n' ORDER BY %s)) FROM shop.%s",
             table->in_postgres, table->key, table->name);
    if (!demo_server_sql(&d->server, sql, source, sizeof source))
        return false;
    snprintf(sql, sizeof sql, "SELECT count(*) || ' ' || md5(string_agg(%s, chr(10) ORDER BY %s)) FROM %s",
             table->in_duckdb, table->key, table->name);
    if (!query_lake(d, sql, keep_cell, lake))
        return false;
    bool same = source[0] != '\0' && strcmp(source, lake) == 0;
    printf("  %-12s source %-44s lake %-44s %s\n", table->name, source, lake, same ? "equal" : "DIFFERENT");
    *equal = *equal && same;
    return true;
}

static bool
compare(const demo *d)
{
    bool equal = true;
    headline("Does the lake agree with the source? Rows and checksum of every table:");
    for (int i = 0; i < demo_n_tables; i++)
        if (!compare_table(d, &demo_tables[i], &equal))
            return false;
    printf("\n%s\n",
           equal ? "All tables are equal." : "Some tables are DIFFERENT: this is a bug, please report it.");
    return equal;
}

/* ---- all of it ---- */

static bool
show(demo *d)
{
    headline("Starting a throw-away PostgreSQL ...");
    if (!demo_server_start(&d->server))
        return false;
    snprintf(d->lake, sizeof d->lake, "%s/lake", d->server.folder);
    if (!demo_server_sql(&d->server, demo_schema_sql, NULL, 0) ||
        !demo_server_sql(&d->server, demo_work_sql, NULL, 0)) {
        fprintf(stderr,
                "walrow: the shop's tables could not be made\nhint: run again with WALROW_DEMO_DEBUG=1\n");
        return false;
    }
    if (!stream_the_work(d))
        return false;
    show_lake(d);
    return ask_questions(d) && compare(d);
}

int
run_demo(const command_line *line)
{
    (void)line;
    demo d = {0};
    struct sigaction action = {.sa_handler = note_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    bool ok = show(&d);
    if (d.work != 0) {
        kill(d.work, SIGTERM);
        waitpid(d.work, NULL, 0);
    }
    demo_server_stop(&d.server);
    return interrupted ? 130 : ok ? 0 : 1;
}
