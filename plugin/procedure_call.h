/*
 * procedure_call.h
 *	  Who may call wal2arrow.stream, from where, and what with.
 */
#ifndef WAL2ARROW_PROCEDURE_CALL_H
#define WAL2ARROW_PROCEDURE_CALL_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "nodes/pg_list.h"

typedef enum confirm_choice { CONFIRM_TEMPORARY, CONFIRM_ON, CONFIRM_OFF } confirm_choice;

typedef struct stream_call {
    const char *slot;
    XLogRecPtr bound;       /* never past what was flushed when the call began */
    List *options;          /* of DefElem *: the output plugin's */
    confirm_choice confirm; /* move the slot to what was sent */
    int64 group_bytes;      /* wal2arrow_group(); 0: each transaction by itself */
} stream_call;

/* Raise an error unless the client itself waits for the CALL, and may replicate. */
extern void stream_call_check(FunctionCallInfo fcinfo);
extern void stream_call_read(FunctionCallInfo fcinfo, stream_call *call);
/* Of the slot that was acquired. */
extern bool stream_confirms(const stream_call *call);

#endif
