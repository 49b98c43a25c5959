#include "command.h"

#include "../base/nearest.h"

#include <stdio.h>
#include <string.h>

#define CONNECTION "source connect-timeout config log-level log-format "
#define WHAT "tables slot publication plugin "
#define WAL2JSON "plugin-option wal2json-format "
#define MAKING "publish replica-identity insert-only no-setup allow-empty grant-to "
#define RETRY "receive-timeout retry-max retry-seconds "
#define FILTERS "events where columns "
#define QUERIES "sql window slide every retain "
#define DELIVERY                                                                                             \
    FILTERS QUERIES                                                                                          \
        "to batch batch-rows batch-bytes batch-delay strict type ack-interval report progress until "

const command commands[] = {
    {"check", "", "say everything that keeps a stream from working, with the fix",
     "Connects, looks, changes nothing. Every finding has a stable id, what it is, what it must be, and the "
     "SQL or\n"
     "setting that mends it. Exits with 4 if there is an error among them.\n\n"
     "  walrow check -d postgresql://user@host/shop --tables 'public.*'\n",
     CONNECTION WHAT WAL2JSON FILTERS "publish replica-identity insert-only no-setup allow-empty json ", 0, 0,
     run_check},
    {"tables", "", "list the tables that match, with keys, sizes and types",
     "Streams nothing, changes nothing. Without patterns every table is listed.\n\n"
     "  walrow tables --tables 'public.*,!public.audit_*' --columns\n",
     CONNECTION "tables type columns json allow-empty ", 0, 0, run_tables, "columns"},
    {"setup", "", "make publication, slot and grants; may be run again",
     "Creates or completes what `stream` needs. Nothing is dropped, ever.\n\n"
     "  walrow setup --tables 'public.*' --dry-run       the SQL, for somebody else to run\n"
     "  walrow setup --tables 'public.*' --grant-to etl\n",
     CONNECTION WHAT WAL2JSON MAKING "dry-run json ", 0, 0, run_setup},
    {"stream", "", "stream a server's changes to sinks, until told to stop",
     "Sets up what is missing, reads the rows that are there (once), then streams every change. Ctrl-C stops "
     "it with\n"
     "everything delivered and confirmed; it goes on there when it is started again.\n\n"
     "  walrow stream -d postgresql://user@host/shop --tables 'public.*' --to parquet:lake\n"
     "  walrow stream --tables public.orders --to jsonl:- | jq .\n"
     "  walrow stream --where 'public.orders: total > 100' --columns 'public.orders: id,total' --to "
     "duckdb:big.duckdb\n"
     "  walrow stream --tables public.orders --to arrow:- --until now > orders.arrows\n",
     CONNECTION RETRY WHAT WAL2JSON MAKING DELIVERY
     "transport pull-connections snapshot start encoding heartbeat state buffer buffer-bytes ",
     0, 0, run_stream},
    {"status", "", "slot, lag, retained WAL, sinks",
     "  walrow status --slot walrow --to parquet:lake --watch\n", CONNECTION WHAT "to state watch json ", 0,
     0, run_status},
    {"sinks", "[list | add URI | remove URI]", "the sinks the slot's state knows; add one, forget one",
     "list shows how far each is, and what waits for it in the buffer. A sink that is added begins after "
     "what "
     "is in the\n"
     "buffer, and has the tables read for itself when the stream starts with it. One that is removed is "
     "forgotten, with\n"
     "what waited for it; its files stay. The stream is to be stopped for both.\n\n"
     "  walrow sinks add duckdb:shop.duckdb\n"
     "  walrow sinks remove jsonl:events.jsonl --slot walrow\n",
     "slot state json log-level log-format ", 0, 2, run_sinks},
    {"teardown", "", "drop the slot, the publication walrow made and its state of them, after asking",
     "What another session is reading is left alone. Files are never touched.\n",
     CONNECTION "slot publication state dry-run yes json ", 0, 0, run_teardown},
    {"record", "FILE", "write the raw stream of a slot to a file",
     "Nothing is confirmed to the server: the same changes can be recorded again, or streamed.\n\n"
     "  walrow record changes.walrow --tables 'public.*' --until now\n",
     CONNECTION "retry-max retry-seconds " WHAT MAKING "start until encoding report progress ", 1, 1,
     run_record},
    {"decode", "FILE", "decode such a file, with no server", "  walrow decode changes.walrow --to jsonl:-\n",
     "config log-level log-format tables slot " DELIVERY, 1, 1, run_decode},
    {"demo", "", "a throw-away server, a live workload, a stream, the result",
     "Needs PostgreSQL's server programs and libduckdb. Everything is in a temporary folder, and goes with "
     "it.\n",
     "", 0, 0, run_demo},
    {"version", "", "print the version", "", "", 0, 0, run_version},
    {"help", "[COMMAND|man|bash]", "this, or more about one command",
     "`walrow help man` prints the manual page, `walrow help bash` the completion for bash. `make install`\n"
     "installs both.\n\n"
     "  walrow help man | man -l -\n"
     "  source <(walrow help bash)\n",
     "", 0, 1, run_help},
};
const int n_commands = sizeof commands / sizeof *commands;

const command *
command_find(const char *name)
{
    for (int i = 0; i < n_commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const char *
command_nearest(const char *name, char *buffer, size_t size)
{
    walrow__nearest nearest;
    char names[128];
    walrow__nearest_init(&nearest, name);
    for (int i = 0; i < n_commands; i++)
        walrow__nearest_offer(&nearest, commands[i].name);
    if (nearest.count == 0)
        snprintf(buffer, size, "walrow help lists them");
    else
        snprintf(buffer, size, "did you mean %s?", walrow__nearest_text(&nearest, names, sizeof names));
    return buffer;
}

static bool
has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

bool
command_takes(const command *command, const char *option)
{
    return has_word(command->options, option);
}

bool
command_takes_argument(const command *command, const walrow_option_info *option)
{
    return option->arg != NULL && (command->flags == NULL || !has_word(command->flags, option->name));
}
