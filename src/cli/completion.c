/*
 * cli/completion.c
 *	  `walrow help bash`: completion for bash, from the tables of commands and options. It needs nothing of
 *	  the package bash-completion.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

static void
put_command_words(void)
{
    for (int i = 0; i < n_commands; i++)
        printf("%s%s", i == 0 ? "" : " ", commands[i].name);
}

static void
put_option_words(const command *command)
{
    size_t n;
    const walrow_option_info *infos = walrow_option_table(&n);
    printf("        %s) words='--help", command->name);
    for (size_t i = 0; i < n; i++)
        if (command_takes(command, infos[i].name))
            printf(" --%s", infos[i].name);
    printf("' ;;\n");
}

/* What follows an option that takes an argument. */
static void
put_argument(const walrow_option_info *info)
{
    const char *choices = walrow_option_choices(info->name);
    printf("        --%s", info->name);
    if (info->short_name != 0)
        printf("|-%c", info->short_name);
    if (choices != NULL)
        printf(") COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", choices);
    else if (strcmp(info->arg, "DIR") == 0)
        printf(") COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n");
    else if (strcmp(info->arg, "FILE") == 0)
        printf(") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n");
    else
        printf(") return ;;\n");
}

void
print_completion(void)
{
    size_t n;
    const walrow_option_info *infos = walrow_option_table(&n);
    printf("# bash completion for walrow %s\n"
           "_walrow() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" = 1 ] || [ \"${COMP_WORDS[1]}\" = help ]; then\n"
           "        COMPREPLY=($(compgen -W '",
           walrow_version());
    put_command_words();
    printf("' -- \"$word\"))\n"
           "        return\n"
           "    fi\n"
           "    case $before in\n");
    for (size_t i = 0; i < n; i++)
        if (infos[i].arg != NULL)
            put_argument(&infos[i]);
    printf("    esac\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (int i = 0; i < n_commands; i++)
        put_option_words(&commands[i]);
    printf("    esac\n"
           "    if [[ $word == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    else\n"
           "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
           "    fi\n"
           "}\n"
           "complete -o filenames -F _walrow walrow\n");
}
