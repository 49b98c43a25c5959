#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool
notify_wanted(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    return path != NULL && (path[0] == '/' || path[0] == '@') && path[1] != '\0';
}

void
notify(const char *message)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!notify_wanted() || strlen(path) >= sizeof address.sun_path)
        return;
    size_t path_size = strlen(path);
    memcpy(address.sun_path, path, path_size);
    if (path[0] == '@') /* an abstract name begins with a NUL, and has none at its end */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* whoever does not read must not hold up the stream */
    sendto(fd, message, strlen(message), MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_size));
    close(fd);
}

double
notify_watchdog_interval(void)
{
    const char *limit = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!notify_wanted() || limit == NULL || (pid != NULL && atol(pid) != (long)getpid()))
        return 0;
    double seconds = (double)atoll(limit) / 1e6 / 4;
    return seconds < 0 ? 0 : seconds;
}
