/*
 * tests/e2e/campaign_clock.c
 *	  Preloaded into walrow by the campaign: the time of day as it would be on a machine whose clock jumps. The file
 *	  named by WALROW_CLOCK_SHIFT holds the jump, eight bytes of seconds, and may change at any moment.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none, *shift = &none;
static int (*next_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void
open_shift(void)
{
    const char *path = getenv("WALROW_CLOCK_SHIFT");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        shift = page;
    if (fd >= 0)
        close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *out)
{
    if (next_clock_gettime == NULL)
        next_clock_gettime =
            (int (*)(clockid_t, struct timespec *))(uintptr_t)dlsym(RTLD_NEXT, "clock_gettime");
    int result = next_clock_gettime(clock, out);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += *shift;
    return result;
}

int
gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t
time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

int
timespec_get(struct timespec *out, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, out) == 0 ? base : 0;
}

/* ---- waits until a time of day, which the kernel's clock knows without the jump ---- */

static struct timespec
in_kernel_time(const struct timespec *until)
{
    return (struct timespec){.tv_sec = until->tv_sec - *shift, .tv_nsec = until->tv_nsec};
}

int
pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                       const struct timespec *until)
{
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
    if (next == NULL)
        next = (int (*)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *))(
            uintptr_t)dlsym(RTLD_NEXT, "pthread_cond_clockwait");
    struct timespec at = clock == CLOCK_REALTIME ? in_kernel_time(until) : *until;
    return next(condition, mutex, clock, &at);
}

int
pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                       const struct timespec *restrict until)
{
    /* which clock the condition goes by cannot be asked; seconds since 1970 are no machine's uptime */
    clockid_t clock = until->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    return pthread_cond_clockwait(condition, mutex, clock, until);
}

/* As librdkafka waits. */
int
cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
    static int (*next)(cnd_t *, mtx_t *, const struct timespec *);
    if (next == NULL)
        next =
            (int (*)(cnd_t *, mtx_t *, const struct timespec *))(uintptr_t)dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec at = in_kernel_time(until);
    return next(condition, mutex, &at);
}

int
sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec at = in_kernel_time(until);
    return sem_clockwait(semaphore, CLOCK_REALTIME, &at);
}
