/*
 * sink/params.h
 *	  The part of a sink's URI after "?": name=value pairs between "&", values percent-encoded.
 */
#ifndef WALROW_SINK_PARAMS_H
#define WALROW_SINK_PARAMS_H

#include "base/texts.h"

#include <walrow.h>

typedef enum walrow__param_kind {
    WALROW__PARAM_COUNT,  /* digits */
    WALROW__PARAM_SIZE,   /* "128MB" */
    WALROW__PARAM_WORD,   /* one word that is known: value becomes 1 */
    WALROW__PARAM_SWITCH, /* on or off, as PostgreSQL's parse_bool has it: 1 or 0 */
    WALROW__PARAM_TEXT,   /* any text but the empty one: into *text */
    WALROW__PARAM_DOTTED  /* any name with a dot in it, and any value: "name=value" into *texts */
} walrow__param_kind;

typedef struct walrow__param {
    const char *name;
    walrow__param_kind kind;
    int64_t min, max;
    const char *word;
    uint64_t *value; /* set if the parameter is there */
    char **text;     /* malloc'ed, the caller's; freed and replaced if the parameter is there twice */
    walrow__texts *texts;
} walrow__param;

/* In place; false where a percent sign is not followed by two hexadecimal digits, or hides a NUL. */
bool walrow__percent_decode(char *text);

/**
 * Read them.
 * @param uri   whole, for messages
 * @param text  what follows "?", or NULL
 * Errors: WALROW_ERR_USAGE, naming the parameters there are
 */
walrow_code walrow__params_parse(const char *uri, const char *text, const walrow__param *params, size_t n,
                                 walrow_error *err) WALROW_MUST_CHECK;

#endif
