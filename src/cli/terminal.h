/*
 * cli/terminal.h
 *	  What is written to the terminal besides results: errors, the log, lists as tables, JSON documents.
 */
#ifndef WALROW_CLI_TERMINAL_H
#define WALROW_CLI_TERMINAL_H

#include <jansson.h>
#include <walrow.h>

/** "walrow: what", "hint: what to do" on stderr; the exit status. */
int terminal_fail(const walrow_error *err);
/** What was printed must have arrived (a full disk, a closed pipe): status, or 1. */
int terminal_flush(int status);
int terminal_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The log goes to stderr from now on, as --log-level and --log-format say. */
void terminal_log(const walrow_options *options);
/** A line of that log from the command itself. */
void terminal_say(walrow_log_level level, const char *message);
/** Another --log-level from now on. */
void terminal_log_level(const walrow_options *options);
bool terminal_flag(const walrow_options *options, const char *name);

/* One row a call, columns padded to widths; the last is not. */
void terminal_row(const int *widths, int n, const char *const *cells);
/** Print the document and free it; the exit status (0, unless stdout is closed). */
int terminal_json(json_t *document);

json_t *json_lsn(uint64_t lsn); /* as PostgreSQL prints it; null for 0 */
/** "1.2 MB" into a buffer of 32 bytes, returned; "?" for a negative size. */
const char *human_size(int64_t bytes, char *buffer);

#endif
