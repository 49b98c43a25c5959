/*
 * pg/patterns.h
 *	  What discovery and set-up ask of patterns beyond walrow_patterns_match. The grammar is in patterns.c.
 */
#ifndef WALROW_PG_PATTERNS_H
#define WALROW_PG_PATTERNS_H

#include "base/texts.h"

#include <walrow.h>

/** Several lists as one ("tables" may be repeated). */
walrow_code walrow__patterns_parse_list(const walrow__texts *texts, const char *const *search_path,
                                        walrow_patterns **out, walrow_error *err) WALROW_MUST_CHECK;

/** Length of a text up to a character that neither quotes nor brackets protect; all of it if there is none. */
size_t walrow__patterns_span(const char *text, char stop);

/** As it was given; NULL-terminated, borrowed. */
const char *const *walrow__patterns_search_path(const walrow_patterns *patterns);
size_t walrow__patterns_count(const walrow_patterns *patterns);
const char *walrow__patterns_text(const walrow_patterns *patterns, size_t i); /* as written; borrowed */
bool walrow__patterns_excludes(const walrow_patterns *patterns, size_t i);
bool walrow__patterns_is_exact(const walrow_patterns *patterns, size_t i);
/**
 * As walrow_patterns_match, for a table of which the caller knows whether an unqualified name finds it (it is
 * in the search path, and no other of its name stands in front of it there).
 */
bool walrow__patterns_match_visible(const walrow_patterns *patterns, const char *schema, const char *table,
                                    bool visible);
/** The same of one pattern, whatever the others say. */
bool walrow__patterns_match_one_visible(const walrow_patterns *patterns, size_t i, const char *schema,
                                        const char *table, bool visible);

/**
 * Which whole schemas the patterns name, if that is all they do: "app.*,shop.*" gives app and shop; "*.*", or
 * no pattern, sets *all. false: they say something else. Names are added to schemas.
 */
bool walrow__patterns_wide(const walrow_patterns *patterns, bool *all, walrow__texts *schemas);

#endif
