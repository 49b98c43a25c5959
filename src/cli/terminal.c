#include "terminal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool json_lines;            /* what --log-format says */
static walrow_log_level max_level; /* what --log-level says */

/* Takes the object. */
static void
print_json_line(json_t *line)
{
    struct timespec now;
    struct tm parts;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &parts);
    json_object_set_new(line, "time", json_string(stamp));
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
    if (text != NULL)
        fprintf(stderr, "%s\n", text);
    free(text);
    json_decref(line);
}

int
terminal_flush(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "walrow: cannot write to standard output: %s\n",
            errno == 0 ? "not everything arrived" : strerror(errno));
    return status == 0 ? 1 : status;
}

int
terminal_fail(const walrow_error *err)
{
    const char *message = err->message[0] == '\0' ? walrow_code_text(err->code) : err->message;
    if (json_lines) {
        print_json_line(json_pack("{ss ss ss* ss* ss}", "level", "error", "code", walrow_code_name(err->code),
                                  "message", message, "hint", err->hint, "sqlstate", err->sqlstate));
        return walrow_code_exit_status(err->code);
    }
    fprintf(stderr, "walrow: %s\n", message);
    if (err->hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", err->hint);
    return walrow_code_exit_status(err->code);
}

int
terminal_usage(const char *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("walrow: ", stderr);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nhint: see walrow help%s%s\n", command[0] == '\0' ? "" : " ", command);
    return walrow_code_exit_status(WALROW_ERR_USAGE);
}

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static void
log_text(void *arg, walrow_log_level level, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", level_names[level], message);
}

static void
log_json(void *arg, walrow_log_level level, const char *message)
{
    (void)arg;
    print_json_line(json_pack("{ss ss*}", "level", level_names[level], "message", message));
}

static walrow_log_level
level_of(const walrow_options *options)
{
    const char *name = walrow_options_get(options, "log-level");
    int level = WALROW_LOG_DEBUG;
    while (level > 0 && strcmp(name, level_names[level]) != 0)
        level--;
    return (walrow_log_level)level;
}

void
terminal_log(const walrow_options *options)
{
    json_lines = strcmp(walrow_options_get(options, "log-format"), "json") == 0;
    max_level = level_of(options);
    walrow_set_log(json_lines ? log_json : log_text, NULL, max_level);
}

void
terminal_log_level(const walrow_options *options)
{
    max_level = level_of(options);
    walrow_set_log_level(max_level);
}

void
terminal_say(walrow_log_level level, const char *message)
{
    if (level <= max_level)
        (json_lines ? log_json : log_text)(NULL, level, message);
}

bool
terminal_flag(const walrow_options *options, const char *name)
{
    const char *text = walrow_options_get(options, name);
    return text != NULL && strcmp(text, "true") == 0;
}

void
terminal_row(const int *widths, int n, const char *const *cells)
{
    for (int i = 0; i < n; i++) {
        const char *cell = cells[i] == NULL ? "" : cells[i];
        if (i + 1 < n)
            printf("%-*s  ", widths[i], cell);
        else
            printf("%s\n", cell);
    }
}

int
terminal_json(json_t *document)
{
    char *text = document == NULL ? NULL : json_dumps(document, JSON_INDENT(2));
    json_decref(document);
    int status = text != NULL && puts(text) >= 0 && fflush(stdout) == 0 ? 0 : 1;
    free(text);
    return status;
}

json_t *
json_lsn(uint64_t lsn)
{
    char text[WALROW_LSN_SIZE];
    return lsn == 0 ? json_null() : json_string(walrow_lsn_format(lsn, text));
}

const char *
human_size(int64_t bytes, char *buffer)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    int unit = 0;
    while (size >= 1000 && unit < 4) {
        size /= 1024;
        unit++;
    }
    if (bytes < 0)
        snprintf(buffer, 32, "?");
    else
        snprintf(buffer, 32, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
    return buffer;
}
