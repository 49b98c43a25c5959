#include "procedure_call.h"

#include "access/xact.h"
#include "base/parse.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

#define MOST_GROUP_BYTES (1024 * 1024)

/* ---- from where ---- */

/*
 * Whether the statement that the client waits for is this CALL. A procedure or a DO block may call others without
 * being atomic, but its client expects no COPY.
 */
static bool
is_statement_of_client(FunctionCallInfo fcinfo)
{
    if (whereToSendOutput != DestRemote || !client_can_copy() || ActivePortal == NULL ||
        list_length(ActivePortal->stmts) != 1)
        return false;
    const PlannedStmt *statement = linitial_node(PlannedStmt, ActivePortal->stmts);
    if (statement->utilityStmt == NULL || !IsA(statement->utilityStmt, CallStmt))
        return false;
    const CallStmt *call = (const CallStmt *)statement->utilityStmt;
    return call->funcexpr->funcid == fcinfo->flinfo->fn_oid;
}

static bool
is_atomic(FunctionCallInfo fcinfo)
{
    return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
           ((const CallContext *)fcinfo->context)->atomic;
}

void
stream_call_check(FunctionCallInfo fcinfo)
{
    PreventInTransactionBlock(true, "CALL wal2arrow.stream");
    if (is_atomic(fcinfo) || !is_statement_of_client(fcinfo))
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("wal2arrow.stream cannot be called from a function, a procedure or a DO block"),
                 errhint("It sends to the client what COPY would: let the client itself CALL it.")));
    check_slot_permissions();
    CheckLogicalDecodingRequirements();
}

/* ---- what with ---- */

pg_noreturn static void
refuse_value(const char *option, const char *value, const char *accepts)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid value for wal2arrow.stream's option \"%s\": \"%s\"", option, value),
                    errhint("It takes %s.", accepts)));
}

static void
read_confirm(stream_call *call, const char *value)
{
    bool on;
    if (!parse_bool(value, &on))
        refuse_value("confirm", value, "on, off");
    call->confirm = on ? CONFIRM_ON : CONFIRM_OFF;
}

static void
read_group(stream_call *call, const char *value)
{
    int64_t bytes;
    if (!walrow__parse_size(value, &bytes) || bytes < 0 || bytes > MOST_GROUP_BYTES)
        refuse_value("group", value, "a size from 0 to 1MB");
    call->group_bytes = bytes;
}

static void
read_options(stream_call *call, ArrayType *array)
{
    Datum *words;
    int n;
    if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("wal2arrow.stream's options must be an array of one dimension without nulls")));
    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &words, NULL, &n);
    if (n % 2 != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("wal2arrow.stream's options must be names, each followed by its value")));
    for (int i = 0; i < n; i += 2) {
        char *name = TextDatumGetCString(words[i]), *value = TextDatumGetCString(words[i + 1]);
        if (strcmp(name, "confirm") == 0)
            read_confirm(call, value);
        else if (strcmp(name, "group") == 0)
            read_group(call, value);
        else
            call->options = lappend(call->options, makeDefElem(name, (Node *)makeString(value), -1));
    }
}

void
stream_call_read(FunctionCallInfo fcinfo, stream_call *call)
{
    if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("wal2arrow.stream's slot and options must not be null")));
    *call = (stream_call){.slot = NameStr(*PG_GETARG_NAME(0)), .bound = decodable_lsn()};
    if (!PG_ARGISNULL(1))
        call->bound = Min(call->bound, PG_GETARG_LSN(1));
    read_options(call, PG_GETARG_ARRAYTYPE_P(2));
}

bool
stream_confirms(const stream_call *call)
{
    return call->confirm == CONFIRM_ON ||
           (call->confirm == CONFIRM_TEMPORARY && MyReplicationSlot->data.persistency == RS_TEMPORARY);
}
