#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    int status;
} codes[] = {
#define CODE_ROW(name, text, status) {#name, text, status},
    WALROW_CODES(CODE_ROW)
#undef CODE_ROW
};

const char *
walrow_code_text(walrow_code code)
{
    return codes[code].text;
}

const char *
walrow_code_name(walrow_code code)
{
    return codes[code].name;
}

int
walrow_code_exit_status(walrow_code code)
{
    return codes[code].status;
}

void
walrow__error_clear(walrow_error *err)
{
    if (err != NULL)
        memset(err, 0, sizeof *err);
}

static void
fill(walrow_error *err, walrow_code code, int sys_errno, const char *fmt, va_list args)
{
    walrow__error_clear(err);
    err->code = code;
    err->sys_errno = sys_errno;
    err->retryable = code == WALROW_ERR_NET;
    vsnprintf(err->message, sizeof err->message, fmt, args);
}

walrow_code
walrow__fail(walrow_error *err, walrow_code code, const char *fmt, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, fmt);
        fill(err, code, 0, fmt, args);
        va_end(args);
    }
    return code;
}

walrow_code
walrow__fail_errno(walrow_error *err, walrow_code code, int sys_errno, const char *fmt, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, fmt);
        fill(err, code, sys_errno, fmt, args);
        va_end(args);
        size_t used = strlen(err->message);
        char text[128];
        /* the GNU strerror_r returns the text and may leave the buffer alone */
        snprintf(err->message + used, sizeof err->message - used, ": %s",
                 strerror_r(sys_errno, text, sizeof text));
    }
    return code;
}

walrow_code
walrow__hint(walrow_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return WALROW_ERR_UNEXPECTED;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, args);
    va_end(args);
    return err->code;
}

walrow_code
walrow__fail_memory(walrow_error *err)
{
    return walrow__fail(err, WALROW_ERR_MEMORY, "out of memory");
}
