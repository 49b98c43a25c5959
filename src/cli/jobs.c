/*
 * cli/jobs.c
 *	  stream, record and decode: the commands that run until they are told to stop.
 */
#include "command.h"
#include "notify.h"
#include "terminal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- signals ---- */

static volatile sig_atomic_t signals_seen; /* that ask to stop */
static volatile sig_atomic_t hangup_seen;

enum { LEAVE_AFTER_S = 1 };

/* Whatever a sink is blocked in is left as a crash would leave it, which the next run recovers from. */
static void
leave(int number)
{
    (void)number;
    _exit(130);
}

static void
count_signal(int number)
{
    if (signals_seen == 2)
        leave(number);
    signals_seen++;
    if (signals_seen == 2)
        alarm(LEAVE_AFTER_S); /* asked to stop at once: time for the report, and no more */
}

static void
note_hangup(int number)
{
    (void)number;
    hangup_seen = 1;
}

/* Without a file there is nothing to read again: SIGHUP means what it always does. */
static void
catch_signals(const walrow_options *options)
{
    struct sigaction action = {.sa_handler = count_signal}, hangup = {.sa_handler = note_hangup};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (walrow_options_get(options, "config") != NULL)
        sigaction(SIGHUP, &hangup, NULL);
    action.sa_handler = leave;
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is the sink's error */
}

/* ---- the configuration, read again ---- */

static void
reload(const command_line *line)
{
    walrow_error err = {0};
    command_line fresh = {.command = line->command, .argc = line->argc, .argv = line->argv};
    if (command_read_options(&fresh) < 0) {
        terminal_log_level(fresh.options);
        terminal_say(WALROW_LOG_INFO, "the configuration was read again");
        if (walrow_options_adopt(line->options, fresh.options, &err) != WALROW_OK)
            terminal_fail(&err);
    } else {
        terminal_say(WALROW_LOG_WARN, "the configuration is not taken over: all goes on as before");
    }
    walrow_options_free(fresh.options);
}

/* ---- progress ---- */

typedef struct progress_line {
    bool shown;
    bool in_place; /* a terminal: over and over the same line */
    double started;
    double printed;
    char table[256]; /* of the snapshot, to time each */
    double table_started;
} progress_line;

static double
now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
describe_snapshot(progress_line *line, const walrow_progress *progress, char *text, size_t size)
{
    if (strcmp(line->table, progress->table) != 0) {
        snprintf(line->table, sizeof line->table, "%s", progress->table);
        line->table_started = now_seconds();
    }
    double seconds = now_seconds() - line->table_started;
    double rate = seconds > 0.1 ? (double)progress->rows / seconds : 0;
    char bytes[32], left[48] = "";
    if (progress->rows_total > progress->rows && rate > 0)
        snprintf(left, sizeof left, " of about %llu, %.0f s left", (unsigned long long)progress->rows_total,
                 (double)(progress->rows_total - progress->rows) / rate);
    snprintf(text, size, "snapshot of %s: %llu rows%s, %.0f rows/s, %s", progress->table,
             (unsigned long long)progress->rows, left, rate, human_size((int64_t)progress->bytes, bytes));
}

static void
describe_stream(const progress_line *line, const walrow_progress *progress, char *text, size_t size)
{
    const walrow_report *report = progress->report;
    uint64_t changes =
        report->inserts + report->updates + report->deletes + report->truncates + report->reads;
    char bytes[32], behind[32], lsn[WALROW_LSN_SIZE];
    int64_t lag = progress->server_lsn > progress->acked_lsn && progress->acked_lsn != 0
                      ? (int64_t)(progress->server_lsn - progress->acked_lsn)
                      : 0;
    snprintf(text, size, "streaming: %llu changes in %llu transactions, %s, %.0f s; confirmed %s, %s behind",
             (unsigned long long)changes, (unsigned long long)report->transactions,
             human_size((int64_t)progress->bytes, bytes), now_seconds() - line->started,
             walrow_lsn_format(progress->acked_lsn, lsn), human_size(lag, behind));
}

static void
describe(progress_line *line, const walrow_progress *progress, char *text, size_t size)
{
    if (progress->table != NULL)
        describe_snapshot(line, progress, text, size);
    else
        describe_stream(line, progress, text, size);
}

static void
show_progress(progress_line *line, const walrow_progress *progress)
{
    double now = now_seconds();
    if (now - line->printed < (line->in_place ? 0.2 : 5))
        return;
    line->printed = now;
    char text[512];
    describe(line, progress, text, sizeof text);
    fprintf(stderr, line->in_place ? "\r\033[K%s" : "%s\n", text);
    line->shown = true;
}

/* Its tables would be drawn over the progress, and the progress over them. */
static bool
draws_on_terminal(const walrow_options *options)
{
    const char *to = walrow_options_get(options, "to");
    return to != NULL && strstr(to, "table:-") != NULL && isatty(STDOUT_FILENO);
}

static bool
wants_progress(const walrow_options *options)
{
    const char *when = walrow_options_get(options, "progress");
    if (strcmp(when, "auto") != 0)
        return strcmp(when, "always") == 0;
    return isatty(STDERR_FILENO) && !draws_on_terminal(options);
}

/* ---- the report ---- */

static json_t *
report_json(const walrow_report *r, int status)
{
    json_t *changes =
        json_pack("{sI sI sI sI sI}", "I", (json_int_t)r->inserts, "U", (json_int_t)r->updates, "D",
                  (json_int_t)r->deletes, "T", (json_int_t)r->truncates, "R", (json_int_t)r->reads);
    return json_pack("{so sI sI sI sI sf so so sI sI sI so si}", "changes", changes, "transactions",
                     (json_int_t)r->transactions, "change_sets", (json_int_t)r->change_sets, "messages",
                     (json_int_t)r->messages, "bytes", (json_int_t)r->bytes, "seconds", r->seconds,
                     "first_lsn", json_lsn(r->first_lsn), "last_lsn", json_lsn(r->last_lsn), "peak_rss_bytes",
                     (json_int_t)r->peak_rss_bytes, "dead_letters", (json_int_t)r->dead_letters, "reconnects",
                     (json_int_t)r->reconnects, "acked_lsn", json_lsn(r->acked_lsn), "exit_status", status);
}

static int
write_report(const walrow_options *options, const walrow_report *report, int status)
{
    const char *path = walrow_options_get(options, "report");
    if (path == NULL)
        return status;
    json_t *json = report_json(report, status);
    int failed = json == NULL ? -1 : json_dump_file(json, path, JSON_INDENT(2));
    json_decref(json);
    if (failed == 0)
        return status;
    fprintf(stderr, "walrow: cannot write the report to %s\nhint: name a file that can be written\n", path);
    return status == 0 ? 1 : status;
}

/* ---- what the library calls ---- */

typedef struct watch {
    const command_line *line;
    progress_line progress;
    bool shows;    /* progress is wanted on stderr */
    bool ready;    /* the service manager knows that it runs, */
    bool stopping; /* and that it stops */
    double watchdog_interval;
    double watchdog_at, status_at;
} watch;

static void
tell_stopping(watch *watch)
{
    if (!watch->stopping)
        notify("STOPPING=1");
    watch->stopping = true;
}

static int
take_turn(void *arg)
{
    watch *watch = arg;
    double now = now_seconds();
    if (watch->watchdog_interval > 0 && now - watch->watchdog_at >= watch->watchdog_interval) {
        notify("WATCHDOG=1");
        watch->watchdog_at = now;
    }
    if (hangup_seen) {
        hangup_seen = 0;
        reload(watch->line);
    }
    if (signals_seen > 0)
        tell_stopping(watch);
    return signals_seen;
}

/* Progress comes from a stream that runs. */
static void
tell_progress(watch *watch, const walrow_progress *progress)
{
    char text[600] = "STATUS=";
    double now = now_seconds();
    if (!watch->ready)
        notify("READY=1");
    watch->ready = true;
    if (now - watch->status_at < 1)
        return;
    watch->status_at = now;
    describe(&watch->progress, progress, text + strlen(text), sizeof text - strlen(text));
    notify(text);
}

static void
take_progress(void *arg, const walrow_progress *progress)
{
    watch *watch = arg;
    if (watch->shows)
        show_progress(&watch->progress, progress);
    if (notify_wanted())
        tell_progress(watch, progress);
}

/* ---- the jobs ---- */

typedef walrow_code (*job)(const command_line *line, const walrow_run_callbacks *callbacks,
                           walrow_report *report, walrow_error *err);

static int
run_job(const command_line *line, job run)
{
    watch watch = {.line = line,
                   .progress = {.in_place = isatty(STDERR_FILENO), .started = now_seconds()},
                   .shows = wants_progress(line->options),
                   .watchdog_interval = notify_watchdog_interval()};
    walrow_run_callbacks callbacks = {.arg = &watch, .stop = take_turn};
    walrow_report report = {0};
    walrow_error err = {0};
    if (watch.shows || notify_wanted())
        callbacks.progress = take_progress;
    catch_signals(line->options);
    walrow_code code = run(line, &callbacks, &report, &err);
    tell_stopping(&watch);
    if (watch.progress.shown && watch.progress.in_place)
        fputc('\n', stderr);
    int status = code == WALROW_OK ? 0 : terminal_fail(&err);
    return write_report(line->options, &report, status);
}

static walrow_code
stream_job(const command_line *line, const walrow_run_callbacks *callbacks, walrow_report *report,
           walrow_error *err)
{
    return walrow_run(line->options, callbacks, report, err);
}

static walrow_code
record_job(const command_line *line, const walrow_run_callbacks *callbacks, walrow_report *report,
           walrow_error *err)
{
    return walrow_record(line->options, line->operands[0], callbacks, report, err);
}

static walrow_code
decode_job(const command_line *line, const walrow_run_callbacks *callbacks, walrow_report *report,
           walrow_error *err)
{
    return walrow_decode(line->options, line->operands[0], callbacks, report, err);
}

int
run_stream(const command_line *line)
{
    return run_job(line, stream_job);
}

int
run_record(const command_line *line)
{
    return run_job(line, record_job);
}

int
run_decode(const command_line *line)
{
    return run_job(line, decode_job);
}
