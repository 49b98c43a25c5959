/*
 * base/error.h
 *	  Filling a walrow_error. The caller owns the error; err may be NULL where the caller does not care.
 */
#ifndef WALROW_BASE_ERROR_H
#define WALROW_BASE_ERROR_H

#include <walrow.h>

/** Fill *err and return code. The message: lower case, no full stop; what and where. */
walrow_code walrow__fail(walrow_error *err, walrow_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** As walrow__fail, with errno's text appended and kept in err->sys_errno. */
walrow_code walrow__fail_errno(walrow_error *err, walrow_code code, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/** Add what to do about it; returns err->code. */
walrow_code walrow__hint(walrow_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
walrow_code walrow__fail_memory(walrow_error *err);
void walrow__error_clear(walrow_error *err);

/* Return early when a walrow_code is not OK. */
#define WALROW_TRY(expression)                                                                               \
    do {                                                                                                     \
        walrow_code try_code_ = (expression);                                                                \
        if (try_code_ != WALROW_OK)                                                                          \
            return try_code_;                                                                                \
    } while (0)

#endif
