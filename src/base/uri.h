/*
 * base/uri.h
 *	  A sink's URI as it may be shown and remembered: nothing in it is secret.
 */
#ifndef WALROW_BASE_URI_H
#define WALROW_BASE_URI_H

/**
 * Without the password of "//user:password@host", so that another one names the same sink; and with "***" for the
 * values of parameters whose names end in "password", "secret" or "key.pem".
 * @return malloc'ed; NULL: out of memory
 */
char *walrow__uri_shown(const char *uri);

#endif
