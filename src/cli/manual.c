/*
 * cli/manual.c
 *	  `walrow help man`: the manual page walrow(1), from the tables of commands and options.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

/* Text as roff takes it: no escapes, no requests, hyphens that can be searched for. */
static void
put_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

/* Paragraphs, with empty lines between them; lines that are indented are examples. */
static void
put_paragraphs(const char *text)
{
    bool example = false, gap = true;
    while (*text != '\0') {
        char line[512];
        size_t size = strcspn(text, "\n");
        bool indented = *text == ' ';
        snprintf(line, sizeof line, "%.*s", (int)size, text);
        text += size + (text[size] == '\n');
        if (example && !indented)
            puts(".EE");
        if (line[0] != '\0' && (gap || indented != example))
            puts(".PP");
        if (indented && !example)
            puts(".EX");
        gap = line[0] == '\0';
        example = indented;
        if (gap)
            continue;
        put_text(line);
        putchar('\n');
    }
    if (example)
        puts(".EE");
}

static void
put_command(const command *command)
{
    size_t n;
    const walrow_option_info *infos = walrow_option_table(&n);
    printf(".SS walrow %s%s%s\n", command->name, command->operands[0] == '\0' ? "" : " ", command->operands);
    put_text(command->summary);
    puts(".");
    put_paragraphs(command->text);
    if (command->options[0] == '\0')
        return;
    puts(".PP\nOptions:");
    for (size_t i = 0; i < n; i++)
        if (command_takes(command, infos[i].name)) {
            put_text("--");
            put_text(infos[i].name);
            putchar('\n');
        }
}

static void
put_option(const walrow_option_info *info)
{
    const char *choices = walrow_option_choices(info->name);
    puts(".TP");
    fputs("\\fB", stdout);
    if (info->short_name != 0)
        printf("\\-%c\\fR, \\fB", info->short_name);
    put_text("--");
    put_text(info->name);
    printf("\\fR \\fI");
    put_text(info->arg == NULL ? "" : info->arg);
    puts("\\fR");
    put_text(info->help);
    puts(".");
    if (choices != NULL)
        printf("One of: %s.\n", choices);
    if (info->default_text != NULL)
        printf("Default: %s.\n", info->default_text);
    if (info->env != NULL)
        printf("Environment: \\fB%s\\fR.\n", info->env);
    if (info->repeatable)
        puts("May be repeated.");
}

/* Codes of one exit status are neighbours in the table. */
static void
put_exit_statuses(void)
{
    int before = -1;
    for (walrow_code code = WALROW_OK; code <= WALROW_INTERRUPTED; code++) {
        int status = walrow_code_exit_status(code);
        if (status == before && status == 0)
            continue;
        if (status == before)
            fputs("; ", stdout);
        else
            printf(".TP\n\\fB%d\\fR\n", status);
        put_text(status == 0 ? "done, or stopped as asked with everything delivered and confirmed"
                             : walrow_code_text(code));
        putchar('\n');
        before = status;
    }
}

void
print_manual(void)
{
    size_t n;
    const walrow_option_info *infos = walrow_option_table(&n);
    printf(".TH WALROW 1 \"\" \"walrow %s\" \"walrow\"\n", walrow_version());
    puts(".SH NAME\nwalrow \\- stream PostgreSQL's changes as Apache Arrow\n"
         ".SH SYNOPSIS\n\\fBwalrow\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR ...]\n"
         ".SH COMMANDS");
    for (int i = 0; i < n_commands; i++)
        put_command(&commands[i]);
    puts(".SH OPTIONS\nEach command takes those listed with it.");
    for (size_t i = 0; i < n; i++)
        put_option(&infos[i]);
    puts(".SH CONFIGURATION FILE\n"
         "The file of \\fB\\-\\-config\\fR is a YAML mapping of option names, without the dashes, to values; "
         "of an\n"
         "option that may be repeated, to a value or a list; of one without an argument, to true or false. "
         "The\n"
         "command line wins over the environment, and that over the file.\n"
         ".SH SIGNALS\n.TP\n\\fBSIGINT\\fR, \\fBSIGTERM\\fR\n"
         "Deliver what is whole, confirm it, stop. A second one: stop now.\n"
         ".TP\n\\fBSIGHUP\\fR\n"
         "With \\fB\\-\\-config\\fR: read the file again. log\\-level, ack\\-interval, batch\\-rows, "
         "batch\\-bytes,\n"
         "batch\\-delay and the rotate_ parameters of sinks change at once; the log says which of the other\n"
         "changes take a restart.\n"
         ".SH EXIT STATUS");
    put_exit_statuses();
}
