/*
 * base/option_value.h
 *	  An option's text into its field of walrow_options, checked.
 */
#ifndef WALROW_BASE_OPTION_VALUE_H
#define WALROW_BASE_OPTION_VALUE_H

#include "base/option_table.h"
#include "base/options.h"

/**
 * @param at  the option's position in the table
 * Errors: WALROW_ERR_USAGE, and the field is as before
 */
walrow_code walrow__option_value_set(walrow_options *options, size_t at, const char *text,
                                     walrow_error *err) WALROW_MUST_CHECK;
/* Free what the fields have. */
void walrow__option_values_release(walrow_options *options);

#endif
