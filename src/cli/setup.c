/*
 * cli/setup.c
 *	  setup and teardown: what is done to a server.
 */
#include "command.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static json_t *
actions_json(const walrow_actions *actions)
{
    json_t *list = json_array();
    for (size_t i = 0; i < actions->count; i++) {
        const walrow_action *action = &actions->items[i];
        json_array_append_new(list, json_pack("{ss ss ss sb}", "action", action->action, "object", action->object,
                                              "sql", action->sql, "done", action->done));
    }
    return json_pack("{so}", "actions", list);
}

/* Why an action comes without SQL; what is kept is somebody else's. */
static const char *
why_nothing(const walrow_action *action)
{
    if (strncmp(action->action, "keep", 4) == 0)
        return "walrow did not make it";
    return strncmp(action->action, "drop", 4) == 0 ? "there is none" : "there already";
}

/* A dry run prints SQL that can be piped into psql. */
static void
print_actions(const walrow_actions *actions, bool dry_run)
{
    for (size_t i = 0; i < actions->count; i++) {
        const walrow_action *action = &actions->items[i];
        if (action->sql[0] == '\0')
            printf("%s%s %s: %s\n", dry_run ? "-- " : "", action->action, action->object, why_nothing(action));
        else if (dry_run)
            printf("%s;\n", action->sql);
        else
            printf("%s %s: %s\n", action->action, action->object, action->done ? "done" : "not done");
    }
    if (actions->count == 0)
        printf("%snothing to do\n", dry_run ? "-- " : "");
}

static int
show(const command_line *line, const walrow_actions *actions, bool dry_run)
{
    if (terminal_flag(line->options, "json"))
        return terminal_json(actions_json(actions));
    print_actions(actions, dry_run);
    return 0;
}

int
run_setup(const command_line *line)
{
    walrow_error err = {0};
    walrow_actions actions = {0};
    bool dry_run = terminal_flag(line->options, "dry-run");
    walrow_code code = walrow_setup(line->options, dry_run, &actions, &err);
    int status = code == WALROW_OK ? show(line, &actions, dry_run) : terminal_fail(&err);
    walrow_actions_release(&actions);
    return status;
}

/* What would go, and whether it may; without a terminal nobody can be asked. */
static bool
confirmed(const walrow_actions *actions)
{
    char answer[16] = "";
    fprintf(stderr, "This will be done:\n");
    for (size_t i = 0; i < actions->count; i++)
        if (actions->items[i].sql[0] != '\0')
            fprintf(stderr, "  %s\n", actions->items[i].sql);
    fprintf(stderr, "What was not streamed yet cannot be streamed afterwards. Go on? [y/N] ");
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static bool
has_work(const walrow_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++)
        if (actions->items[i].sql[0] != '\0')
            return true;
    return false;
}

/* -1: go on; else the exit status */
static int
ask_first(const command_line *line, bool dry_run)
{
    walrow_error err = {0};
    walrow_actions planned = {0};
    if (!dry_run && terminal_flag(line->options, "yes"))
        return -1;
    if (walrow_teardown(line->options, true, &planned, &err) != WALROW_OK)
        return terminal_fail(&err);
    int status = -1;
    if (dry_run || !has_work(&planned))
        status = show(line, &planned, dry_run);
    else if (!isatty(STDIN_FILENO))
        status = terminal_usage("teardown", "nobody is there to be asked: say --yes");
    else if (!confirmed(&planned))
        status = 0;
    walrow_actions_release(&planned);
    return status;
}

int
run_teardown(const command_line *line)
{
    walrow_error err = {0};
    walrow_actions actions = {0};
    bool dry_run = terminal_flag(line->options, "dry-run");
    int status = ask_first(line, dry_run);
    if (status >= 0)
        return status;
    walrow_code code = walrow_teardown(line->options, false, &actions, &err);
    status = code == WALROW_OK ? show(line, &actions, false) : terminal_fail(&err);
    walrow_actions_release(&actions);
    return status;
}
