#include "stream/queue.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

walrow_code
walrow__queue_init(walrow__queue *queue, size_t max_bytes, walrow_error *err)
{
    memset(queue, 0, sizeof *queue);
    queue->max_bytes = max_bytes;
    queue->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->wake_fd < 0)
        return walrow__fail_errno(err, WALROW_ERR_UNEXPECTED, errno, "cannot make an event descriptor");
    walrow_code code = walrow__signal_init(&queue->ready, err);
    if (code != WALROW_OK) {
        close(queue->wake_fd);
        queue->max_bytes = 0; /* it was not made */
        return code;
    }
    walrow__cond_init(&queue->changed);
    pthread_mutex_init(&queue->lock, NULL);
    return WALROW_OK;
}

void
walrow__queue_release(walrow__queue *queue)
{
    while (queue->first != NULL) {
        walrow__queue_item *item = queue->first;
        queue->first = item->next;
        item->changes.release(&item->changes);
        free(item);
    }
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    walrow__signal_release(&queue->ready);
    close(queue->wake_fd);
}

bool
walrow__queue_has_room(walrow__queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool room = queue->bytes < queue->max_bytes;
    pthread_mutex_unlock(&queue->lock);
    return room;
}

bool
walrow__queue_is_awaited(walrow__queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool awaited = (queue->waiting || queue->polled) && queue->first == NULL;
    pthread_mutex_unlock(&queue->lock);
    return awaited;
}

walrow_code
walrow__queue_put(walrow__queue *queue, walrow_changes *changes, size_t bytes, walrow_error *err)
{
    walrow__queue_item *item = calloc(1, sizeof *item);
    if (item == NULL) {
        changes->release(changes);
        return walrow__fail_memory(err);
    }
    item->changes = *changes;
    item->bytes = bytes;
    pthread_mutex_lock(&queue->lock);
    if (queue->last == NULL)
        queue->first = item;
    else
        queue->last->next = item;
    queue->last = item;
    queue->bytes += bytes;
    walrow__signal_set(&queue->ready, true);
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return WALROW_OK;
}

void
walrow__queue_end(walrow__queue *queue, const walrow_error *why)
{
    pthread_mutex_lock(&queue->lock);
    if (!queue->ended)
        queue->end = *why;
    queue->ended = true;
    walrow__signal_set(&queue->ready, true);
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void
walrow__queue_sleep_over(walrow__queue *queue)
{
    eventfd_t count;
    (void)eventfd_read(queue->wake_fd, &count);
}

void
walrow__queue_wait(walrow__queue *queue, int timeout_ms)
{
    struct pollfd fd = {.fd = queue->wake_fd, .events = POLLIN};
    poll(&fd, 1, timeout_ms);
    walrow__queue_sleep_over(queue);
}

void
walrow__queue_wake(walrow__queue *queue)
{
    (void)eventfd_write(queue->wake_fd, 1);
}

/* With the lock held: until there is something, the end, or the time is over. */
static void
wait_for_item(walrow__queue *queue, int timeout_ms)
{
    struct timespec deadline = walrow__deadline_in(timeout_ms < 0 ? 0 : timeout_ms);
    queue->waiting = true;
    walrow__queue_wake(queue);
    int outcome = 0;
    while (queue->first == NULL && !queue->ended && outcome != ETIMEDOUT)
        outcome = timeout_ms < 0 ? pthread_cond_wait(&queue->changed, &queue->lock)
                                 : pthread_cond_timedwait(&queue->changed, &queue->lock, &deadline);
    queue->waiting = false;
}

walrow_code
walrow__queue_take(walrow__queue *queue, walrow_changes *out, size_t *bytes, int timeout_ms,
                   walrow_error *err)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->first == NULL && !queue->ended && timeout_ms != 0)
        wait_for_item(queue, timeout_ms);
    walrow__queue_item *item = queue->first;
    walrow_code code = WALROW_TIMEOUT;
    if (item != NULL) {
        queue->first = item->next;
        if (queue->first == NULL)
            queue->last = NULL;
        bool was_full = queue->bytes >= queue->max_bytes;
        queue->bytes -= item->bytes;
        if (was_full || (queue->polled && queue->first == NULL))
            walrow__queue_wake(queue);
        walrow__signal_set(&queue->ready, queue->first != NULL || queue->ended);
        code = WALROW_OK;
    } else if (queue->ended) {
        code = queue->end.code;
        if (err != NULL)
            *err = queue->end;
    }
    pthread_mutex_unlock(&queue->lock);
    if (item != NULL) {
        *out = item->changes;
        if (bytes != NULL)
            *bytes = item->bytes;
        free(item);
    }
    return code;
}

int
walrow__queue_fd(walrow__queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->polled = true;
    pthread_mutex_unlock(&queue->lock);
    walrow__queue_wake(queue);
    return queue->ready.fd;
}
