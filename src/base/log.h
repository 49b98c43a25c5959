/*
 * base/log.h
 *	  The process-wide log callback (walrow_set_log). Nothing is formatted for a level nobody listens to.
 */
#ifndef WALROW_BASE_LOG_H
#define WALROW_BASE_LOG_H

#include <walrow.h>

void walrow__log(walrow_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
