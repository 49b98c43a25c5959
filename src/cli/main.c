/*
 * main.c
 *	  The command: finds the subcommand and runs it.
 */
#include <stdio.h>
#include <string.h>

#include <walrow.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        printf("walrow %s\n", walrow_version());
        return 0;
    }
    fprintf(stderr, "usage: walrow version\n");
    return 2;
}
