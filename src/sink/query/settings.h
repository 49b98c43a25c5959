/*
 * sink/query/settings.h
 *	  What --sql, --window, --slide, --every and --retain ask for.
 */
#ifndef WALROW_SINK_QUERY_SETTINGS_H
#define WALROW_SINK_QUERY_SETTINGS_H

#include "base/options.h"

/*
 * A window is at most so many slides: results of slides in which nothing came have positions inside of the last
 * commit record, which has more bytes than that (PostgreSQL's xact.h: 46 with wal_level logical).
 */
enum { WALROW__MAX_SLIDES = 32 };

typedef struct walrow__query_text {
    char *name;
    char *sql; /* without a semicolon */
} walrow__query_text;

typedef struct walrow__query_settings {
    walrow__query_text *queries;
    size_t n_queries;
    int64_t slide_us; /* how long a pane is; 0: by the clock */
    int n_slides;     /* of a window */
    int64_t every_ms; /* 0: windows */
    int64_t retain_bytes;
} walrow__query_settings;

/**
 * Read the options; without --sql there are no queries.
 * Errors: WALROW_ERR_USAGE; then there is nothing to release
 */
walrow_code walrow__query_settings_init(walrow__query_settings *settings, const walrow_options *options,
                                        walrow_error *err) WALROW_MUST_CHECK;
void walrow__query_settings_release(walrow__query_settings *settings);

#endif
