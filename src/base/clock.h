/*
 * base/clock.h
 *	  The clock that only goes forward, whatever is done to the time of day: for time-outs and waiting.
 */
#ifndef WALROW_BASE_CLOCK_H
#define WALROW_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline int64_t
walrow__now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline int64_t
walrow__now_ms(void)
{
    return walrow__now_us() / 1000;
}

/* A condition whose deadlines are of this clock. */
static inline void
walrow__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* For pthread_cond_timedwait. */
static inline struct timespec
walrow__deadline_in(int timeout_ms)
{
    int64_t at_us = walrow__now_us() + (int64_t)timeout_ms * 1000;
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

#endif
