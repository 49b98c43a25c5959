#include "pg/timelines.h"

#include "base/error.h"
#include "pg/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One row: the file's name, and its content as it is, whatever type the column says. */
static walrow_code
read_history(const PGresult *result, uint32_t timeline, walrow__timelines *out, walrow_error *err)
{
    char name[24];
    snprintf(name, sizeof name, "%08" PRIX32 ".history", timeline);
    if (PQntuples(result) != 1 || PQnfields(result) != 2 || strcmp(walrow__pg_text(result, 0, 0), name) != 0)
        return walrow__fail(err, WALROW_ERR_PROTOCOL,
                            "the server did not answer with the history of timeline %" PRIu32, timeline);
    return walrow__timelines_parse(PQgetvalue(result, 0, 1), (size_t)PQgetlength(result, 0, 1), timeline, out,
                                   err);
}

walrow_code
walrow__pg_timelines(PGconn *conn, uint32_t timeline, walrow__timelines *out, walrow_error *err)
{
    char command[40];
    PGresult *result = NULL;
    walrow_error why = {0};
    *out = (walrow__timelines){.current = timeline};
    if (timeline <= 1)
        return WALROW_OK;
    snprintf(command, sizeof command, "TIMELINE_HISTORY %" PRIu32, timeline);
    walrow_code code = walrow__pg_exec(conn, command, WALROW_ERR_PROTOCOL,
                                       "asking for the timeline's history", &result, &why);
    if (code == WALROW_OK)
        code = read_history(result, timeline, out, &why);
    PQclear(result);
    if (code != WALROW_OK && (why.retryable || PQstatus(conn) == CONNECTION_BAD)) {
        if (err != NULL)
            *err = why;
        return code;
    }
    out->failure = why;
    return WALROW_OK;
}
