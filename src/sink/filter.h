/*
 * sink/filter.h
 *	  What of the changes a sink gets: the parameters tables= and events=, which every sink has and none sees.
 */
#ifndef WALROW_SINK_FILTER_H
#define WALROW_SINK_FILTER_H

#include <walrow.h>

typedef struct walrow__filter walrow__filter;

/**
 * Take the filter's parameters out of a sink's.
 * @param params  what follows "?", or NULL
 * @param out     NULL: the sink gets everything
 * @param rest    the other parameters, malloc'ed; NULL: none
 * Errors: WALROW_ERR_USAGE
 */
walrow_code walrow__filter_new(const char *uri, const char *params, walrow__filter **out, char **rest,
                               walrow_error *err) WALROW_MUST_CHECK;
void walrow__filter_free(walrow__filter *filter); /* NULL is allowed */

/* Either may be NULL. */
bool walrow__filter_is_same(const walrow__filter *a, const walrow__filter *b);
/** Does the sink want the rows that the table has already? */
bool walrow__filter_wants_snapshot(const walrow__filter *filter, const char *schema_name,
                                   const char *table_name);

/** A change set without what is not wanted; what is wanted is borrowed. */
typedef struct walrow__filtered {
    walrow_changes changes;
    bool *is_copy;    /* of each batch: some of its rows are not wanted */
    bool is_left_out; /* a snapshot's chunk of which nothing is wanted */
} walrow__filtered;

walrow_code walrow__filter_changes(const walrow__filter *filter, const walrow_changes *changes,
                                   walrow__filtered *out, walrow_error *err) WALROW_MUST_CHECK;
/* One that is all zeros, or could not be made, is fine. */
void walrow__filtered_release(walrow__filtered *filtered);

#endif
