/*
 * pg/plugin_options.h
 *	  What wal2json is asked for when a slot is started: what walrow needs, and what --plugin-option adds.
 */
#ifndef WALROW_PG_PLUGIN_OPTIONS_H
#define WALROW_PG_PLUGIN_OPTIONS_H

#include "base/options.h"

/**
 * Do the options given let walrow read what comes back, and read it right?
 * Errors: WALROW_ERR_USAGE
 */
walrow_code walrow__plugin_options_check(const walrow_options *options, walrow_error *err) WALROW_MUST_CHECK;

/** Format 1: its documents are handed on as they come, those of every table; of tables nothing is asked. */
bool walrow__plugin_has_documents(const walrow_options *options);

/* Asked for only if the plugin knows it: wal2json after 2.5. */
#define WALROW__NUMBERS_AS_TEXT "numeric-data-types-as-string"

/**
 * The option at that place of the list of all; false: there is no such place. *value is NULL where the plugin's own
 * default is right. All is borrowed from given.
 */
bool walrow__plugin_option_at(const walrow__texts *given, walrow__wal2json_format format, size_t at,
                              const char **name, const char **value);

#endif
