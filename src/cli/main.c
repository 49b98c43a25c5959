/*
 * cli/main.c
 *	  The command line: which command, with which options. getopt's tables are made from the library's one.
 */
#include "command.h"
#include "terminal.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_OPTIONS = 64, HELP_OPTION = 1000 };

typedef struct getopt_tables {
    struct option longs[MAX_OPTIONS + 2];
    char shorts[2 * MAX_OPTIONS + 4];
    const walrow_option_info *infos;
    size_t n_infos;
} getopt_tables;

static void
fill_tables(getopt_tables *tables, const command *command)
{
    tables->infos = walrow_option_table(&tables->n_infos);
    char *shorts = tables->shorts;
    *shorts++ = ':'; /* tell a missing argument from an unknown option */
    size_t n = tables->n_infos < MAX_OPTIONS ? tables->n_infos : MAX_OPTIONS;
    for (size_t i = 0; i < n; i++) {
        const walrow_option_info *info = &tables->infos[i];
        int has_arg = command_takes_argument(command, info) ? required_argument : no_argument;
        tables->longs[i] = (struct option){info->name, has_arg, NULL, (int)i + HELP_OPTION + 1};
        if (info->short_name != 0) {
            *shorts++ = info->short_name;
            if (info->arg != NULL)
                *shorts++ = ':';
        }
    }
    tables->longs[n] = (struct option){"help", no_argument, NULL, HELP_OPTION};
    *shorts++ = 'h';
    *shorts = '\0';
}

/* What getopt_long returned, as an entry of the table; NULL: none. */
static const walrow_option_info *
find_option(const getopt_tables *tables, int found)
{
    if (found > HELP_OPTION)
        return &tables->infos[found - HELP_OPTION - 1];
    for (size_t i = 0; i < tables->n_infos; i++)
        if (tables->infos[i].short_name == found)
            return &tables->infos[i];
    return NULL;
}

/* The library knows the names, and which is nearest to a wrong one. */
static int
fail_option(const command *command, const char *given, walrow_options *options)
{
    walrow_error err = {0};
    char name[64];
    snprintf(name, sizeof name, "%s", given + strspn(given, "-"));
    name[strcspn(name, "=")] = '\0';
    bool is_long = strncmp(given, "--", 2) == 0;
    bool has_value = is_long && strchr(given, '=') != NULL;
    if (is_long && !has_value && walrow_options_set(options, name, "", &err) != WALROW_OK &&
        err.hint[0] != '\0' && strstr(err.message, "unknown option") != NULL) {
        snprintf(err.message, sizeof err.message, "walrow %s has no option %s", command->name, given);
        return terminal_fail(&err);
    }
    if (has_value && command_takes(command, name))
        return terminal_usage(command->name, "--%s takes no value", name);
    return terminal_usage(command->name, "walrow %s has no option %s", command->name, given);
}

/* One option; the exit status, or -1 to go on. */
static int
take_option(const getopt_tables *tables, int found, const char *given, command_line *line)
{
    const command *command = line->command;
    if (found == 'h' || found == HELP_OPTION) {
        help_command(command);
        return 0;
    }
    if (found == ':')
        return terminal_usage(command->name, "%s needs an argument", given);
    const walrow_option_info *info = found == '?' ? NULL : find_option(tables, found);
    if (info == NULL || !command_takes(command, info->name))
        return fail_option(command, given, line->options);
    walrow_error err;
    if (walrow_options_set(line->options, info->name, optarg == NULL ? "true" : optarg, &err) != WALROW_OK)
        return terminal_fail(&err);
    return -1;
}

static int
parse(command_line *line)
{
    getopt_tables tables = {0};
    fill_tables(&tables, line->command);
    opterr = 0;
    optind = 1;
    for (;;) {
        int at = optind;
        int found = getopt_long(line->argc, line->argv, tables.shorts, tables.longs, NULL);
        if (found == -1)
            break;
        int status = take_option(&tables, found, line->argv[at < line->argc ? at : line->argc - 1], line);
        if (status >= 0)
            return status;
    }
    line->operands = line->argv + optind;
    line->n_operands = line->argc - optind;
    if (line->n_operands < line->command->min_operands)
        return terminal_usage(line->command->name, "walrow %s needs %s", line->command->name,
                              line->command->operands);
    if (line->n_operands > line->command->max_operands)
        return terminal_usage(line->command->name, "walrow %s does not know what to do with \"%s\"",
                              line->command->name, line->operands[line->command->max_operands]);
    return -1;
}

/* After the command line, which wins over the environment, which wins over the file. */
static walrow_code
complete_options(walrow_options *options, walrow_error *err)
{
    walrow_code code = walrow_options_env(options, err);
    const char *file = walrow_options_get(options, "config");
    return code != WALROW_OK || file == NULL ? code : walrow_options_file(options, file, err);
}

int
command_read_options(command_line *line)
{
    walrow_error err = {0};
    if (walrow_options_new(&line->options, &err) != WALROW_OK)
        return terminal_fail(&err);
    int status = parse(line);
    if (status < 0 && complete_options(line->options, &err) != WALROW_OK)
        status = terminal_fail(&err);
    return status;
}

static int
run_command(const command *command, int argc, char **argv)
{
    command_line line = {.command = command, .argc = argc, .argv = argv};
    int status = command_read_options(&line);
    if (status < 0) {
        terminal_log(line.options);
        status = command->run(&line);
    }
    walrow_options_free(line.options);
    return status;
}

/*
 * Batches are a few large buffers that come and go all the time. What is kept of them on the heap, one heap for each
 * thread, is reused, but never fits quite; what is mapped is gone when it is freed, and every page of it is cleared
 * by the kernel again. So only the largest are mapped, and a thread's heap keeps room for the next batches.
 */
static void
bound_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
    mallopt(M_TOP_PAD, 16 << 20);
}

/* A look at a large buffer has hundreds of files open; a soft limit is low for the sake of select(), which is not used. */
static void
raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

int
main(int argc, char **argv)
{
    bound_heap();
    raise_file_limit();
    if (argc < 2) {
        fputs("walrow: no command was given\nhint: walrow help lists them\n", stderr);
        return walrow_code_exit_status(WALROW_ERR_USAGE);
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const command *command = command_find(name);
    if (command == NULL)
        return no_command(name);
    return terminal_flush(run_command(command, argc - 1, argv + 1));
}
