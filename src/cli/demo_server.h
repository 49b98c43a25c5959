/*
 * cli/demo_server.h
 *	  A throw-away PostgreSQL in a temporary folder. It dies with this process, however that ends.
 */
#ifndef WALROW_CLI_DEMO_SERVER_H
#define WALROW_CLI_DEMO_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct demo_server {
    char folder[256];   /* everything is in here */
    char programs[256]; /* initdb, postgres, psql */
    char conninfo[512];
    bool has_plugin; /* wal2arrow was there to be loaded */
    pid_t pid;       /* of the postmaster; 0: not running */
} demo_server;

/** false: it cannot be had, and why was said on stderr. */
bool demo_server_start(demo_server *server);
/** Stop it and remove its folder. */
void demo_server_stop(demo_server *server);
/** Run SQL through psql, from stdin; what it prints goes to out (size bytes, NUL-terminated; NULL: nowhere).
 */
bool demo_server_sql(const demo_server *server, const char *sql, char *out, size_t size);
/** Run SQL in the background; 0: cannot. waitpid() it. */
pid_t demo_server_sql_start(const demo_server *server, const char *sql);

#endif
