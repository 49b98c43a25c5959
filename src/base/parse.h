/*
 * base/parse.h
 *	  Small values people type: whole numbers, sizes, dotted names.
 */
#ifndef WALROW_BASE_PARSE_H
#define WALROW_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/** A decimal number, the whole text. */
bool walrow__parse_int(const char *text, int64_t *out);
/** "16MB": a number and a unit, B, kB, MB, GB or TB (of 1024, as PostgreSQL's settings); no unit: bytes. */
bool walrow__parse_size(const char *text, int64_t *out);
/** "500ms", "10s", "5min", "1h", "2d", as PostgreSQL's settings: in milliseconds. Without a unit it is none. */
bool walrow__parse_duration(const char *text, int64_t *out_ms);
/** As PostgreSQL's parse_bool has it, but for abbreviations: on, off, true, f, yes, 0 ... */
bool walrow__parse_bool(const char *text, bool *out);
/**
 * n dotted names, each bare (without dots, quotes or '=') or quoted as in SQL.
 * @return where they end; NULL if there are not n of them. names[] are the caller's to free either way.
 */
const char *walrow__parse_names(const char *text, char **names, int n);

#endif
