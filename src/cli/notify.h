/*
 * cli/notify.h
 *	  What a service manager is told: the protocol of sd_notify(3), a datagram to the socket of NOTIFY_SOCKET.
 *	  Without one nothing is said; libsystemd would bring four libraries for these lines.
 */
#ifndef WALROW_CLI_NOTIFY_H
#define WALROW_CLI_NOTIFY_H

#include <stdbool.h>

bool notify_wanted(void);
/** "READY=1", "STOPPING=1", "STATUS=..."; never waits. */
void notify(const char *message);
/** How often WATCHDOG=1 should be said, in seconds, well within the manager's limit; 0: never. */
double notify_watchdog_interval(void);

#endif
