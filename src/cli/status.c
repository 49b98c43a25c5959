#include "command.h"
#include "terminal.h"

#include <stdio.h>
#include <unistd.h>

enum { WATCH_SECONDS = 2 };

static json_t *
slot_json(const walrow_slot_status *slot)
{
    return json_pack("{ss ss ss sb si so so sI so sI ss ss}", "name", slot->name, "plugin", slot->plugin,
                     "database", slot->database, "active", slot->active, "pid", slot->pid,
                     "confirmed_flush_lsn", json_lsn(slot->confirmed_flush_lsn), "restart_lsn",
                     json_lsn(slot->restart_lsn), "lag_bytes", (json_int_t)slot->lag_bytes, "lag_seconds",
                     slot->lag_seconds < 0 ? json_null() : json_real(slot->lag_seconds), "retained_bytes",
                     (json_int_t)slot->retained_bytes, "wal_status", slot->wal_status, "invalidation_reason",
                     slot->invalidation_reason);
}

/* Negative: not known. */
static json_t *
count_json(int64_t count)
{
    return count < 0 ? json_null() : json_integer(count);
}

static json_t *
status_json(const walrow_status *status)
{
    json_t *sinks = json_array(), *tables = json_array();
    for (size_t i = 0; i < status->n_sinks; i++) {
        const walrow_sink_status *sink = &status->sinks[i];
        json_array_append_new(sinks, json_pack("{ss so sI so}", "uri", sink->uri, "lsn", json_lsn(sink->lsn),
                                               "seq", (json_int_t)sink->seq, "behind_bytes",
                                               count_json(sink->behind_bytes)));
    }
    for (size_t i = 0; i < status->n_snapshot; i++) {
        const walrow_snapshot_status *table = &status->snapshot[i];
        json_array_append_new(tables, json_pack("{ss so so sb}", "table", table->table, "rows",
                                                count_json(table->rows), "total", count_json(table->total),
                                                "done", table->done));
    }
    json_t *counters = status->counters == NULL ? json_null() : json_loads(status->counters, 0, NULL);
    return json_pack("{s{so so} so ss ss* so s{ss so}}", "state", "confirmed_lsn",
                     json_lsn(status->state_lsn), "counters", counters, "slot", slot_json(&status->slot),
                     "transport", status->transport, "transport_reason", status->transport_reason, "sinks",
                     sinks, "snapshot", "state", status->snapshot_state, "tables", tables);
}

static void
print_slot(const walrow_slot_status *slot, const char *transport)
{
    char confirmed[WALROW_LSN_SIZE], restart[WALROW_LSN_SIZE], lag[32], retained[32];
    printf("slot        %s (%s, database %s, %s)\n", slot->name, slot->plugin, slot->database, transport);
    if (slot->active)
        printf("active      yes, pid %d\n", slot->pid);
    else
        printf("active      no\n");
    printf("confirmed   %s\n", walrow_lsn_format(slot->confirmed_flush_lsn, confirmed));
    printf("restart     %s\n", walrow_lsn_format(slot->restart_lsn, restart));
    printf("lag         %s", human_size(slot->lag_bytes, lag));
    if (slot->lag_seconds >= 0)
        printf(", %.1f s", slot->lag_seconds);
    printf("\nretained    %s of WAL%s%s\n", human_size(slot->retained_bytes, retained),
           slot->wal_status[0] == '\0' ? "" : ", ", slot->wal_status);
    if (slot->invalidation_reason[0] != '\0')
        printf("invalid     %s\n", slot->invalidation_reason);
}

static void
print_table(const walrow_snapshot_status *table)
{
    printf("            %s: ", table->table);
    if (table->rows > 0 || (table->done && table->rows == 0))
        printf("%lld rows", (long long)table->rows);
    if (!table->done && table->rows > 0 && table->total > 0)
        printf(" of about %lld", (long long)table->total);
    if (table->done)
        puts(table->rows < 0 ? "done" : ", done");
    else
        puts(table->rows > 0 ? "" : "to do");
}

static void
print_status(const walrow_status *status)
{
    char lsn[WALROW_LSN_SIZE], behind[32];
    print_slot(&status->slot, status->transport);
    if (status->transport_reason != NULL)
        printf("transport   %s: %s\n", status->transport, status->transport_reason);
    for (size_t i = 0; i < status->n_sinks; i++) {
        const walrow_sink_status *sink = &status->sinks[i];
        printf("sink        %s: %s, %s behind\n", sink->uri,
               sink->lsn == 0 ? "no position" : walrow_lsn_format(sink->lsn, lsn),
               human_size(sink->behind_bytes, behind));
    }
    if (status->state_lsn != 0)
        printf("state       confirmed up to %s\n", walrow_lsn_format(status->state_lsn, lsn));
    if (status->counters != NULL)
        printf("delivered   %s\n", status->counters);
    printf("snapshot    %s\n", status->snapshot_state);
    for (size_t i = 0; i < status->n_snapshot; i++)
        print_table(&status->snapshot[i]);
}

static int
show_once(const command_line *line)
{
    walrow_error err = {0};
    walrow_status status = {0};
    if (walrow_status_get(line->options, &status, &err) != WALROW_OK)
        return terminal_fail(&err);
    int result = 0;
    if (terminal_flag(line->options, "json"))
        result = terminal_json(status_json(&status));
    else
        print_status(&status);
    walrow_status_release(&status);
    return result;
}

int
run_status(const command_line *line)
{
    bool watch = terminal_flag(line->options, "watch");
    for (;;) {
        if (watch && isatty(STDOUT_FILENO))
            printf("\033[H\033[2J");
        int status = show_once(line);
        fflush(stdout);
        if (!watch || status != 0)
            return status;
        sleep(WATCH_SECONDS);
    }
}
