#include "command.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

static json_t *
sinks_json(const walrow_known_sinks *sinks)
{
    json_t *all = json_array();
    for (size_t i = 0; i < sinks->count; i++) {
        const walrow_known_sink *sink = &sinks->items[i];
        json_array_append_new(
            all, json_pack("{ss so so sI sI}", "uri", sink->uri, "lsn", json_lsn(sink->lsn), "cursor",
                           sink->buffered ? json_integer((json_int_t)sink->cursor) : json_null(), "waiting",
                           (json_int_t)sink->waiting, "waiting_bytes", (json_int_t)sink->waiting_bytes));
    }
    return json_pack("{so}", "sinks", all);
}

static void
print_sink(const walrow_known_sink *sink)
{
    char lsn[WALROW_LSN_SIZE], bytes[32];
    printf("%s: %s", sink->uri, sink->lsn == 0 ? "no position" : walrow_lsn_format(sink->lsn, lsn));
    if (!sink->buffered)
        printf(", without the buffer\n");
    else if (sink->waiting == 0)
        printf(", has all of the buffer\n");
    else
        printf(", %llu change sets wait in the buffer from %llu on, %s\n", (unsigned long long)sink->waiting,
               (unsigned long long)sink->cursor, human_size(sink->waiting_bytes, bytes));
}

static int
list_sinks(const command_line *line)
{
    walrow_error err = {0};
    walrow_known_sinks sinks;
    int status = 0;
    if (walrow_sinks_list(line->options, &sinks, &err) != WALROW_OK)
        return terminal_fail(&err);
    if (terminal_flag(line->options, "json"))
        status = terminal_json(sinks_json(&sinks));
    else
        for (size_t i = 0; i < sinks.count; i++)
            print_sink(&sinks.items[i]);
    walrow_known_sinks_release(&sinks);
    return status;
}

typedef walrow_code (*change_fn)(const walrow_options *options, const char *uri, walrow_error *err);

static int
change_sink(const command_line *line, change_fn change)
{
    walrow_error err = {0};
    if (line->n_operands < 2)
        return terminal_usage(line->command->name, "walrow sinks %s needs a URI", line->operands[0]);
    if (change(line->options, line->operands[1], &err) != WALROW_OK)
        return terminal_fail(&err);
    return list_sinks(line);
}

int
run_sinks(const command_line *line)
{
    const char *what = line->n_operands == 0 ? "list" : line->operands[0];
    if (strcmp(what, "add") == 0)
        return change_sink(line, walrow_sinks_add);
    if (strcmp(what, "remove") == 0)
        return change_sink(line, walrow_sinks_remove);
    if (strcmp(what, "list") != 0 || line->n_operands > 1)
        return terminal_usage(line->command->name, "walrow sinks does not know what to do with \"%s\"",
                              line->operands[line->n_operands - 1]);
    return list_sinks(line);
}
