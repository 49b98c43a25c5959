#include "stream/retry.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FIRST_MS = 100, LONGEST_MS = 10000, LOOK_EVERY_MS = 100 };

void
walrow__retry_reset(walrow__retry *retry)
{
    retry->failures = 0;
}

/* 0.1 s doubling to 10 s, half of each as jitter, so that many clients do not come back as one. */
static int
back_off_ms(int64_t failures)
{
    int ms = failures < 8 ? FIRST_MS << (failures - 1) : LONGEST_MS;
    if (ms > LONGEST_MS)
        ms = LONGEST_MS;
    unsigned jitter = 0;
    if (getrandom(&jitter, sizeof jitter, GRND_NONBLOCK) < 0)
        jitter = 0;
    return ms / 2 + (int)(jitter % (unsigned)(ms / 2 + 1));
}

/* Which limit is used up; NULL: none. */
static const char *
limit_reached(const walrow__retry *retry, int64_t now)
{
    const walrow_options *options = retry->options;
    if (walrow__options_is_set(options, "retry-max") && retry->failures > options->retry_max)
        return "--retry-max";
    if (walrow__options_is_set(options, "retry-seconds") &&
        now - retry->first_at >= options->retry_seconds * 1000)
        return "--retry-seconds";
    return NULL;
}

static void
say_given_up(const walrow__retry *retry, const char *limit, walrow_error *err)
{
    char hint[sizeof err->hint];
    if (retry->failures < 2)
        return;
    memcpy(hint, err->hint, sizeof hint);
    walrow__hint(err, "%s%sgiven up after %lld failures in a row: %s", hint, *hint == '\0' ? "" : "; ",
                 (long long)retry->failures, limit);
}

int
walrow__retry_after(walrow__retry *retry, walrow_error *err)
{
    int64_t now = walrow__now_ms();
    if (!err->retryable)
        return -1;
    if (retry->failures++ == 0)
        retry->first_at = now;
    const char *limit = limit_reached(retry, now);
    if (limit != NULL) {
        say_given_up(retry, limit, err);
        return -1;
    }
    int ms = back_off_ms(retry->failures);
    walrow__log(WALROW_LOG_WARN, "%s; trying again in %d ms", err->message, ms);
    if (retry->failures == 1 && err->hint[0] != '\0')
        walrow__log(WALROW_LOG_WARN, "if that lasts: %s", err->hint);
    return ms;
}

int
walrow__retry_sleep(int ms, const walrow_run_callbacks *callbacks)
{
    int64_t until = walrow__now_ms() + ms;
    for (;;) {
        int stop = callbacks == NULL || callbacks->stop == NULL ? 0 : callbacks->stop(callbacks->arg);
        int64_t left = until - walrow__now_ms();
        if (stop != 0 || left <= 0)
            return stop;
        poll(NULL, 0, left < LOOK_EVERY_MS ? (int)left : LOOK_EVERY_MS);
    }
}
