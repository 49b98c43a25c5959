/*
 * caller.h
 *	  A program on libwalrow that is measured: options from its words, a failure ends it.
 */
#ifndef WALROW_BENCH_CALLER_H
#define WALROW_BENCH_CALLER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <walrow.h>

static void
demand(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* words: NAME=VALUE */
static walrow_stream *
open_stream(int argc, char **argv)
{
    walrow_error err = {.message = ""};
    walrow_options *options;
    walrow_stream *stream;
    demand(walrow_options_new(&options, &err) == WALROW_OK, err.message);
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        demand(value != NULL, "options are NAME=VALUE");
        *value++ = '\0';
        demand(walrow_options_set(options, argv[i], value, &err) == WALROW_OK, err.message);
    }
    demand(walrow_open(options, &stream, &err) == WALROW_OK, err.message);
    return stream;
}

#endif
