/*
 * base/crash.h
 *	  Named places where a test has the process killed, as a power failure would: before and after what makes
 *	  something durable. Nothing at all unless built with -Dcrash_points=true.
 */
#ifndef WALROW_BASE_CRASH_H
#define WALROW_BASE_CRASH_H

#ifdef WALROW_CRASH_POINTS
/** SIGKILL to the own process if WALROW_CRASH is "name" or "name:n", and this is the n-th passing. */
void walrow__crash_point(const char *name);
#define WALROW__CRASH_POINT(name) walrow__crash_point(name)
#else
#define WALROW__CRASH_POINT(name) ((void)0)
#endif

#endif
