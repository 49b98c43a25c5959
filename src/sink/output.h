/*
 * sink/output.h
 *	  Standard output as a sink's place.
 */
#ifndef WALROW_SINK_OUTPUT_H
#define WALROW_SINK_OUTPUT_H

#include "base/files.h"
#include "base/strbuf.h"

#include <unistd.h>

static const char walrow__stdout_name[] = "standard output";

/* As an IPC writer wants it. */
static inline walrow_code
walrow__stdout_write(void *arg, const void *bytes, size_t size, walrow_error *err)
{
    (void)arg;
    return walrow__files_write(STDOUT_FILENO, walrow__stdout_name, bytes, size, err);
}

#endif
