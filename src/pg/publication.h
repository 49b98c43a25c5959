/*
 * pg/publication.h
 *	  The publication: what it publishes, whether it fits, making and completing it.
 *
 *	  Tables that are to be published without their updates and deletes are in a second one, NAME_inserts.
 *	  Publications made here say so in their comment; others are used if they fit, and never touched.
 */
#ifndef WALROW_PG_PUBLICATION_H
#define WALROW_PG_PUBLICATION_H

#include "pg/discover.h"

typedef struct walrow__published_table {
    uint32_t relid;
    bool filters_rows;
    bool limits_columns;
} walrow__published_table;

typedef struct walrow__publication {
    char name[64];
    bool exists;
    bool made_by_walrow;
    bool all_tables;
    bool inserts, updates, deletes, truncates;
    bool via_root;
    bool generated;                  /* stored generated columns, too (18) */
    walrow__published_table *tables; /* listed; ordered by relid */
    size_t n_tables;
    walrow__texts schemas; /* FOR TABLES IN SCHEMA */
} walrow__publication;

/** What the server says of it; a missing one is no error: out->exists. */
walrow_code walrow__publication_get(PGconn *conn, const char *name, walrow__publication *out,
                                    walrow_error *err) WALROW_MUST_CHECK;
void walrow__publication_release(walrow__publication *publication);
/** Are the table's changes in it, by its own name, its schema's or an ancestor's? */
bool walrow__publication_covers(const walrow__publication *publication, const walrow__found *table);
/**
 * Is the table published, and by neither of the two with its updates or deletes? Then nothing can break, identity or
 * not.
 */
bool walrow__publication_sends_inserts_only(const walrow__publication *whole,
                                            const walrow__publication *inserts, const walrow__found *table);
/** Do a partition's changes come under the name of a table above it? (Then only that table can be captured.)
 */
bool walrow__publication_as_root(const walrow__publication *publication, const walrow__found *table);
/** Its list has the table: its row filter and column list; NULL if the list does not have it. */
const walrow__published_table *walrow__publication_entry(const walrow__publication *publication,
                                                         uint32_t relid);
/** What it has that only pgoutput does: "row filters", "column lists", "generated columns"; NULL if nothing. */
const char *walrow__publication_special(const walrow__publication *publication);
/** The name of the second one, for inserts only; false: it would be too long. 64 bytes. */
bool walrow__publication_inserts_name(const walrow_options *options, char *out);
/** Those to stream from that exist, as START_REPLICATION's publication_names wants them. */
walrow_code walrow__publication_names(PGconn *conn, const walrow_options *options, walrow__texts *out,
                                      walrow_error *err) WALROW_MUST_CHECK;

/**
 * Make or complete the publications so that every streamable table of found is published, and set replica
 * identities as options ask. With --no-setup nothing is changed, and what is missing is an error.
 *
 * @param dry_run  only list
 * @param actions  added to: what was done, would be done (sql, not done), or is there already (sql is "")
 * @param refused  NULL: a table without replica identity is an error; else it is skipped, and "schema.table"
 * added here Errors: WALROW_ERR_PUBLICATION (missing and younger than the slot would be; does not fit and is
 * not walrow's), WALROW_ERR_IDENTITY, WALROW_ERR_USAGE (--publish wide and patterns that are not),
 * WALROW_ERR_SERVER
 */
walrow_code walrow__publication_ensure(PGconn *conn, const walrow_options *options,
                                       const walrow__discovery *found, bool dry_run, walrow_actions *actions,
                                       walrow__texts *refused, walrow_error *err) WALROW_MUST_CHECK;

/**
 * Does the slot see the publications, or is one of them younger? Reads a little ahead in an inactive slot,
 * only if the catalogue makes it possible at all. Errors: WALROW_ERR_PUBLICATION
 */
walrow_code walrow__publication_check_age(PGconn *conn, const walrow_options *options,
                                          const walrow__texts *names, walrow_error *err) WALROW_MUST_CHECK;

#endif
