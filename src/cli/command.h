/*
 * cli/command.h
 *	  The subcommands, as data. Adding one is a row in commands.c and a file with its run function.
 */
#ifndef WALROW_CLI_COMMAND_H
#define WALROW_CLI_COMMAND_H

#include <walrow.h>

typedef struct command command;

typedef struct command_line {
    const command *command;
    int argc;    /* from the command's name on */
    char **argv; /* getopt puts operands last */
    walrow_options *options;
    char **operands; /* what is not an option */
    int n_operands;
} command_line;

struct command {
    const char *name;
    const char *operands; /* "FILE", or "" */
    const char *summary;  /* for the list of commands */
    const char *text;     /* for its own help: what it does, examples */
    const char *options;  /* names, separated by spaces */
    int min_operands, max_operands;
    int (*run)(const command_line *line); /* the exit status */
    const char
        *flags; /* of the options those that take no argument here, though elsewhere they do; or NULL */
};

extern const command commands[];
extern const int n_commands;

const command *command_find(const char *name); /* NULL: there is none */
/** "did you mean ...?" of the names most like it, or where they are listed. Buffer returned. */
const char *command_nearest(const char *name, char *buffer, size_t size);
bool command_takes(const command *command, const char *option);
bool command_takes_argument(const command *command, const walrow_option_info *option);

/** Make the options: command line, then environment, then file. The exit status, or -1 to go on. */
int command_read_options(command_line *line);

int run_check(const command_line *line);
int run_tables(const command_line *line);
int run_setup(const command_line *line);
int run_stream(const command_line *line);
int run_sinks(const command_line *line);
int run_status(const command_line *line);
int run_teardown(const command_line *line);
int run_record(const command_line *line);
int run_decode(const command_line *line);
int run_demo(const command_line *line);
int run_version(const command_line *line);
int run_help(const command_line *line);

/* help.c */
int no_command(const char *name); /* says so; the exit status */
void help_overview(void);
void help_command(const command *command);

void print_manual(void);     /* roff, to stdout */
void print_completion(void); /* bash, to stdout */

#endif
