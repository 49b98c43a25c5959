/*
 * stream/signal.h
 *	  A descriptor that is readable while something is so: for event loops.
 */
#ifndef WALROW_STREAM_SIGNAL_H
#define WALROW_STREAM_SIGNAL_H

#include "base/error.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct walrow__signal {
    int fd;
    bool up;
} walrow__signal;

static inline walrow_code
walrow__signal_init(walrow__signal *signal, walrow_error *err)
{
    *signal = (walrow__signal){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    return signal->fd >= 0
               ? WALROW_OK
               : walrow__fail_errno(err, WALROW_ERR_UNEXPECTED, errno, "cannot make an event descriptor");
}

static inline void
walrow__signal_release(walrow__signal *signal)
{
    if (signal->fd >= 0)
        close(signal->fd);
    signal->fd = -1;
}

/* One thread at a time. */
static inline void
walrow__signal_set(walrow__signal *signal, bool up)
{
    eventfd_t count;
    if (up && !signal->up)
        (void)eventfd_write(signal->fd, 1);
    else if (!up && signal->up)
        (void)eventfd_read(signal->fd, &count);
    signal->up = up;
}

#endif
