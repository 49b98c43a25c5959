/*
 * memory.h
 *	  Memory of the server for the library's buffers, which ask for it and cannot be left by a longjmp; and the
 *	  library's errors raised as the server's.
 */
#ifndef WAL2ARROW_MEMORY_H
#define WAL2ARROW_MEMORY_H

#include "postgres.h"

#include "columns/wire.h"
#include "compat.h"
#include "lib/stringinfo.h"

/* Buffers in a memory context. Asking for too much gives NULL, never an error. */
extern struct ArrowBufferAllocator context_allocator(MemoryContext context);

/* Frames go to the end of the StringInfo, which grows without raising errors. */
extern walrow__wire_out write_to(StringInfo out);

pg_noreturn extern void report_out_of_memory(void);
/* Raise what walrow says; err: of a function that did not return WALROW_OK. */
pg_noreturn extern void report_walrow_error(const walrow_error *err);

#endif
