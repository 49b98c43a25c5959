#include "command.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

void
help_overview(void)
{
    printf("walrow streams PostgreSQL's changes as Apache Arrow.\n\nusage: walrow COMMAND [OPTION ...]\n\n");
    for (int i = 0; i < n_commands; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\nIn two lines:\n"
           "  walrow check -d postgresql://user@host/db --tables 'public.*'\n"
           "  walrow stream -d postgresql://user@host/db --tables 'public.*' --to parquet:lake\n\n"
           "walrow help COMMAND says more. Exit status: 0 done, 1 unexpected, 2 usage, 3 cannot connect, 4 "
           "server not\n"
           "ready, 5 slot, 6 publication, 7 replica identity, 8 protocol or corrupt data, 9 sink, 10 state,\n"
           "130 interrupted twice.\n");
}

static void
print_option(const command *command, const walrow_option_info *info)
{
    char left[64];
    char shown[8] = "    ";
    if (info->short_name != 0)
        snprintf(shown, sizeof shown, "-%c, ", info->short_name);
    bool has_arg = command_takes_argument(command, info);
    snprintf(left, sizeof left, "%s--%s%s%s", shown, info->name, has_arg ? " " : "",
             has_arg ? info->arg : "");
    printf("  %-30s %s", left, info->help);
    if (info->default_text != NULL)
        printf(" (%s)", info->default_text);
    if (info->env != NULL)
        printf(" [%s]", info->env);
    printf("\n");
}

void
help_command(const command *command)
{
    printf("usage: walrow %s%s%s%s\n\n%s%s.\n", command->name, command->operands[0] == '\0' ? "" : " ",
           command->operands, command->options[0] == '\0' ? "" : " [OPTION ...]", "Does: ", command->summary);
    if (command->text[0] != '\0')
        printf("\n%s", command->text);
    if (command->options[0] == '\0')
        return;
    printf("\nOptions (default) [environment]:\n");
    size_t n;
    const walrow_option_info *infos = walrow_option_table(&n);
    for (size_t i = 0; i < n; i++)
        if (command_takes(command, infos[i].name))
            print_option(command, &infos[i]);
}

int
no_command(const char *name)
{
    walrow_error err = {.code = WALROW_ERR_USAGE};
    snprintf(err.message, sizeof err.message,
             name[0] == '-' ? "a command comes first, then %s" : "there is no command %s", name);
    command_nearest(name, err.hint, sizeof err.hint);
    return terminal_fail(&err);
}

int
run_help(const command_line *line)
{
    if (line->n_operands == 0) {
        help_overview();
        return 0;
    }
    if (strcmp(line->operands[0], "man") == 0) {
        print_manual();
        return 0;
    }
    if (strcmp(line->operands[0], "bash") == 0) {
        print_completion();
        return 0;
    }
    const command *command = command_find(line->operands[0]);
    if (command == NULL)
        return no_command(line->operands[0]);
    help_command(command);
    return 0;
}

int
run_version(const command_line *line)
{
    (void)line;
    printf("walrow %s\n", walrow_version());
    return 0;
}
