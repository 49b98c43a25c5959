#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static struct {
    walrow_log_fn fn;
    void *arg;
    _Atomic int max_level;
} log_target;

void
walrow_set_log(walrow_log_fn fn, void *arg, walrow_log_level max_level)
{
    log_target.fn = fn;
    log_target.arg = arg;
    log_target.max_level = (int)max_level;
}

void
walrow_set_log_level(walrow_log_level max_level)
{
    log_target.max_level = (int)max_level;
}

void
walrow__log(walrow_log_level level, const char *fmt, ...)
{
    if (log_target.fn == NULL || (int)level > log_target.max_level)
        return;
    char message[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    log_target.fn(log_target.arg, level, message);
}
